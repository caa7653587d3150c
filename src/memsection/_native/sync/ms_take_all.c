/* SPDX-License-Identifier: MIT
 *
 * Taking all of several objects at once, or none.
 *
 * First each is held still (LOCKED), in one order for everybody, as long as each is available. Once
 * they are all held they are taken; otherwise those that are held are let go.  Nobody sleeps while
 * holding.
 */
#include "ms_take_all.h"

#include <errno.h>

#include "ms_atomic.h"
#include "ms_hold.h"
#include "ms_mutex.h"
#include "ms_take.h"
#include "ms_timer.h"

/* Whether item i permits a wait for all, by this word: 0, -EBUSY, -EAGAIN, -EBADMSG, -EOWNERDEAD.
 * A pulse counts only on the object slept on: the others may have been pulsed while this one was
 * missing. */
static int permits(ms_wait *wait, uint32_t i, uint64_t word)
{
    ms_object *object = wait->items[i].object;
    uint32_t pulses = wait->slept && i == wait->missing ? wait->items[i].pulses : MS_HIGH(word);
    if (!ms_sane(object, word))
        return -EBADMSG;
    if (word & MS_LOCKED)
        return -EAGAIN;
    if (!ms_available(object, word, pulses))
        return -EBUSY;
    if (word & MS_ABANDONED) {
        wait->dead = MS_HIGH(word);
        if (!wait->accept_abandoned)
            return -EOWNERDEAD;
    }
    return 0;
}

static int glance(ms_wait *wait, uint32_t i)
{
    ms_object *object = wait->items[i].object;
    const ms_other *other = wait->items[i].other;
    if (other)
        return other->ready(other->self) ? 0 : -EBUSY;
    if (!object)
        return ms_process_ended(wait->items[i].fd);
    if (object->kind == MS_MUTEX && ms_mine(object))
        return MS_COUNT(object) == MS_COUNT_MOST ? -EOVERFLOW : 0;
    return permits(wait, i, ms_load_u64(&object->state->word));
}

static int hold(ms_wait *wait, uint32_t i, uint64_t *held)
{
    ms_object *object = wait->items[i].object;
    *held = 0;
    if (!object || (object->kind == MS_MUTEX && ms_mine(object)))
        return glance(wait, i);
    ms_add_u64(&object->lockers, 1);
    for (;;) {
        uint64_t word = ms_load_u64(&object->state->word);
        int result = permits(wait, i, word);
        if (result) {
            ms_add_u64(&object->lockers, (uint64_t)-1);
            return result;
        }
        MS_STEP("all: before holding");
        uint64_t locked = word | MS_LOCKED | MS_SLOT(object->me);
        /* SYNC(hold): acquire; pairs with ms_let_go */
        if (ms_cas_u64(&object->state->word, word, locked) == word) {
            *held = locked & ~MS_CONTENDED;
            MS_STEP("all: held");
            return 0;
        }
    }
}

static void hold_none(ms_wait *wait, const uint32_t *order, const uint64_t *held, uint32_t n)
{
    while (n--) {
        ms_object *object = wait->items[order[n]].object;
        if (held[n]) {
            ms_let_go(object, held[n], ms_unlocked_word(held[n]));
            ms_uncount_hold(object);
        }
    }
}

static int take_held(ms_wait *wait, uint32_t i, uint64_t held)
{
    ms_object *object = wait->items[i].object;
    int result = 0;
    if (!object)
        return 0;
    if (!held) { /* a mutex that this thread owns already */
        return ms_mutex_again(object);
    }
    uint64_t free_word = ms_unlocked_word(held);
    uint64_t mark = wait->slept ? MS_CONTENDED : 0; /* others may sleep too */
    if (object->kind == MS_MUTEX) {
        result = ms_let_go(object, held, object->me | mark);
        if (!result) {
            ms_mutex_owned(object, ms_self());
            result = held & MS_ABANDONED ? MS_WAS_ABANDONED : 0;
        }
    } else if (object->kind == MS_SEMAPHORE)
        result = ms_let_go(object, held, (free_word - MS_WORD(1, 0)) | mark);
    else if (object->kind == MS_TIMER)
        result = ms_let_go(object, held, ms_timer_taken(object, free_word) | mark);
    else if (object->flags & MS_MANUAL)
        result = ms_let_go(object, held, free_word);
    else
        result = ms_let_go(object, held,
                           (free_word & ~(held & MS_SIGNALED ? MS_SIGNALED : MS_TOKEN)) | mark);
    ms_uncount_hold(object);
    return result;
}

/* One order for everybody, so that two waits for the same objects do not hinder each other again
 * and again. */
static void sort(const ms_wait *wait, uint32_t *order)
{
    for (uint32_t n = 0; n < wait->count; n++) {
        const ms_object *object = wait->items[n].object;
        uint32_t at = n;
        for (; at; at--) {
            const ms_object *other = wait->items[order[at - 1]].object;
            if (!object ||
                (other && (other->device < object->device ||
                           (other->device == object->device && other->inode <= object->inode))))
                break;
            order[at] = order[at - 1];
        }
        order[at] = n;
    }
}

int ms_take_all(ms_wait *wait)
{
    uint32_t order[MS_WAIT_MOST], n;
    uint64_t held[MS_WAIT_MOST];
    int result;
    for (n = 0; n < wait->count; n++) { /* without a swap, as long as it would be in vain */
        result = glance(wait, n);
        if (result && result != -EOWNERDEAD) {
            wait->index = n;
            return result;
        }
    }
    sort(wait, order);
    for (n = 0; n < wait->count; n++) {
        result = hold(wait, order[n], &held[n]);
        if (result) {
            wait->index = order[n];
            hold_none(wait, order, held, n);
            return result;
        }
    }
    MS_STEP("all: everything held");
    int abandoned = 0, damaged = 0;
    wait->index = 0;
    for (n = 0; n < wait->count; n++) {
        result = take_held(wait, order[n], held[n]);
        if (result == MS_WAS_ABANDONED && (!abandoned || order[n] < wait->index))
            wait->index = order[n];
        abandoned |= result == MS_WAS_ABANDONED;
        damaged |= result < 0;
    }
    return damaged ? -EBADMSG : abandoned ? MS_WAS_ABANDONED : 0;
}
