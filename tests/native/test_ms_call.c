/* SPDX-License-Identifier: MIT
 *
 * The calls of a service without a line of Python, under the sanitizers: clients and servers in
 * threads, short and long requests and answers, calls that are given up at any moment, and servers
 * that give calls up.
 */
#define _GNU_SOURCE
#include "channel/ms_call.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "include/ms_atomic.h"
#include "ms_futex.h"

#define CLIENTS 3
#define SERVERS 2
#define EACH 1500

static const ms_shape shape = {.capacity = 4, .small_units = 40, .calls = 8};
static void *memory;
static int fd;
static uint32_t given_up, dropped, right;

static uint64_t length_of(uint64_t i)
{
    return i % 5 == 0 ? 9000 : i % 3 == 0 ? 700 : 16;
}

/* A head of two numbers, then bytes that follow from the second. */
static int content(ms_end *end, uint64_t who, uint64_t i, unsigned char *brief, ms_content *made)
{
    *made = (ms_content){.bytes = brief, .length = length_of(i), .format = 1};
    unsigned char *bytes = brief;
    if (made->length > MS_SHORT) {
        if (ms_place_take(end, made->length, &made->unit, &made->word))
            return -EAGAIN;
        bytes = ms_place_bytes(end, made->unit);
    }
    uint64_t head[2] = {who, i};
    memset(bytes, (int)(i & 0xff), made->length);
    memcpy(bytes, head, sizeof head);
    return 0;
}

static void look_at(const ms_message *message, uint64_t *who, uint64_t *i)
{
    uint64_t head[2];
    CHECK(message->length >= sizeof head);
    memcpy(head, message->bytes, sizeof head);
    CHECK(message->length == length_of(head[1]));
    CHECK(message->length == 16 || message->bytes[message->length - 1] == (unsigned char)head[1]);
    *who = head[0];
    *i = head[1];
}

static int wait_for(ms_await *wait)
{
    int result = ms_await_change(wait);
    return result == -EINTR ? 0 : result;
}

static int ask(ms_end *end, uint64_t who, uint64_t i, ms_call *call, ms_content *request)
{
    unsigned char brief[MS_SHORT];
    while (content(end, who, i, brief, request))
        sched_yield();
    ms_await wait = {.end = end, .what = MS_FOR_ROOM, .deadline = MS_FOREVER};
    int result;
    while ((result = ms_call_ask(end, request, call)) == -EAGAIN)
        CHECK(!wait_for(&wait));
    ms_await_end(&wait, !result);
    return result;
}

static void take_answer(ms_end *end, const ms_call *call, uint64_t who, uint64_t i)
{
    ms_message answer;
    uint64_t whose, which;
    CHECK(!ms_call_answer(end, call, &answer));
    look_at(&answer, &whose, &which);
    CHECK(whose == who && which == i); /* no other call's */
    ms_call_end(end, call, 1);
    if (answer.in_place)
        ms_ring_release(end, &answer, 0);
    ms_add_u32(&right, 1);
}

static void *asks(void *argument)
{
    ms_end end;
    uint64_t who = (uintptr_t)argument;
    CHECK(!ms_end_open(&end, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_SEND));
    for (uint64_t i = 0; i < EACH; i++) {
        ms_call call;
        ms_content request;
        CHECK(!ask(&end, who, i, &call, &request));
        /* Some are given up before, while, or after they are served. */
        ms_await wait = {.end = &end,
                         .what = MS_FOR_ANSWER,
                         .call = &call,
                         .deadline = i % 7 ? MS_FOREVER : ms_now() + (int64_t)(i % 50) * 1000};
        int result;
        while ((result = ms_call_state(&end, &call)) == -EAGAIN && !(result = wait_for(&wait)))
            ;
        if (!result)
            take_answer(&end, &call, who, i);
        else {
            CHECK(result == -ETIMEDOUT || result == -ENOTCONN);
            ms_add_u32(result == -ETIMEDOUT ? &given_up : &dropped, 1);
            ms_call_end(&end, &call, 0);
        }
        if (request.word)
            ms_place_free(&end, request.unit, request.word);
    }
    ms_end_close(&end);
    return NULL;
}

static void answer(ms_end *end, ms_call *call, ms_message *request, uint64_t *served)
{
    unsigned char brief[MS_SHORT];
    ms_content made;
    uint64_t who, i;
    look_at(request, &who, &i);
    int gone = ms_call_serve(end, call);
    if (request->in_place)
        ms_ring_release(end, request, 0);
    if (gone)
        return;
    if (++*served % 97 == 0) {
        ms_call_drop(end, call, 0);
        return;
    }
    if (served[0] % 31 == 0)
        (void)ms_call_is_abandoned(end, call);
    while (content(end, who, i, brief, &made))
        sched_yield();
    if (ms_call_reply(end, call, &made) && made.word)
        ms_place_free(end, made.unit, made.word);
}

static void *serves(void *argument)
{
    ms_end end;
    ms_call call;
    ms_message request;
    uint64_t served = 0;
    CHECK(!ms_end_open(&end, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_RECEIVE));
    for (;;) {
        ms_await wait = {.end = &end, .what = MS_FOR_MESSAGE, .deadline = MS_FOREVER};
        int result;
        do
            result = ms_call_pull(&end, &call, &request);
        while (result == -ESTALE ||
               ((result == -EAGAIN || result == -EBUSY) && !ms_load_u32(&end.channel->down) &&
                (wait_for(&wait), 1))); /* the clients may have gone before the channel is down */
        ms_await_end(&wait, !result);
        if (result)
            break;
        answer(&end, &call, &request, &served);
    }
    CHECK(ms_load_u32(&end.channel->down));
    ms_end_close(&end);
    return NULL;
}

static void every_answer_is_its_own_calls(void)
{
    pthread_t clients[CLIENTS], servers[SERVERS];
    for (uintptr_t i = 0; i < SERVERS; i++)
        CHECK(!pthread_create(&servers[i], NULL, serves, (void *)i));
    for (uintptr_t i = 0; i < CLIENTS; i++)
        CHECK(!pthread_create(&clients[i], NULL, asks, (void *)i));
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    ms_end last;
    CHECK(!ms_end_open(&last, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_SEND));
    ms_channel_shut(&last, 0);
    for (int i = 0; i < SERVERS; i++)
        pthread_join(servers[i], NULL);
    CHECK(right + given_up + dropped == CLIENTS * EACH && right > CLIENTS * EACH / 2 && dropped);
    ms_recover(&last);
    for (uint32_t i = 0; i < last.calls; i++)
        CHECK(MS_CALL_STATE(last.cells[i].word) == MS_CALL_FREE);
    for (uint32_t unit = 0; unit < last.units; unit++)
        CHECK(MS_PLACE_STATE(last.words[unit]) == MS_PLACE_FREE);
    ms_end_close(&last);
}

/* A watched call says that it is ready when it is answered, and when nobody is left. */
static void a_call_is_watched(void)
{
    ms_end client, server;
    ms_call call, taken;
    ms_message request;
    ms_content made;
    ms_watched_call watched;
    uint32_t value;
    unsigned char brief[MS_SHORT];
    memset(memory, 0, ms_channel_size(&shape));
    ms_channel_format(memory, &shape);
    CHECK(!ms_end_open(&client, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_SEND));
    CHECK(!ms_end_open(&server, memory, ms_channel_size(&shape), &shape, fd, MS_ROLE_RECEIVE));
    CHECK(!ask(&client, 1, 1, &call, &made));
    ms_watched_call_make(&watched, &client, &call);
    CHECK(!watched.other.ready(&watched) && !watched.other.look(&watched));
    uint32_t *word = watched.other.mark(&watched, &value);
    CHECK(!ms_call_pull(&server, &taken, &request) && !ms_call_serve(&server, &taken));
    CHECK(!content(&server, 1, 1, brief, &made) && !ms_call_reply(&server, &taken, &made));
    CHECK(ms_load_u32(word) != value && watched.other.ready(&watched));
    watched.other.leave(&watched);
    take_answer(&client, &call, 1, 1);
    CHECK(!ask(&client, 1, 1, &call, &made));
    ms_watched_call_make(&watched, &client, &call);
    ms_end_close(&server);
    CHECK(watched.other.look(&watched) && ms_call_state(&client, &call) == -EAGAIN);
    ms_call_end(&client, &call, 0);
    ms_end_close(&client);
}

int main(void)
{
    uint64_t size = ms_channel_size(&shape);
    fd = memfd_create("service", MFD_CLOEXEC);
    CHECK(fd >= 0 && !ftruncate(fd, (off_t)size));
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    ms_channel_format(memory, &shape);
    every_answer_is_its_own_calls();
    a_call_is_watched();
    munmap(memory, size);
    close(fd);
    return 0;
}
