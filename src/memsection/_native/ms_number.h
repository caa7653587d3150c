/* SPDX-License-Identifier: MIT
 *
 * A number in mapped memory, perhaps read-only, that is waited for to be more than another one.  Whoever changes it wakes those
 * who sleep on its lower half; who else waits is nobody's business, because nothing is taken.
 */
#ifndef MS_NUMBER_H
#define MS_NUMBER_H

#include "ms_other.h"

typedef struct {
    ms_other other;
    const uint64_t *number; /* 8-byte aligned; mapped as long as the record is used */
    uint64_t above;
} ms_number;

void ms_number_make(ms_number *record, const uint64_t *number, uint64_t above);

#endif
