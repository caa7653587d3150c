/* SPDX-License-Identifier: MIT
 *
 * Sleeping on what a wait is for; see ms_sleep_on.h.
 */
#define _GNU_SOURCE
#include "ms_sleep_on.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ms_atomic.h"
#include "ms_event.h"
#include "ms_take.h"
#include "ms_timer.h"

/* for processes among other objects, when no thread can be had */
#define UNHELPED_SLICE 5000000ll

/* The helper of a wait that watches processes and words: it turns the end of a process into a
 * change of a word. */
static void *watch_processes(void *argument)
{
    ms_wait *wait = argument;
    struct pollfd list[MS_WAIT_MOST + 1];
    nfds_t n = 0;
    list[n++] = (struct pollfd){.fd = wait->bell, .events = POLLIN};
    for (uint32_t i = 0; i < wait->count; i++)
        if (ms_is_process(&wait->items[i]))
            list[n++] = (struct pollfd){.fd = wait->items[i].fd, .events = POLLIN};
    while (poll(list, n, -1) < 0 && errno == EINTR)
        ;
    ms_store_u32(&wait->ended,
                 1); /* SYNC(ended): release; pairs with the kernel's comparison in futex_waitv */
    ms_futex_wake(&wait->ended, 1);
    return NULL;
}

static int start_helper(ms_wait *wait)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    wait->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wait->bell < 0)
        return -errno;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the threads of the program */
    int result = pthread_create(&wait->helper, &attributes, watch_processes, wait);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (result) {
        close(wait->bell);
        return -result;
    }
    wait->helped = 1;
    return 0;
}

void ms_stop_helper(ms_wait *wait)
{
    uint64_t one = 1;
    while (write(wait->bell, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(wait->helper, NULL);
    close(wait->bell);
    wait->helped = 0;
}

int64_t ms_until_due(const ms_object *object, int64_t until)
{
    int64_t due = object->kind == MS_TIMER ? ms_timer_due(object) : MS_FOREVER;
    return due < until ? due : until;
}

int ms_mark_sleeper(ms_object *object, uint32_t pulses, uint32_t *sequence)
{
    *sequence = ms_load_u32(
        &object->state
             ->sequence); /* SYNC(sequence): acquire, before the word; pairs with ms_wake */
    for (;;) {
        uint64_t word = ms_load_u64(&object->state->word);
        if (ms_available(object, word, pulses))
            return 1;
        MS_STEP("sleep: before marking");
        if (word & MS_CONTENDED ||
            ms_cas_u64(&object->state->word, word, word | MS_CONTENDED) == word)
            return 0;
    }
}

static int sleep_on_processes(const ms_wait *wait, int64_t until)
{
    struct pollfd list[MS_WAIT_MOST];
    nfds_t n = 0;
    for (uint32_t i = 0; i < wait->count; i++)
        if (ms_is_process(&wait->items[i]) && (!wait->all || i == wait->missing))
            list[n++] = (struct pollfd){.fd = wait->items[i].fd, .events = POLLIN};
    int64_t left = until - ms_now();
    if (left < 0)
        left = 0;
    struct timespec time = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    return ppoll(list, n, &time, NULL) < 0 ? -errno : 0;
}

void ms_pass_on(const ms_item *item)
{
    ms_object *object = item->object;
    if (item->other)
        item->other->leave(item->other->self);
    if (!object || object->flags & MS_MANUAL) /* everybody was woken */
        return;
    uint64_t word = ms_load_u64(&object->state->word);
    if (ms_sane(object, word) && ms_available(object, word, MS_HIGH(word) - 1)) {
        ms_ring(&object->state->rung);
        ms_futex_wake(&object->state->sequence, 1);
    }
}

int64_t ms_limit_of_other(const ms_item *item, int64_t until)
{
    return item->other->limit ? item->other->limit(item->other->self, until) : until;
}

/* Without the one that is missing the others do not matter. */
int ms_sleep_for_all(ms_wait *wait, int64_t until)
{
    if (wait->missing < wait->count && wait->missing != wait->index)
        ms_pass_on(&wait->items[wait->missing]);
    ms_item *item = &wait->items[wait->missing = wait->index];
    uint32_t sequence;
    if (item->other) {
        uint32_t *word = item->other->mark(item->other->self, &sequence);
        return item->other->ready(item->other->self)
                   ? 0
                   : ms_futex_wait(word, sequence, ms_limit_of_other(item, until));
    }
    if (!item->object)
        return sleep_on_processes(wait, until);
    uint64_t word = ms_load_u64(&item->object->state->word);
    if (word & MS_LOCKED) {
        int result = ms_unlocked(item->object, item->fd, until);
        return result == -EDEADLK ? 0 : result;
    }
    item->pulses = MS_HIGH(word);
    if (ms_mark_sleeper(item->object, item->pulses, &sequence))
        return 0;
    MS_STEP("sleep: before sleeping");
    return ms_futex_wait(&item->object->state->sequence, sequence,
                         ms_until_due(item->object, until));
}

int ms_sleep_for_any(ms_wait *wait, int64_t until)
{
    uint32_t *words[MS_WAIT_MOST + 1], values[MS_WAIT_MOST + 1], processes = 0;
    int n = 0;
    for (uint32_t i = 0; i < wait->count; i++) {
        const ms_item *item = &wait->items[i];
        if (item->other) {
            words[n] = item->other->mark(item->other->self, &values[n]);
            n++;
            if (item->other->ready(item->other->self))
                return 0;
            until = ms_limit_of_other(item, until);
            continue;
        }
        if (!item->object) {
            processes++;
            continue;
        }
        words[n] = &item->object->state->sequence;
        if (ms_mark_sleeper(item->object, item->pulses, &values[n++]))
            return 0;
        until = ms_until_due(item->object, until);
    }
    if (processes == wait->count)
        return sleep_on_processes(wait, until);
    if (processes && (wait->helped || !start_helper(wait))) {
        words[n] = &wait->ended;
        values[n++] = 0;
    } else if (processes && until - ms_now() > UNHELPED_SLICE)
        until = ms_now() + UNHELPED_SLICE;
    MS_STEP("sleep: before sleeping");
    return ms_futex_wait_any(words, values, n, until);
}
