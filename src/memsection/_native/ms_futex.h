/* SPDX-License-Identifier: MIT
 *
 * Sleeping on words that other processes change: wait, wake, wait on several.  Deadlines are
 * absolute, in nanoseconds of CLOCK_MONOTONIC; MS_FOREVER is none.  What the words mean is their
 * owners' business.
 */
#ifndef MS_FUTEX_H
#define MS_FUTEX_H

#include <stdint.h>

#define MS_FOREVER INT64_MAX
#define MS_FUTEX_MOST 128 /* words that one wait can watch (FUTEX_WAITV_MAX) */

/* Nanoseconds of CLOCK_MONOTONIC; and as of the last tick, which is some milliseconds ago and costs
 * a fifth. */
int64_t ms_now(void);
int64_t ms_now_roughly(void);

/* Sleep while the word holds this value.  0 when woken or when it holds another; -ETIMEDOUT,
 * -EINTR. */
int ms_futex_wait(uint32_t *word, uint32_t value, int64_t deadline);

/* Wake up to n sleepers; how many were woken. */
int ms_futex_wake(uint32_t *word, int n);

/* Sleep while words[i] holds values[i] for every i < n <= MS_FUTEX_MOST; the same results.  Where
 * the kernel has no futex_waitv (before 5.16, or kept from us by a filter) it comes back with 0
 * after at most 10 ms: look again. */
int ms_futex_wait_any(uint32_t *const *words, const uint32_t *values, int n, int64_t deadline);

/* For tests: behave as if the kernel had no futex_waitv. */
void ms_futex_without_waitv(int yes);

#endif
