/* SPDX-License-Identifier: MIT
 *
 * See ms_sleep.h.
 */
#define _GNU_SOURCE
#include "ms_sleep.h"

#include <errno.h>

#include "../include/ms_atomic.h"
#include "../ms_futex.h"

#ifdef _WIN32

#include <stdio.h>
#include <windows.h>

#define GENERATION 0x10000u
#define NS_OF_A_MS 1000000ll
#define POLL 10u /* ms between looks where there is no event to be had */

enum { ONE = 0, ALL = 1 };

typedef char event_name[96];

static void name_of(const ms_end *end, int which, int kind, event_name name)
{ /* Global\: the processes need not be of one session */
    snprintf(name, sizeof(event_name), "Global\\memsection.bell.%016llx%016llx.%d.%d",
             (unsigned long long)end->shared[0], (unsigned long long)end->shared[1], which, kind);
}

static HANDLE made(const ms_end *end, int which, int kind)
{
    event_name name;
    name_of(end, which, kind, name);
    HANDLE event = CreateEventA(NULL, kind != ONE, FALSE, name);
    if (!event && GetLastError() == ERROR_ACCESS_DENIED) /* it permits less than everything */
        event = OpenEventA(SYNCHRONIZE | EVENT_MODIFY_STATE, FALSE, name);
    return event;
}

/* An event of the end's, made when it is needed first; NULL: it is not to be had. */
static HANDLE event_of(ms_end *end, int which, int kind)
{
    void **at = &end->events[which][kind];
    HANDLE known = InterlockedCompareExchangePointer(at, NULL, NULL);
    if (known)
        return known;
    HANDLE event = made(end, which, kind);
    if (!event)
        return NULL;
    known = InterlockedCompareExchangePointer(at, event, NULL);
    if (known) /* another thread was faster */
        CloseHandle(event);
    return known ? known : event;
}

/* A wait without an interrupt: it is short, and the door sees to Ctrl-C after each. */
static int wait_for(const HANDLE *events, DWORD count, const ms_bell *bell, uint32_t seen,
                    int64_t deadline)
{
    int64_t left = deadline - ms_now();
    if (ms_load_u32(&bell->sequence) != seen || left <= 0)
        return -1;
    DWORD ms = left > 1000 * NS_OF_A_MS ? 1000 : (DWORD)((left + NS_OF_A_MS - 1) / NS_OF_A_MS);
    DWORD woken = count ? WaitForMultipleObjects(count, events, FALSE, ms) : WAIT_FAILED;
    if (woken == WAIT_FAILED)
        Sleep(ms < POLL ? ms : POLL);
    return (int)woken;
}

/* The client of a call alone sleeps at its cell, so one event is enough, and it is there only as
 * long as it sleeps. */
static int sleep_at_cell(ms_end *end, int which, ms_bell *bell, uint32_t seen, int64_t deadline)
{
    HANDLE event = made(end, which, ONE);
    wait_for(&event, event != NULL, bell, seen, deadline);
    if (event)
        CloseHandle(event);
    return 0;
}

int ms_sleep(ms_end *end, int which, ms_bell *bell, uint32_t seen, int64_t deadline)
{
    if (which >= MS_BELLS)
        return sleep_at_cell(end, which, bell, seen, deadline);
    /* The one for everybody first: of two that are set, the wait takes the first alone. */
    HANDLE events[2] = {event_of(end, which, ALL + (seen / GENERATION & 1)),
                        event_of(end, which, ONE)};
    int woken = wait_for(events, events[0] && events[1] ? 2 : 0, bell, seen, deadline);
    /* Set, and nobody rang for everybody: two who rang met, or a stranger did. */
    if (woken == WAIT_OBJECT_0 && ms_load_u32(&bell->sequence) / GENERATION == seen / GENERATION)
        ResetEvent(events[0]);
    return 0;
}

static void set(HANDLE event)
{
    if (event)
        SetEvent(event);
}

static void wake_at_cell(ms_end *end, int which)
{
    event_name name;
    name_of(end, which, ONE, name);
    HANDLE event = OpenEventA(EVENT_MODIFY_STATE, FALSE, name);
    set(event);
    if (event)
        CloseHandle(event);
}

static void wake_everybody(ms_end *end, int which, ms_bell *bell)
{
    uint32_t generation = ms_load_u32(&bell->sequence) / GENERATION;
    HANDLE next = event_of(end, which, ALL + ((generation + 1) & 1));
    if (next) /* before anybody can sleep at it */
        ResetEvent(next);
    /* SYNC(bell): release; pairs with the load in sleep_at */
    generation = ms_add_u32(&bell->sequence, GENERATION) / GENERATION;
    set(event_of(end, which, ALL + (generation & 1)));
}

void ms_wake(ms_end *end, int which, ms_bell *bell, int everybody)
{
    if (which < MS_BELLS && everybody) {
        wake_everybody(end, which, bell);
        return;
    }
    ms_add_u32(&bell->sequence, 1); /* SYNC(bell): release; pairs with the load in sleep_at */
    if (which < MS_BELLS)
        set(event_of(end, which, ONE));
    else
        wake_at_cell(end, which);
}

int ms_nap(int64_t ns)
{
    Sleep(ns > 0 ? (DWORD)((ns + NS_OF_A_MS - 1) / NS_OF_A_MS) : 0);
    return 0;
}

void ms_sleep_close(ms_end *end)
{
    for (int which = 0; which < MS_BELLS; which++)
        for (int kind = 0; kind < MS_EVENTS; kind++) {
            HANDLE event = InterlockedExchangePointer(&end->events[which][kind], NULL);
            if (event)
                CloseHandle(event);
        }
}

#else

#include <limits.h>
#include <time.h>

int ms_sleep(ms_end *end, int which, ms_bell *bell, uint32_t seen, int64_t deadline)
{
    (void)end, (void)which;
    int result = ms_futex_wait(&bell->sequence, seen, deadline);
    return result == -ETIMEDOUT ? 0 : result;
}

void ms_wake(ms_end *end, int which, ms_bell *bell, int everybody)
{
    (void)end, (void)which;
    ms_add_u32(&bell->sequence, 1); /* SYNC(bell): release; pairs with the load in sleep_at */
    MS_STEP("bell: before the wake");
    ms_futex_wake(&bell->sequence, everybody ? INT_MAX : 1);
}

int ms_nap(int64_t ns)
{
    struct timespec nap = {.tv_nsec = ns > 0 ? ns : 0};
    return nanosleep(&nap, NULL) ? -EINTR : 0;
}

void ms_sleep_close(ms_end *end)
{
    (void)end; /* a futex is nothing that could be closed */
}

#endif
