/* SPDX-License-Identifier: MIT
 *
 * A latest value in shared memory: one writer, any number of readers, nobody waits for anybody.
 *
 * The writer goes round over several slots, so readers have the last complete value while the next
 * one is written, and keep it when the writer dies in the middle.  Each slot carries the sequence
 * number of what is in it, 0 while that changes; a reader copies and then looks whether the number
 * is still the same.  Whoever may write the memory can make readers fail, but neither hang nor
 * leave their bounds: facts are checked once at attaching and kept outside.
 */
#ifndef MS_SEQLOCK_H
#define MS_SEQLOCK_H

#include <stddef.h>
#include <stdint.h>

#define MS_SEQLOCK_MAGIC UINT32_C(0x4C56534D) /* "MSVL" */
#define MS_SEQLOCK_VERSION 1
#define MS_SEQLOCK_SLOTS_MINIMUM 2
#define MS_SEQLOCK_SLOTS_MAXIMUM 64
/* headers and slots begin at cache lines, counted from the start of the memory */
#define MS_SEQLOCK_LINE 64

struct ms_seqlock_header {
    uint32_t magic; /* written last */
    uint32_t version;
    uint32_t slots;
    uint32_t reserved;
    uint64_t capacity; /* bytes that a value may have */
    uint64_t
        latest; /* sequence number of the newest complete value, from 1; 0: there is none yet */
    uint64_t unused[4];
};

struct ms_seqlock_slot {
    uint64_t sequence; /* of the value below; 0 while it changes */
    uint64_t length;   /* of the value below */
    uint64_t unused[6];
    /* the value, `capacity` bytes rounded up to whole lines */
};

/* What attaching found, out of everybody's reach. */
typedef struct {
    unsigned char *base;
    uint64_t capacity;
    uint64_t stride;
    uint32_t slots;
    uint64_t written; /* the writer's: sequence number of its last value */
    int64_t told[2];  /* the writer's: when it last published, and before that; ns of
                         CLOCK_MONOTONIC, 0: never */
} ms_seqlock;

enum { MS_SEQLOCK_OK = 0, MS_SEQLOCK_EMPTY = 1, MS_SEQLOCK_AGAIN = 2, MS_SEQLOCK_REFUSED = -1 };

/* Bytes of memory needed; 0 when that is no number or `slots` is out of range. */
uint64_t ms_seqlock_size(uint64_t capacity, uint32_t slots);

/* Prepare memory (8-byte aligned) for values of up to `capacity` bytes.  OK or REFUSED: it does not
 * fit. */
int ms_seqlock_format(void *memory, uint64_t size, uint64_t capacity, uint32_t slots);

/* OK, EMPTY: not formatted yet, or REFUSED: what is there cannot be right. */
int ms_seqlock_attach(ms_seqlock *lock, void *memory, uint64_t size);

/* Where the writer puts the next value, and its publication.  Until then readers see the value
 * before. */
void *ms_seqlock_begin(ms_seqlock *lock);
void ms_seqlock_commit(ms_seqlock *lock, uint64_t length);

/* Wake those who wait for a newer value (ms_number.h); nothing to do where the system cannot wait
 * for memory. */
void ms_seqlock_wake(ms_seqlock *lock);

/* After a publication, at a time in ns: whether somebody can be asleep who waits for it. */
int ms_seqlock_was_slept_on(ms_seqlock *lock, int64_t now);

/* The newest value's number and length: OK, EMPTY, or AGAIN: it changed under way. */
int ms_seqlock_look(const ms_seqlock *lock, uint64_t *sequence, uint64_t *length);

/* Look whether the newest value has another number than `sequence`: so many times, with a pause of
 * `pause` ns before each.  1: it has. */
int ms_seqlock_watch(const ms_seqlock *lock, uint64_t sequence, int64_t pause, uint32_t looks);

/* Copy so many bytes of that value from an offset on, all inside the capacity, if it is still
 * there.  OK or AGAIN: then the copy is worthless. */
int ms_seqlock_copy(const ms_seqlock *lock, uint64_t sequence, uint64_t offset, void *out,
                    uint64_t length);

#endif
