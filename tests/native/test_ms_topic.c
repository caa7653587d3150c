/* SPDX-License-Identifier: MIT
 *
 * Topics under the sanitizers: threads with ends of their own that publish, subscribe, observe and
 * keep messages in hand at once, with senders that wait for nobody and senders that wait for the
 * slowest; and strangers' scribbling over all of the memory, which may make messages wrong and
 * nothing else.
 */
#define _GNU_SOURCE
#include "channel/ms_topic.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "ms_atomic.h"
#include "ms_futex.h"

enum { SENDERS = 2, SUBSCRIBERS = 3, EACH = 1500 };
static ms_shape shape;
static unsigned char *memory;
static int fd;
static uint32_t open_ends, scribbling;

static void make(uint32_t flags)
{
    shape = (ms_shape){.capacity = 8, .small_units = 24, .flags = MS_TOPIC | flags, .history = 3};
    uint64_t size = ms_channel_size(&shape);
    fd = memfd_create("topic", MFD_CLOEXEC);
    CHECK(fd >= 0 && !ftruncate(fd, (off_t)size));
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    ms_channel_format(memory, &shape);
    open_ends = 0;
}

static void unmake(void)
{
    munmap(memory, ms_channel_size(&shape));
    close(fd);
}

static ms_await begin(ms_end *end, int what, uint64_t length, int64_t deadline)
{
    return (ms_await){.end = end, .what = what, .length = length, .deadline = deadline};
}

static int again(ms_await *wait)
{
    int result = ms_await_change(wait);
    return result == -EINTR ? 0 : result;
}

static uint64_t length_of(uint64_t number)
{
    static const uint64_t lengths[] = {16, 112, 113, 4000, 9000};
    return lengths[number % 5];
}

static int send_one(ms_end *end, uint64_t sender, uint64_t number, int64_t deadline)
{
    unsigned char bytes[9000];
    uint64_t length = length_of(number), word, position;
    uint32_t unit;
    int result;
    ms_await place = begin(end, MS_FOR_PLACE, length, deadline),
             room = begin(end, MS_FOR_ROOM, 0, deadline);
    memset(bytes, (int)(number & 0xff), length);
    memcpy(bytes, &sender, 8);
    memcpy(bytes + 8, &number, 8);
    if (length <= MS_SHORT) {
        while ((result = ms_ring_push(end, bytes, (uint32_t)length, 0, 0, &position)) == -EAGAIN)
            if ((result = again(&room)))
                return result;
        return result;
    }
    while ((result = ms_place_take(end, length, &unit, &word)) == -EAGAIN)
        if ((result = again(&place)))
            return result;
    if (result)
        return result;
    memcpy(ms_place_bytes(end, unit), bytes, length);
    while ((result = ms_ring_push_place(end, unit, word, length, 0, 0, &position)) == -EAGAIN)
        if ((result = again(&room)))
            break;
    if (result)
        ms_place_free(end, unit, word);
    return result;
}

static void sends(uint64_t number)
{
    ms_end end;
    CHECK(!ms_end_open(&end, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_SEND));
    ms_add_u32(&open_ends, 1);
    while (ms_load_u32(&open_ends) < SENDERS + SUBSCRIBERS)
        usleep(100);
    for (uint64_t i = 0; i < EACH; i++)
        CHECK(!send_one(&end, number, i, MS_FOREVER));
    ms_end_close(&end);
}

static int receive_one(ms_end *end, ms_message *message, int64_t deadline)
{
    ms_await wait = begin(end, MS_FOR_MESSAGE, 0, deadline);
    for (int nobody = 0;;) {
        memset(message, 0, sizeof *message);
        int result = ms_ring_pull(end, message);
        if (result != -EAGAIN && result != -EBUSY)
            return result;
        if (nobody)
            return nobody;
        result = again(&wait);
        nobody = result == -ENOTCONN ? result : 0;
        if (result && !nobody)
            return result;
    }
}

static void look_at_whole(const ms_message *message, uint64_t *last)
{
    uint64_t head[2];
    memcpy(head, message->bytes, sizeof head);
    CHECK(head[0] < SENDERS && head[1] < EACH && message->length == length_of(head[1]));
    for (uint64_t i = 16; i < message->length; i++)
        CHECK(message->bytes[i] == (unsigned char)head[1]);
    CHECK(head[1] + 1 > last[head[0]]); /* in the order of their sender */
    last[head[0]] = head[1] + 1;
}

/* Not taken after all: it is the next one again. */
static void give_back(ms_end *end, ms_message *message, uint64_t *last)
{
    uint64_t sender, position = message->position;
    memcpy(&sender, message->bytes, 8);
    ms_ring_unpull(end, message);
    CHECK(!ms_ring_ready(end) && !receive_one(end, message, 0) && message->position == position);
    last[sender]--;
    look_at_whole(message, last);
    ms_ring_finish(end, message);
}

static void receives(uint64_t number)
{
    ms_end end;
    ms_message message, kept = {0};
    uint64_t last[SENDERS] = {0}, got = 0;
    CHECK(!ms_end_open(&end, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_RECEIVE));
    ms_add_u32(&open_ends, 1);
    int result;
    while (!(result = receive_one(&end, &message, ms_now() + 20000000000))) {
        look_at_whole(&message, last);
        got++;
        if (kept.in_place)
            ms_ring_release(&end, &kept, 0);
        kept.in_place = 0;
        if (number % 2 && message.in_place) {
            CHECK(!ms_ring_keep(&end, &message));
            kept = message; /* until the next one */
        } else if (got % 7 == 0)
            give_back(&end, &message, last);
        else
            ms_ring_finish(&end, &message);
    }
    CHECK(result == -ENOTCONN);
    if (kept.in_place)
        ms_ring_release(&end, &kept, 0);
    CHECK(got + end.missed == SENDERS * EACH);
    CHECK(!(shape.flags & MS_SLOW_WAITS) || !end.missed);
    ms_end_close(&end);
}

static void *takes_part(void *argument)
{
    uint64_t number = (uintptr_t)argument;
    number < SENDERS ? sends(number) : receives(number - SENDERS);
    return NULL;
}

static void every_subscriber_gets_every_message_whole_or_knows_how_many_it_missed(uint32_t flags)
{
    make(flags);
    together(SENDERS + SUBSCRIBERS, takes_part);
    ms_end end;
    CHECK(!ms_end_open(&end, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_BOTH));
    for (uint32_t unit = 0; unit < end.units; unit++) {
        CHECK(MS_PLACE_STATE(end.words[unit]) != MS_PLACE_LEFT &&
              MS_PLACE_STATE(end.words[unit]) != MS_PLACE_SENDING);
        CHECK(!ms_holder_of(&end, unit));
    }
    for (uint64_t i = 0; i < 40; i++) /* all of the memory can be used again */
        CHECK(!send_one(&end, 0, i, ms_now() + 20000000000));
    ms_end_close(&end);
    unmake();
}

/* ------------------------------------------------------------------ observers */

static void *observes_or_sends(void *argument)
{
    static unsigned char copied[9000];
    uint64_t last[SENDERS] = {0};
    ms_message message;
    ms_end end;
    if (!argument) {
        sends(0);
        return NULL;
    }
    CHECK(!ms_observer_open(&end, memory, ms_channel_size(&shape), &shape, fd));
    ms_add_u32(&open_ends, SENDERS + SUBSCRIBERS);
    ms_await wait = {.end = &end, .what = MS_FOR_MESSAGE, .deadline = ms_now() + 20000000000};
    int result = 0;
    while (result == 0 || result == -EINTR) {
        memset(&message, 0, sizeof message);
        int found = ms_observer_pull(&end, &message, 0);
        if (found) {
            CHECK(found == -EAGAIN || found == -EBUSY);
            result = ms_observer_await(&wait);
            continue;
        }
        if (message.in_place) {
#ifdef __SANITIZE_THREAD__
            ms_observer_finish(&end, &message);
            continue; /* such a copy is a race by nature; the words around it tell whether it was a
                         message */
#endif
            CHECK(message.length <= sizeof copied);
            memcpy(copied, message.bytes, message.length);
            if (!ms_observer_finish(&end, &message))
                continue;
            message.bytes = copied;
        } else
            message.bytes = (const unsigned char *)message.copy;
        look_at_whole(&message, last);
    }
    CHECK(result == -ENOTCONN);
    return NULL;
}

static void what_an_observer_gets_is_whole(uint32_t flags)
{
    make(flags);
    together(2, observes_or_sends);
    unmake();
}

/* ------------------------------------------------------------------ strangers */

static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void *scribbles(void *argument)
{
    uint64_t state = 88172645463325252ull + (uintptr_t)argument;
    uint64_t control = ms_channel_size(&shape) - shape.small_units * MS_SMALL_UNIT;
    for (int i = 0; i < 60000; i++) {
        uint64_t word = draw(&state), *at = (uint64_t *)memory + draw(&state) % (control / 8);
        if ((unsigned char *)at < memory + 64)
            continue; /* the header is compared when a topic is opened */
        if (draw(&state) % 4 == 0)
            word = word % 3 ? word & 0xffff0f : 0; /* something that may pass for a state */
        __atomic_store_n(at, word, __ATOMIC_RELAXED);
        if (i % 64 == 0)
            usleep(10);
    }
    ms_store_u32(&scribbling, 0);
    return NULL;
}

static void look_at(const ms_message *message)
{
    unsigned sum = 0;
    int in_memory = message->bytes >= memory &&
                    message->bytes + message->length <= memory + ms_channel_size(&shape);
    CHECK(in_memory ||
          (message->bytes == (const unsigned char *)message->copy && message->length <= MS_SHORT));
    for (uint64_t i = 0; i < message->length; i++)
        sum += ((const volatile unsigned char *)message->bytes)[i];
    (void)sum;
}

static void *suffers(void *argument)
{
    uint64_t number = 0;
    ms_end end, observer;
    ms_message message;
    if (!argument)
        return scribbles(argument);
    if (ms_end_open(&end, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_BOTH))
        return NULL;
    CHECK(!ms_observer_open(&observer, memory, ms_channel_size(&shape), &shape, fd));
    while (ms_load_u32(&scribbling)) {
        send_one(&end, (uintptr_t)argument, number++, ms_now() + 200000);
        memset(&message, 0, sizeof message);
        if (!receive_one(&end, &message, ms_now() + 200000)) {
            look_at(&message);
            if (number % 2 && !ms_ring_keep(&end, &message))
                ms_ring_release(&end, &message, 0);
            else
                ms_ring_finish(&end, &message);
        }
        memset(&message, 0, sizeof message);
        if (!ms_observer_pull(&observer, &message, number % 2)) {
            message.bytes = message.in_place ? message.bytes : (const unsigned char *)message.copy;
            look_at(&message);
            ms_observer_finish(&observer, &message);
        }
        ms_topic_pull(&end, &message, 1) ? (void)0 : ms_ring_finish(&end, &message);
        ms_ring_count(&end);
        ms_recover(&end);
        ms_topic_waits(&end, number);
        ms_observer_count(&observer, MS_ROLE_BOTH);
    }
    ms_end_close(&end);
    return NULL;
}

static void a_stranger_spoils_messages_and_nothing_else(uint32_t flags)
{
#ifdef __SANITIZE_THREAD__
    return; /* a stranger's writes are races by nature */
#endif
    make(flags);
    scribbling = 1;
    together(3, suffers);
    unmake();
}

static void what_cannot_be_is_refused(void)
{
    ms_end end;
    make(0);
    ms_shape wrong = shape;
    uint64_t size = ms_channel_size(&shape);
    wrong.flags |= MS_SLOW_WAITS;
    CHECK(ms_end_open(&end, memory, size + (1 << 20), &wrong, fd, MS_ROLE_BOTH) == -EBADMSG);
    wrong = shape;
    wrong.history = 9;
    CHECK(!ms_channel_size(&wrong));
    wrong.history = 0;
    wrong.redeliver = 1;
    CHECK(!ms_channel_size(&wrong));
    CHECK(ms_observer_open(&end, memory, size - 1, &shape, fd) == -EBADMSG);
    unmake();
}

int main(int count, char **arguments)
{
    every_subscriber_gets_every_message_whole_or_knows_how_many_it_missed(0);
    every_subscriber_gets_every_message_whole_or_knows_how_many_it_missed(MS_SLOW_WAITS);
    what_an_observer_gets_is_whole(0);
    what_an_observer_gets_is_whole(MS_OBSERVED);
    what_cannot_be_is_refused();
    a_stranger_spoils_messages_and_nothing_else(0);
    a_stranger_spoils_messages_and_nothing_else(MS_SLOW_WAITS);
    return 0;
}
