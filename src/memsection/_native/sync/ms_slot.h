/* SPDX-License-Identifier: MIT
 *
 * Slots: how a process gets one, and how it is found out that the process of one is dead.  The
 * protocol is in ms_state.h.
 */
#ifndef MS_SLOT_H
#define MS_SLOT_H

#include "ms_object.h"

/* A slot for this process, if it has none; fd is any descriptor of the object (read-write).
 * -EUSERS: all are taken; -EBUSY: processes that may only read the object hold locks on those that
 * are left. */
int ms_claim(ms_object *object, int fd);

/* If the process that the word names is dead, mark the word abandoned, or undo what it held still.
 * 1: the word was or is changed, look again; 0: the process lives; -EBADMSG: this process is named
 * and knows nothing of it. */
int ms_recover(ms_object *object, int fd, uint64_t word);

#endif
