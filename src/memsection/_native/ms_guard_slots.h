/* SPDX-License-Identifier: MIT
 *
 * The table of guarded views, which the handlers read and nothing ever frees or moves.  Private to
 * ms_guard.c, which changes it, and ms_guard_handler.c.
 *
 * A slot is live while `start` is not 0.  Its other fields change only while it is not live and no
 * thread is inside a handler, so a handler that sees `start` may read them plainly.
 */
#ifndef MS_GUARD_SLOTS_H
#define MS_GUARD_SLOTS_H

#include <pthread.h>

#include "ms_atomic.h"
#include "ms_guard.h"

struct ms_guard {
    uint64_t start;  /* address; 0: not live; published last */
    uint64_t end;    /* first address after it, a page boundary */
    uint64_t length; /* as asked for */
    uint64_t fault;  /* 1 + offset of the lowest page found missing; 0: none */
    uint64_t file_offset;
    uint64_t device; /* of the file behind fd, so that a descriptor closed and given out again is
                        noticed */
    uint64_t inode;
    int32_t prot;
    int32_t fd;
    const uint32_t *bitmap; /* of a reserved section's view, else NULL */
    uint64_t first_page;
    uint32_t *opened; /* a bit for each page that was opened; its protection is the program's from
                         then on */
    ms_guard *next_free;
};

extern ms_guard ms_guard_slots[MS_GUARD_MAXIMUM];
extern uint32_t ms_guard_slots_used;     /* slots ever given out */
extern uint32_t ms_guard_reserved_views; /* SIGSEGV is taken over from the first such view on */
extern uint32_t ms_guard_inside;         /* threads in a handler */
/* of the slots that are free, and of the handlers that were there before ours */
extern pthread_mutex_t ms_guard_table_lock;
extern uintptr_t ms_guard_page_size; /* 0 before the first ms_guard_ensure */

static inline uint64_t page_floor(uint64_t value)
{
    return value & ~(uint64_t)(ms_guard_page_size - 1);
}
static inline uint64_t page_ceiling(uint64_t value)
{
    return page_floor(value + ms_guard_page_size - 1);
}

/* Bytes of the file from the view's start on; -1 when the descriptor cannot tell. */
int64_t ms_guard_bytes_left(const ms_guard *guard);

/* Open pages [from, to) of a reserved view.  0 or a negative errno. */
int ms_guard_open_run(ms_guard *guard, uint64_t from, uint64_t to);

#endif
