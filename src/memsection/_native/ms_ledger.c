/* SPDX-License-Identifier: MIT
 *
 * What ms_ledger.h says.  A ledger is in the list of all while its thread is in an operation; between two it is spare.
 */
#include "ms_ledger.h"

#include <pthread.h>
#include <stdlib.h>

static __thread struct ms_ledger *mine;
static struct ms_ledger *all, *spare;
static pthread_mutex_t lists = PTHREAD_MUTEX_INITIALIZER;

struct ms_ledger *ms_ledger_first(void) { return all; }

struct ms_ledger *ms_ledger_mine(void) { return mine; }

struct ms_ledger *ms_ledger_enter(void) {
    if (mine) {
        mine->depth++;
        return mine;
    }
    pthread_mutex_lock(&lists);
    struct ms_ledger *one = spare;
    if (one) spare = one->next;
    else one = calloc(1, sizeof *one);
    if (one) {
        one->next = all;
        all = one;
    }
    pthread_mutex_unlock(&lists);
    if (!one) return NULL;
    one->depth = 1;
    return mine = one;
}

void ms_ledger_leave(struct ms_ledger *one) {
    if (--one->depth) return;
    one->fd_count = one->range_count = 0;
    mine = NULL;
    pthread_mutex_lock(&lists);
    for (struct ms_ledger **at = &all; *at; at = &(*at)->next)
        if (*at == one) {
            *at = one->next;
            break;
        }
    one->next = spare;
    spare = one;
    pthread_mutex_unlock(&lists);
}

void ms_ledger_keep_only(struct ms_ledger *one) {
    /* Another thread may have had the mutex when the process was copied; the spare ones cost nothing. */
    pthread_mutex_init(&lists, NULL);
    spare = NULL;
    all = one;
    if (one) one->next = NULL;
}

void ms_ledger_add_fd(int fd) {
    struct ms_ledger *one = mine;
    if (!one) return;
    if (one->fd_count == one->fd_room) {
        int more = one->fd_room ? 2 * one->fd_room : 16;
        int *larger = realloc(one->fds, (size_t)more * sizeof *larger);
        if (!larger) return;    /* then an operation that is interrupted now leaves it open */
        one->fds = larger;
        one->fd_room = more;
    }
    one->fds[one->fd_count++] = fd;
}

void ms_ledger_drop_fd(int fd) {
    for (struct ms_ledger *one = all; one; one = one->next)
        for (int i = one->fd_count; i-- > 0;)
            if (one->fds[i] == fd) one->fds[i] = -1;
}

void ms_ledger_add_range(uintptr_t address, size_t size) {
    struct ms_ledger *one = mine;
    if (!one) return;
    if (one->range_count == one->range_room) {
        int more = one->range_room ? 2 * one->range_room : 16;
        struct ms_range *larger = realloc(one->ranges, (size_t)more * sizeof *larger);
        if (!larger) return;
        one->ranges = larger;
        one->range_room = more;
    }
    one->ranges[one->range_count++] = (struct ms_range){address, size};
}

/* What is cut out of the middle of one leaves two. */
static void drop(struct ms_ledger *one, int i, uintptr_t from, uintptr_t to) {
    struct ms_range range = one->ranges[i];
    uintptr_t end = range.address + range.size;
    if (from >= end || to <= range.address) return;
    one->ranges[i].size = from > range.address ? from - range.address : 0;
    if (to >= end) return;
    if (!one->ranges[i].size) one->ranges[i] = (struct ms_range){to, end - to};
    else if (one == mine) ms_ledger_add_range(to, end - to);
}

void ms_ledger_drop_range(uintptr_t address, size_t size) {
    uintptr_t end = address + (size + 4095) / 4096 * 4096;
    for (struct ms_ledger *one = all; one; one = one->next)
        for (int i = one->range_count; i-- > 0;) drop(one, i, address, end);
}
