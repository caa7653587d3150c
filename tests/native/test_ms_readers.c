/* SPDX-License-Identifier: MIT
 *
 * Readers that count themselves, and writers that look for them, among threads with a description
 * of the file each: what a writer changes without any atomic operation is never seen half changed.
 */
#define _GNU_SOURCE
#include "check.h"
#include "ms_atomic.h"
#include "ms_readers.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

enum { READERS = 3, WRITES = 700 };

static int fd;
static void *memory;
static uint64_t ended;
static int pair[2]; /* plain on purpose: the lock orders it */

static void *read_often(void *argument)
{
    ms_readers lock;
    CHECK(ms_readers_attach(&lock, memory, ms_readers_size()) == 0 &&
          ms_readers_claim(&lock, fd) == 0);
    while (!ms_load_u64(&ended)) {
        if (!ms_readers_enter(&lock, 0)) {
            ms_relax();
            continue;
        }
        CHECK(pair[0] == pair[1]);
        ms_readers_leave(&lock);
    }
    ms_readers_drop(&lock);
    return NULL;
}

static void two_threads_never_see_half(void)
{
    pthread_t threads[READERS];
    ms_readers lock;
    CHECK(ms_readers_attach(&lock, memory, ms_readers_size()) == 0 &&
          ms_readers_claim(&lock, fd) == 0);
    for (int i = 0; i < READERS; i++)
        CHECK(pthread_create(&threads[i], NULL, read_often, NULL) == 0);
    for (int i = 0; i < WRITES; i++) {
        CHECK(ms_readers_block(&lock) == 0);
        while (!ms_readers_gone(&lock, i % 8 == 0))
            ms_relax();
        ms_readers_set(&lock, MS_WRITES | 1);
        pair[0]++;
        pair[1]++;
        ms_readers_set(&lock, 0);
    }
    ms_store_u64(&ended, 1);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(ms_readers_gone(&lock, 0) && ms_readers_processes(&lock) == 0);
    ms_readers_drop(&lock);
}

static void the_dead_are_forgotten(void)
{
    ms_readers one, other;
    CHECK(ms_readers_attach(&one, memory, ms_readers_size()) == 0 &&
          ms_readers_claim(&one, fd) == 0);
    CHECK(ms_readers_attach(&other, memory, ms_readers_size()) == 0 &&
          ms_readers_claim(&other, fd) == 0);
    CHECK(one.slot != other.slot && ms_readers_enter(&other, 0));
    CHECK(!ms_readers_gone(&one, 1) && ms_readers_processes(&one) == 1);
    ms_lives_close(&other.lives); /* as its death does */
    CHECK(!ms_readers_gone(&one, 0) && ms_readers_gone(&one, 1) && ms_readers_gone(&one, 0));
    CHECK(ms_readers_block(&one) == 0);
    ms_readers_set(&one, MS_WRITES | 7);
    CHECK(ms_readers_block(&one) == (MS_WRITES | 7) && !ms_readers_enter(&one, 0) &&
          ms_readers_enter(&one, 1));
    CHECK(!ms_readers_gone(&one, 1));
    ms_readers_set(&one, 0);
    ms_readers_drop(&one);
}

static void slots_run_out(void)
{
    static ms_readers all[MS_READERS_SLOTS + 1];
    for (uint32_t i = 0; i <= MS_READERS_SLOTS; i++) {
        CHECK(ms_readers_attach(&all[i], memory, ms_readers_size()) == 0);
        CHECK(ms_readers_claim(&all[i], fd) == (i < MS_READERS_SLOTS ? 0 : -ENOSPC));
    }
    for (uint32_t i = 0; i <= MS_READERS_SLOTS; i++)
        ms_readers_drop(&all[i]);
}

int main(void)
{
    ms_readers lock;
    fd = memfd_create("readers", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)ms_readers_size()) == 0);
    memory = mmap(NULL, ms_readers_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED && ms_readers_attach(&lock, memory, ms_readers_size()) == -EBADMSG);
    ms_readers_format(memory, (uint64_t[2]){1, 2});
    CHECK(ms_readers_attach(&lock, memory, 100) == -EBADMSG);
    the_dead_are_forgotten();
    slots_run_out();
    two_threads_never_see_half();
    return 0;
}
