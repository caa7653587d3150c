/* SPDX-License-Identifier: MIT
 *
 * A number in mapped memory, perhaps read-only, that is waited for to be more than another one.
 * Whoever changes it wakes those who sleep on its lower half; who else waits is nobody's business,
 * because nothing is taken.
 */
#ifndef MS_NUMBER_H
#define MS_NUMBER_H

#include "ms_other.h"

/* Whoever changes the number need not wake for a value that was there for less time than this (ns):
 * a wait that has not seen a value stand for as long sleeps no longer than until it has.  So a
 * writer of many values is spared most system calls, and nobody sleeps through a change.  The
 * writer's clock and the sleeper's are only compared with themselves, and what the writer takes for
 * long is half of it. */
#define MS_NUMBER_STANDS 100000ll

typedef struct {
    ms_other other;
    const uint64_t *number; /* 8-byte aligned; mapped as long as the record is used */
    uint64_t above;
    uint64_t seen; /* what it was when a sleep was last prepared, and since when at the latest */
    int64_t since; /* ns of CLOCK_MONOTONIC; 0: never */
} ms_number;

void ms_number_make(ms_number *record, const uint64_t *number, uint64_t above);

#endif
