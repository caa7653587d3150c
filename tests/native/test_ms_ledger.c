/* SPDX-License-Identifier: MIT
 *
 * ms_ledger: what an operation acquired stands in its thread's ledger until it has an owner; each
 * thread has one of its own, and a forked child keeps only its own.
 */
#include "check.h"
#include "ms_ledger.h"

#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, MANY = 100, PAGE = 4096 };

static pthread_barrier_t all_entered;
static struct ms_ledger *ledgers[THREADS];

static int open_fds(const struct ms_ledger *one)
{
    int found = 0;
    for (int i = 0; i < one->fd_count; i++)
        found += one->fds[i] >= 0;
    return found;
}

static size_t mapped(const struct ms_ledger *one)
{
    size_t found = 0;
    for (int i = 0; i < one->range_count; i++)
        found += one->ranges[i].size;
    return found;
}

static void *operation(void *argument)
{
    long me = (long)argument;
    ledgers[me] = ms_ledger_enter();
    CHECK(ledgers[me] && ms_ledger_mine() == ledgers[me]);
    for (int i = 0; i < MANY; i++)
        ms_ledger_add_fd((int)(1000 * me + i));
    pthread_barrier_wait(&all_entered);
    for (long other = 0; other < me; other++)
        CHECK(ledgers[other] != ledgers[me]);
    CHECK(open_fds(ledgers[me]) == MANY);
    pthread_barrier_wait(&all_entered);
    ms_ledger_leave(ledgers[me]);
    CHECK(!ms_ledger_mine());
    return NULL;
}

static void keeps_only_its_own_in_a_child(void)
{
    struct ms_ledger *mine = ms_ledger_enter();
    ms_ledger_add_fd(5);
    pid_t child = fork();
    if (!child) {
        ms_ledger_keep_only();
        for (struct ms_ledger *one = ms_ledger_first(); one; one = one->next)
            CHECK(one == mine ? open_fds(one) == 1
                              : one->spare && !one->fd_count && !one->range_count);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    ms_ledger_leave(mine);
}

int main(void)
{
    ms_ledger_add_fd(3); /* outside of any operation: nobody's */
    CHECK(!ms_ledger_mine());
    struct ms_ledger *mine = ms_ledger_enter();
    CHECK(ms_ledger_enter() == mine && mine->depth == 2);
    ms_ledger_add_fd(3);
    ms_ledger_add_fd(4);
    ms_ledger_drop_fd(3);
    CHECK(open_fds(mine) == 1);
    ms_ledger_leave(mine);
    CHECK(ms_ledger_mine() == mine && open_fds(mine) == 1);
    ms_ledger_add_range(PAGE * 16, PAGE * 8);
    ms_ledger_drop_range(PAGE * 18, PAGE * 2); /* out of its middle */
    CHECK(mapped(mine) == PAGE * 6);
    ms_ledger_drop_range(PAGE * 16, 1); /* a part of a page is the page */
    CHECK(mapped(mine) == PAGE * 5);
    ms_ledger_drop_range(PAGE * 8, PAGE * 100);
    CHECK(mapped(mine) == 0);
    ms_ledger_leave(mine);
    CHECK(mine->fd_count == 0 && mine->range_count == 0);
    CHECK(pthread_barrier_init(&all_entered, NULL, THREADS) == 0);
    together(THREADS, operation);
    together(THREADS, operation); /* the ledgers of threads that have ended are used again */
    int known = 0;
    for (struct ms_ledger *one = ms_ledger_first(); one; one = one->next)
        known++;
    CHECK(known == THREADS + 1);
    keeps_only_its_own_in_a_child();
    return 0;
}
