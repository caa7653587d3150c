/* SPDX-License-Identifier: MIT
 *
 * Reading a topic through memory that may only be read: an observer has no slot, is never waited
 * for, and has nothing in hand.  It copies, and the words around the copy tell whether that was a
 * message.
 */
#define _GNU_SOURCE
#include "ms_sleep.h"
#include "ms_topic.h"

#include <errno.h>

#include "../include/ms_atomic.h"
#include "../ms_futex.h"
#include "../ms_spin.h"

#define LOOK 50000000ll
#define FIRST_LOOK 10000000ll
/* Between looks where no sender wakes those who may only read: with those for the dead, which come
 * every 50 ms, not more than 1,000 a second. */
#define NAP 1100000ll

int ms_observer_open(ms_end *end, const void *memory, uint64_t size, const ms_shape *shape, int fd)
{
    /* Safety: nothing here writes to it; the end has no slot, without which the functions that it
     * calls do not either. */
    int result = ms_end_attach(end, (void *)(uintptr_t)memory, size, shape);
    if (result)
        return result;
    ms_lives_watch(&end->lives, fd, end->shared);
    end->role = MS_ROLE_RECEIVE;
    end->next = end->since = ms_topic_tail(end);
    return 0;
}

void ms_observer_close(ms_end *end)
{
    ms_sleep_close(end);
}

static int is_down_at_once(const ms_end *end)
{
    return ms_load_u32(&end->channel->down) &
           MS_DOWN_AT_ONCE; /* SYNC(down): acquire; pairs with ms_channel_shut */
}

static int look_at_place(ms_end *end, ms_message *message, uint32_t index)
{
    message->word = ms_load_u64(&end->words[message->unit]);
    return MS_PLACE_STATE(message->word) == MS_PLACE_QUEUED &&
                   MS_PLACE_WHO(message->word) == index &&
                   message->length <= ms_place_room(end, message->unit, message->word)
               ? 0
               : -EBADMSG;
}

int ms_observer_pull(ms_end *end, ms_message *message, int newest)
{
    ms_entry *entry;
    uint64_t seen, at;
    if (is_down_at_once(end))
        return -EAGAIN;
    if (newest)
        ms_topic_skip(end);
    for (uint32_t tries = 0; tries <= end->capacity; tries++) {
        int result = ms_topic_find(end, &entry, &seen, &at);
        if (result)
            return result;
        result = ms_topic_read(end, entry, seen, message);
        message->position = message->number = at;
        if (!result && message->in_place) {
            result = look_at_place(end, message, (uint32_t)(entry - end->ring));
            if (!result)
                return 0; /* ms_observer_finish goes on */
        }
        if (result == -EAGAIN || ms_load_u64(&entry->word) != seen ||
            ms_cas_u64(&end->next, at, at + 1) != at)
            continue;
        return result;
    }
    return -EBUSY;
}

int ms_observer_finish(ms_end *end, const ms_message *message)
{
    uint64_t lap;
    ms_entry *entry = ms_entry_at(end, message->position, &lap);
    ms_fence_acquire(); /* SYNC(topic-message): acquire: the bytes before the words again; pairs
                           with begin */
    return ms_peek_u64(&entry->word) == message->seen &&
           ms_peek_u64(&end->words[message->unit]) == message->word &&
           ms_cas_u64(&end->next, message->position, message->position + 1) == message->position;
}

void ms_observer_unpull(ms_end *end, uint64_t position)
{
    ms_cas_u64(&end->next, position + 1, position);
}

int ms_observer_ready(ms_end *end)
{
    ms_entry *entry;
    uint64_t seen, at;
    return is_down_at_once(end) ? -EAGAIN : ms_topic_find(end, &entry, &seen, &at);
}

/* ------------------------------------------------------------------ who lives */

static int lives(const ms_end *end, uint32_t slot)
{
    return ms_lives_is_held(&end->lives, slot);
}

int ms_observer_partners(ms_end *end, int *ever)
{
    uint32_t last = ms_peek_u32(&end->partner);
    *ever = ms_load_u32(&end->channel->ever[0]) != 0;
    if (last && ms_load_u32(&end->channel->members[last].role) & MS_ROLE_SEND && lives(end, last))
        return 1;
    for (uint32_t slot = 1; slot <= MS_ENDS_MOST; slot++)
        if (ms_load_u32(&end->channel->members[slot].role) & MS_ROLE_SEND && lives(end, slot)) {
            ms_poke_u32(&end->partner, slot);
            return 1;
        }
    return 0;
}

uint32_t ms_observer_count(ms_end *end, uint32_t role)
{
    uint32_t count = 0;
    for (uint32_t slot = 1; slot <= MS_ENDS_MOST; slot++)
        count += ms_load_u32(&end->channel->members[slot].role) & role && lives(end, slot);
    return count;
}

/* ------------------------------------------------------------------ waiting */

static int is_worth_it(void *argument)
{
    const ms_await *wait = argument;
    ms_end *end = wait->end;
    int ready = ms_observer_ready(end);
    return !ms_peek_u32(&end->role) || ready == 0 ||
           (ready == -EAGAIN && ms_load_u32(&end->channel->down));
}

/* On from a message that somebody has begun who is dead: those who may write skip it too, when they
 * look. */
static void skip_the_dead(ms_end *end)
{
    uint64_t at = ms_peek_u64(&end->next), lap;
    uint64_t seen = ms_load_u64(&ms_entry_at(end, at, &lap)->word);
    uint32_t slot = MS_RING_SLOT(seen);
    if (MS_RING_STATE(seen) == MS_RING_WRITING && MS_LAPS(MS_RING_LAP(seen), lap) == 0 && slot &&
        slot <= MS_ENDS_MOST && !lives(end, slot) &&
        ms_load_u64(&ms_entry_at(end, at, &lap)->word) == seen)
        ms_cas_u64(&end->next, at, at + 1);
}

static int look_around(ms_await *wait)
{
    int ever;
    ms_topic_resync(wait->end);
    skip_the_dead(wait->end);
    if (is_worth_it(wait))
        return 0;
    if (ms_observer_partners(wait->end, &ever) || !ever)
        return -EBUSY;
    return -ENOTCONN;
}

static int sleep_until(ms_await *wait, int64_t now, int64_t until)
{
    ms_bell *bell = &wait->end->channel->bells[MS_BELL_MESSAGE];
    if (wait->end->flags & MS_OBSERVED) {
        uint32_t sequence = ms_load_u32(&bell->sequence); /* SYNC(bell): acquire; pairs with ring */
        if (is_worth_it(wait))
            return 0;
        return ms_sleep(wait->end, MS_BELL_MESSAGE, bell, sequence, until);
    }
    return ms_nap(until - now < NAP ? until - now : NAP);
}

int ms_observer_await(ms_await *wait)
{
    ms_end *end = wait->end;
    ms_bell *bell = &end->channel->bells[MS_BELL_MESSAGE];
    int64_t begun = 0;
    if (!ms_peek_u32(&end->role))
        return -EBADF;
    if (!wait->deadline) {
        int result = wait->slept ? -EBUSY : look_around(wait);
        wait->slept = 1;
        return result == -EBUSY ? -ETIMEDOUT : result;
    }
    if (!wait->spun) {
        wait->spun = 1;
        if (ms_spin(&end->paces[MS_BELL_MESSAGE], &bell->rung, wait->deadline, is_worth_it, wait,
                    &begun))
            return 0;
    }
    int64_t now = ms_now();
    if (!wait->slept)
        wait->next_look = now + FIRST_LOOK;
    if (now >= wait->deadline || now >= wait->next_look) {
        int result = look_around(wait);
        wait->next_look = now + LOOK;
        if (result != -EBUSY)
            return result;
        if (now >= wait->deadline)
            return -ETIMEDOUT;
    }
    int result =
        sleep_until(wait, now, wait->next_look < wait->deadline ? wait->next_look : wait->deadline);
    ms_spin_slept(&end->paces[MS_BELL_MESSAGE], &bell->rung, begun);
    wait->slept = 1;
    return result ? result : -EINTR; /* a signal may have come just before */
}

/* ------------------------------------------------------------------ one sleeper for many waits */

static int is_ready(void *self)
{
    const ms_watched *watched = self;
    ms_await wait = {.end = watched->end};
    return is_worth_it(&wait) || ms_peek_u32(&watched->nobody);
}

static int look_and_say(void *self)
{
    ms_watched *watched = self;
    ms_await wait = {.end = watched->end};
    int result = look_around(&wait);
    ms_poke_u32(&watched->nobody, result == -ENOTCONN);
    return result != -EBUSY;
}

static uint32_t *mark(void *self, uint32_t *value)
{
    const ms_watched *watched = self;
    ms_bell *bell = &watched->end->channel->bells[MS_BELL_MESSAGE];
    *value = ms_load_u32(&bell->sequence); /* SYNC(bell): acquire; pairs with ring */
    return &bell->sequence;
}

static void leave(void *self)
{
    (void)self; /* nothing was marked */
}

void ms_observed_make(ms_watched *watched, ms_end *end)
{
    *watched = (ms_watched){.end = end, .what = MS_FOR_MESSAGE};
    watched->other = (ms_other){
        .self = watched, .ready = is_ready, .look = look_and_say, .mark = mark, .leave = leave};
}
