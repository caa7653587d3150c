/* SPDX-License-Identifier: MIT
 *
 * What ms_ledger.h says.  A ledger is a thread's until that ends; then it is spare.
 */
#include "ms_ledger.h"

#include <pthread.h>
#include <stdlib.h>

static __thread struct ms_ledger *mine;
static struct ms_ledger *all;
static pthread_mutex_t list = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void thread_has_ended(void *one)
{
    __atomic_store_n(&((struct ms_ledger *)one)->spare, 1, __ATOMIC_RELEASE);
}

static void make_key(void)
{
    pthread_key_create(&key, thread_has_ended);
}

struct ms_ledger *ms_ledger_first(void)
{
    return all;
}

struct ms_ledger *ms_ledger_mine(void)
{
    return mine && mine->depth ? mine : NULL;
}

static struct ms_ledger *new_ledger(void)
{
    struct ms_ledger *one;
    pthread_once(&once, make_key);
    pthread_mutex_lock(&list);
    for (one = all; one && !__atomic_load_n(&one->spare, __ATOMIC_ACQUIRE); one = one->next) {
    }
    if (!one && (one = calloc(1, sizeof *one))) {
        one->next = all;
        all = one;
    }
    if (one)
        one->spare = 0;
    pthread_mutex_unlock(&list);
    if (one)
        pthread_setspecific(key, one);
    return one;
}

struct ms_ledger *ms_ledger_enter(void)
{
    if (!mine && !(mine = new_ledger()))
        return NULL;
    mine->depth++;
    return mine;
}

void ms_ledger_leave(struct ms_ledger *one)
{
    if (--one->depth == 0)
        one->fd_count = one->range_count = 0;
}

void ms_ledger_keep_only(void)
{
    /* Another thread may have had the mutex when the process was copied; and no other thread is
     * here. */
    pthread_mutex_init(&list, NULL);
    for (struct ms_ledger *one = all; one; one = one->next)
        if (one != mine) {
            one->depth = one->fd_count = one->range_count = 0;
            one->spare = 1;
        }
}

void ms_ledger_add_fd(int fd)
{
    struct ms_ledger *one = ms_ledger_mine();
    if (!one)
        return;
    if (one->fd_count == one->fd_room) {
        int more = one->fd_room ? 2 * one->fd_room : 16;
        int *larger = realloc(one->fds, (size_t)more * sizeof *larger);
        if (!larger)
            return; /* then an operation that is interrupted now leaves it open */
        one->fds = larger;
        one->fd_room = more;
    }
    one->fds[one->fd_count++] = fd;
}

void ms_ledger_drop_fd(int fd)
{
    for (struct ms_ledger *one = all; one; one = one->next)
        for (int i = one->fd_count; i-- > 0;)
            if (one->fds[i] == fd)
                one->fds[i] = -1;
}

void ms_ledger_add_range(uintptr_t address, size_t size)
{
    struct ms_ledger *one = ms_ledger_mine();
    if (!one)
        return;
    if (one->range_count == one->range_room) {
        int more = one->range_room ? 2 * one->range_room : 16;
        struct ms_range *larger = realloc(one->ranges, (size_t)more * sizeof *larger);
        if (!larger)
            return;
        one->ranges = larger;
        one->range_room = more;
    }
    one->ranges[one->range_count++] = (struct ms_range){address, size};
}

/* What is cut out of the middle of one leaves two. */
static void drop(struct ms_ledger *one, int i, uintptr_t from, uintptr_t to)
{
    struct ms_range range = one->ranges[i];
    uintptr_t end = range.address + range.size;
    if (from >= end || to <= range.address)
        return;
    one->ranges[i].size = from > range.address ? from - range.address : 0;
    if (to >= end)
        return;
    if (!one->ranges[i].size)
        one->ranges[i] = (struct ms_range){to, end - to};
    else if (one == mine)
        ms_ledger_add_range(to, end - to);
}

void ms_ledger_drop_range(uintptr_t address, size_t size)
{
    uintptr_t end = address + (size + 4095) / 4096 * 4096;
    for (struct ms_ledger *one = all; one; one = one->next)
        for (int i = one->range_count; i-- > 0;)
            drop(one, i, address, end);
}
