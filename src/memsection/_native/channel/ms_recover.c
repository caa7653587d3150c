/* SPDX-License-Identifier: MIT
 *
 * The dead: finding out that a slot's process has ended, and setting right what its words say.
 *
 * The order is what makes it safe to be killed in the middle: the words of a message's place change
 * before those of its ring position, and the slot's lock is given back last, so the next one who
 * recovers finds what is left to do.
 */
#include "ms_call.h"
#include "ms_topic.h"

#include <errno.h>
#include <string.h>

#include "../include/ms_atomic.h"

#define SLICE 4096u /* ring positions, and units, of one look at a long channel */

typedef struct {
    uint64_t alive[(MS_ENDS_MOST + 64) / 64]; /* slots found alive in this look */
    int dead;
} look;

/* ------------------------------------------------------------------ setting right */

/* A place of a dead owner's becomes that of one who recovers, and of one of them alone, who gives
 * it back; when that one dies, its own slot says what is left to do.  Who is about to claim the
 * slot has it already. */
static void take_back(ms_end *end, uint32_t unit, uint64_t word, uint32_t slot)
{
    if (MS_IS_TOPIC(end) && MS_PLACE_STATE(word) == MS_PLACE_QUEUED) {
        ms_topic_unqueue(end, unit, word, end->slot ? end->slot : slot);
        return;
    }
    uint64_t mine = MS_PLACE_BECOMES(word, end->slot ? end->slot : slot, MS_PLACE_SENDING);
    if (mine != word && ms_cas_u64(&end->words[unit], word, mine) != word)
        return;
    MS_STEP("recover: before freeing a place");
    ms_place_free(end, unit, mine);
}

/* The position is looked at again after its place: whoever recovers beside us may have set both
 * right already, and then they may be a living sender's. */
static void undo_sending(ms_end *end, ms_entry *entry, uint64_t word)
{
    MS_STEP("recover: before looking at a position's place");
    uint64_t unit = *(volatile uint64_t *)&entry->u.place.unit;
    if (*(volatile uint32_t *)&entry->length == MS_IN_PLACE && unit < end->units) {
        uint64_t place = ms_load_u64(&end->words[unit]);
        ms_fence_acquire();
        if (MS_PLACE_STATE(place) == MS_PLACE_QUEUED &&
            MS_PLACE_WHO(place) == (uint32_t)(entry - end->ring) &&
            ms_peek_u64(&entry->word) == word)
            take_back(end, (uint32_t)unit, place, MS_RING_SLOT(word));
    }
    MS_STEP("recover: before skipping a position");
    /* SYNC(position): release; pairs with claim */
    ms_cas_u64(&entry->word, word, MS_RING_WORD(MS_RING_LAP(word), MS_RING_VOID, 0));
}

static void undo_receiving(ms_end *end, ms_entry *entry, uint64_t word)
{
    uint64_t unit = *(volatile uint64_t *)&entry->u.place.unit;
    uint32_t index = (uint32_t)(entry - end->ring);
    if (entry->length == MS_IN_PLACE && unit < end->units) {
        uint64_t place = ms_load_u64(&end->words[unit]);
        if (MS_PLACE_STATE(place) == MS_PLACE_HELD && MS_PLACE_WHO(place) == MS_RING_SLOT(word))
            ms_cas_u64(&end->words[unit], place, MS_PLACE_BECOMES(place, index, MS_PLACE_QUEUED));
    }
    MS_STEP("recover: before filling a position again");
    /* SYNC(message): release; pairs with ms_ring_pull */
    if (ms_cas_u64(&entry->word, word, MS_RING_WORD(MS_RING_LAP(word), MS_RING_FULL, 0)) != word)
        return;
    MS_STEP("recover: before setting the head back");
    uint64_t position = MS_RING_LAP(word) * end->capacity + index;
    if (ms_peek_u64(&end->channel->head) > position)
        ms_poke_u64(&end->channel->head, position);
}

void ms_count_repaired(ms_end *end)
{
    ms_add_u32(&end->repaired, 1);
    ms_add_u32(&end->channel->repaired, 1);
}

static void undo_place(ms_end *end, uint32_t unit, uint64_t word, uint32_t slot)
{
    uint32_t state = MS_PLACE_STATE(word);
    uint32_t deliveries = *(volatile uint32_t *)&end->notes[unit].deliveries;
    MS_STEP("recover: before setting a place right");
    int again = !end->calls && deliveries <= end->redeliver; /* of a service the call is repeated */
    if (state == MS_PLACE_TAKING || (state == MS_PLACE_HELD && again)) {
        if (ms_cas_u64(&end->words[unit], word, MS_PLACE_BECOMES(word, 0, MS_PLACE_AGAIN)) == word)
            ms_store_u32(&end->channel->again, 1);
    } else if (state == MS_PLACE_SENDING || state == MS_PLACE_HELD)
        take_back(end, unit, word, slot);
    ms_count_repaired(end);
}

static int has_place(uint64_t word)
{
    uint32_t state = MS_PLACE_STATE(word);
    return state == MS_PLACE_SENDING || state == MS_PLACE_HELD || state == MS_PLACE_TAKING;
}

void ms_recover_slot(ms_end *end, uint32_t slot)
{
    ms_calls_set_right(end, slot);
    for (uint32_t i = 0; i < end->capacity; i++) {
        uint64_t word = ms_load_u64(&end->ring[i].word);
        if (MS_RING_SLOT(word) != slot)
            continue;
        if (MS_RING_STATE(word) == MS_RING_WRITING)
            undo_sending(end, &end->ring[i], word);
        else if (MS_RING_STATE(word) == MS_RING_READING)
            undo_receiving(end, &end->ring[i], word);
    }
    for (uint32_t unit = 0; unit < end->units; unit++) {
        uint64_t word = ms_load_u64(&end->words[unit]);
        if (has_place(word) && MS_PLACE_WHO(word) == slot)
            undo_place(end, unit, word, slot);
    }
    if (MS_IS_TOPIC(end))
        ms_set_holders_right(end, slot);
    MS_STEP("recover: before forgetting the slot");
    ms_store_u32(&end->channel->members[slot].role,
                 0); /* SYNC(member): release; pairs with ms_partners */
}

/* ------------------------------------------------------------------ looking after others */

static void suspect(ms_end *end, look *at, uint32_t slot)
{
    if (slot == 0 || slot > MS_ENDS_MOST || slot == end->slot ||
        at->alive[slot / 64] >> slot % 64 & 1)
        return;
    at->alive[slot / 64] |= 1ull << slot % 64; /* asked about once, whatever comes of it */
    if (ms_slot_take(end, slot))
        return;
    MS_STEP("recover: slot locked");
    ms_recover_slot(end, slot);
    ms_slot_drop(end, slot);
    at->dead++;
}

/* Whether the entry holds the place at `unit`; true only if the entry's word did not change
 * meanwhile. */
MS_READS_RACILY static int says_place(const ms_entry *entry, uint32_t unit)
{
    return *(volatile const uint32_t *)&entry->length == MS_IN_PLACE &&
           *(volatile const uint64_t *)&entry->u.place.unit == unit;
}

/* A QUEUED place whose position does not name it: nothing of ours leaves one, a stranger's
 * scribbling does (Q3). */
static void look_for_orphan(ms_end *end, uint32_t unit, uint64_t word)
{
    uint32_t index = MS_PLACE_WHO(word);
    if (index < end->capacity) {
        uint64_t state = ms_load_u64(&end->ring[index].word);
        uint32_t at = MS_RING_STATE(state);
        if (at != MS_RING_FREE && at != MS_RING_VOID && at != MS_RING_GONE &&
            says_place(&end->ring[index], unit))
            return;
        if (ms_load_u64(&end->ring[index].word) != state)
            return;
    }
    take_back(end, unit, word, end->slot);
}

static void look_at_holders(ms_end *end, look *at, uint32_t unit)
{
    for (uint32_t i = 0; i < MS_HOLDER_WORDS; i++) {
        uint64_t bits = ms_load_u64(&end->holders[unit][i]);
        for (; bits; bits &= bits - 1)
            suspect(end, at, 64 * i + (uint32_t)__builtin_ctzll(bits));
    }
    ms_free_left(end, unit, end->slot); /* whoever let go of it last may have died before this */
}

/* Subscribers that senders may wait for: for a position, or for a place that they could have had.
 */
static void look_at_seats(ms_end *end, look *at)
{
    uint64_t tail = ms_peek_u64(&end->channel->tail);
    for (uint32_t slot = 1; slot <= MS_ENDS_MOST; slot++)
        if (ms_peek_u32(&end->channel->members[slot].role) & MS_ROLE_RECEIVE &&
            ms_peek_u64(&end->seats[slot].next) != tail)
            suspect(end, at, slot);
}

static void look_at_units(ms_end *end, look *at, uint32_t first, uint32_t count)
{
    uint32_t until = count < end->units - first ? first + count : end->units;
    for (uint32_t unit = first; unit < until; unit++) {
        uint64_t word = ms_load_u64(&end->words[unit]);
        if (MS_PLACE_STATE(word) == MS_PLACE_FREE && !MS_IS_TOPIC(end))
            continue; /* as nearly all are */
        if (has_place(word))
            suspect(end, at, MS_PLACE_WHO(word));
        else if (MS_PLACE_STATE(word) == MS_PLACE_AGAIN)
            ms_store_u32(&end->channel->again, 1);
        else if (MS_PLACE_STATE(word) == MS_PLACE_QUEUED)
            look_for_orphan(end, unit, word);
        if (MS_IS_TOPIC(end))
            look_at_holders(end, at, unit);
    }
}

static void look_at_ring(ms_end *end, look *at, uint64_t first, uint32_t count)
{
    uint32_t index = (uint32_t)(first % end->capacity);
    for (uint32_t i = 0; i < count; i++, index++) {
        index = index == end->capacity ? 0 : index;
        uint64_t word = ms_load_u64(&end->ring[index].word);
        uint32_t state = MS_RING_STATE(word);
        if (state == MS_RING_WRITING || state == MS_RING_READING)
            suspect(end, at, MS_RING_SLOT(word));
    }
}

static void look_at_calls(ms_end *end, look *at, uint32_t first, uint32_t count)
{
    uint32_t until = count < end->calls - first ? first + count : end->calls;
    for (uint32_t i = first; i < until; i++) {
        uint64_t word = ms_load_u64(&end->cells[i].word);
        if (MS_CALL_STATE(word) == MS_CALL_FREE)
            continue;
        suspect(end, at, MS_CALL_CLIENT(word));
        suspect(end, at, MS_CALL_SERVER(word));
    }
}

static int recover(ms_end *end, int whole)
{
    look at;
    memset(&at, 0, sizeof at);
    ms_ends_lock();
    uint32_t scan = ms_peek_u32(&end->scan);
    ms_poke_u32(&end->scan, scan + SLICE);
    if (whole || end->capacity <= 2 * SLICE)
        look_at_ring(end, &at, 0, end->capacity);
    else { /* where the hints say that they are at work, and in turn everywhere else */
        look_at_ring(end, &at, ms_peek_u64(&end->channel->head), SLICE);
        look_at_ring(end, &at, ms_peek_u64(&end->channel->tail), SLICE);
        look_at_ring(end, &at, scan, SLICE);
    }
    if (whole || end->units <= 4 * SLICE)
        look_at_units(end, &at, 0, end->units);
    else
        look_at_units(end, &at, scan % end->units, 4 * SLICE);
    if (end->flags & MS_SLOW_WAITS)
        look_at_seats(end, &at);
    if (whole || end->calls <= 4 * SLICE)
        look_at_calls(end, &at, 0, end->calls);
    else
        look_at_calls(end, &at, scan % end->calls, 4 * SLICE);
    ms_ends_unlock();
    if (at.dead)
        ms_ring_all_bells(end);
    return at.dead;
}

int ms_recover(ms_end *end)
{
    return recover(end, 0);
}

int ms_recover_all(ms_end *end)
{
    int dead = recover(end, 1);
    /* Somebody else may be setting the same right: the position is full again, and the head not yet
     * set back. */
    ms_ring_resync(end);
    return dead;
}
