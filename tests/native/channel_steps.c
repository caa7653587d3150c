/* SPDX-License-Identifier: MIT
 *
 * Compiled with the channel core and -DMS_TEST_STEPS for channel_steps.py: whole operations, with
 * arguments that ctypes can give.  A message is its length, then bytes that follow from a seed.
 */
#include "channel/ms_topic.h"
#include "channel_steps.h"

#include <stdlib.h>
#include <sys/mman.h>

actor *channel_open(int fd, const ms_shape *shape, uint32_t role, int make, int *result)
{
    uint64_t size = ms_channel_size(shape);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    actor *one = calloc(1, sizeof *one);
    if (make)
        ms_channel_format(memory, shape);
    *result = ms_end_open(&one->end, memory, size, shape, fd, role);
    return one;
}

/* 0 or a negative errno. */
int64_t channel_send(actor *one, uint64_t length, uint32_t seed, int64_t timeout_ms)
{
    unsigned char brief[MS_SHORT];
    uint32_t unit = 0;
    uint64_t word = 0, position;
    int result = ms_end_enter(&one->end), in_place = length > MS_SHORT || one->end.redeliver;
    if (result)
        return result;
    ms_await wait = begin(one, MS_FOR_PLACE, length, timeout_ms);
    if (in_place) {
        while ((result = ms_place_take(&one->end, length, &unit, &word)) == -EAGAIN)
            if ((result = patient(&wait)))
                break;
        ms_await_end(&wait, !result);
        if (result)
            return result;
        fill(ms_place_bytes(&one->end, unit), length, seed);
    } else
        fill(brief, length, seed);
    MS_STEP("send: made");
    wait = begin(one, MS_FOR_ROOM, 0, timeout_ms);
    do
        result = in_place ? ms_ring_push_place(&one->end, unit, word, length, 7, 0, &position)
                          : ms_ring_push(&one->end, brief, (uint32_t)length, 7, 0, &position);
    while (result == -EAGAIN && !(result = patient(&wait)));
    ms_await_end(&wait, !result);
    if (result && in_place)
        ms_place_free(&one->end, unit, word);
    return result;
}

/* The seed of the next message, or a negative errno; `keep`: it stays in hand. */
int64_t channel_receive(actor *one, int64_t timeout_ms, int keep)
{
    static unsigned char copied[1 << 20];
    ms_message message;
    int nobody = 0, result = ms_end_enter(&one->end);
    if (result)
        return result;
    ms_await wait = begin(one, MS_FOR_MESSAGE, 0, timeout_ms);
    for (;;) {
        memset(&message, 0, sizeof message);
        result = ms_ring_pull(&one->end, &message);
        if ((result != -EAGAIN && result != -EBUSY) || nobody)
            break;
        if (result == -EAGAIN && one->end.channel->down) {
            result = -EPIPE;
            break;
        }
        result = patient(&wait);
        nobody = result == -ENOTCONN;
        if (result && !nobody)
            break;
    }
    ms_await_end(&wait, !result);
    if (result)
        return nobody ? -ENOTCONN : result;
    memcpy(copied, message.bytes, message.length);
    MS_STEP("receive: copied");
    if (keep && message.in_place) {
        result = ms_ring_keep(&one->end, &message);
        one->kept = message;
    } else
        ms_ring_finish(&one->end, &message);
    return result ? result : check(copied, message.length);
}

int64_t channel_done(actor *one, int again)
{
    ms_ring_release(&one->end, &one->kept, again);
    return 0;
}

int64_t channel_back(actor *one)
{
    ms_message message = {0};
    int result = ms_ring_pull(&one->end, &message);
    if (!result)
        ms_ring_unpull(&one->end, &message);
    return result;
}

int64_t channel_close(actor *one)
{
    ms_end_close(&one->end);
    return 0;
}

int64_t channel_shutdown(actor *one)
{
    ms_channel_shut(&one->end, 0);
    return 0;
}

int64_t channel_recover_all(actor *one)
{
    return ms_recover_all(&one->end);
}

int64_t channel_recover(actor *one)
{
    return ms_recover(&one->end);
}

/* How many places are not free, and entries that are neither free nor void. */
int64_t channel_busy(actor *one)
{
    int64_t busy = 0;
    for (uint32_t unit = 0; unit < one->end.units; unit++)
        busy += MS_PLACE_STATE(one->end.words[unit]) != MS_PLACE_FREE;
    for (uint32_t i = 0; i < one->end.capacity; i++) {
        uint32_t state = MS_RING_STATE(one->end.ring[i].word);
        busy += (int64_t)(state != MS_RING_FREE && state != MS_RING_VOID) << 32;
    }
    return busy;
}

/* ------------------------------------------------------------------ topics */

int64_t channel_rewind(actor *one, uint64_t messages)
{
    ms_topic_rewind(&one->end, messages);
    return 0;
}

int64_t channel_missed(actor *one)
{
    return (int64_t)one->end.missed;
}

/* How many places are neither free nor in the ring, or in somebody's hands. */
int64_t channel_unsettled(actor *one)
{
    int64_t count = 0;
    for (uint32_t unit = 0; unit < one->end.units; unit++) {
        uint64_t word = one->end.words[unit];
        uint32_t state = MS_PLACE_STATE(word);
        if (state == MS_PLACE_PART)
            count += MS_PLACE_STATE(one->end.words[unit - MS_PLACE_UNITS(word)]) != MS_PLACE_QUEUED;
        else
            count += state != MS_PLACE_FREE && state != MS_PLACE_QUEUED;
        count += ms_holder_of(&one->end, unit) != 0;
    }
    return count;
}
