/* SPDX-License-Identifier: MIT
 *
 * Waiting for one object or several, any of them or all, with one deadline; processes (as pidfds)
 * among them.
 *
 * A wait is begun, run until it has a result, and ended.  It may be left at any moment: what it was
 * woken for and did not take is passed on to somebody else.
 */
#ifndef MS_WAIT_H
#define MS_WAIT_H

#include <pthread.h>

#include "ms_futex.h"
#include "ms_object.h"
#include "ms_other.h"

#define MS_WAIT_MOST 64

typedef struct {
    ms_object *object; /* NULL: a process, or something else */
    int fd;            /* any read-write descriptor of the object; or the pidfd */
    uint32_t pulses;   /* of an event, when the wait began */
    const ms_other *other;
} ms_item;

static inline int ms_is_process(const ms_item *item)
{
    return !item->object && !item->other;
}

typedef struct {
    ms_item *items;
    uint32_t count;
    int all;
    int accept_abandoned; /* whether an abandoned mutex is taken, or left as it is and told of */
    int64_t deadline;     /* of CLOCK_MONOTONIC in ns; MS_FOREVER; 0: look once */
    uint32_t index;       /* result: which item */
    uint32_t dead;        /* result: the pid of an abandoned mutex's last owner */
    /* the wait's own */
    int slept, spun, helped;
    int tried;             /* may be set by whoever has just made an attempt, in vain */
    uint32_t missing;      /* for all: the item it sleeps on */
    uint32_t ended;        /* a word: one of the processes has ended */
    int64_t next_recovery; /* when to look next whether owners live */
    int64_t begun;         /* for ms_spin_slept */
    int bell;
    pthread_t helper;
} ms_wait;

/* 0, or why it cannot be waited. */
int ms_wait_begin(ms_wait *wait);

/* 0 or MS_WAS_ABANDONED: taken (`index`); -ETIMEDOUT; -EOWNERDEAD: a mutex was abandoned (`index`,
 * `dead`), nothing was taken; -EINTR: a signal came, or it is time to look whether one did: see to
 * it and call again; -EBADMSG: damaged (`index`). */
int ms_wait_run(ms_wait *wait);

/* Once after every ms_wait_begin, whatever came of it. */
void ms_wait_end(ms_wait *wait);

/* Take it now or not at all; never sleeps.  As ms_wait_run, -EBUSY for not now. */
int ms_wait_attempt(ms_wait *wait);

/* For one thread that sleeps for many waits of one object each (whose `slept` is set): sets
 * ready[i] where it is worth an attempt, and gives how many.  Otherwise sleeps: 0 when something or
 * *control (no longer `value`) has changed, -ETIMEDOUT when it is time to look, with `look`,
 * whether the owners of mutexes live. */
int ms_watch(ms_wait *const *waits, int n, int look, uint32_t *control, uint32_t value,
             uint8_t *ready);

#endif
