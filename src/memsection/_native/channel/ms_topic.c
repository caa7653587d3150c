/* SPDX-License-Identifier: MIT
 *
 * Sending to a topic.  Every step can be the last of a process: the position becomes WRITING; the
 * place of the message that it had leaves the ring; the position says what is in it; its place
 * becomes QUEUED for it; it becomes FULL.
 */
#include "ms_topic.h"

#include <errno.h>
#include <string.h>

#include "../include/ms_atomic.h"

/* Whether the position of this lap with this word was claimed, if only in a later lap. */
static int is_claimed_as(uint64_t seen, uint64_t lap)
{
    int64_t ahead = MS_LAPS(MS_RING_LAP(seen), lap);
    return ahead > 0 || (ahead == 0 && MS_RING_STATE(seen) != MS_RING_FREE);
}

static int is_claimed(const ms_end *end, uint64_t position)
{
    uint64_t lap, seen = ms_load_u64(&ms_entry_at(end, position, &lap)->word);
    return is_claimed_as(seen, lap);
}

/* The same of the position before this one.  Without a division: each costs a sender as much as a
 * compare-and-swap. */
static int is_claimed_before(const ms_end *end, uint64_t position, const ms_entry *entry,
                             uint64_t lap)
{
    int is_first = entry == end->ring;
    const ms_entry *before = is_first ? entry + end->capacity - 1 : entry - 1;
    return !position || is_claimed_as(ms_load_u64(&before->word), lap - (uint64_t)is_first);
}

/* The position at the tail, its entry, its lap and its word. */
static uint64_t tail_at(const ms_end *end, ms_entry **entry, uint64_t *lap, uint64_t *seen)
{
    uint64_t position = ms_peek_u64(&end->channel->tail);
    for (uint64_t steps = 0;; steps++) {
        *entry = ms_entry_at(end, position, lap);
        *seen = ms_load_u64(&(*entry)->word);
        if (steps > 2ull * end->capacity || !is_claimed_as(*seen, *lap))
            return position;
        int64_t ahead = MS_LAPS(MS_RING_LAP(*seen), *lap);
        position += ahead > 0 ? (uint64_t)ahead * end->capacity + 1 : 1;
    }
}

uint64_t ms_topic_tail(const ms_end *end)
{
    ms_entry *entry;
    uint64_t lap, seen;
    return tail_at(end, &entry, &lap, &seen);
}

/* ------------------------------------------------------------------ whom senders wait for */

static int is_waited_for(const ms_end *end, uint32_t slot)
{
    const ms_member *member = &end->channel->members[slot];
    uint32_t role =
        ms_load_u32(&member->role); /* SYNC(member): acquire; pairs with register_member */
    return role & MS_ROLE_RECEIVE && slot != end->slot &&
           !(role == MS_ROLE_BOTH && ms_peek_u32(&member->token) == end->token);
}

/* The tail first: whoever comes too late to be seen here begins at it or behind it. */
uint64_t ms_topic_floor(ms_end *end)
{
    uint64_t lowest = ms_topic_tail(end);
    ms_fence();
    for (uint32_t slot = 1; slot <= MS_ENDS_MOST; slot++) {
        if (!ms_peek_u32(&end->channel->members[slot].role) || !is_waited_for(end, slot))
            continue;
        uint64_t next =
            ms_load_u64(&end->seats[slot].next); /* SYNC(seat): acquire; pairs with publish_seat */
        if ((int64_t)(next - lowest) < 0)
            lowest = next;
    }
    return lowest;
}

static int is_for_us_to_write(ms_end *end, uint64_t position)
{
    if (!(end->flags & MS_SLOW_WAITS) || position - ms_peek_u64(&end->floor) < end->window)
        return 1;
    uint64_t lowest = ms_topic_floor(end);
    ms_poke_u64(&end->floor, lowest);
    return position - lowest < end->window;
}

int ms_topic_waits(ms_end *end, uint64_t position)
{
    int waits = 0;
    ms_ends_lock();
    for (uint32_t slot = 1; slot <= MS_ENDS_MOST && !waits; slot++) {
        if (!is_waited_for(end, slot) ||
            (int64_t)(ms_load_u64(&end->seats[slot].next) - position) > 0)
            continue;
        waits = ms_slot_take(end, slot) != 0;
        if (!waits)
            ms_slot_drop(end, slot);
    }
    ms_ends_unlock();
    return waits;
}

/* ------------------------------------------------------------------ positions */

/* Whether this position can be the next one that is written: the one before it is taken, itself it
 * is not. */
static int is_next(const ms_end *end, uint64_t position)
{
    return !is_claimed(end, position) && (!position || is_claimed(end, position - 1));
}

/* Whether somebody who may live writes the message of an earlier lap there. */
static int is_in_use(uint64_t word)
{
    return MS_RING_STATE(word) == MS_RING_WRITING && MS_RING_SLOT(word) &&
           MS_RING_SLOT(word) <= MS_ENDS_MOST;
}

/* A position of our own: 0, -EAGAIN. */
static int claim(ms_end *end, ms_entry **out, uint64_t *word, uint64_t *number)
{
    for (uint32_t tries = 0; tries <= 2 * end->capacity; tries++) {
        ms_entry *entry;
        uint64_t lap, seen, position = tail_at(end, &entry, &lap, &seen);
        if (is_claimed_as(seen, lap))
            continue; /* by others, faster than this could look */
        if (!is_claimed_before(end, position, entry, lap)) {
            ms_topic_resync(end);
            if (!is_next(end, ms_peek_u64(&end->channel->tail)))
                return -EAGAIN;
            continue;
        }
        if (is_in_use(seen) || !is_for_us_to_write(end, position))
            return -EAGAIN;
        uint64_t mine = MS_RING_WORD(lap, MS_RING_WRITING, end->slot);
        MS_STEP("send: before claiming a position");
        if (ms_cas_u64(&entry->word, seen, mine) != seen)
            continue;
        ms_poke_u64(&end->channel->tail, position + 1);
        *out = entry;
        *word = mine;
        *number = position;
        return 0;
    }
    return -EAGAIN;
}

/* The place of the message that the position had before. */
static void release_old(ms_end *end, ms_entry *entry)
{
    uint32_t unit;
    uint64_t word;
    MS_FENCE_AFTER_SWAP();
    MS_STEP("send: before taking the old place out");
    if (ms_topic_queued(end, entry, &unit, &word))
        ms_topic_unqueue(end, unit, word, end->slot);
}

static void give_up(ms_end *end, ms_entry *entry, uint64_t mine)
{
    release_old(end, entry);
    ms_cas_u64(&entry->word, mine, MS_RING_WORD(MS_RING_LAP(mine), MS_RING_VOID, 0));
    ms_ring_bell(end, MS_BELL_MESSAGE, 1);
}

/* Asked by whoever has just claimed a position, by a swap. */
static int is_down(const ms_end *end)
{
    MS_FENCE_AFTER_SWAP();
    return ms_load_u32(&end->channel->down) !=
           0; /* SYNC(down): acquire; pairs with ms_channel_shut */
}

/* A position of our own in a channel that is open, without what was in it. */
static int begin(ms_end *end, ms_entry **entry, uint64_t *mine, uint64_t *number)
{
    if (ms_peek_u32(&end->channel->down))
        return -EPIPE;
    int result = claim(end, entry, mine, number);
    if (result)
        return is_down(end) ? -EPIPE : result;
    if (is_down(end)) {
        give_up(end, *entry, *mine);
        return -EPIPE;
    }
    release_old(end, *entry);
    ms_fence_release(); /* SYNC(topic-message): release: the new word before any byte; pairs with
                           ms_topic_read */
    return 0;
}

static int publish(ms_end *end, ms_entry *entry, uint64_t mine, int quiet)
{
    MS_STEP("send: before publishing");
    /* SYNC(message): release; pairs with ms_ring_pull */
    if (ms_cas_u64(&entry->word, mine, MS_RING_WORD(MS_RING_LAP(mine), MS_RING_FULL, 0)) != mine)
        return -EBADMSG;
    MS_STEP("send: published, before the bell");
    if (!quiet)
        ms_ring_bell(end, MS_BELL_MESSAGE, 1);
    ms_ring_bell(end, MS_BELL_ROOM,
                 1); /* the ring may have come round to this position meanwhile */
    return 0;
}

int ms_topic_push(ms_end *end, const void *bytes, uint32_t length, uint32_t format, int quiet,
                  uint64_t *position)
{
    ms_entry *entry;
    uint64_t mine, words[MS_SHORT / 8];
    int result = begin(end, &entry, &mine, position);
    if (result)
        return result;
    MS_STEP("send: before writing");
    uint32_t count = (length + 7) / 8;
    if (count)
        words[count - 1] = 0;
    memcpy(words, bytes, length);
    ms_poke_u64(&ms_entry_words(entry)[1], length | (uint64_t)format << 32);
    for (uint32_t i = 0; i < count; i++)
        ms_poke_u64(&ms_entry_words(entry)[2 + i], words[i]);
    return publish(end, entry, mine, quiet);
}

int ms_topic_push_place(ms_end *end, uint32_t unit, uint64_t word, uint64_t length, uint32_t format,
                        int quiet, uint64_t *position)
{
    ms_entry *entry;
    uint64_t mine;
    int result = begin(end, &entry, &mine, position);
    if (result)
        return result;
    MS_STEP("send: before naming the place");
    ms_poke_u64(&ms_entry_words(entry)[2], unit);
    ms_poke_u64(&ms_entry_words(entry)[3], length);
    MS_STEP("send: place named");
    ms_poke_u64(&ms_entry_words(entry)[1], MS_IN_PLACE | (uint64_t)format << 32);
    MS_STEP("send: before queueing the place");
    uint64_t queued = MS_PLACE_BECOMES(word, (uint32_t)(entry - end->ring), MS_PLACE_QUEUED);
    if (ms_cas_u64(&end->words[unit], word, queued) != word) {
        give_up(end, entry, mine);
        return -EBADMSG;
    }
    return publish(end, entry, mine, quiet);
}

int ms_topic_has_room(ms_end *end)
{
    uint64_t position = ms_topic_tail(end), lap;
    return is_next(end, position) &&
           !is_in_use(ms_load_u64(&ms_entry_at(end, position, &lap)->word)) &&
           is_for_us_to_write(end, position);
}

/* ------------------------------------------------------------------ hints */

/* The lowest position from `from` on, and the highest, that was written or is being written: 0 if
 * there is none. */
static int find_claimed(const ms_end *end, uint64_t from, uint64_t *lowest, uint64_t *highest)
{
    int found = 0;
    for (uint32_t i = 0; i < end->capacity; i++) {
        uint64_t word = ms_load_u64(&end->ring[i].word),
                 position = MS_RING_LAP(word) * end->capacity + i;
        if (MS_RING_STATE(word) == MS_RING_FREE || position < from)
            continue;
        *lowest = !found || position < *lowest ? position : *lowest;
        *highest = !found || position > *highest ? position : *highest;
        found = 1;
    }
    return found;
}

/* The tail; and where we read, if strangers' scribbling left a hole there or led us beyond
 * everything. */
void ms_topic_resync(ms_end *end)
{
    uint64_t lowest, highest, tail = ms_peek_u64(&end->channel->tail),
                              next = ms_peek_u64(&end->next);
    uint64_t right = find_claimed(end, 0, &lowest, &highest) ? highest + 1 : 0;
    if (tail != right && !is_next(end, tail) && end->slot)
        ms_cas_u64(&end->channel->tail, tail, right);
    if (is_claimed(end, next))
        return;
    if (find_claimed(end, next + 1, &lowest, &highest)) {
        if (!is_claimed(end,
                        next)) /* whoever claims a position has seen the one before it claimed */
            ms_cas_u64(&end->next, next, lowest);
    } else if (next > right && next > ms_topic_tail(end))
        ms_cas_u64(&end->next, next, right);
}

int ms_topic_hints_fit(ms_end *end)
{
    return is_next(end, ms_peek_u64(&end->channel->tail));
}
