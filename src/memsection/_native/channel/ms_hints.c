/* SPDX-License-Identifier: MIT
 *
 * Head and tail of a queue as the words say that they should be (invariant Q5).
 */
#include "ms_topic.h"

#include "../include/ms_atomic.h"

/* The lowest position with a message, or with somebody at work on one: UINT64_MAX if there is none.
 */
static uint64_t lowest_message(const ms_end *end)
{
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; i < end->capacity; i++) {
        uint64_t word = ms_load_u64(&end->ring[i].word),
                 position = MS_RING_LAP(word) * end->capacity + i;
        uint32_t state = MS_RING_STATE(word);
        if (state != MS_RING_FREE && state != MS_RING_READING && position < lowest)
            lowest = position;
    }
    return lowest;
}

/* The lowest position that can be, or will be, written next; never above the right one, whatever
 * happens meanwhile. */
static uint64_t lowest_room(const ms_end *end)
{
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; i < end->capacity; i++) {
        uint64_t word = ms_load_u64(&end->ring[i].word),
                 position = MS_RING_LAP(word) * end->capacity + i;
        if (MS_RING_STATE(word) != MS_RING_FREE)
            position += end->capacity;
        lowest = position < lowest ? position : lowest;
    }
    return lowest;
}

void ms_ring_resync(ms_end *end)
{
    if (MS_IS_TOPIC(end)) {
        ms_topic_resync(end);
        return;
    }
    uint64_t tail = ms_peek_u64(&end->channel->tail), room = lowest_room(end), lap;
    if (tail != room)
        ms_cas_u64(&end->channel->tail, tail, room);
    uint64_t head = ms_peek_u64(&end->channel->head), message = lowest_message(end);
    /* Whoever claims a position has seen the one before it claimed: what the first look missed
     * below a message, the second one sees. */
    uint64_t again = message == UINT64_MAX ? room : lowest_message(end);
    message = again < message ? again : message;
    uint64_t word = ms_load_u64(&ms_entry_at(end, head, &lap)->word);
    int hole = MS_RING_LAP(word) == lap && MS_RING_STATE(word) == MS_RING_FREE;
    /* Forwards only over what was never written, which strangers bring about, and from far away:
     * receivers find their way over what was taken, and one that has died may just be having its
     * message put back. */
    if (message < head || message - head > end->capacity || (hole && message > head))
        ms_cas_u64(&end->channel->head, head, message);
}

/* Where they meet the ring is empty; otherwise a message, or somebody at work on one, is at the
 * head.  What this cannot see, a message behind the head, is found by setting them anew now and
 * then. */
int ms_hints_fit(ms_end *end)
{
    if (MS_IS_TOPIC(end))
        return ms_topic_hints_fit(end);
    uint64_t lap, head = ms_peek_u64(&end->channel->head), tail = ms_peek_u64(&end->channel->tail);
    uint64_t word = ms_load_u64(&ms_entry_at(end, tail, &lap)->word);
    if (tail - head > end->capacity ||
        (MS_LAPS(MS_RING_LAP(word), lap) < 0 && MS_RING_STATE(word) == MS_RING_FREE))
        return 0;
    word = ms_load_u64(&ms_entry_at(end, head, &lap)->word);
    if (MS_RING_STATE(word) != MS_RING_FREE)
        return MS_LAPS(MS_RING_LAP(word), lap) >= 0;
    return MS_LAPS(MS_RING_LAP(word), lap) > 0 || (MS_RING_LAP(word) == lap && head == tail);
}
