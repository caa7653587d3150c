/* SPDX-License-Identifier: MIT
 *
 * Events and semaphores: making them available, and taking it back.  Taking them is in ms_wait.c.
 *
 * A pulse lets those through who wait at this moment.  Nobody counts them, because the count of a
 * killed waiter would stay: a pulse adds one to the event's number of pulses, and a waiter that
 * began under another number has been let through.  An auto-reset event lets one of them through:
 * the one that gets the token.
 */
#include "ms_event.h"

#include <errno.h>

#include "ms_atomic.h"
#include "ms_futex.h"
#include "ms_slot.h"

/* With a process that holds an object still: that takes microseconds, unless it was stopped. */
#ifdef MS_TEST_STEPS
int64_t ms_step_patience = 5000000000;
#define PATIENCE ms_step_patience
#else
#define PATIENCE 5000000000ll
#endif
#define FIRST_LOOK 1000000ll
#define LOOK 50000000ll
#define SPINS 200

int ms_unlocked(ms_object *object, int fd, int64_t deadline)
{
    int64_t begun = ms_now(), look = FIRST_LOOK;
    for (int i = 0; i < SPINS; i++) {
        if (!(ms_load_u64(&object->state->word) & MS_LOCKED))
            return 0;
        ms_relax();
    }
    for (;;) {
        uint32_t sequence = ms_load_u32(&object->state->sequence);
        uint64_t word = ms_load_u64(&object->state->word);
        if (!(word & MS_LOCKED) || !ms_sane(object, word))
            return 0;
        int result = ms_recover(object, fd, word);
        if (result)
            return result < 0 ? result : 0;
        int64_t now = ms_now(), until = now + look;
        if (now >= deadline)
            return -ETIMEDOUT;
        if (now - begun > PATIENCE)
            return -EDEADLK;
        if (!(word & MS_CONTENDED) &&
            ms_cas_u64(&object->state->word, word, word | MS_CONTENDED) != word)
            continue;
        MS_STEP("locked: before sleeping");
        result =
            ms_futex_wait(&object->state->sequence, sequence, until < deadline ? until : deadline);
        if (result == -EINTR)
            return result;
        look = LOOK;
    }
}

/* What the word becomes, and how many to wake if some sleep. */
static uint64_t next_word(const ms_object *object, int what, uint64_t word, int *wake)
{
    int manual = object->flags & MS_MANUAL;
    *wake = 0;
    if (what == MS_RESET)
        return word & ~MS_SIGNALED;
    *wake = manual ? INT32_MAX : 1;
    if (what == MS_SET)
        return (word | MS_SIGNALED) & ~MS_CONTENDED;
    if (word & MS_SIGNALED && !manual) /* then nobody was waiting */
        return word & ~MS_SIGNALED;
    return MS_WORD(MS_HIGH(word) + 1, manual ? 0 : MS_TOKEN);
}

int ms_event_change(ms_object *object, int fd, int what, uint32_t *before)
{
    uint64_t word = ms_load_u64(&object->state->word);
    for (;;) {
        int wake;
        if (!ms_sane(object, word))
            return -EBADMSG;
        if (word & MS_LOCKED) {
            int result = ms_unlocked(object, fd, MS_FOREVER);
            if (result)
                return result;
            word = ms_load_u64(&object->state->word);
            continue;
        }
        uint64_t now = next_word(object, what, word, &wake);
        MS_STEP("event: before the swap");
        /* A swap even where nothing changes: what was written before a set must be seen by whoever
         * it lets through. SYNC(event): release; pairs with take_event in ms_take.c */
        uint64_t seen = ms_cas_u64(&object->state->word, word, now);
        if (seen == word) {
            *before = (word & MS_SIGNALED) != 0;
            if (word & MS_CONTENDED && wake && !(now & MS_CONTENDED)) {
                MS_STEP("event: after the swap, before the wake");
                ms_wake(object->state, wake);
            }
            return 0;
        }
        word = seen;
    }
}

int ms_semaphore_release(ms_object *object, int fd, uint32_t n, uint32_t *before)
{
    uint64_t word = ms_load_u64(&object->state->word);
    for (;;) {
        uint32_t units = MS_HIGH(word);
        if (!ms_sane(object, word))
            return -EBADMSG;
        if (word & MS_LOCKED) {
            int result = ms_unlocked(object, fd, MS_FOREVER);
            if (result)
                return result;
            word = ms_load_u64(&object->state->word);
            continue;
        }
        if (n > object->maximum - units)
            return -EOVERFLOW;
        MS_STEP("semaphore: before the swap");
        /* SYNC(semaphore): release; pairs with take_semaphore in ms_take.c */
        uint64_t seen = ms_cas_u64(&object->state->word, word, MS_WORD(units + n, 0));
        if (seen == word) {
            *before = units;
            if (word & MS_CONTENDED) {
                MS_STEP("semaphore: after the swap, before the wake");
                ms_wake(object->state, n > INT32_MAX ? INT32_MAX : (int)n);
            }
            return 0;
        }
        word = seen;
    }
}
