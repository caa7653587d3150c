/* SPDX-License-Identifier: MIT
 *
 * Who reads under a readers-writer lock.  The writers exclude one another by a mutex, which is not
 * here; this file has what the readers and the one writer have to know of each other.
 *
 * A process has a slot, which the kernel frees when the process ends in any way (ms_lives.h), and
 * a word that says how many of its threads read.  A reader counts itself first and looks for a
 * writer then; a writer says that it is there first and looks for readers then; a full fence stands
 * between the two in both.  So one of them sees the other, whoever is first (invariant S5).  A
 * reader that sees a writer takes itself back and waits for the mutex, which the writer holds.
 *
 * A word whose slot nobody holds was left by the dead: who gets the slot, to claim it or to
 * recover, sets it to 0 before the slot is used or given back.
 *
 * A reader that leaves while somebody wants to write wakes that writer: on Linux at the number of
 * departures, on Windows by an event, the bell.
 *
 * Everything in the memory is written by strangers: a wrong word makes a wait longer or the lock
 * useless, no more.
 */
#ifndef MS_READERS_H
#define MS_READERS_H

#include "ms_lives.h"

#include <stdint.h>

#define MS_READERS_MAGIC 0x4c57524du /* "MRWL" */
#define MS_READERS_VERSION 1u
#define MS_READERS_SLOTS 1016u /* 1 to this; the whole is 64 KiB */
#define MS_WRITES (1ull << 32) /* of `writer`: it has begun to write, or is about to */

typedef struct {
    uint32_t magic, version;
    uint64_t token[2]; /* random: in the names that belong to this lock, where there are any */
    uint64_t reserved[5];
    uint64_t writer; /* 0, or the process id of who writes, or waits for readers (no MS_WRITES) */
    uint64_t reserved2[7];
    uint64_t departures; /* rises when a reader leaves while there is a writer */
    uint64_t reserved3[7];
    uint32_t highest; /* no slot above this was ever claimed */
    uint32_t reserved4[15];
} ms_rw_state;

typedef struct {
    uint64_t count; /* of threads, and of how often each */
    uint64_t reserved[7];
} ms_rw_slot;

/* The lock as this process has it. */
typedef struct {
    ms_rw_state *state;
    ms_rw_slot *slots; /* slots[0] is never used */
    uint64_t count;    /* what our slot's word says, if nobody scribbled on it */
    uint32_t slot;     /* 0 before it is claimed */
    ms_lives lives;
    void *bell; /* Windows: a handle of ours to the event that wakes a writer; NULL */
} ms_readers;

uint64_t ms_readers_size(void);
void ms_readers_format(void *memory, const uint64_t token[2]);
/* 0; -EBADMSG: this is no such lock, or it is of another version, or too small. */
int ms_readers_attach(ms_readers *lock, void *memory, uint64_t size);

/* A slot for this process, if it has none; `fd`, where there are descriptors, is a read-write one
 * of the section, needed for the first one.  -ENOSPC: all are taken; -EBUSY: processes that may
 * only read the section hold those that are left. */
int ms_readers_claim(ms_readers *lock, int fd);
/* Give the slot up, with whatever is counted in it. */
void ms_readers_drop(ms_readers *lock);
/* Ring a bell, of which this makes a handle of its own, when the writer is to be woken. */
int ms_readers_connect(ms_readers *lock, void *bell);
/* In a forked child: the slot is the parent's. */
void ms_readers_forked(ms_readers *lock);

/* Count once more.  1: done; 0: there is a writer, so nothing is counted.  `anyway`: whether there
 * is a writer does not matter, because the caller has the mutex, or reads already. */
int ms_readers_enter(ms_readers *lock, int anyway);
/* Count once less, and wake a writer that waits. */
void ms_readers_leave(ms_readers *lock);

/* Say that there is a writer (with the mutex held); gives what was there before, which stays if its
 * writer had begun. */
uint64_t ms_readers_block(ms_readers *lock);
/* Put a word in the place of what `block` left: MS_WRITES with a process id, 0 at the end, or what
 * was there before. */
void ms_readers_set(ms_readers *lock, uint64_t writer);
/* Whether nobody reads.  `look`: look after the dead, too. */
int ms_readers_gone(ms_readers *lock, int look);
/* How many processes read. */
uint32_t ms_readers_processes(ms_readers *lock);

#endif
