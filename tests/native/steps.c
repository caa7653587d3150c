/* SPDX-License-Identifier: MIT
 *
 * Compiled with the core and -DMS_TEST_STEPS for steps.py: what it calls, with arguments that
 * ctypes can give.
 */
#include "sync/ms_event.h"
#include "sync/ms_mutex.h"
#include "sync/ms_slot.h"
#include "sync/ms_timer.h"
#include "sync/ms_wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

void steps_state(ms_state *state, uint32_t kind, uint32_t flags, uint32_t maximum, uint32_t high)
{
    ms_state_make(state, kind, flags, maximum, MS_WORD(high, 0));
}

/* 0, MS_WAS_ABANDONED or a negative errno; a timeout below 0 is for ever. */
int steps_wait(ms_object **objects, const int *fds, uint32_t n, int all, int accept_abandoned,
               int64_t timeout_ms, uint32_t *index, uint32_t *dead)
{
    ms_item items[MS_WAIT_MOST] = {0};
    ms_wait wait = {.items = items, .count = n, .all = all, .accept_abandoned = accept_abandoned};
    for (uint32_t i = 0; i < n; i++) {
        items[i].object = objects[i];
        items[i].fd = fds[i];
    }
    wait.deadline = timeout_ms < 0 ? MS_FOREVER : timeout_ms ? ms_now() + timeout_ms * 1000000 : 0;
    int result = ms_wait_begin(&wait);
    if (!result)
        while ((result = ms_wait_run(&wait)) == -EINTR)
            ;
    ms_wait_end(&wait);
    *index = wait.index;
    *dead = wait.dead;
    return result;
}

static void *take_and_end(void *argument)
{
    uint32_t dead;
    return (void *)(intptr_t)ms_mutex_try(argument, 1, 0, &dead);
}

/* A thread that takes the mutex and ends. */
int steps_thread_takes(ms_object *object, int fd)
{
    pthread_t thread;
    void *result;
    int claimed = ms_claim(object, fd);
    if (claimed || pthread_create(&thread, NULL, take_and_end, object) ||
        pthread_join(thread, &result))
        return claimed ? claimed : -EAGAIN;
    return (int)(intptr_t)result;
}

/* Due in so many ms, and each `period` ms after that; what it was, or a negative errno. */
int steps_set_timer(ms_object *object, int fd, uint32_t ms, uint32_t period)
{
    uint32_t before = 0;
    int result = ms_timer_set_span(object, fd, ms * 10000ull, period, &before);
    return result ? result : (int)before;
}

int steps_cancel_timer(ms_object *object, int fd)
{
    uint32_t before = 0;
    int result = ms_timer_cancel(object, fd, &before);
    return result ? result : (int)before;
}

/* 1 when it is signaled, 2 when it is set, both, or a negative errno. */
int steps_look_timer(ms_object *object)
{
    ms_timer_facts facts;
    int result = ms_timer_look(object->state, &facts);
    return result ? result : facts.signaled | facts.armed << 1;
}
