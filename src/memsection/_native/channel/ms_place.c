/* SPDX-License-Identifier: MIT
 *
 * Places: memory for messages that do not fit a ring position.  A place is a run of units of one
 * pool; its first unit's word decides, the others' say how far before them it is.  The first is
 * taken first and given back last, so a unit that is PART of nothing never exists while its owner
 * lives; what a dead owner left is freed in the same order.
 */
#include "ms_topic.h"

#include <errno.h>

#include "../include/ms_atomic.h"

/* bytes below which two places in turn are faster than one (bench/channels.py) */
#define WARM_MOST (2u << 20)

unsigned char *ms_place_bytes(const ms_end *end, uint32_t unit)
{
    const ms_pool *pool = &end->pools[unit >= end->pools[1].first];
    return pool->bytes + (uint64_t)(unit - pool->first) * pool->unit;
}

uint64_t ms_place_room(const ms_end *end, uint32_t unit, uint64_t word)
{
    uint32_t units = MS_PLACE_UNITS(word);
    if (unit >= end->units || !units)
        return 0;
    const ms_pool *pool = &end->pools[unit >= end->pools[1].first];
    return units <= pool->first + pool->count - unit ? units * pool->unit : 0;
}

static uint32_t units_for(const ms_pool *pool, uint64_t length)
{
    if (!pool->count)
        return 0;
    uint64_t units = length ? (length - 1) / pool->unit + 1 : 1;
    return units <= MS_RUN && units <= pool->count ? (uint32_t)units : 0;
}

uint64_t ms_place_largest(const ms_end *end)
{
    uint64_t most = 0;
    for (int i = 0; i < 2; i++) {
        const ms_pool *pool = &end->pools[i];
        uint64_t bytes = pool->unit * (pool->count < MS_RUN ? pool->count : MS_RUN);
        most = bytes > most ? bytes : most;
    }
    return most;
}

int ms_place_is_same(const ms_end *end, uint32_t unit, uint64_t word)
{
    uint64_t now = ms_load_u64(&end->words[unit]);
    return MS_PLACE_NUMBER(now) == MS_PLACE_NUMBER(word) && MS_PLACE_STATE(now) != MS_PLACE_FREE;
}

static void free_parts(ms_end *end, uint32_t unit, uint32_t units)
{
    while (--units > 0) {
        uint64_t word = ms_load_u64(&end->words[unit + units]);
        if (MS_PLACE_STATE(word) == MS_PLACE_PART && MS_PLACE_UNITS(word) == units)
            ms_cas_u64(&end->words[unit + units], word,
                       MS_PLACE_WORD(MS_PLACE_NUMBER(word), 0, 0, MS_PLACE_FREE));
    }
}

int ms_place_free(ms_end *end, uint32_t unit, uint64_t word)
{
    if (!ms_place_room(end, unit, word) || ms_load_u64(&end->words[unit]) != word)
        return -ESTALE;
    if (MS_PLACE_UNITS(word) > 1) {
        /* First it is nobody's message any more: were it, it would be delivered again after our
         * death, without its parts. */
        uint64_t mine = MS_PLACE_STATE(word) == MS_PLACE_SENDING
                            ? word
                            : MS_PLACE_BECOMES(word, end->slot, MS_PLACE_SENDING);
        MS_STEP("place: before giving it up");
        if (mine != word && ms_cas_u64(&end->words[unit], word, mine) != word)
            return -ESTALE;
        word = mine;
        MS_STEP("place: before freeing its parts");
        free_parts(end, unit, MS_PLACE_UNITS(word));
    }
    MS_STEP("place: before freeing it");
    /* SYNC(place): release; pairs with take_run */
    if (ms_cas_u64(&end->words[unit], word,
                   MS_PLACE_WORD(MS_PLACE_NUMBER(word), 0, 0, MS_PLACE_FREE)) != word)
        return -ESTALE;
    MS_STEP("place: freed, before the bell");
    ms_ring_bell(end, MS_BELL_PLACE, 1);
    return 0;
}

static int take_run(ms_end *end, uint32_t unit, uint32_t units, uint64_t *out)
{
    uint64_t word = ms_load_u64(&end->words[unit]);
    if (MS_PLACE_STATE(word) != MS_PLACE_FREE)
        return 0;
    uint64_t mine = MS_PLACE_WORD(MS_PLACE_NUMBER(word) + 1, end->slot, units, MS_PLACE_SENDING);
    /* SYNC(place): acquire; pairs with ms_place_free */
    if (ms_cas_u64(&end->words[unit], word, mine) != word)
        return 0;
    for (uint32_t i = 1; i < units; i++) {
        MS_STEP("place: before taking a part");
        word = ms_load_u64(&end->words[unit + i]);
        if (MS_PLACE_STATE(word) != MS_PLACE_FREE ||
            ms_cas_u64(&end->words[unit + i], word,
                       MS_PLACE_WORD(MS_PLACE_NUMBER(word) + 1, 0, i, MS_PLACE_PART)) != word) {
            free_parts(end, unit, i);
            ms_cas_u64(&end->words[unit], mine,
                       MS_PLACE_WORD(MS_PLACE_NUMBER(mine), 0, 0, MS_PLACE_FREE));
            return 0;
        }
    }
    *out = mine;
    return 1;
}

/* The first unit in [from, until) at which so many are free, as far as a look shows; until if there
 * is none. */
static uint32_t find_run(const ms_end *end, uint32_t from, uint32_t until, uint32_t units)
{
    uint32_t free = 0;
    for (uint32_t unit = from; unit < until; unit++) {
        free = MS_PLACE_STATE(ms_peek_u64(&end->words[unit])) == MS_PLACE_FREE ? free + 1 : 0;
        if (free == units)
            return unit + 1 - units;
    }
    return until;
}

static int take_between(ms_end *end, uint32_t from, uint32_t until, uint32_t units, uint32_t *unit,
                        uint64_t *word)
{
    while ((from = find_run(end, from, until, units)) < until) {
        if (take_run(end, from, units, word)) {
            *unit = from;
            return 1;
        }
        from++;
    }
    return 0;
}

/* Where the processor's caches are warm: the first places of the pool, short messages in two of
 * them in turn.  When these are taken, go round, so that a long queue is not looked over for every
 * message. */
static int take_from(ms_end *end, ms_pool *pool, uint64_t length, uint32_t *unit, uint64_t *word)
{
    uint32_t units = units_for(pool, length), last = pool->first + pool->count;
    if (!units)
        return 0;
    uint32_t turn = length < WARM_MOST ? ms_peek_u32(&pool->turn) ^ 1 : 0;
    ms_poke_u32(&pool->turn, turn);
    uint32_t warm = pool->first + 2 * units < last ? pool->first + 2 * units : last;
    if (take_between(end, turn ? pool->first + units : pool->first, warm, units, unit, word) ||
        (turn && take_between(end, pool->first, warm, units, unit, word)))
        return 1;
    uint32_t cursor = ms_peek_u32(&pool->cursor);
    if (cursor < pool->first || cursor >= last)
        cursor = pool->first;
    if (!take_between(end, cursor, last, units, unit, word) &&
        !take_between(end, pool->first, last, units, unit, word))
        return 0;
    ms_poke_u32(&pool->cursor, *unit + units);
    return 1;
}

static int take(ms_end *end, uint64_t length, uint32_t *unit, uint64_t *word)
{
    int there = 0;
    for (int i = 0; i < 2; i++) {
        ms_pool *pool = &end->pools[i];
        if (!units_for(pool, length))
            continue;
        there = 1;
        if (take_from(end, pool, length, unit, word))
            return 0;
    }
    return there ? -EAGAIN : -EMSGSIZE;
}

int ms_place_take(ms_end *end, uint64_t length, uint32_t *unit, uint64_t *word)
{
    int result = take(end, length, unit, word);
    for (uint32_t tries = 0; result == -EAGAIN && MS_IS_TOPIC(end) && tries <= end->capacity;
         tries++)
        if (!ms_topic_make_room(end, length))
            break;
        else
            result = take(end, length, unit, word);
    return result;
}

int ms_place_fits(const ms_end *end, uint32_t unit, uint64_t length)
{
    return units_for(&end->pools[unit >= end->pools[1].first], length) > 0;
}

int ms_place_is_there(ms_end *end, uint64_t length)
{
    for (int i = 0; i < 2; i++) {
        const ms_pool *pool = &end->pools[i];
        uint32_t units = units_for(pool, length), last = pool->first + pool->count;
        if (units && find_run(end, pool->first, last, units) < last)
            return 1;
    }
    return MS_IS_TOPIC(end) && ms_topic_could_make_room(end, length);
}

uint32_t ms_places_in_hand(const ms_end *end, uint32_t *slots, uint32_t most)
{
    uint32_t kept = 0;
    for (uint32_t unit = 0; unit < end->units; unit++) {
        uint64_t word = ms_load_u64(&end->words[unit]);
        if (MS_IS_TOPIC(end)) {
            uint32_t slot = ms_holder_of(end, unit);
            if (slot && kept < most)
                slots[kept] = slot;
            kept += slot != 0;
            continue;
        }
        if (MS_PLACE_STATE(word) != MS_PLACE_HELD)
            continue;
        if (kept < most)
            slots[kept] = MS_PLACE_WHO(word);
        kept++;
    }
    return kept;
}
