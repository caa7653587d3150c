/* SPDX-License-Identifier: MIT
 *
 * Receiving from a topic.  Where an end reads is its own: a lock of the process's own guards it,
 * under which nothing waits. The seat tells others how far the end has come, for senders that wait
 * and for those who look.
 */
#include "ms_process.h"
#include "ms_topic.h"

#include <errno.h>
#include <string.h>

#include "../include/ms_atomic.h"

static void lock(ms_end *end)
{
    while (ms_swap_u32(&end->taking, 1))
        ms_give_way();
}

static void unlock(ms_end *end)
{
    ms_store_u32(&end->taking, 0);
}

/* ------------------------------------------------------------------ the seat */

static void publish_seat(ms_end *end, uint32_t slot)
{
    ms_seat *seat = &end->seats[slot];
    uint64_t next = ms_peek_u64(&end->next);
    if (!(end->flags & MS_SLOW_WAITS)) {
        ms_poke_u64(&seat->next, next);
        return;
    }
    MS_STEP("receive: before telling how far");
    ms_swap_u64(&seat->next, next); /* SYNC(seat): release; pairs with ms_topic_floor */
    ms_ring_bell(end, MS_BELL_ROOM, 1);
    ms_ring_bell(end, MS_BELL_PLACE, 1);
}

void ms_topic_join(ms_end *end, uint32_t slot, int is_seen)
{
    ms_poke_u64(&end->seats[slot].missed, 0);
    if (!is_seen) { /* not above the right one: senders wait until it is known */
        ms_poke_u64(&end->seats[slot].next, end->joined ? end->next : ms_topic_tail(end));
        return;
    }
    ms_fence();
    if (!end->joined) /* a forked child goes on where its parent's end was */
        end->next = end->since = ms_topic_tail(end);
    end->joined = 1;
    publish_seat(end, slot);
}

void ms_topic_rewind(ms_end *end, uint64_t messages)
{
    uint64_t next = end->since > messages ? end->since - messages : 0, lap;
    ms_poke_u64(&end->next, next);
    while (next < end->since) { /* what was overwritten before is no loss */
        int64_t ahead = MS_LAPS(MS_RING_LAP(ms_load_u64(&ms_entry_at(end, next, &lap)->word)), lap);
        if (ahead <= 0)
            break;
        next++;
    }
    ms_poke_u64(&end->next, next);
    if (end->slot)
        publish_seat(end, end->slot);
}

static void count_missed(ms_end *end, uint64_t from, uint64_t to)
{
    from = from < end->since ? end->since : from;
    if (from >= to)
        return;
    ms_add_u64(&end->missed, to - from);
    if (end->slot)
        ms_poke_u64(&end->seats[end->slot].missed, ms_peek_u64(&end->missed));
}

void ms_topic_miss(ms_end *end)
{
    count_missed(end, end->since, end->since + 1);
}

/* ------------------------------------------------------------------ finding */

/* On from `at`, unless another thread has gone on: an observer has no lock.  Who moves, counts. */
static void move_on(ms_end *end, uint64_t at, uint64_t to, int is_lost)
{
    if (ms_cas_u64(&end->next, at, to) == at && is_lost)
        count_missed(end, at, to);
}

/* Overtaken by so many laps: on to the oldest message that there can be. */
static void catch_up(ms_end *end, uint64_t at, int64_t ahead)
{
    move_on(end, at, at + ((uint64_t)ahead - 1) * end->capacity + 1, 1);
}

/* What is at `next`: its entry, its word, and how many laps ahead of it that is. */
static int64_t look_at(const ms_end *end, uint64_t at, ms_entry **entry, uint64_t *seen)
{
    uint64_t lap;
    *entry = ms_entry_at(end, at, &lap);
    *seen = ms_load_u64(&(*entry)->word); /* SYNC(message): acquire; pairs with publish */
    return MS_LAPS(MS_RING_LAP(*seen), lap);
}

int ms_topic_find(ms_end *end, ms_entry **out, uint64_t *word, uint64_t *position)
{
    for (uint32_t tries = 0; tries <= 2 * end->capacity + 2; tries++) {
        ms_entry *entry;
        uint64_t seen, at = ms_peek_u64(&end->next);
        int64_t ahead = look_at(end, at, &entry, &seen);
        uint32_t state = MS_RING_STATE(seen);
        if (ahead < 0 || (ahead == 0 && state == MS_RING_FREE))
            return -EAGAIN;
        if (ahead > 0) {
            catch_up(end, at, ahead);
            continue;
        }
        if (state == MS_RING_WRITING)
            return -EBUSY;
        if (state == MS_RING_FULL) {
            *out = entry;
            *word = seen;
            *position = at;
            return 0;
        }
        move_on(end, at, at + 1, state == MS_RING_GONE);
    }
    return -EBUSY;
}

/* Whether the position has this state now, in its own lap. */
static int has_state(const ms_end *end, uint64_t position, uint32_t state)
{
    uint64_t lap, seen = ms_load_u64(&ms_entry_at(end, position, &lap)->word);
    return MS_RING_STATE(seen) == state && MS_LAPS(MS_RING_LAP(seen), lap) == 0;
}

void ms_topic_skip(ms_end *end)
{
    for (uint32_t tries = 0; tries <= 2 * end->capacity + 2; tries++) {
        ms_entry *entry;
        uint64_t seen, at = ms_peek_u64(&end->next);
        int64_t ahead = look_at(end, at, &entry, &seen);
        if (ahead <= 0)
            break;
        catch_up(end, at, ahead); /* each position that was overtaken tells of itself alone */
    }
    uint64_t tail = ms_topic_tail(end), next = ms_peek_u64(&end->next), gone = 0;
    uint64_t lowest =
        tail > end->capacity && tail - end->capacity > next ? tail - end->capacity : next;
    uint64_t newest = tail;
    while (newest > lowest && !has_state(end, newest - 1, MS_RING_FULL))
        newest--;
    if (newest <= lowest)
        return;
    uint64_t from = lowest < end->since ? end->since : lowest;
    for (uint64_t at = from; at < newest - 1; at++)
        gone += has_state(end, at, MS_RING_GONE) != 0;
    if (ms_cas_u64(&end->next, next, newest - 1) != next)
        return;
    count_missed(end, next, lowest);
    count_missed(end, end->since, end->since + gone);
}

/* ------------------------------------------------------------------ reading */

int ms_topic_read(ms_end *end, ms_entry *entry, uint64_t seen, ms_message *message)
{
    const uint64_t *words = ms_entry_words(entry);
    uint64_t head = ms_peek_u64(&words[1]);
    uint32_t length = (uint32_t)head, count = length == MS_IN_PLACE ? 2 : (length + 7) / 8;
    message->format = (uint32_t)(head >> 32);
    message->in_place = length == MS_IN_PLACE;
    message->length = length;
    for (uint32_t i = 0; i < count && i < MS_SHORT / 8; i++)
        message->copy[i] = ms_peek_u64(&words[2 + i]);
    ms_fence_acquire(); /* SYNC(topic-message): acquire: the bytes before the word again; pairs with
                           begin */
    if (ms_peek_u64(&entry->word) != seen)
        return -EAGAIN;
    message->bytes = (const unsigned char *)message->copy;
    message->deliveries = 1;
    message->seen = seen;
    if (!message->in_place)
        return length <= MS_SHORT ? 0 : -EBADMSG;
    if (message->copy[0] >= end->units)
        return -EBADMSG;
    message->unit = (uint32_t)message->copy[0];
    message->length = message->copy[1];
    message->bytes = ms_place_bytes(end, message->unit);
    return 0;
}

static int take_next(ms_end *end, ms_message *message)
{
    ms_entry *entry;
    uint64_t seen, at;
    for (uint32_t tries = 0; tries <= end->capacity; tries++) {
        int result = ms_topic_find(end, &entry, &seen, &at);
        if (result)
            return result;
        MS_STEP("receive: found");
        result = ms_topic_read(end, entry, seen, message);
        if (!result && message->in_place)
            result = ms_hold(end, message, entry, seen);
        if (result == -EAGAIN)
            continue;
        message->position = message->number = at;
        ms_poke_u64(&end->next, at + 1);
        publish_seat(end, end->slot);
        return result;
    }
    return -EBUSY;
}

/* ----------------------------------------------------------------- what was not taken after all */

/* The first of them, or the last; under the lock. */
static ms_message take_returned(ms_end *end, int last)
{
    uint32_t chosen = 0;
    for (uint32_t i = 1; i < end->returned; i++)
        if ((end->back[i].position > end->back[chosen].position) == last)
            chosen = i;
    ms_message message = end->back[chosen];
    end->back[chosen] = end->back[--end->returned];
    return message;
}

static void forget_returned(ms_end *end)
{
    while (end->returned) {
        ms_message message = take_returned(end, 0);
        ms_topic_finish(end, &message);
    }
}

int ms_topic_pull(ms_end *end, ms_message *message, int newest)
{
    int result;
    if (__builtin_expect(ms_load_u32(&end->channel->down) & MS_DOWN_AT_ONCE,
                         0)) /* SYNC(down): acquire */
        return -EAGAIN;
    lock(end);
    if (newest)
        ms_topic_skip(end);
    if (end->returned && !newest) {
        *message = take_returned(end, 0);
        result = 0;
    } else {
        result = take_next(end, message);
        if (newest && result && result != -EBADMSG && end->returned) {
            *message = take_returned(end, 1);
            result = 0;
        }
        if (newest && !result)
            forget_returned(end);
    }
    unlock(end);
    if (!result && !message->in_place)
        message->bytes = (const unsigned char *)message->copy;
    return result;
}

void ms_topic_finish(ms_end *end, const ms_message *message)
{
    if (message->in_place && end->slot)
        ms_unhold(end, message->unit);
}

void ms_topic_unpull(ms_end *end, const ms_message *message)
{
    lock(end);
    int kept = ms_peek_u32(&end->role) && end->returned < MS_RETURNED_MOST;
    if (kept)
        end->back[end->returned++] = *message;
    unlock(end);
    if (!kept) {
        ms_topic_finish(end, message);
        ms_topic_miss(end);
    }
    ms_ring_bell(end, MS_BELL_MESSAGE, 1); /* another thread may wait for it */
}

void ms_topic_leave(ms_end *end)
{
    forget_returned(end);
}

/* ------------------------------------------------------------------ looking */

int ms_topic_ready(ms_end *end)
{
    ms_entry *entry;
    uint64_t seen, at;
    if (ms_load_u32(&end->channel->down) &
        MS_DOWN_AT_ONCE) /* SYNC(down): acquire; pairs with ms_channel_shut */
        return -EAGAIN;
    lock(end);
    int result = end->returned ? 0 : ms_topic_find(end, &entry, &seen, &at);
    unlock(end);
    return result;
}

uint32_t ms_topic_count(ms_end *end)
{
    uint64_t tail = ms_topic_tail(end), next = ms_peek_u64(&end->next), lap;
    uint32_t count = end->returned;
    if (ms_load_u32(&end->channel->down) &
        MS_DOWN_AT_ONCE) /* SYNC(down): acquire; pairs with ms_channel_shut */
        return 0;
    if (next >= tail)
        return count;
    for (uint64_t at = tail - next > end->capacity ? tail - end->capacity : next; at < tail; at++) {
        uint64_t seen = ms_load_u64(&ms_entry_at(end, at, &lap)->word);
        count += MS_RING_STATE(seen) == MS_RING_FULL && MS_LAPS(MS_RING_LAP(seen), lap) == 0;
    }
    return count;
}
