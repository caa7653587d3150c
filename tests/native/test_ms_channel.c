/* SPDX-License-Identifier: MIT
 *
 * Channels under the sanitizers: threads with ends of their own that send and receive at once,
 * short messages and places, some kept in hand; and strangers' scribbling over all of the memory,
 * which may make messages wrong and nothing else.
 */
#define _GNU_SOURCE
#include "channel/ms_channel.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "ms_atomic.h"
#include "ms_futex.h"

enum { THREADS = 4, EACH = 600 };
static const ms_shape shape = {.capacity = 8, .redeliver = 0, .small_units = 24};
static unsigned char *memory;
static int fd;
static uint64_t received[THREADS][EACH];
static uint32_t scribbling;

static void make(void)
{
    uint64_t size = ms_channel_size(&shape);
    fd = memfd_create("channel", MFD_CLOEXEC);
    CHECK(fd >= 0 && !ftruncate(fd, (off_t)size));
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    ms_channel_format(memory, &shape);
}

static void unmake(void)
{
    munmap(memory, ms_channel_size(&shape));
    close(fd);
}

static int again(ms_end *end, int what, uint64_t length, int64_t deadline)
{
    ms_await wait = {.end = end, .what = what, .length = length, .deadline = deadline};
    int result = ms_await_change(&wait);
    ms_await_end(&wait, 0);
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
    memset(bytes, (int)(number & 0xff), length);
    memcpy(bytes, &sender, 8);
    memcpy(bytes + 8, &number, 8);
    if (length <= MS_SHORT) {
        while ((result = ms_ring_push(end, bytes, (uint32_t)length, 0, 0, &position)) == -EAGAIN)
            if ((result = again(end, MS_FOR_ROOM, 0, deadline)))
                return result;
        return result;
    }
    while ((result = ms_place_take(end, length, &unit, &word)) == -EAGAIN)
        if ((result = again(end, MS_FOR_PLACE, length, deadline)))
            return result;
    if (result)
        return result;
    memcpy(ms_place_bytes(end, unit), bytes, length);
    while ((result = ms_ring_push_place(end, unit, word, length, 0, 0, &position)) == -EAGAIN)
        if ((result = again(end, MS_FOR_ROOM, 0, deadline)))
            break;
    if (result)
        ms_place_free(end, unit, word);
    return result;
}

static void *sends(void *argument)
{
    ms_end end;
    CHECK(!ms_end_open(&end, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_SEND));
    for (uint64_t i = 0; i < EACH; i++)
        CHECK(!send_one(&end, (uint64_t)(uintptr_t)argument, i, MS_FOREVER));
    ms_end_close(&end);
    return NULL;
}

static int receive_one(ms_end *end, ms_message *message, int64_t deadline)
{
    for (;;) {
        memset(message, 0, sizeof *message);
        int result = ms_ring_pull(end, message);
        if (result != -EAGAIN && result != -EBUSY)
            return result;
        result = again(end, MS_FOR_MESSAGE, 0, deadline);
        if (result)
            return result;
    }
}

static void *receives(void *argument)
{
    ms_end end;
    ms_message message;
    int keeps = (uintptr_t)argument % 2;
    uint64_t last[THREADS] = {0};
    CHECK(!ms_end_open(&end, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_RECEIVE));
    while (!receive_one(&end, &message, ms_now() + 2000000000)) {
        uint64_t head[2];
        memcpy(head, message.bytes, sizeof head);
        CHECK(head[0] < THREADS && head[1] < EACH && message.length == length_of(head[1]));
        CHECK(message.length <= 16 || message.bytes[message.length - 1] == (unsigned char)head[1]);
        CHECK(head[1] + 1 > last[head[0]]); /* in the order of their sender */
        last[head[0]] = head[1] + 1;
        ms_add_u64(&received[head[0]][head[1]], 1);
        if (keeps && message.in_place) {
            CHECK(!ms_ring_keep(&end, &message));
            ms_ring_release(&end, &message, 0);
        } else
            ms_ring_finish(&end, &message);
        if (ms_ring_count(&end) == 0 && ms_end_count(&end, MS_ROLE_SEND) == 0 &&
            ms_ring_ready(&end) == -EAGAIN)
            break;
    }
    ms_end_close(&end);
    return NULL;
}

static void *takes_part(void *argument)
{
    return (uintptr_t)argument < THREADS ? sends(argument) : receives(argument);
}

static void every_message_arrives_once_and_whole(void)
{
    make();
    together(2 * THREADS, takes_part);
    ms_end end;
    CHECK(!ms_end_open(&end, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_BOTH));
    for (int i = 0; i < THREADS; i++)
        for (int j = 0; j < EACH; j++)
            CHECK(received[i][j] == 1);
    for (uint32_t unit = 0; unit < end.units; unit++)
        CHECK(MS_PLACE_STATE(end.words[unit]) == MS_PLACE_FREE);
    ms_end_close(&end);
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
            continue; /* the header is compared when a channel is opened */
        if (draw(&state) % 4 == 0)
            word = word % 3 ? word & 0xffff0f : 0; /* something that may pass for a state */
        __atomic_store_n(at, word, __ATOMIC_RELAXED);
        if (i % 64 == 0)
            usleep(10);
    }
    ms_store_u32(&scribbling, 0);
    return NULL;
}

static unsigned look_at(const ms_message *message)
{
    unsigned sum = 0;
    for (uint64_t i = 0; i < message->length; i++)
        sum += ((const volatile unsigned char *)message->bytes)[i];
    return sum;
}

static void *suffers(void *argument)
{
    uint64_t number = 0;
    ms_end end;
    ms_message message;
    if (!argument)
        return scribbles(argument);
    if (ms_end_open(&end, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_BOTH))
        return NULL;
    while (ms_load_u32(&scribbling)) {
        send_one(&end, (uintptr_t)argument, number++, ms_now() + 200000);
        memset(&message, 0, sizeof message);
        if (!receive_one(&end, &message, ms_now() + 200000)) {
            CHECK(message.bytes >= memory &&
                  message.bytes + message.length <= memory + ms_channel_size(&shape));
            look_at(&message);
            if (message.in_place && number % 2 && !ms_ring_keep(&end, &message))
                ms_ring_release(&end, &message, 1);
            else
                ms_ring_finish(&end, &message);
        }
        ms_ring_count(&end);
        ms_recover(&end);
        ms_end_count(&end, MS_ROLE_BOTH);
    }
    ms_end_close(&end);
    return NULL;
}

static void a_stranger_spoils_messages_and_nothing_else(void)
{
#ifdef __SANITIZE_THREAD__
    return; /* a stranger's writes are races by nature */
#endif
    make();
    scribbling = 1;
    together(3, suffers);
    unmake();
}

static void what_cannot_be_is_refused(void)
{
    ms_end end;
    ms_shape wrong = shape;
    uint64_t size = ms_channel_size(&shape);
    make();
    CHECK(ms_end_open(&end, memory, size - 1, &shape, fd, MS_ROLE_BOTH) == -EBADMSG);
    CHECK(ms_end_open(&end, memory, 8, &shape, fd, MS_ROLE_BOTH) == -EBADMSG);
    wrong.capacity = 9;
    CHECK(ms_end_open(&end, memory, size + 4096, &wrong, fd, MS_ROLE_BOTH) == -EBADMSG);
    ((ms_channel *)memory)->version = 2;
    CHECK(ms_end_open(&end, memory, size, &shape, fd, MS_ROLE_BOTH) == -EPROTO);
    memory[0] = 0;
    CHECK(ms_end_open(&end, memory, size, &shape, fd, MS_ROLE_BOTH) == -EBADMSG);
    wrong = (ms_shape){.capacity = 0};
    CHECK(!ms_channel_size(&wrong));
    wrong = (ms_shape){.capacity = 1, .large_units = 1 << 21, .large_unit = 1ull << 40};
    CHECK(!ms_channel_size(&wrong));
    wrong = (ms_shape){.capacity = UINT32_MAX, .small_units = UINT64_MAX};
    CHECK(!ms_channel_size(&wrong));
    unmake();
}

int main(int count, char **arguments)
{
    every_message_arrives_once_and_whole();
    what_cannot_be_is_refused();
    a_stranger_spoils_messages_and_nothing_else();
    return 0;
}
