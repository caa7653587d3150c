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
#include "ms_sleep_on.h"
#include "ms_take.h"
#include "ms_take_all.h"

#include <errno.h>

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
    int result = wait->all ? ms_sleep_for_all(wait, until) : ms_sleep_for_any(wait, until);
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
        ms_stop_helper(wait);
    if (!wait->slept)
        return;
    for (uint32_t i = 0; i < wait->count; i++)
        ms_pass_on(&wait->items[i]);
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
            until = ms_limit_of_other(item, until);
            continue;
        }
        words[i] = &item->object->state->sequence;
        uint64_t word = ms_load_u64(&item->object->state->word);
        ready[i] = (look && MS_SLOT(word) && ms_recover(item->object, item->fd, word)) ||
                   ms_mark_sleeper(item->object, item->pulses, &values[i]);
        found += ready[i];
        until = ms_until_due(item->object, until);
    }
    if (found)
        return found;
    words[n] = control;
    values[n] = value;
    int result = ms_futex_wait_any(words, values, n + 1, until);
    return result == -EINTR ? 0 : result;
}
