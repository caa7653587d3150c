/* SPDX-License-Identifier: MIT
 *
 * See ms_number.h.
 */
#include "ms_number.h"

#include <stddef.h>

#include "ms_atomic.h"

static int ready(void *self)
{
    const ms_number *record = self;
    /* SYNC(latest): acquire; pairs with the release in ms_seqlock_commit */
    return ms_load_u64(record->number) > record->above;
}

/* Futexes are words of 32 bits: the lower half, which changes with every value. */
static uint32_t *mark(void *self, uint32_t *value)
{
    const ms_number *record = self;
    *value = (uint32_t)ms_load_u64(record->number); /* SYNC(latest): acquire; what is asked after this is no older */
    return (uint32_t *)(uintptr_t)record->number + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

static void leave(void *self)
{
    (void)self; /* everybody was woken */
}

void ms_number_make(ms_number *record, const uint64_t *number, uint64_t above)
{
    *record = (ms_number){.other = {record, ready, ready, mark, leave}, .number = number, .above = above};
}
