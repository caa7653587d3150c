/* SPDX-License-Identifier: MIT
 *
 * Taking one object for a wait, and what taking all of several needs of it.  Private to ms_wait.c,
 * ms_take.c and ms_take_all.c.
 */
#ifndef MS_TAKE_H
#define MS_TAKE_H

#include "ms_wait.h"

/* Whether the process behind a pidfd has ended: 0, -EBUSY, -EBADF. */
int ms_process_ended(int pidfd);

/* Take one item of a wait if it can be had now; results as for ms_mutex_try. */
int ms_take(ms_wait *wait, const ms_item *item);

/* Whether this thread owns it, if it is a mutex. */
int ms_mine(const ms_object *object);

/* Whether an object with this word could be taken (or its damage be told); LOCKED counts as not. */
int ms_available(const ms_object *object, uint64_t word, uint32_t pulses);

#endif
