/* SPDX-License-Identifier: MIT
 *
 * Steps on open file descriptions: opening one anew with another mode, its position, which makes it
 * a handle, its lock.
 *
 * Each step returns 0, a descriptor or a number, or a negative errno; after a failure nothing of it
 * is left.
 */
#ifndef MS_DESCRIPTION_H
#define MS_DESCRIPTION_H

#include <stdint.h>

/* A new description of what a descriptor of this process means, for reading or for both; the kernel
 * checks (R2).
 *
 * The owner may always: where the file's mode gives even its owner less, the owner's bits are
 * widened for that moment, which the owner could do anyway (chmod(2)). */
int ms_description_reopen(int fd, int writable);

/* The same by a path below /proc, or by a name in a directory, which is not followed where it is a
 * link. */
int ms_description_open(const char *path, int writable);
int ms_description_open_at(int directory, const char *file, int writable);

/* The position, which says whether this is a handle and what it grants (H1). */
int ms_description_position(int fd, uint64_t *position);

/* Make it this handle, and the descriptor one that survives exec where that is wished. */
int ms_description_set(int fd, uint64_t position, int inherit);

/* Another handle to what a handle of this process means: a new description with the shared lock and
 * this position.  -EWOULDBLOCK where somebody else has the exclusive lock. */
int ms_description_copy(int fd, int writable, uint64_t position);

/* 1 for a handle that nobody took away, 0 for none (H2). */
int ms_description_is_live(int fd);

/* Take the handle away from whoever has it: 1, or 0 when it was none. */
int ms_description_revoke(int fd);

/* Take its lock (LOCK_SH, LOCK_EX) without waiting: 1, or 0 when somebody else's is in the way. */
int ms_description_lock(int fd, int operation);

#endif
