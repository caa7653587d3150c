/* SPDX-License-Identifier: MIT
 *
 * Sleeping on words that other processes change; see ms_futex.h.  The words lie in shared memory,
 * so no call here uses FUTEX_PRIVATE_FLAG.  (futex(2), futex_waitv:
 * Documentation/userspace-api/futex2.rst)
 *
 * On Windows there is the clock alone, whose numbers are those of the system for all processes.
 */
#define _GNU_SOURCE
#include "ms_futex.h"

#ifdef _WIN32

#include <windows.h>

#define SECOND 1000000000ll

int64_t ms_now(void)
{
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return ticks.QuadPart / per_second.QuadPart * SECOND +
           ticks.QuadPart % per_second.QuadPart * SECOND / per_second.QuadPart;
}

int64_t ms_now_roughly(void)
{
    return (int64_t)GetTickCount64() * 1000000ll;
}

#else

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ms_atomic.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 /* the same number on every architecture */
#endif

#define SECOND 1000000000ll
/* of a wait on several words where they cannot be watched at once: see the header */
#define FALLBACK_SLICE 10000000ll

/* struct futex_waitv and FUTEX_32 of <linux/futex.h>, which older headers do not have. */
struct waited {
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};
#define WAIT_ON_U32 2

static uint32_t no_waitv;

static int64_t now_by(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

int64_t ms_now(void)
{
    return now_by(CLOCK_MONOTONIC);
}

int64_t ms_now_roughly(void)
{
    return now_by(CLOCK_MONOTONIC_COARSE);
}

static struct timespec *when(int64_t deadline, struct timespec *out)
{
    if (deadline == MS_FOREVER)
        return NULL;
    if (deadline < 0)
        deadline = 0;
    out->tv_sec = deadline / SECOND;
    out->tv_nsec = deadline % SECOND;
    return out;
}

static int outcome(long result)
{
    if (result >= 0 || errno == EAGAIN)
        return 0;
    return -errno;
}

int ms_futex_wait(uint32_t *word, uint32_t value, int64_t deadline)
{
    struct timespec end;
    /* FUTEX_WAIT_BITSET, because its deadline is absolute. */
    return outcome(syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, when(deadline, &end), NULL,
                           FUTEX_BITSET_MATCH_ANY));
}

int ms_futex_wake(uint32_t *word, int n)
{
    long woken = syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);
    return woken < 0 ? -errno : (int)woken;
}

void ms_futex_without_waitv(int yes)
{
    ms_poke_u32(&no_waitv, yes != 0);
}

int ms_futex_wait_any(uint32_t *const *words, const uint32_t *values, int n, int64_t deadline)
{
    struct waited list[MS_FUTEX_MOST];
    struct timespec end;
    if (n == 1)
        return ms_futex_wait(words[0], values[0], deadline);
    if (n > MS_FUTEX_MOST)
        return -EINVAL;
    if (!ms_peek_u32(&no_waitv)) {
        for (int i = 0; i < n; i++)
            list[i] = (struct waited){
                .value = values[i], .address = (uintptr_t)words[i], .flags = WAIT_ON_U32};
        long result = syscall(SYS_futex_waitv, list, n, 0, when(deadline, &end), CLOCK_MONOTONIC);
        if (result >= 0 || (errno != ENOSYS && errno != EPERM))
            return outcome(result);
        ms_poke_u32(&no_waitv, 1);
    }
    /* The first word is slept on, the others are seen when the slice ends. */
    int64_t slice = ms_now() + FALLBACK_SLICE;
    int result = ms_futex_wait(words[0], values[0], deadline < slice ? deadline : slice);
    return result == -ETIMEDOUT && slice < deadline ? 0 : result;
}

#endif
