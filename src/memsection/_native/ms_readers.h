/* SPDX-License-Identifier: MIT
 *
 * Who reads under a readers-writer lock.  The writers exclude one another by a mutex, which is not
 * here; this file has what the readers and the one writer have to know of each other.
 *
 * A process has a slot: an exclusive byte-range lock (fcntl(2), open file description locks) on one
 * byte of the section's file, which the kernel drops when the process ends in any way, and a word
 * that says how many of its threads read.  A reader counts itself first and looks for a writer
 * then; a writer says that it is there first and looks for readers then; a full fence stands
 * between the two in both.  So one of them sees the other, whoever is first (invariant S5).  A
 * reader that sees a writer takes itself back and waits for the mutex, which the writer holds.
 *
 * A word whose slot nobody has locked was left by the dead: who takes the lock, to claim the slot
 * or to judge, sets it to 0 before the lock is used or given back.
 *
 * Everything in the memory is written by strangers: a wrong word makes a wait longer or the lock
 * useless, no more.
 */
#ifndef MS_READERS_H
#define MS_READERS_H

#include <stdint.h>

#define MS_READERS_MAGIC 0x4c57524du /* "MRWL" */
#define MS_READERS_VERSION 1u
#define MS_READERS_LOCKS (1ll << 62) /* the lock of slot n is on byte MS_READERS_LOCKS + n */
#define MS_READERS_SLOTS 1016u       /* 1 to this; the whole is 64 KiB */
#define MS_WRITES (1ull << 32)       /* of `writer`: it has begun to write, or is about to */

typedef struct {
    uint32_t magic, version;
    uint64_t reserved[7];
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
    int lock_fd;       /* the description that carries the slot's lock, which no child shares; -1 */
} ms_readers;

uint64_t ms_readers_size(void);
void ms_readers_format(void *memory);
/* 0; -EBADMSG: this is no such lock, or it is of another version, or too small. */
int ms_readers_attach(ms_readers *lock, void *memory, uint64_t size);

/* A slot for this process, if it has none; fd is a read-write descriptor of the section, needed for
 * the first one.  -EUSERS: all are taken; -EBUSY: processes that may only read the section hold
 * locks on those that are left. */
int ms_readers_claim(ms_readers *lock, int fd);
/* Give the slot up, with whatever is counted in it. */
void ms_readers_drop(ms_readers *lock);
/* In a forked child: the slot is the parent's, and its description would keep that after the
 * parent's death. */
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
