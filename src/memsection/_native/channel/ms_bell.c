/* SPDX-License-Identifier: MIT
 *
 * Sleeping and waking.  A sleeper reads the bell's sequence, sets its mark, looks once more and
 * sleeps while the sequence is what it read.  Whoever changes something looks at the mark; if it is
 * set, clears it, changes the sequence and wakes (S4). One is woken for one message; whoever slept
 * and was satisfied sets the mark again, because others may sleep too, and wakes the next one if
 * there is more.  A wake-up that a killed process swallowed costs the next one a look: nobody
 * sleeps for longer than LOOK.
 */
#define _GNU_SOURCE
#include "ms_call.h"
#include "ms_sleep.h"
#include "ms_topic.h"

#include <errno.h>

#include "../include/ms_atomic.h"
#include "../ms_futex.h"
#include "../ms_spin.h"

#ifdef MS_TEST_STEPS
int64_t ms_step_look = 50000000, ms_step_first_look = 10000000;
#define LOOK ms_step_look
#define FIRST_LOOK ms_step_first_look
#else
#define LOOK 50000000ll
#define FIRST_LOOK 10000000ll
#endif

#define SHORT_RING 8192u
#define LOOKS_OF_THE_HINT 64u
/* of what ms_recover adds to `scan`: a long ring is looked over whole in one of 64 looks */
#define SELDOM (64u * 4096u)

static ms_bell *bell_of(ms_end *end, int which)
{
    return which < MS_BELLS ? &end->channel->bells[which] : &end->cells[which - MS_BELLS].bell;
}

static int bell_of_cell(uint32_t cell)
{
    return MS_BELLS + (int)cell;
}

/* Where this wait sleeps: whoever waits for an answer, at its call. */
static int which_for(const ms_await *wait)
{
    return wait->what == MS_FOR_ANSWER ? bell_of_cell(wait->call->cell) : wait->what;
}

static void ring(ms_end *end, int which, ms_bell *bell, int everybody)
{
    ms_ring(&bell->rung);
    MS_STEP("bell: before the sequence");
    ms_wake(end, which, bell, everybody);
}

static void ring_if_marked(ms_end *end, int which, ms_bell *bell, int everybody, int observed)
{
    MS_FENCE_AFTER_SWAP(); /* the change before the look at the mark; a sleeper does it the other
                              way round */
    if (__builtin_expect(ms_peek_u32(&bell->mark) == 0, 1) && !observed)
        return;
    MS_STEP("bell: marked");
    if (ms_swap_u32(&bell->mark, 0) || observed)
        ring(end, which, bell, everybody);
}

void ms_ring_bell(ms_end *end, int which, int everybody)
{
    int message = which == MS_BELL_MESSAGE;
    int observed =
        __builtin_expect(end->flags & MS_OBSERVED, 0) && message; /* by some who cannot mark */
    ring_if_marked(end, which, &end->channel->bells[which],
                   everybody || (MS_IS_TOPIC(end) && message), observed);
}

void ms_ring_cell(ms_end *end, uint32_t cell)
{
    ring_if_marked(end, bell_of_cell(cell), &end->cells[cell].bell, 1, 0);
}

void ms_ring_all_bells(ms_end *end)
{
    for (uint32_t cell = 0; cell < end->calls; cell++)
        ring_if_marked(end, bell_of_cell(cell), &end->cells[cell].bell, 1, 0);
    for (int which = 0; which < MS_BELLS; which++) {
        ms_bell *bell = &end->channel->bells[which];
        ms_swap_u32(&bell->mark, 0);
        ring(end, which, bell, 1);
    }
}

/* --------------------------------------------------------------- whether it is worth an attempt */

int ms_worth_it(ms_end *end, int what, uint64_t length)
{
    if (ms_load_u32(&end->channel->down)) { /* SYNC(down): acquire; pairs with ms_channel_shut */
        if (what != MS_FOR_MESSAGE)
            return 1;
        return ms_ring_ready(end) != -EBUSY;
    }
    if (what == MS_FOR_MESSAGE)
        return ms_ring_ready(end) == 0;
    if (what == MS_FOR_ROOM)
        return ms_ring_has_room(end) && (!end->calls || ms_call_is_there(end));
    return ms_place_is_there(end, length);
}

static int is_worth_it(void *argument)
{
    const ms_await *wait = argument;
    if (ms_peek_u32(&wait->end->role) == 0)
        return 1;
    return wait->what == MS_FOR_ANSWER ? ms_call_state(wait->end, wait->call) != -EAGAIN
                                       : ms_worth_it(wait->end, wait->what, wait->length);
}

/* The same, for whoever looks again and again.  A server changes the word of a call three times
 * while it has it: a client that looks at that word all the time takes the line away from it each
 * time, so it looks at a hint beside it, and at the word only now and then. */
static int is_perhaps_worth_it(void *argument)
{
    ms_await *wait = argument;
    if (wait->what == MS_FOR_ANSWER) {
        ms_cell *cell = &wait->end->cells[wait->call->cell];
        if (ms_peek_u32(&cell->bell.told) == (uint32_t)MS_CALL_NUMBER(wait->call->word))
            ms_expect_to_write(cell); /* it is freed next, and then has another request */
        else if (++wait->looks % LOOKS_OF_THE_HINT)
            return 0;
    }
    return is_worth_it(wait);
}

/* ------------------------------------------------------------------ the wait */

int ms_look_after(ms_end *end)
{
    uint64_t now = (uint64_t)ms_now_roughly();
    if (!ms_hints_fit(end))
        ms_ring_resync(end);
    else if (now - ms_peek_u64(&end->looked) < (uint64_t)FIRST_LOOK)
        return 0; /* somebody asks again and again */
    else if (end->capacity <= SHORT_RING || ms_peek_u32(&end->scan) % SELDOM == 0)
        ms_ring_resync(end);
    ms_poke_u64(&end->looked, now);
    return ms_recover(end);
}

/* Look after the others: 0 when something changed, -EBUSY, -ENOTCONN: nobody lives who could end
 * the wait. */
static int look_after(ms_await *wait)
{
    ms_end *end = wait->end;
    int ever;
    if (ms_look_after(end) || is_worth_it(wait))
        return 0;
    if (MS_IS_TOPIC(end) && wait->what != MS_FOR_MESSAGE)
        return -EBUSY; /* who is in the way lives: the dead are set right, and those who have left
                          are not waited for */
    if (wait->what == MS_FOR_ANSWER && ms_call_is_in_hand(end, wait->call))
        return -EBUSY; /* by somebody who lives, or it would have been set right, even if its end
                          was closed */
    if (ms_partners(end, wait->what == MS_FOR_MESSAGE ? MS_ROLE_SEND : MS_ROLE_RECEIVE, &ever) ||
        !ever)
        return -EBUSY;
    if (wait->what == MS_FOR_MESSAGE && ms_ring_ready(end) == -EBUSY)
        return -EBUSY; /* a position is being worked on by somebody who lives, this process itself
                          for example */
    return -ENOTCONN;
}

static int sleep_at(ms_await *wait, int64_t until)
{
    int which = which_for(wait);
    ms_bell *bell = bell_of(wait->end, which);
    uint32_t sequence =
        ms_load_u32(&bell->sequence); /* SYNC(bell): acquire, before the mark; pairs with ring */
    MS_STEP("sleep: before marking");
    ms_swap_u32(&bell->mark, 1);
    ms_fence();
    if (is_worth_it(wait))
        return 0;
    MS_STEP("sleep: before sleeping");
    return ms_sleep(wait->end, which, bell, sequence, until);
}

int ms_await_change(ms_await *wait)
{
    ms_end *end = wait->end;
    ms_bell *bell = bell_of(wait->end, which_for(wait));
    if (!ms_peek_u32(&end->role))
        return -EBADF;
    if (!wait->deadline) {
        int result = wait->slept ? -EBUSY : look_after(wait);
        wait->slept |= 2; /* one look, not one for each thing that changed */
        return result == -EBUSY ? -ETIMEDOUT : result;
    }
    int64_t begun = 0;
    if (!wait->spun) {
        wait->spun = 1;
        if (ms_spin(&end->paces[wait->what], &bell->rung, wait->deadline, is_perhaps_worth_it, wait,
                    &begun))
            return 0;
    }
    int64_t now = ms_now();
    if (!wait->slept)
        wait->next_look = now + FIRST_LOOK;
    if (now >= wait->deadline || now >= wait->next_look) {
        int result = look_after(wait);
        wait->next_look = now + LOOK;
        if (now >= wait->deadline && (result == -EBUSY || wait->slept & 2))
            return -ETIMEDOUT; /* even if strangers' scribbling has it look as if an attempt were
                                  worth it */
        wait->slept |= now >= wait->deadline ? 2 : 0;
        if (result != -EBUSY)
            return result;
    }
    uint32_t before = ms_peek_u32(&bell->sequence);
    int result =
        sleep_at(wait, wait->next_look < wait->deadline ? wait->next_look : wait->deadline);
    ms_spin_slept(&end->paces[wait->what], &bell->rung, begun);
    wait->slept |= 1;
    if (ms_peek_u32(&bell->sequence) != before && !is_worth_it(wait))
        wait->next_look = 0; /* somebody rang for another reason: perhaps an end was closed */
    return result ? result : -EINTR; /* a signal may have come just before */
}

void ms_await_end(ms_await *wait, int taken)
{
    ms_bell *bell = bell_of(wait->end, which_for(wait));
    if (!(wait->slept & 1) || wait->what == MS_FOR_ANSWER)
        return;
    if (taken &&
        !(MS_IS_TOPIC(wait->end) && wait->what == MS_FOR_MESSAGE)) { /* there everybody was woken */
        ms_swap_u32(&bell->mark, 1);                                 /* others may sleep too */
        ms_fence();
    }
    if (is_worth_it(wait))
        ms_ring_bell(wait->end, wait->what, 0);
}

/* ------------------------------------------------------------------ one sleeper for many waits */

int ms_channel_ready(ms_end *end, int what, uint64_t length)
{
    int ever;
    if (!ms_peek_u32(&end->role) || ms_worth_it(end, what, length))
        return 1;
    if (MS_IS_TOPIC(end) && what != MS_FOR_MESSAGE)
        return 0;
    return !ms_partners(end, what == MS_FOR_MESSAGE ? MS_ROLE_SEND : MS_ROLE_RECEIVE, &ever) &&
           ever;
}

/* That nobody lives who could end the wait is asked when a look found it so, and not whenever
 * somebody asks. */
static int is_ready(void *self)
{
    ms_watched *watched = self;
    if (!ms_peek_u32(&watched->end->role) ||
        ms_worth_it(watched->end, watched->what, watched->length))
        return 1;
    if (!ms_peek_u32(&watched->nobody))
        return 0;
    int yes = ms_channel_ready(watched->end, watched->what, watched->length);
    ms_poke_u32(&watched->nobody, (uint32_t)yes);
    return yes;
}

static int look_and_say(void *self)
{
    ms_watched *watched = self;
    ms_look_after(watched->end);
    int yes = ms_channel_ready(watched->end, watched->what, watched->length);
    ms_poke_u32(&watched->nobody, (uint32_t)yes);
    return yes;
}

static uint32_t *mark(void *self, uint32_t *value)
{
    const ms_watched *watched = self;
    ms_bell *bell = bell_of(watched->end, watched->what);
    *value =
        ms_load_u32(&bell->sequence); /* SYNC(bell): acquire, before the mark; pairs with ring */
    ms_swap_u32(&bell->mark, 1);
    ms_fence();
    return &bell->sequence;
}

static void leave(void *self)
{
    const ms_watched *watched = self;
    ms_swap_u32(&bell_of(watched->end, watched->what)->mark, 1); /* others may sleep too */
    ms_fence();
    if (is_ready(self))
        ms_ring_bell(watched->end, watched->what, 0);
}

void ms_watched_make(ms_watched *watched, ms_end *end, int what, uint64_t length)
{
    *watched = (ms_watched){.end = end, .what = what, .length = length};
    watched->other = (ms_other){
        .self = watched, .ready = is_ready, .look = look_and_say, .mark = mark, .leave = leave};
}
