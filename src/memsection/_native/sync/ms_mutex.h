/* SPDX-License-Identifier: MIT
 *
 * The mutex: taking it, giving it back, and leaving it as if its owner had ended.
 */
#ifndef MS_MUTEX_H
#define MS_MUTEX_H

#include "ms_atomic.h"
#include "ms_object.h"

/* Take a mutex if it can be had now.  0; MS_WAS_ABANDONED (only if `accept_abandoned`);
 * -EOWNERDEAD: it was abandoned and has been left so; -EBUSY; -EAGAIN: LOCKED; -ENOLCK: claim a
 * slot first; -EOVERFLOW; -EBADMSG.  `dead` gets the pid of the last owner when it is told of.
 * `contended`: the caller has slept, so others may sleep too. */
int ms_mutex_try(ms_object *object, int accept_abandoned, int contended, uint32_t *dead);
/* Give it back once.  -EPERM: this thread does not own it; -EBADMSG: it did, and the word no longer
 * says so. */
int ms_mutex_release(ms_object *object, uint32_t *before);
/* Give it back whole and marked, as if the owner had ended. */
int ms_mutex_abandon(ms_object *object);
/* How often this thread owns it. */
#define MS_COUNT(object) ((uint32_t)ms_peek_u64(&(object)->counts))
/* Note that this thread owns it: after the change of the word, and before `pending` or `lockers` is
 * taken back. */
void ms_mutex_owned(ms_object *object, ms_thread *thread);
/* Once more, by the thread that owns it.  0 or -EOVERFLOW. */
int ms_mutex_again(ms_object *object);

#endif
