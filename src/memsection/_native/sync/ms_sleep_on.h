/* SPDX-License-Identifier: MIT
 *
 * Sleeping until what a wait is for may be had: on words, and on processes by a helper thread.
 * Private to ms_wait.c and ms_sleep_on.c.
 */
#ifndef MS_SLEEP_ON_H
#define MS_SLEEP_ON_H

#include "ms_wait.h"

/* Before sleeping on an object: 1 when it need not be slept on. */
int ms_mark_sleeper(ms_object *object, uint32_t pulses, uint32_t *sequence);

/* The end of a sleep until `until` on this object among others: not after the timer that it may be
 * is due. */
int64_t ms_until_due(const ms_object *object, int64_t until);

/* Until when something of another part may be slept on, once it is marked. */
int64_t ms_limit_of_other(const ms_item *item, int64_t until);

/* Sleep, not after `until`, unless something may be had by now; 0, -ETIMEDOUT, -EINTR, or what is
 * wrong. */
int ms_sleep_for_any(ms_wait *wait, int64_t until);
int ms_sleep_for_all(ms_wait *wait, int64_t until);

/* Whoever was woken and does not take the object wakes somebody else who could. */
void ms_pass_on(const ms_item *item);

/* End the thread that watches the processes of a wait (`helped`). */
void ms_stop_helper(ms_wait *wait);

#endif
