/* SPDX-License-Identifier: MIT
 *
 * The ring: queueing a message and taking one.  The words are described in ms_channel.h.
 *
 * A message in a place is queued like this, and every step can be the last of a process: the entry
 * becomes WRITING and says which place; the place becomes QUEUED for this entry; the entry becomes
 * FULL.  It is taken like this: the entry becomes READING; the message is copied, or the place
 * becomes HELD; the entry becomes FREE; a place that was copied is freed, having become HELD before
 * its entry was given up, so that nobody finds a QUEUED place without its entry (invariant Q3).
 */
#include "ms_topic.h"

#include <errno.h>
#include <string.h>

#include "../include/ms_atomic.h"

#define COUNTED_WHOLE 8192u

static void advance(uint64_t *hint, uint64_t from, uint64_t to)
{
    if (ms_peek_u64(hint) == from)
        ms_poke_u64(hint, to);
}

/* ------------------------------------------------------------------ sending */

/* A position of our own: 0, -EAGAIN. */
static int claim(ms_end *end, ms_entry **out, uint64_t *word, uint64_t *number)
{
    uint64_t first = ms_peek_u64(&end->channel->tail), position = first;
    for (uint32_t steps = 0; steps <= 2 * end->capacity; steps++) {
        uint64_t lap;
        ms_entry *entry = ms_entry_at(end, position, &lap);
        uint64_t seen = ms_load_u64(&entry->word);
        int64_t ahead = MS_LAPS(MS_RING_LAP(seen), lap);
        uint32_t state = MS_RING_STATE(seen);
        if (ahead == 0 && state == MS_RING_FREE) {
            uint64_t mine = MS_RING_WORD(lap, MS_RING_WRITING, end->slot);
            MS_STEP("send: before claiming a position");
            /* SYNC(position): acquire; pairs with ms_ring_finish */
            if (ms_cas_u64(&entry->word, seen, mine) != seen)
                continue;
            ms_poke_u64(&end->channel->tail, position + 1);
            *out = entry;
            *word = mine;
            *number = position;
            ms_expect_to_write(entry + 1); /* for the next message */
            return 0;
        }
        if (ahead == -1 && state == MS_RING_VOID) { /* nobody needs it any more */
            ms_cas_u64(&entry->word, seen, MS_RING_WORD(lap, MS_RING_FREE, 0));
            continue;
        }
        if (ahead < 0)
            return -EAGAIN;
        position++;
    }
    return -EAGAIN;
}

static void give_up(ms_entry *entry, uint64_t mine)
{
    ms_cas_u64(&entry->word, mine, MS_RING_WORD(MS_RING_LAP(mine), MS_RING_VOID, 0));
}

/* Whether the channel was shut down; asked by whoever has just claimed a position, by a swap,
 * because a receiver that saw the ring empty after the channel was shut down does not look again.
 */
static int is_down(const ms_end *end)
{
    MS_FENCE_AFTER_SWAP();
    return ms_load_u32(&end->channel->down) !=
           0; /* SYNC(down): acquire; pairs with ms_channel_shut */
}

static int publish(ms_end *end, ms_entry *entry, uint64_t mine, int quiet)
{
    MS_STEP("send: before publishing");
    /* SYNC(message): release; pairs with ms_ring_pull */
    if (ms_cas_u64(&entry->word, mine, MS_RING_WORD(MS_RING_LAP(mine), MS_RING_FULL, 0)) != mine)
        return -EBADMSG;
    MS_STEP("send: published, before the bell");
    if (!quiet)
        ms_ring_bell(end, MS_BELL_MESSAGE, 0);
    return 0;
}

int ms_ring_push(ms_end *end, const void *bytes, uint32_t length, uint32_t format, int quiet,
                 uint64_t *position)
{
    if (MS_IS_TOPIC(end))
        return ms_topic_push(end, bytes, length, format, quiet, position);
    ms_entry *entry;
    uint64_t mine, number;
    int result = claim(end, &entry, &mine, &number);
    if (result)
        return is_down(end) ? -EPIPE : result;
    if (is_down(end)) {
        give_up(entry, mine);
        return -EPIPE;
    }
    MS_STEP("send: before writing");
    entry->length = length;
    entry->format = format;
    memcpy(entry->u.bytes, bytes, length);
    *position = number;
    return publish(end, entry, mine, quiet);
}

int ms_ring_push_place(ms_end *end, uint32_t unit, uint64_t word, uint64_t length, uint32_t format,
                       int quiet, uint64_t *position)
{
    if (MS_IS_TOPIC(end))
        return ms_topic_push_place(end, unit, word, length, format, quiet, position);
    ms_entry *entry;
    uint64_t mine, number;
    int result = claim(end, &entry, &mine, &number);
    if (result)
        return is_down(end) ? -EPIPE : result;
    if (is_down(end)) {
        give_up(entry, mine);
        return -EPIPE;
    }
    MS_STEP("send: before naming the place");
    entry->length = MS_IN_PLACE;
    entry->format = format;
    entry->u.place.unit = unit;
    entry->u.place.length = length;
    end->notes[unit] = (ms_note){.length = length, .number = number, .format = format};
    MS_STEP("send: before queueing the place");
    uint64_t queued = MS_PLACE_BECOMES(word, (uint32_t)(entry - end->ring), MS_PLACE_QUEUED);
    if (ms_cas_u64(&end->words[unit], word, queued) != word) {
        give_up(entry, mine);
        return -EBADMSG;
    }
    *position = number;
    return publish(end, entry, mine, quiet);
}

/* ------------------------------------------------------------------ taking */

/* What a READING entry holds, checked.  0 or -EBADMSG. */
static int look_into(ms_end *end, ms_entry *entry, ms_message *message)
{
    uint32_t length = entry->length;
    message->format = entry->format;
    message->deliveries = 1;
    message->number = message->position;
    message->in_place = length == MS_IN_PLACE;
    if (!message->in_place) {
        message->length = length;
        message->bytes = entry->u.bytes;
        return length <= MS_SHORT ? 0 : -EBADMSG;
    }
    uint64_t unit = *(volatile uint64_t *)&entry->u.place.unit;
    message->length = *(volatile uint64_t *)&entry->u.place.length;
    if (unit >= end->units)
        return -EBADMSG;
    message->unit = (uint32_t)unit;
    message->word = ms_load_u64(&end->words[unit]);
    message->bytes = ms_place_bytes(end, message->unit);
    return MS_PLACE_STATE(message->word) == MS_PLACE_QUEUED &&
                   MS_PLACE_WHO(message->word) == (uint32_t)(entry - end->ring) &&
                   message->length <= ms_place_room(end, message->unit, message->word)
               ? 0
               : -EBADMSG;
}

/* A place whose holder died and that may be delivered again. */
static int pull_again(ms_end *end, ms_message *message)
{
    if (!ms_swap_u32(&end->channel->again, 0))
        return -EAGAIN;
    for (uint32_t unit = 0; unit < end->units; unit++) {
        uint64_t word = ms_load_u64(&end->words[unit]);
        if (MS_PLACE_STATE(word) != MS_PLACE_AGAIN)
            continue;
        uint64_t taking = MS_PLACE_BECOMES(word, end->slot, MS_PLACE_TAKING);
        MS_STEP("again: before taking");
        if (ms_cas_u64(&end->words[unit], word, taking) != word)
            continue;
        ms_store_u32(&end->channel->again, 1); /* there may be more */
        const volatile ms_note *note = &end->notes[unit];
        *message = (ms_message){.in_place = 1,
                                .unit = unit,
                                .word = taking,
                                .length = note->length,
                                .number = note->number,
                                .position = note->number,
                                .format = note->format,
                                .deliveries = note->deliveries + 1,
                                .bytes = ms_place_bytes(end, unit)};
        if (message->length <= ms_place_room(end, unit, taking))
            return 0;
        ms_place_free(end, unit, taking);
        return -EBADMSG;
    }
    return -EAGAIN;
}

/* What the next position holds, without taking it: 0 and its word; -EAGAIN, -EBUSY. */
static int next(ms_end *end, ms_entry **out, uint64_t *word, uint64_t *at)
{
    uint64_t first = ms_peek_u64(&end->channel->head), position = first;
    for (uint32_t steps = 0; steps <= 2 * end->capacity; steps++) {
        uint64_t lap;
        ms_entry *entry = ms_entry_at(end, position, &lap);
        uint64_t seen = ms_load_u64(&entry->word);
        int64_t ahead = MS_LAPS(MS_RING_LAP(seen), lap);
        uint32_t state = MS_RING_STATE(seen);
        if (ahead < 0 || (ahead == 0 && state == MS_RING_FREE))
            return -EAGAIN;
        if (ahead == 0 && state == MS_RING_WRITING)
            return -EBUSY;
        if (ahead == 0 && state == MS_RING_FULL) {
            *out = entry;
            *word = seen;
            *at = position;
            return 0;
        }
        if (ahead == 0 && state == MS_RING_VOID) {
            if (ms_cas_u64(&entry->word, seen, MS_RING_WORD(lap + 1, MS_RING_FREE, 0)) == seen)
                ms_ring_bell(end, MS_BELL_ROOM, 0);
        }
        position++;
        advance(&end->channel->head, position - 1, position);
    }
    return -EAGAIN;
}

static int at_once_down(const ms_end *end)
{
    return ms_load_u32(&end->channel->down) &
           MS_DOWN_AT_ONCE; /* SYNC(down): acquire; pairs with ms_channel_shut */
}

int ms_ring_pull(ms_end *end, ms_message *message)
{
    if (MS_IS_TOPIC(end))
        return ms_topic_pull(end, message, 0);
    ms_entry *entry;
    uint64_t seen, position;
    if (__builtin_expect(ms_peek_u32(&end->channel->down) != 0, 0) && at_once_down(end))
        return -EAGAIN;
    if (__builtin_expect(ms_peek_u32(&end->channel->again) != 0, 0)) {
        int result = pull_again(end, message);
        if (result != -EAGAIN)
            return result;
    }
    for (uint32_t tries = 0; tries <= end->capacity; tries++) {
        int result = next(end, &entry, &seen, &position);
        if (result)
            return result;
        uint64_t mine = MS_RING_WORD(MS_RING_LAP(seen), MS_RING_READING, end->slot);
        MS_STEP("receive: before claiming");
        if (ms_cas_u64(&entry->word, seen, mine) !=
            seen) /* SYNC(message): acquire; pairs with publish */
            continue;
        advance(&end->channel->head, position, position + 1);
        MS_STEP("receive: claimed");
        message->position = position;
        message->in_ring = 1;
        if (!look_into(end, entry, message))
            return 0;
        message->in_place = 0; /* whatever it names is not ours to give back */
        ms_ring_finish(end, message);
        return -EBADMSG;
    }
    return -EBUSY;
}

static void free_position(ms_end *end, const ms_message *message)
{
    uint64_t lap;
    ms_entry *entry = ms_entry_at(end, message->position, &lap);
    uint64_t mine = MS_RING_WORD(lap, MS_RING_READING, end->slot);
    MS_STEP("receive: before giving the position back");
    /* SYNC(position): release; pairs with claim */
    ms_cas_u64(&entry->word, mine, MS_RING_WORD(lap + 1, MS_RING_FREE, 0));
    MS_STEP("receive: given back, before the bell");
    ms_ring_bell(end, MS_BELL_ROOM, 0);
}

/* QUEUED becomes ours, before its entry is given up. */
static int hold(ms_end *end, ms_message *message)
{
    uint64_t held = MS_PLACE_BECOMES(message->word, end->slot, MS_PLACE_HELD);
    MS_STEP("receive: before holding the place");
    if (ms_cas_u64(&end->words[message->unit], message->word, held) != message->word)
        return -EBADMSG;
    message->word = held;
    return 0;
}

void ms_ring_finish(ms_end *end, const ms_message *message)
{
    if (MS_IS_TOPIC(end)) {
        ms_topic_finish(end, message);
        return;
    }
    ms_message mine = *message;
    if (mine.in_ring) {
        int held = mine.in_place && !hold(end, &mine);
        free_position(end, &mine);
        if (!held)
            return;
    }
    MS_STEP("receive: before freeing the place");
    ms_place_free(end, mine.unit, mine.word);
}

int ms_ring_keep(ms_end *end, ms_message *message)
{
    if (MS_IS_TOPIC(end))
        return 0; /* taken is held */
    end->notes[message->unit].deliveries = message->deliveries;
    if (hold(end, message))
        return -EBADMSG;
    if (message->in_ring) {
        MS_STEP("receive: held, before giving the position back");
        free_position(end, message);
        message->in_ring = 0;
    }
    return 0;
}

/* Nobody has seen it: it is the next one again. */
void ms_ring_unpull(ms_end *end, const ms_message *message)
{
    if (MS_IS_TOPIC(end)) {
        ms_topic_unpull(end, message);
        return;
    }
    uint64_t lap;
    if (!message->in_ring) {
        uint64_t word = message->word;
        ms_cas_u64(&end->words[message->unit], word, MS_PLACE_BECOMES(word, 0, MS_PLACE_AGAIN));
        ms_store_u32(&end->channel->again, 1);
    } else {
        ms_entry *entry = ms_entry_at(end, message->position, &lap);
        ms_cas_u64(&entry->word, MS_RING_WORD(lap, MS_RING_READING, end->slot),
                   MS_RING_WORD(lap, MS_RING_FULL, 0));
        if (ms_peek_u64(&end->channel->head) > message->position)
            ms_poke_u64(&end->channel->head, message->position);
    }
    ms_ring_bell(end, MS_BELL_MESSAGE, 0);
}

void ms_ring_release(ms_end *end, const ms_message *message, int again)
{
    if (MS_IS_TOPIC(end)) {
        ms_topic_finish(end, message);
        return;
    }
    if (again && message->deliveries <= end->redeliver) {
        uint64_t word = message->word;
        MS_STEP("kept: before sending it again");
        if (ms_cas_u64(&end->words[message->unit], word,
                       MS_PLACE_BECOMES(word, 0, MS_PLACE_AGAIN)) == word) {
            ms_store_u32(&end->channel->again, 1);
            ms_ring_bell(end, MS_BELL_MESSAGE, 0);
        }
        return;
    }
    MS_STEP("kept: before freeing the place");
    ms_place_free(end, message->unit, message->word);
}

/* ------------------------------------------------------------------ looking */

int ms_ring_ready(ms_end *end)
{
    if (MS_IS_TOPIC(end))
        return ms_topic_ready(end);
    ms_entry *entry;
    uint64_t seen, position;
    if (at_once_down(end))
        return -EAGAIN;
    if (ms_load_u32(&end->channel->again))
        for (uint32_t unit = 0; unit < end->units; unit++)
            if (MS_PLACE_STATE(ms_load_u64(&end->words[unit])) == MS_PLACE_AGAIN)
                return 0;
    return next(end, &entry, &seen, &position);
}

int ms_ring_has_room(ms_end *end)
{
    if (MS_IS_TOPIC(end))
        return ms_topic_has_room(end);
    uint64_t position = ms_peek_u64(&end->channel->tail);
    for (uint32_t steps = 0; steps <= end->capacity; steps++, position++) {
        uint64_t lap;
        uint64_t seen = ms_load_u64(&ms_entry_at(end, position, &lap)->word);
        int64_t ahead = MS_LAPS(MS_RING_LAP(seen), lap);
        uint32_t state = MS_RING_STATE(seen);
        if ((ahead == 0 && state == MS_RING_FREE) || (ahead == -1 && state == MS_RING_VOID))
            return 1;
        if (ahead < 0)
            return 0;
    }
    return 0;
}

uint32_t ms_ring_count(ms_end *end)
{
    if (MS_IS_TOPIC(end))
        return ms_topic_count(end);
    uint32_t count = 0, looks = end->capacity;
    uint64_t head = ms_peek_u64(&end->channel->head), tail = ms_peek_u64(&end->channel->tail), lap;
    if (at_once_down(end))
        return 0;
    if (looks > COUNTED_WHOLE && tail - head < looks)
        looks =
            (uint32_t)(tail -
                       head); /* a long ring is looked at where the hints say that messages are */
    for (uint32_t i = 0; i < looks; i++)
        count +=
            MS_RING_STATE(ms_load_u64(&ms_entry_at(end, head + i, &lap)->word)) == MS_RING_FULL;
    if (ms_load_u32(&end->channel->again))
        for (uint32_t unit = 0; unit < end->units; unit++)
            count += MS_PLACE_STATE(ms_load_u64(&end->words[unit])) == MS_PLACE_AGAIN;
    return count;
}

int ms_ring_waits(ms_end *end, uint64_t position)
{
    uint64_t lap;
    uint64_t seen = ms_load_u64(&ms_entry_at(end, position, &lap)->word);
    return MS_LAPS(MS_RING_LAP(seen), lap) == 0 && MS_RING_STATE(seen) != MS_RING_VOID;
}
