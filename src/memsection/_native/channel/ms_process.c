/* SPDX-License-Identifier: MIT
 *
 * See ms_process.h.
 */
#define _GNU_SOURCE
#include "ms_process.h"
#include "ms_channel.h"

#ifdef _WIN32

#include <windows.h>

#include <ntsecapi.h>
#if defined(_MSC_VER)
#pragma comment(lib, "advapi32")
#endif

static SRWLOCK lock = SRWLOCK_INIT;

void ms_ends_lock(void)
{
    AcquireSRWLockExclusive(&lock);
}

void ms_ends_unlock(void)
{
    ReleaseSRWLockExclusive(&lock);
}

void ms_watch_forks(void) {}

uint32_t ms_process_id(void)
{
    return GetCurrentProcessId();
}

void ms_give_way(void)
{
    SwitchToThread();
}

int ms_random(void *bytes, size_t count)
{
    return RtlGenRandom(bytes, (ULONG)count) != 0;
}

#else

#include <pthread.h>
#include <sched.h>
#include <sys/random.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void ms_ends_lock(void)
{
    pthread_mutex_lock(&lock);
}

void ms_ends_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

static void after_fork_in_child(void)
{
    ms_ends_forked();
    pthread_mutex_init(&lock, NULL);
}

static void set_up(void)
{
    pthread_atfork(ms_ends_lock, ms_ends_unlock, after_fork_in_child);
}

void ms_watch_forks(void)
{
    pthread_once(&once, set_up);
}

uint32_t ms_process_id(void)
{
    return (uint32_t)getpid();
}

void ms_give_way(void)
{
    sched_yield();
}

int ms_random(void *bytes, size_t count)
{
    return getrandom(bytes, count, GRND_NONBLOCK) == (ssize_t)count;
}

#endif
