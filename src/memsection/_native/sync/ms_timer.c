/* SPDX-License-Identifier: MIT
 *
 * Timers; see ms_timer.h.
 *
 * What a stranger writes into a setting is a number like any other: every sum saturates, no loop
 * counts periods.
 */
#define _GNU_SOURCE
#include "ms_timer.h"

#include <errno.h>
#include <time.h>

#include "ms_atomic.h"
#include "ms_event.h"
#include "ms_futex.h"
#include "ms_hold.h"
#include "ms_slot.h"

#define UNIT 100ll /* ns */
#define UNITS_A_MS 10000ull
#define EPOCH 116444736000000000ull  /* of POSIX, in 100 ns since 1601 */
#define LATEST ((uint64_t)INT64_MAX) /* the last moment there is, in 100 ns */
#define TRIES 64                     /* to read a setting that changes all the time */
#define MEANING (MS_ARMED | MS_SECOND | MS_SIGNALED | 0xffffffff00000000ull)

static uint64_t clock_now(uint32_t clock)
{
    struct timespec now;
    clock_gettime(clock == MS_SINCE_1601 ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
    /* a clock before its beginning is at it */
    uint64_t units =
        now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * 10000000u + (uint64_t)now.tv_nsec / UNIT;
    return clock == MS_SINCE_1601 ? units + EPOCH : units;
}

static uint64_t later(uint64_t moment, uint64_t span)
{
    return moment > LATEST || span > LATEST - moment ? LATEST : moment + span;
}

/* The setting that a word names.  A release store wrote it after the object was held; so whoever
 * reads a part of a newer one sees another word afterwards.  SYNC(setting): acquire; pairs with
 * write_setting */
static ms_setting read_setting(const ms_state *state, uint64_t word)
{
    const ms_setting *one = &state->settings[(word & MS_SECOND) != 0];
    return (ms_setting){.due = ms_load_u64(&one->due), .repeat = ms_load_u64(&one->repeat)};
}

static uint32_t clock_of(const ms_setting *one)
{
    return (uint32_t)(one->repeat >> 32);
}

static int makes_sense(const ms_setting *one)
{
    return clock_of(one) <= MS_SINCE_1601 && (uint32_t)one->repeat <= MS_PERIOD_MOST &&
           one->due <= LATEST;
}

/* Write the setting beside the one that holds, and give the word that names it.  The object is held
 * still. */
static uint64_t write_setting(ms_object *object, uint64_t word, uint64_t due, uint64_t repeat)
{
    uint64_t low = ((uint32_t)word ^ MS_SECOND) | MS_ARMED;
    ms_setting *one = &object->state->settings[(low & MS_SECOND) != 0];
    MS_STEP("timer: before writing the setting");
    /* SYNC(setting): release; pairs with read_setting */
    ms_store_u64(&one->due, due);
    MS_STEP("timer: half of the setting written");
    ms_store_u64(&one->repeat, repeat);
    return MS_WORD((uint64_t)(MS_HIGH(word) + 1), low & ~(uint64_t)MS_SIGNALED);
}

/* 1: signaled, 0, or -EBADMSG; by a word and the setting it names. */
static int is_signaled(uint64_t word, const ms_setting *one)
{
    if (!(word & MS_ARMED))
        return (word & MS_SIGNALED) != 0;
    if (!makes_sense(one))
        return -EBADMSG;
    return word & MS_SIGNALED || clock_now(clock_of(one)) >= one->due;
}

/* ------------------------------------------------------------------ changing */

/* Hold the object still: its word then, without CONTENDED, or a negative errno. */
static int hold(ms_object *object, int fd, uint64_t *held)
{
    int result = ms_claim(object, fd);
    if (result)
        return result;
    ms_add_u64(&object->lockers, 1);
    for (;;) {
        uint64_t word = ms_load_u64(&object->state->word);
        if (!ms_sane(object, word)) {
            result = -EBADMSG;
            break;
        }
        if (word & MS_LOCKED) {
            /* not while it is said that somebody here is at it: a slot of this process that nobody
             * knows of is damage */
            ms_add_u64(&object->lockers, (uint64_t)-1);
            result = ms_unlocked(object, fd, MS_FOREVER);
            if (result)
                return result;
            ms_add_u64(&object->lockers, 1);
            continue;
        }
        uint64_t locked = word | MS_LOCKED | MS_SLOT(object->me);
        MS_STEP("timer: before holding");
        if (ms_cas_u64(&object->state->word, word, locked) ==
            word) { /* SYNC(hold): acquire; pairs with ms_let_go */
            *held = locked & ~MS_CONTENDED;
            MS_STEP("timer: held");
            return 0;
        }
    }
    ms_add_u64(&object->lockers, (uint64_t)-1);
    return result;
}

static int set(ms_object *object, int fd, uint64_t due, uint32_t clock, uint32_t period,
               uint32_t *before)
{
    uint64_t held;
    if (period > MS_PERIOD_MOST || due > LATEST)
        return -EINVAL;
    int result = hold(object, fd, &held);
    if (result)
        return result;
    ms_setting old = read_setting(object->state, held);
    *before = is_signaled(held, &old) > 0; /* a setting that makes no sense is replaced */
    uint64_t now =
        write_setting(object, ms_unlocked_word(held), due, (uint64_t)clock << 32 | period);
    result = ms_let_go(object, held, now); /* everybody who sleeps learns when to look */
    ms_uncount_hold(object);
    return result;
}

int ms_timer_set_span(ms_object *object, int fd, uint64_t span, uint32_t period, uint32_t *before)
{
    return set(object, fd, later(clock_now(MS_SINCE_START), span), MS_SINCE_START, period, before);
}

int ms_timer_set_date(ms_object *object, int fd, uint64_t date, uint32_t period, uint32_t *before)
{
    return set(object, fd, date, MS_SINCE_1601, period, before);
}

int ms_timer_cancel(ms_object *object, int fd, uint32_t *before)
{
    for (;;) {
        uint64_t word = ms_load_u64(&object->state->word);
        if (!ms_sane(object, word))
            return -EBADMSG;
        if (word & MS_LOCKED) {
            int result = ms_unlocked(object, fd, MS_FOREVER);
            if (result)
                return result;
            continue;
        }
        ms_setting one = read_setting(object->state, word);
        int signaled = is_signaled(word, &one) > 0;
        uint64_t low = (word & (MS_SECOND | MS_CONTENDED)) | (signaled ? MS_SIGNALED : 0);
        MS_STEP("timer: before cancelling");
        if (ms_cas_u64(&object->state->word, word, MS_WORD((uint64_t)(MS_HIGH(word) + 1), low)) ==
            word) {
            *before = (uint32_t)signaled;
            return 0; /* sleepers look when they meant to, and go on sleeping */
        }
    }
}

/* ------------------------------------------------------------------ looking and taking */

int ms_timer_look(const ms_state *state, ms_timer_facts *out)
{
    uint64_t word = ms_load_u64(&state->word);
    ms_setting one = read_setting(state, word);
    if ((ms_load_u64(&state->word) ^ word) & MEANING)
        return -EAGAIN;
    *out = (ms_timer_facts){.armed = (word & MS_ARMED) != 0, .signaled = is_signaled(word, &one)};
    if (out->signaled < 0)
        return -EBADMSG;
    if (!out->armed)
        return 0;
    out->period = (uint32_t)one.repeat;
    out->left = (int64_t)(one.due - clock_now(clock_of(&one)));
    uint64_t period = out->period * UNITS_A_MS;
    if (period && out->left <= 0) /* the next of many */
        out->left = (int64_t)(period - (uint64_t)-out->left % period);
    return 0;
}

int ms_timer_available(const ms_object *object, uint64_t word)
{
    ms_setting one = read_setting(object->state, word);
    int result = is_signaled(word, &one);
    /* Who only looks need not wait for whoever holds it still. */
    return result && (object->flags & MS_MANUAL || !(word & MS_LOCKED));
}

static uint64_t next_due(const ms_setting *one)
{
    uint64_t period = (uint32_t)one->repeat * UNITS_A_MS, now = clock_now(clock_of(one));
    if (now < one->due) /* the clock was set back meanwhile */
        return one->due;
    return later(now, period - (now - one->due) % period);
}

uint64_t ms_timer_taken(ms_object *object, uint64_t word)
{
    ms_setting one = read_setting(object->state, word);
    if (object->flags & MS_MANUAL)
        return word;
    if (!(word & MS_ARMED) || !makes_sense(&one) || clock_now(clock_of(&one)) < one.due)
        return word & ~MS_SIGNALED; /* it was put back */
    if (!(uint32_t)one.repeat)
        return MS_WORD((uint64_t)(MS_HIGH(word) + 1), (uint32_t)word & ~(MS_SIGNALED | MS_ARMED));
    return write_setting(object, word, next_due(&one), one.repeat);
}

static int take_one_of_many(ms_object *object, int fd, int slept, uint64_t word)
{
    int result = ms_claim(object, fd); /* a child has no slot yet in what its parent began */
    if (result)
        return result;
    uint64_t locked = word | MS_LOCKED | MS_SLOT(object->me);
    ms_add_u64(&object->lockers, 1);
    MS_STEP("timer: before holding");
    if (ms_cas_u64(&object->state->word, word, locked) ==
        word) { /* SYNC(hold): acquire; pairs with ms_let_go */
        MS_STEP("timer: held");
        uint64_t now = ms_timer_taken(object, ms_unlocked_word(locked) & ~MS_CONTENDED);
        /* Sleepers are woken: they have another time to sleep until. */
        result = ms_let_go(object, locked & ~MS_CONTENDED, slept ? now | MS_CONTENDED : now);
        ms_uncount_hold(object);
        return result;
    }
    ms_add_u64(&object->lockers, (uint64_t)-1);
    return -EAGAIN;
}

/* A notification timer that is due notes that it was: then it stays signaled when the clock is set
 * back. */
static void note(ms_object *object, uint64_t word)
{
    if (word & MS_LOCKED || word & MS_SIGNALED)
        return;
    ms_cas_u64(&object->state->word, word, word | MS_SIGNALED);
}

int ms_timer_take(ms_object *object, int fd, int slept)
{
    for (int i = 0; i < TRIES; i++) {
        uint64_t word = ms_load_u64(&object->state->word);
        if (!ms_sane(object, word))
            return -EBADMSG;
        ms_setting one = read_setting(object->state, word);
        int signaled = is_signaled(word, &one);
        if ((ms_load_u64(&object->state->word) ^ word) & MEANING)
            continue;
        if (signaled < 0)
            return signaled;
        if (object->flags & MS_MANUAL) {
            if (signaled)
                note(object, word);
            return signaled ? 0 : -EBUSY;
        }
        if (word & MS_LOCKED)
            return -EAGAIN;
        if (!signaled)
            return -EBUSY;
        if (word & MS_ARMED && (uint32_t)one.repeat) {
            int result = take_one_of_many(object, fd, slept, word);
            if (result != -EAGAIN)
                return result;
            continue;
        }
        uint64_t now =
            MS_WORD((uint64_t)(MS_HIGH(word) + 1), (uint32_t)word & ~(MS_SIGNALED | MS_ARMED));
        MS_STEP("wait: before taking the timer");
        if (ms_cas_u64(&object->state->word, word, slept ? now | MS_CONTENDED : now) == word)
            return 0;
    }
    return -EAGAIN;
}

int64_t ms_timer_due(const ms_object *object)
{
    uint64_t word = ms_load_u64(&object->state->word);
    /* Whoever lets it go wakes. */
    if (!(word & MS_ARMED) || word & (MS_SIGNALED | MS_LOCKED))
        return MS_FOREVER;
    ms_setting one = read_setting(object->state, word);
    if (!makes_sense(&one))
        return 0;
    uint64_t now = clock_now(clock_of(&one)), left = one.due > now ? one.due - now : 0;
    int64_t begun = ms_now();
    return left > (uint64_t)(MS_FOREVER - begun) / UNIT ? MS_FOREVER : begun + (int64_t)left * UNIT;
}
