/* SPDX-License-Identifier: MIT
 *
 * What operations have acquired and nobody owns yet: descriptors and mappings, by thread.
 *
 * An operation that does not come to its end, because a signal handler raised or because it failed,
 * gives back what stands in its thread's ledger; a forked child gives back what the other threads'
 * ledgers say, whose operations it does not go on with.  All functions but those of a ledger's own
 * thread need the interpreter's lock.
 */
#ifndef MS_LEDGER_H
#define MS_LEDGER_H

#include <stddef.h>
#include <stdint.h>

struct ms_range {
    uintptr_t address;
    size_t size;
};

struct ms_ledger {
    struct ms_ledger *next;
    int spare; /* its thread has ended */
    int depth; /* operations of this thread, one inside the other */
    int fd_count, fd_room, range_count, range_room;
    int *fds;
    struct ms_range *ranges;
    void *notes; /* of the caller's, in the order in which they came */
};

/* The calling thread's, with one operation more; NULL without memory. */
struct ms_ledger *ms_ledger_enter(void);

/* The calling thread's while it is in an operation, else NULL. */
struct ms_ledger *ms_ledger_mine(void);

/* One operation less.  Its entries stay, for the operation around it; with the outermost they are
 * forgotten. */
void ms_ledger_leave(struct ms_ledger *mine);

/* The first of all threads'; between two operations they are empty. */
struct ms_ledger *ms_ledger_first(void);

/* In a forked child: the other threads' are spare. */
void ms_ledger_keep_only(void);

/* A new descriptor or mapping of the calling thread's operation, if it is in one. */
void ms_ledger_add_fd(int fd);
void ms_ledger_add_range(uintptr_t address, size_t size);

/* It is closed or unmapped, or has an owner, whichever thread acquired it. */
void ms_ledger_drop_fd(int fd);
void ms_ledger_drop_range(uintptr_t address, size_t size);

#endif
