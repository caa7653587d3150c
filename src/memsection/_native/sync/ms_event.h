/* SPDX-License-Identifier: MIT
 *
 * Events and semaphores: what makes them available.  Taking them is in ms_take.h.
 */
#ifndef MS_EVENT_H
#define MS_EVENT_H

#include "ms_object.h"

enum { MS_SET, MS_RESET, MS_PULSE };
int ms_event_change(ms_object *object, int fd, int what, uint32_t *before);
/* -EOVERFLOW when the maximum would be exceeded: nothing is changed. */
int ms_semaphore_release(ms_object *object, int fd, uint32_t n, uint32_t *before);
/* Wait, without end only while the other side gets on, until the object is no longer LOCKED.  0,
 * -EINTR, -EDEADLK. */
int ms_unlocked(ms_object *object, int fd, int64_t deadline);

#endif
