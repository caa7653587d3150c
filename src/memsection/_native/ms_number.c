/* SPDX-License-Identifier: MIT
 *
 * See ms_number.h.
 */
#include "ms_number.h"

#include <stddef.h>

#include "ms_atomic.h"
#include "ms_futex.h"

static int ready(void *self)
{
    const ms_number *record = self;
    /* SYNC(latest): acquire; pairs with the release in ms_seqlock_commit */
    return ms_load_u64(record->number) > record->above;
}

/* Futexes are words of 32 bits: the lower half, which changes with every value. */
static uint32_t *mark(void *self, uint32_t *value)
{
    ms_number *record = self;
    uint64_t number = ms_load_u64(
        record->number); /* SYNC(latest): acquire; what is asked after this is no older */
    if (!record->since || number != record->seen) {
        record->seen = number;
        record->since = ms_now();
    }
    *value = (uint32_t)number;
    return (uint32_t *)(uintptr_t)record->number + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

static void leave(void *self)
{
    (void)self; /* everybody was woken */
}

static int64_t limit(void *self, int64_t until)
{
    const ms_number *record = self;
    int64_t stands = record->since + MS_NUMBER_STANDS;
    return until <= stands || ms_now() >= stands ? until : stands;
}

void ms_number_make(ms_number *record, const uint64_t *number, uint64_t above)
{
    *record = (ms_number){
        .other = {record, ready, ready, mark, leave, limit}, .number = number, .above = above};
}
