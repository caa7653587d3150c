/* SPDX-License-Identifier: MIT
 *
 * The synchronising core among threads of one process: exclusion, recursion, abandonment by threads
 * that end, counts, pulses, waits for any and for all, noise in the words.  What needs several
 * processes is tested from Python.
 */
#define _GNU_SOURCE
#include "check.h"
#include "ms_atomic.h"
#include "sync/ms_event.h"
#include "sync/ms_mutex.h"
#include "sync/ms_slot.h"
#include "sync/ms_wait.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 3000, NOISE = 20000 };

static int mutex_fd, event_fd, manual_fd, semaphore_fd;
static ms_object *mutex, *event, *manual, *semaphore;
static uint64_t guarded, abandoned, taken; /* guarded is plain on purpose: the mutex orders it */

static int body(uint32_t kind, uint32_t flags, uint32_t maximum, uint64_t word, ms_object **out)
{
    ms_state state;
    int fd = memfd_create("sync", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, MS_PAGE) == 0);
    ms_state_make(&state, kind, flags, maximum, word);
    CHECK(pwrite(fd, &state, sizeof state, MS_STATE_OFFSET) == sizeof state);
    CHECK(ms_object_get(fd, 0, kind, out) == 0);
    return fd;
}

static int wait_for(ms_object *const *objects, const int *fds, uint32_t n, int all,
                    int accept_abandoned, int64_t ms)
{
    ms_item items[MS_WAIT_MOST] = {{0}};
    ms_wait wait = {.items = items, .count = n, .all = all, .accept_abandoned = accept_abandoned};
    for (uint32_t i = 0; i < n; i++)
        items[i] = (ms_item){.object = objects[i], .fd = fds[i]};
    wait.deadline = ms < 0 ? MS_FOREVER : ms ? ms_now() + ms * 1000000 : 0;
    int result = ms_wait_begin(&wait);
    if (!result)
        while ((result = ms_wait_run(&wait)) == -EINTR)
            ;
    ms_wait_end(&wait);
    return result < 0 ? result : result << 8 | (int)wait.index;
}

static int take(ms_object *object, int fd, int accept_abandoned, int64_t ms)
{
    int result = wait_for(&object, &fd, 1, 0, accept_abandoned, ms);
    return result < 0 ? result : result >> 8;
}

static void *hammer_mutex(void *argument)
{
    uint32_t before;
    for (int i = 0; i < ROUNDS; i++) {
        int result = take(mutex, mutex_fd, 1, -1);
        CHECK(result == 0 || result == MS_WAS_ABANDONED);
        CHECK(take(mutex, mutex_fd, 1, 0) == 0);
        guarded++;
        CHECK(ms_mutex_release(mutex, &before) == 0 && before == 2);
        CHECK(ms_mutex_release(mutex, &before) == 0 && before == 1);
    }
    CHECK(ms_mutex_release(mutex, &before) == -EPERM);
    return argument;
}

static void *take_and_end(void *argument)
{
    int result = take(mutex, mutex_fd, 1, -1);
    CHECK(result == 0 || result == MS_WAS_ABANDONED);
    if (result)
        ms_add_u64(&abandoned, 1);
    return argument;
}

static void *pass_units(void *number)
{
    uint32_t before;
    for (int i = 0; i < ROUNDS; i++) {
        if ((long)number % 2) {
            while (ms_semaphore_release(semaphore, semaphore_fd, 1, &before) == -EOVERFLOW)
                usleep(10);
        } else
            CHECK(take(semaphore, semaphore_fd, 1, -1) == 0);
        CHECK(MS_HIGH(ms_load_u64(&semaphore->state->word)) <= 3);
    }
    return NULL;
}

static void *meet(void *number)
{
    ms_object *const several[] = {event, semaphore, mutex};
    const int fds[] = {event_fd, semaphore_fd, mutex_fd};
    uint32_t before;
    for (int i = 0; i < ROUNDS / 10; i++) {
        if ((long)number == 0) {
            CHECK(ms_event_change(event, event_fd, MS_SET, &before) == 0);
            (void)ms_semaphore_release(semaphore, semaphore_fd, 1, &before);
            (void)ms_event_change(manual, manual_fd, i % 2 ? MS_PULSE : MS_SET, &before);
            (void)take(manual, manual_fd, 1, 1);
            (void)ms_event_change(manual, manual_fd, MS_RESET, &before);
            usleep(20);
            continue;
        }
        int result = wait_for(several, fds, 3, (long)number % 2, 1, 2);
        CHECK(result >= 0 || result == -ETIMEDOUT);
        if (result >= 0) {
            ms_add_u64(&taken, 1);
            if ((long)number % 2 || (result & 0xff) == 2)
                CHECK(ms_mutex_release(mutex, &before) == 0);
        }
    }
    return NULL;
}

static void noise(void)
{
    uint64_t seed = 88172645463325252ull;
    uint32_t before;
    ms_object *const several[] = {event, semaphore, mutex, manual};
    const int fds[] = {event_fd, semaphore_fd, mutex_fd, manual_fd};
    for (int i = 0; i < NOISE; i++) {
        for (int k = 0; k < 4; k++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            /* LOCKED by this process itself, or by a slot that lives, is waited for: that is tested
             * elsewhere. */
            uint64_t word = seed & ~(MS_LOCKED | (i % 2 ? 0 : MS_UNUSED));
            if (MS_SLOT(word) == MS_SLOT(several[k]->me))
                word ^= 1;
            ms_store_u64(&several[k]->state->word, word);
            int result = wait_for(&several[k], &fds[k], 1, 0, 1, 0);
            CHECK(result >= 0 || result == -EBADMSG || result == -ETIMEDOUT);
            if (result >= 0 && several[k] == mutex)
                (void)ms_mutex_release(mutex, &before);
        }
        (void)ms_event_change(event, event_fd, i % 3, &before);
        (void)ms_semaphore_release(semaphore, semaphore_fd, 1 + (uint32_t)seed % 7, &before);
    }
}

static void limits(void)
{
    uint32_t before;
    CHECK(take(mutex, mutex_fd, 1, 0) >= 0);
    mutex->counts += MS_COUNT_MOST - 1;
    CHECK(take(mutex, mutex_fd, 1, 0) == -EOVERFLOW);
    mutex->counts -= MS_COUNT_MOST - 1;
    CHECK(ms_mutex_release(mutex, &before) == 0 && before == 1);
    CHECK(ms_semaphore_release(semaphore, semaphore_fd, MS_COUNT_MOST, &before) == -EOVERFLOW);
}

static void orphan(void)
{
    ms_object *one, *again;
    uint32_t before;
    int fd = body(MS_MUTEX, 0, 0, 0, &one);
    CHECK(take(one, fd, 1, 0) == 0);
    ms_object_put(one); /* closed while it is owned: it stays, and is found again */
    CHECK(ms_object_get(fd, 0, MS_MUTEX, &again) == 0 && again == one);
    CHECK(ms_mutex_release(again, &before) == 0 && before == 1);
    CHECK(ms_object_get(fd, 0, MS_EVENT, &one) == -EBADMSG);
    ms_object_put(again);
    CHECK(ms_object_get(fd, MS_PAGE, MS_MUTEX, &one) == -EBADMSG &&
          ms_object_get(fd, 8, MS_MUTEX, &one) == -EBADMSG);
    close(fd);
}

int main(void)
{
    mutex_fd = body(MS_MUTEX, 0, 0, 0, &mutex);
    event_fd = body(MS_EVENT, 0, 0, 0, &event);
    manual_fd = body(MS_EVENT, MS_MANUAL, 0, 0, &manual);
    semaphore_fd = body(MS_SEMAPHORE, 0, 3, 0, &semaphore);
    together(THREADS, hammer_mutex);
    CHECK(guarded == (uint64_t)THREADS * ROUNDS);
    together(THREADS, take_and_end);
    CHECK(abandoned == THREADS - 1);
    CHECK(take(mutex, mutex_fd, 0, -1) == -EOWNERDEAD &&
          take(mutex, mutex_fd, 1, -1) == MS_WAS_ABANDONED);
    uint32_t before;
    (void)ms_mutex_release(mutex, &before);
    together(THREADS, pass_units);
    together(THREADS, meet);
    CHECK(taken > 0);
    limits();
    orphan();
    noise();
    ms_object_put(mutex);
    ms_object_put(event);
    ms_object_put(manual);
    ms_object_put(semaphore);
    return 0;
}
