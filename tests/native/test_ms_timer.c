/* SPDX-License-Identifier: MIT
 *
 * Timers among threads of one process: each due time lets one through, whoever sets, cancels and
 * takes meanwhile; noise in the settings.  What needs several processes is tested from Python.
 */
#define _GNU_SOURCE
#include "check.h"
#include "ms_atomic.h"
#include "sync/ms_event.h"
#include "sync/ms_timer.h"
#include "sync/ms_wait.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 4, FIRINGS = 400, ROUNDS = 2000, NOISE = 5000 };

static int timer_fd, event_fd;
static ms_object *timer, *event;
static uint64_t taken;
static uint32_t done;

static int body(uint32_t kind, uint32_t flags, uint64_t word, ms_object **out)
{
    ms_state state;
    int fd = memfd_create("timer", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, MS_PAGE) == 0);
    ms_state_make(&state, kind, flags, 0, word);
    CHECK(pwrite(fd, &state, sizeof state, MS_STATE_OFFSET) == sizeof state);
    CHECK(ms_object_get(fd, 0, kind, out) == 0);
    return fd;
}

static int wait_for(uint32_t n, int all, int64_t ns)
{
    ms_item items[2] = {{.object = timer, .fd = timer_fd}, {.object = event, .fd = event_fd}};
    ms_wait wait = {.items = items, .count = n, .all = all, .deadline = ns ? ms_now() + ns : 0};
    int result = ms_wait_begin(&wait);
    if (!result)
        while ((result = ms_wait_run(&wait)) == -EINTR)
            ;
    ms_wait_end(&wait);
    return result;
}

/* One sets the timer again as soon as somebody has taken it; the others take it. */
static void *fire_or_take(void *argument)
{
    uint32_t before;
    if (argument) {
        while (!ms_load_u32(&done))
            if (wait_for((long)argument == 3 ? 2 : 1, (long)argument == 3, 20000000) == 0)
                ms_add_u64(&taken, 1);
        return NULL;
    }
    for (uint64_t i = 1; i <= FIRINGS; i++) {
        CHECK(ms_timer_set_span(timer, timer_fd, i % 3 * 1000, i % 2 ? 0 : 3600000, &before) == 0);
        while (ms_load_u64(&taken) < i)
            ms_relax();
        CHECK(ms_load_u64(&taken) == i);
    }
    ms_store_u32(&done, 1);
    return NULL;
}

/* Everything at once: nothing but success, and the end of the time, comes of it. */
static void *everything(void *argument)
{
    uint32_t before;
    ms_timer_facts facts;
    for (int i = 0; i < ROUNDS; i++) {
        switch ((i + (long)argument) % 5) {
        case 0:
            CHECK(ms_timer_set_span(timer, timer_fd, 100, 1, &before) == 0);
            break;
        case 1:
            CHECK(ms_timer_set_date(timer, timer_fd, 1, 0, &before) == 0);
            break;
        case 2:
            CHECK(ms_timer_cancel(timer, timer_fd, &before) == 0);
            break;
        case 3: {
            int result = wait_for(2, i & 1, 50000);
            CHECK(result == 0 || result == -ETIMEDOUT);
            break;
        }
        default: {
            int result = ms_timer_look(timer->state, &facts);
            CHECK(result == 0 || result == -EAGAIN);
        }
        }
    }
    return NULL;
}

static void noise(void)
{
    uint64_t seed = 7;
    uint32_t before;
    ms_timer_facts facts;
    for (int i = 0; i < NOISE; i++) {
        for (int n = 0; n < 4; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            ms_poke_u64(n & 1 ? &timer->state->settings[n / 2].due
                              : &timer->state->settings[n / 2].repeat,
                        seed >> (seed >> 58));
        }
        ms_poke_u64(&timer->state->word, (seed & ~0xffffffffull) | MS_ARMED | (seed & MS_SECOND));
        int result = wait_for(1, 0, 0);
        CHECK(result == 0 || result == -ETIMEDOUT || result == -EBADMSG);
        (void)ms_timer_look(timer->state, &facts);
        (void)ms_timer_due(timer);
        if (i % 16 == 0)
            CHECK(ms_timer_set_span(timer, timer_fd, UINT64_MAX, 1, &before) == 0 &&
                  wait_for(1, 0, 0) == -ETIMEDOUT);
    }
}

int main(void)
{
    timer_fd = body(MS_TIMER, 0, 0, &timer);
    event_fd = body(MS_EVENT, MS_MANUAL, 0, &event);
    uint32_t before;
    CHECK(ms_event_change(event, event_fd, MS_SET, &before) == 0);
    together(THREADS, fire_or_take);
    CHECK(ms_load_u64(&taken) == FIRINGS);
    together(THREADS, everything);
    noise();
    ms_object_put(timer);
    ms_object_put(event);
    return 0;
}
