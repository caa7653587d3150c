/* SPDX-License-Identifier: MIT
 *
 * Places of a topic: in the ring, in the hands of a set of slots, or both.  See ms_topic.h for why
 * nobody misses anybody.
 */
#include "ms_topic.h"

#include <errno.h>

#include "../include/ms_atomic.h"

static int is_held(const ms_end *end, uint32_t unit)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < MS_HOLDER_WORDS; i++)
        all |=
            ms_load_u64(&end->holders[unit][i]); /* SYNC(holders): acquire; pairs with ms_unhold */
    return all != 0;
}

uint32_t ms_holder_of(const ms_end *end, uint32_t unit)
{
    for (uint32_t i = 0; i < MS_HOLDER_WORDS; i++) {
        uint64_t bits = ms_load_u64(&end->holders[unit][i]);
        if (bits)
            return 64 * i + (uint32_t)__builtin_ctzll(bits);
    }
    return 0;
}

/* ------------------------------------------------------------------ holding */

int ms_hold(ms_end *end, ms_message *message, ms_entry *entry, uint64_t seen)
{
    uint32_t unit = message->unit;
    uint64_t *bits = &end->holders[unit][end->slot / 64], bit = 1ull << end->slot % 64;
    MS_STEP("receive: before holding the place");
    if (ms_or_u64(bits, bit) & bit)
        return -EBADMSG; /* it is ours already: nothing of ours names one place at two positions */
    MS_FENCE_AFTER_SWAP();
    MS_STEP("receive: holding the place, before looking again");
    message->word = ms_load_u64(&end->words[unit]);
    int result = ms_load_u64(&entry->word) == seen ? 0 : -EAGAIN;
    if (!result && (MS_PLACE_STATE(message->word) != MS_PLACE_QUEUED ||
                    MS_PLACE_WHO(message->word) != (uint32_t)(entry - end->ring) ||
                    message->length > ms_place_room(end, unit, message->word)))
        result = ms_load_u64(&entry->word) == seen ? -EBADMSG : -EAGAIN;
    if (result)
        ms_unhold(end, unit);
    return result;
}

void ms_free_left(ms_end *end, uint32_t unit, uint32_t as)
{
    uint64_t word = ms_load_u64(&end->words[unit]);
    if (MS_PLACE_STATE(word) != MS_PLACE_LEFT || is_held(end, unit))
        return;
    uint64_t mine = MS_PLACE_BECOMES(word, as, MS_PLACE_SENDING);
    MS_STEP("place: before taking what was left");
    if (ms_cas_u64(&end->words[unit], word, mine) == word)
        ms_place_free(end, unit, mine);
}

void ms_unhold(ms_end *end, uint32_t unit)
{
    MS_STEP("receive: before letting go of the place");
    ms_and_u64(&end->holders[unit][end->slot / 64],
               ~(1ull << end->slot % 64)); /* SYNC(holders): release; pairs with is_held */
    MS_FENCE_AFTER_SWAP();
    MS_STEP("receive: let go, before freeing the place");
    ms_free_left(end, unit, end->slot);
    ms_ring_bell(end, MS_BELL_PLACE,
                 1); /* a place in the ring that nobody holds can be taken out of it */
}

void ms_set_holders_right(ms_end *end, uint32_t slot)
{
    uint64_t bit = 1ull << slot % 64;
    for (uint32_t unit = 0; unit < end->units; unit++) {
        if (!(ms_load_u64(&end->holders[unit][slot / 64]) & bit))
            continue;
        MS_STEP("recover: before letting go of a place");
        ms_and_u64(&end->holders[unit][slot / 64],
                   ~bit); /* SYNC(holders): release; pairs with is_held */
        MS_FENCE_AFTER_SWAP();
        ms_free_left(end, unit, end->slot ? end->slot : slot);
        ms_count_repaired(end);
    }
}

/* ------------------------------------------------------------------ leaving the ring */

int ms_topic_queued(const ms_end *end, ms_entry *entry, uint32_t *unit, uint64_t *word)
{
    uint64_t named = ms_peek_u64(&ms_entry_words(entry)[2]);
    if ((uint32_t)ms_peek_u64(&ms_entry_words(entry)[1]) != MS_IN_PLACE || named >= end->units)
        return 0;
    *unit = (uint32_t)named;
    *word = ms_load_u64(&end->words[named]);
    return MS_PLACE_STATE(*word) == MS_PLACE_QUEUED &&
           MS_PLACE_WHO(*word) == (uint32_t)(entry - end->ring);
}

void ms_topic_unqueue(ms_end *end, uint32_t unit, uint64_t word, uint32_t as)
{
    if (!is_held(end,
                 unit)) { /* and whoever holds it from now on sees that its position has changed */
        uint64_t mine = MS_PLACE_BECOMES(word, as, MS_PLACE_SENDING);
        MS_STEP("place: before taking it out of the ring");
        if (ms_cas_u64(&end->words[unit], word, mine) == word)
            ms_place_free(end, unit, mine);
        return;
    }
    MS_STEP("place: before leaving it");
    if (ms_cas_u64(&end->words[unit], word, MS_PLACE_BECOMES(word, 0, MS_PLACE_LEFT)) != word)
        return;
    MS_FENCE_AFTER_SWAP();
    MS_STEP("place: left, before looking again");
    ms_free_left(end, unit, as);
}

/* ------------------------------------------------------------------ room for others */

/* Whether this message can be taken out of the ring to make room, as far as a look shows. */
static int can_go(ms_end *end, uint64_t position, uint64_t length, ms_entry **entry, uint64_t *seen)
{
    uint64_t lap, word;
    uint32_t unit;
    *entry = ms_entry_at(end, position, &lap);
    *seen = ms_load_u64(&(*entry)->word);
    return MS_RING_STATE(*seen) == MS_RING_FULL && MS_LAPS(MS_RING_LAP(*seen), lap) == 0 &&
           ms_topic_queued(end, *entry, &unit, &word) && ms_place_fits(end, unit, length) &&
           !is_held(end, unit);
}

/* The first position in [from, until) whose message can go: until if there is none. */
static uint64_t find(ms_end *end, uint64_t from, uint64_t until, uint64_t length, ms_entry **entry,
                     uint64_t *seen)
{
    while (from < until && !can_go(end, from, length, entry, seen))
        from++;
    return from;
}

static uint64_t oldest_that_can_go(ms_end *end, uint64_t length, uint64_t *until, ms_entry **entry,
                                   uint64_t *seen)
{
    uint64_t tail = ms_topic_tail(end), first = tail > end->capacity ? tail - end->capacity : 0;
    uint64_t hint = ms_peek_u64(&end->channel->head), found;
    *until = end->flags & MS_SLOW_WAITS ? ms_topic_floor(end) : tail;
    if (*until < first || *until - first > end->capacity) /* from strangers' scribbling */
        *until = *until < first ? first : first + end->capacity;
    if (hint > first && hint < *until &&
        (found = find(end, hint, *until, length, entry, seen)) < *until)
        return found;
    return find(end, first, *until, length, entry, seen);
}

int ms_topic_could_make_room(ms_end *end, uint64_t length)
{
    ms_entry *entry;
    uint64_t seen, until;
    return oldest_that_can_go(end, length, &until, &entry, &seen) < until;
}

int ms_topic_make_room(ms_end *end, uint64_t length)
{
    ms_entry *entry;
    uint64_t seen, until, position = oldest_that_can_go(end, length, &until, &entry, &seen), word;
    uint32_t unit;
    if (position >= until)
        return 0;
    MS_STEP("room: before taking a message out");
    if (ms_cas_u64(&entry->word, seen, MS_RING_WORD(MS_RING_LAP(seen), MS_RING_GONE, 0)) == seen) {
        ms_poke_u64(&end->channel->head, position + 1);
        MS_FENCE_AFTER_SWAP();
        MS_STEP("room: taken out, before its place");
        if (ms_topic_queued(end, entry, &unit, &word))
            ms_topic_unqueue(end, unit, word, end->slot);
    }
    return 1;
}
