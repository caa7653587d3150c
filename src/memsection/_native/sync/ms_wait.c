/* SPDX-License-Identifier: MIT
 *
 * Waiting; see ms_wait.h.
 *
 * Sleepers and wakers meet like this (invariant S4).  A sleeper reads `sequence`, sees that the
 * object cannot be had, marks the word CONTENDED, and sleeps while `sequence` is what it read.
 * Whoever makes the object available clears the mark in the same swap and, if it was set, changes
 * `sequence` and wakes.  A sleeper that takes the object leaves the mark, for others may sleep too.
 * Whoever was woken and takes nothing wakes somebody else if there is something to take. The only
 * wake-up that can be lost is that of a process killed between waking and taking: so nobody sleeps
 * for longer than SLICE without looking.
 */
#define _GNU_SOURCE
#include "ms_take.h"
#include "ms_take_all.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ms_atomic.h"
#include "ms_event.h"
#include "ms_slot.h"
#include "ms_timer.h"

#ifdef MS_TEST_STEPS
int64_t ms_step_slice = 50000000,
        ms_step_first_slice = 10000000; /* long ones show that a wake-up was needed, and came */
#define SLICE ms_step_slice
#define FIRST_SLICE ms_step_first_slice
#else
#define SLICE 50000000ll
/* Before the first look whether an owner lives.  Not shorter: a timer that is the processor's next
 * one costs as much to set as the rest of the sleep, in a virtual machine
 * (bench/event_ping_pong.py). */
#define FIRST_SLICE 10000000ll
#endif
/* for an object held still by somebody who was stopped, when there is no time to wait */
#define LOCKED_LOOK 100000000ll
/* for processes among other objects, when no thread can be had */
#define UNHELPED_SLICE 5000000ll

static int open_question(int result) /* neither taken nor failed */
{
    return result == -EBUSY || result == -EAGAIN;
}

/* ------------------------------------------------------------------ spinning */

static int looks_available(const ms_wait *wait)
{
    for (uint32_t i = 0; i < wait->count; i++) {
        const ms_item *item = &wait->items[i];
        int yes = item->other
                      ? item->other->ready(item->other->self)
                      : item->object &&
                            ms_available(item->object, ms_load_u64(&item->object->state->word),
                                         item->pulses);
        if (yes != wait->all)
            return yes;
    }
    return wait->all;
}

typedef struct {
    ms_wait *wait;
    int result;
} attempt;

static int attempt_ends(void *argument)
{
    attempt *one = argument;
    if (!looks_available(one->wait))
        return 0;
    one->result = ms_wait_attempt(one->wait);
    return !open_question(one->result);
}

static int spin(ms_wait *wait)
{
    ms_object *object = wait->items[0].object;
    attempt one = {.wait = wait, .result = -EBUSY};
    if (object && ms_spin(&object->pace, &object->state->rung, wait->deadline, attempt_ends, &one,
                          &wait->begun))
        return one.result;
    return -EBUSY;
}

/* ------------------------------------------------------------------ sleeping */

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

static void stop_helper(ms_wait *wait)
{
    uint64_t one = 1;
    while (write(wait->bell, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(wait->helper, NULL);
    close(wait->bell);
    wait->helped = 0;
}

/* The end of a sleep until `until` on this object among others: not after the timer that it may be
 * is due. */
static int64_t until_due(const ms_object *object, int64_t until)
{
    int64_t due = object->kind == MS_TIMER ? ms_timer_due(object) : MS_FOREVER;
    return due < until ? due : until;
}

/* Before sleeping on an object: 1 when it need not be slept on. */
static int mark(ms_object *object, uint32_t pulses, uint32_t *sequence)
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

/* Whoever was woken and does not take the object wakes somebody else who could. */
static void pass_on(const ms_item *item)
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

/* Until when something of another part may be slept on, once it is marked. */
static int64_t limited(const ms_item *item, int64_t until)
{
    return item->other->limit ? item->other->limit(item->other->self, until) : until;
}

/* Without the one that is missing the others do not matter. */
static int sleep_for_all(ms_wait *wait, int64_t until)
{
    if (wait->missing < wait->count && wait->missing != wait->index)
        pass_on(&wait->items[wait->missing]);
    ms_item *item = &wait->items[wait->missing = wait->index];
    uint32_t sequence;
    if (item->other) {
        uint32_t *word = item->other->mark(item->other->self, &sequence);
        return item->other->ready(item->other->self)
                   ? 0
                   : ms_futex_wait(word, sequence, limited(item, until));
    }
    if (!item->object)
        return sleep_on_processes(wait, until);
    uint64_t word = ms_load_u64(&item->object->state->word);
    if (word & MS_LOCKED) {
        int result = ms_unlocked(item->object, item->fd, until);
        return result == -EDEADLK ? 0 : result;
    }
    item->pulses = MS_HIGH(word);
    if (mark(item->object, item->pulses, &sequence))
        return 0;
    MS_STEP("sleep: before sleeping");
    return ms_futex_wait(&item->object->state->sequence, sequence, until_due(item->object, until));
}

static int sleep_for_any(ms_wait *wait, int64_t until)
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
            until = limited(item, until);
            continue;
        }
        if (!item->object) {
            processes++;
            continue;
        }
        words[n] = &item->object->state->sequence;
        if (mark(item->object, item->pulses, &values[n++]))
            return 0;
        until = until_due(item->object, until);
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

/* ------------------------------------------------------------------ the wait */

/* The first object in order is to be taken: before a later one is, a mutex whose owner is dead must
 * be seen to be free. */
static int owner_has_ended(const ms_wait *wait, uint32_t i)
{
    ms_object *object = wait->items[i].object;
    if (!object || object->kind != MS_MUTEX)
        return 0;
    for (uint32_t later = i + 1; later < wait->count; later++) {
        const ms_item *item = &wait->items[later];
        if (!item->object || ms_mine(item->object) ||
            ms_available(item->object, ms_load_u64(&item->object->state->word), item->pulses))
            return ms_recover(object, wait->items[i].fd, ms_load_u64(&object->state->word)) > 0;
    }
    return 0;
}

int ms_wait_attempt(ms_wait *wait)
{
    int result = -EBUSY;
    if (wait->all)
        return ms_take_all(wait);
    for (uint32_t i = 0; i < wait->count; i++) {
        int one = ms_take(wait, &wait->items[i]);
        if (one == -EBUSY && owner_has_ended(wait, i))
            one = ms_take(wait, &wait->items[i]);
        if (!open_question(one)) {
            wait->index = i;
            return one;
        }
        if (one == -EAGAIN)
            result = -EAGAIN;
    }
    return result;
}

/* Look after those who own or hold what is waited for: 1 when something changed, 0, or what is
 * wrong. */
static int recover_owners(ms_wait *wait, int64_t locked_until)
{
    int changed = 0;
    for (uint32_t i = 0; i < wait->count; i++) {
        ms_object *object = wait->items[i].object;
        const ms_other *other = wait->items[i].other;
        if (other)
            changed |= other->look(other->self);
        if (!object || (object->kind == MS_MUTEX && ms_mine(object)))
            continue;
        uint64_t word = ms_load_u64(&object->state->word);
        int result = 0;
        if (!ms_sane(object, word))
            result = 1;
        else if (word & MS_LOCKED && locked_until) {
            result = ms_unlocked(object, wait->items[i].fd, locked_until);
            result = result == -ETIMEDOUT || result == -EDEADLK ? 0 : result ? result : 1;
        } else if (MS_SLOT(word))
            result = ms_recover(object, wait->items[i].fd, word);
        if (result < 0) {
            wait->index = i;
            return result;
        }
        changed |= result;
    }
    return changed;
}

static int out_of_time(ms_wait *wait)
{
    int result = recover_owners(wait, ms_now() + LOCKED_LOOK);
    if (result > 0)
        result = ms_wait_attempt(wait);
    else if (result == 0)
        return -ETIMEDOUT;
    return open_question(result) ? -ETIMEDOUT : result;
}

static int sleep_once(ms_wait *wait, int64_t now)
{
    int64_t slice = now + (wait->slept ? SLICE : FIRST_SLICE);
    int64_t until = slice < wait->deadline ? slice : wait->deadline;
    if (!wait->slept) {
        wait->next_recovery = slice;
        wait->slept = 1;
        wait->missing = MS_WAIT_MOST;
    }
    int result = wait->all ? sleep_for_all(wait, until) : sleep_for_any(wait, until);
    ms_object *object = wait->items[0].object;
    if (object)
        ms_spin_slept(&object->pace, &object->state->rung, wait->begun);
    return result == -ETIMEDOUT ? 0 : result;
}

int ms_wait_run(ms_wait *wait)
{
    int64_t looked = 0;
    for (;;) {
        int result = wait->tried ? -EBUSY : ms_wait_attempt(wait);
        if (!open_question(result))
            return result;
        wait->tried = 0;
        if (!wait->deadline)
            return out_of_time(wait);
        if (!wait->spun) {
            wait->spun = 1;
            result = spin(wait);
            if (!open_question(result))
                return result;
        }
        /* Before the first sleep of a wait for ever the exact time does not matter, and costs. */
        int64_t now = wait->slept || wait->deadline != MS_FOREVER ? ms_now() : ms_now_roughly();
        if (now >= wait->deadline)
            return out_of_time(wait);
        if (!looked)
            looked = now;
        else if (now - looked >= SLICE)
            return -EINTR;
        if (wait->slept && now >= wait->next_recovery) {
            wait->next_recovery = now + SLICE;
            result = recover_owners(wait, 0);
            if (result < 0)
                return result;
            if (result)
                continue;
        }
        result = sleep_once(wait, now);
        if (result)
            return result;
    }
}

/* Whether taking it writes this process into it: a mutex names its owner, a timer is held still
 * while its due time moves. */
static int needs_slot(const ms_object *object)
{
    return object->kind == MS_MUTEX || (object->kind == MS_TIMER && !(object->flags & MS_MANUAL));
}

int ms_wait_begin(ms_wait *wait)
{
    wait->slept = wait->spun = wait->helped = wait->tried = 0;
    wait->ended = 0;
    wait->begun = 0;
    wait->index = wait->dead = 0;
    if (wait->count < 1 || wait->count > MS_WAIT_MOST)
        return -EINVAL;
    for (uint32_t i = 0; i < wait->count; i++) {
        ms_item *item = &wait->items[i];
        if (!item->object)
            continue;
        item->pulses = MS_HIGH(ms_load_u64(&item->object->state->word));
        int result = wait->all || needs_slot(item->object) ? ms_claim(item->object, item->fd) : 0;
        if (result) {
            wait->index = i;
            return result;
        }
    }
    return 0;
}

void ms_wait_end(ms_wait *wait)
{
    if (wait->helped)
        stop_helper(wait);
    if (!wait->slept)
        return;
    for (uint32_t i = 0; i < wait->count; i++)
        pass_on(&wait->items[i]);
}

/* ------------------------------------------------------------------ many waits, one sleeper */

int ms_watch(ms_wait *const *waits, int n, int look, uint32_t *control, uint32_t value,
             uint8_t *ready)
{
    uint32_t *words[MS_FUTEX_MOST], values[MS_FUTEX_MOST];
    int found = 0;
    int64_t until = ms_now() + SLICE;
    if (n >= MS_FUTEX_MOST)
        return -EINVAL;
    for (int i = 0; i < n; i++) {
        const ms_item *item = &waits[i]->items[0];
        if (item->other) {
            words[i] = item->other->mark(item->other->self, &values[i]);
            ready[i] = (uint8_t)(look ? item->other->look(item->other->self)
                                      : item->other->ready(item->other->self));
            found += ready[i];
            until = limited(item, until);
            continue;
        }
        words[i] = &item->object->state->sequence;
        uint64_t word = ms_load_u64(&item->object->state->word);
        ready[i] = (look && MS_SLOT(word) && ms_recover(item->object, item->fd, word)) ||
                   mark(item->object, item->pulses, &values[i]);
        found += ready[i];
        until = until_due(item->object, until);
    }
    if (found)
        return found;
    words[n] = control;
    values[n] = value;
    int result = ms_futex_wait_any(words, values, n + 1, until);
    return result == -EINTR ? 0 : result;
}
