/* SPDX-License-Identifier: MIT
 *
 * A channel: a ring of positions, places for what does not fit a position, slots of those who have
 * it open, and bells. Nothing here knows a name, a handle, a right or what a message means.  What
 * follows is a queue; how a topic differs, in which every message is for everybody, stands in
 * ms_topic.h.
 *
 * One word decides.  All that matters of a ring position is in its u64, changed by compare-and-swap
 * only:
 *
 *     0..15   slot    who is at work on it: WRITING, READING
 *     16..19  state   FREE -> WRITING -> FULL -> READING -> FREE of the next lap; VOID: skipped,
 *                     its sender died; GONE: of a topic, skipped, its place was needed
 *     20..63  lap     how often the ring came round to it: a stale attempt fails
 *
 * and of a place:
 *
 *     0..3    state   FREE, PART of the place before it, SENDING, QUEUED, HELD, TAKING, AGAIN; of
 *                     a topic LEFT: no longer in the ring, and in somebody's hands
 *     4..9    units   how many units it has (PART: how many units before this one it begins)
 *     10..33  who     SENDING, HELD, TAKING: the slot; QUEUED: the index of the ring position
 *     34..63  number  how often it was taken: a stale attempt fails
 *
 * Head, tail and the marks are hints: any value in them may cost time, never correctness (invariant
 * Q5).
 *
 * A slot is a number that one end holds (ms_lives.h), by what the kernel takes back when the
 * process ends in any way: on Linux a byte-range lock on the section's file, on Windows a named
 * event. Whoever gets a slot, to hold it or to recover its last owner, first sets right every word
 * that names the slot; only then is it used or given back (invariant S3).
 *
 * What the systems do differently is in ms_lives.c (who lives), ms_sleep.c (sleeping and waking)
 * and ms_process.c; nothing else here knows which of them it runs on.
 *
 * Everything in the section is written by strangers: what matters for bounds is kept in ms_end, out
 * of their reach.
 */
#ifndef MS_CHANNEL_H
#define MS_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../ms_errno.h"
#include "../ms_lives.h"
#include "../ms_other.h"
#include "../ms_spin.h"

#define MS_CHANNEL_MAGIC 0x4c4e4843u /* "CHNL" */
#define MS_CHANNEL_VERSION 1u
#define MS_ENDS_MOST 1023u /* slots are 1 to this */
#define MS_CAPACITY_MOST (1u << 22)
#define MS_UNITS_MOST (1u << 22)
/* bytes of a message that a ring position holds itself */
#define MS_SHORT 112u
#define MS_SMALL_UNIT 4224u /* 4 KiB and what codecs put before them */
#define MS_RUN 17u          /* units that the largest message of a pool has */
#define MS_LINE 64u

enum { MS_RING_FREE, MS_RING_WRITING, MS_RING_FULL, MS_RING_READING, MS_RING_VOID, MS_RING_GONE };
enum {
    MS_PLACE_FREE,
    MS_PLACE_PART,
    MS_PLACE_SENDING,
    MS_PLACE_QUEUED,
    MS_PLACE_HELD,
    MS_PLACE_TAKING,
    MS_PLACE_AGAIN,
    MS_PLACE_LEFT
};
enum { MS_ROLE_SEND = 1, MS_ROLE_RECEIVE = 2, MS_ROLE_BOTH = 3 };
enum { MS_DOWN = 1, MS_DOWN_AT_ONCE = 2 };

/* A ring position. */
typedef struct {
    uint64_t word;
    uint32_t length; /* of a short message, else MS_IN_PLACE */
    uint32_t format; /* what the bytes are: the callers' business */
    union {
        unsigned char bytes[MS_SHORT];
        struct {
            uint64_t unit, length;
        } place;
    } u;
} ms_entry;
_Static_assert(sizeof(ms_entry) == 128, "an entry has two cache lines");
#define MS_IN_PLACE 0xffffffffu

/* What is noted of a place, by whoever has it; to be checked before use. */
typedef struct {
    uint64_t length, number;
    uint32_t format, deliveries;
    uint64_t reserved;
} ms_note;

/* One that has the channel open, at its slot; believed only as far as the slot's lock bears it out.
 */
typedef struct {
    uint32_t role; /* 0: nobody */
    uint32_t pid;
    uint32_t token;
    uint32_t reserved;
} ms_member;

/* Where somebody sleeps; a mark says that somebody may. */
typedef struct {
    uint32_t sequence;
    uint32_t mark;
    uint64_t rung; /* by whom somebody was last woken, and when: for spinning only */
    uint32_t told; /* at a call's cell: which call was answered last, by its number; a hint */
    uint32_t reserved[11];
} ms_bell;
_Static_assert(sizeof(ms_bell) == MS_LINE, "a bell has a cache line");

enum { MS_BELL_MESSAGE, MS_BELL_ROOM, MS_BELL_PLACE, MS_BELLS };
#define MS_EVENTS 3 /* of a bell, on Windows */

typedef struct {
    uint32_t magic, version;
    uint32_t capacity, redeliver;
    uint64_t small_units, large_units, large_unit;
    uint32_t down;
    uint32_t flags, history; /* of a topic */
    uint32_t calls;          /* cells of a service; ms_call.h */
    uint32_t reserved[2];
    uint64_t tail;      /* where senders look first */
    uint64_t shared[2]; /* Windows: random, in the names that belong to this channel */
    uint64_t reserved2[5];
    uint64_t head;     /* where receivers look first */
    uint32_t again;    /* whether there may be a place to be delivered again */
    uint32_t repaired; /* places that were taken back from the dead: to be shown, never used */
    uint32_t reserved3[12];
    uint32_t
        ever[2]; /* senders, receivers there ever were: 0, the token of their process, or MS_MANY */
    uint32_t reserved4[14];
    ms_bell bells[MS_BELLS];
    uint32_t reserved5[16];
    ms_member members[MS_ENDS_MOST + 1];
} ms_channel;
_Static_assert(offsetof(ms_channel, tail) == 64, "the tail has a fixed place");
_Static_assert(offsetof(ms_channel, head) == 128, "the head has a fixed place");
_Static_assert(offsetof(ms_channel, members) == 512, "members have a fixed place");
#define MS_MANY 0xffffffffu

typedef struct {
    uint32_t capacity, redeliver;
    uint64_t small_units, large_units, large_unit;
    uint32_t flags, history; /* MS_TOPIC and what goes with it; 0 of a queue */
    uint32_t calls;          /* 0: of no service */
} ms_shape;
enum { MS_TOPIC = 1, MS_SLOW_WAITS = 2, MS_OBSERVED = 4 };

/* How far the end at a slot of a topic has come. */
typedef struct {
    uint64_t next, missed;
    uint64_t reserved[6];
} ms_seat;
_Static_assert(sizeof(ms_seat) == MS_LINE, "a seat has a cache line");
#define MS_HOLDER_WORDS 16u /* a bit for each slot */
typedef uint64_t ms_holders[MS_HOLDER_WORDS];
#define MS_RETURNED_MOST 4u

/* A message that is being taken, or is in hand. */
typedef struct {
    uint64_t position, number; /* position in the ring, if it was there */
    uint64_t length;
    const unsigned char *bytes;
    uint64_t word; /* of the place */
    uint32_t unit, in_place, in_ring, format, deliveries;
    uint64_t seen;               /* an observer's: the position's word */
    uint64_t copy[MS_SHORT / 8]; /* of a short message of a topic, whose position others may write
                                    to any time */
} ms_message;

/* As nothing has been taken yet; the copy is looked at only after it was made. */
static inline void ms_message_clear(ms_message *message)
{
    memset(message, 0, offsetof(ms_message, copy));
}

/* Units of one size. */
typedef struct {
    uint64_t unit;         /* bytes */
    uint32_t first, count; /* of the units of both pools */
    uint32_t cursor;       /* where to look next when the warm ones are taken */
    uint32_t turn;
    unsigned char *bytes;
} ms_pool;

/* One end as its process has it. */
typedef struct ms_end {
    ms_channel *channel;
    ms_entry *ring;
    uint64_t *words; /* of the units */
    ms_note *notes;
    ms_pool pools[2];
    uint32_t capacity, redeliver, units;
    uint32_t role; /* 0 after it was closed */
    uint32_t slot; /* 0 before one was claimed, in a forked child */
    uint32_t token;
    uint32_t epoch; /* of forks: what was in hand before is the parent's */
    uint32_t repaired;
    uint32_t partner; /* a slot that lived when it was last looked at */
    uint32_t scan;    /* where the next look at a long ring begins */
    uint64_t looked;  /* when this end last looked after the others */
    uint32_t uses;    /* messages in hand, and the end itself */
    ms_lives lives;   /* by which this end holds its slot, and recovers others */
    ms_pace paces[MS_BELLS + 1];
    struct ms_end *following;
    /* of a topic: see ms_topic.h */
    uint32_t flags, window;
    ms_holders *holders; /* of the units */
    ms_seat *seats;
    uint64_t next;  /* the position that this end receives next */
    uint64_t since; /* the first one that was sent after this end was opened */
    uint64_t missed, floor;
    uint32_t joined, taking, returned;
    ms_message back[MS_RETURNED_MOST]; /* what was not taken after all */
    /* of a service: see ms_call.h */
    struct ms_cell *cells;
    uint32_t calls, warm_cell;
    uint64_t shared[2]; /* the channel's, read once */
#ifdef _WIN32
    void *events[MS_BELLS][MS_EVENTS]; /* ms_sleep.h; NULL before they are needed */
#endif
} ms_end;

/* Named steps, for tests that kill a process between two instructions; nothing in the product. */
#ifdef MS_TEST_STEPS
extern void (*ms_step_hook)(const char *name);
extern uint32_t ms_step_first_slot;
#define MS_STEP(name)                                                                              \
    do {                                                                                           \
        if (ms_step_hook)                                                                          \
            ms_step_hook(name);                                                                    \
    } while (0)
#else
#define MS_STEP(name) ((void)0)
#endif

/* After a compare-and-swap nothing more is needed on x86. */
#if defined(__x86_64__)
#define MS_FENCE_AFTER_SWAP() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#else
#define MS_FENCE_AFTER_SWAP() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/* Ask for both lines of an entry or a cell, to write to them: they come while other work is done.
 * No address is wrong. */
static inline void ms_expect_to_write(const void *entry)
{
    __builtin_prefetch(entry, 1);
    __builtin_prefetch((const char *)entry + MS_LINE, 1);
}

/* ---- words ---- */

#define MS_LAP_BITS 44
#define MS_RING_WORD(lap, state, slot) ((uint64_t)(lap) << 20 | (uint64_t)(state) << 16 | (slot))
#define MS_RING_SLOT(word) ((uint32_t)(word) & 0xffffu)
#define MS_RING_STATE(word) ((uint32_t)((word) >> 16) & 0xfu)
#define MS_RING_LAP(word) ((word) >> 20)
/* How many laps a is after b; negative for before. */
#define MS_LAPS(a, b) ((int64_t)(((a) - (b)) << (64 - MS_LAP_BITS)) >> (64 - MS_LAP_BITS))

#define MS_PLACE_WORD(number, who, units, state)                                                   \
    ((uint64_t)(number) << 34 | (uint64_t)(who) << 10 | (uint64_t)(units) << 4 | (state))
#define MS_PLACE_STATE(word) ((uint32_t)(word) & 0xfu)
#define MS_PLACE_UNITS(word) ((uint32_t)((word) >> 4) & 0x3fu)
#define MS_PLACE_WHO(word) ((uint32_t)((word) >> 10) & 0xffffffu)
#define MS_PLACE_NUMBER(word) ((word) >> 34)
/* The same place with another state and somebody else who has it. */
#define MS_PLACE_BECOMES(word, who, state)                                                         \
    MS_PLACE_WORD(MS_PLACE_NUMBER(word), who, MS_PLACE_UNITS(word), state)

/* Which entry a position is, and its lap. */
static inline ms_entry *ms_entry_at(const ms_end *end, uint64_t position, uint64_t *lap)
{
    *lap = position / end->capacity;
    return &end->ring[position % end->capacity];
}

/* ---- ms_end.c: layout, opening and closing, slots, who lives ---- */

/* Bytes of a channel of this shape; 0: no such shape can be. */
uint64_t ms_channel_size(const ms_shape *shape);
/* Make an empty channel in zeroed memory. */
void ms_channel_format(void *memory, const ms_shape *shape);
/* What an end knows of a channel, from memory that may be read-only.  0, -EPROTO, -EBADMSG. */
int ms_end_attach(ms_end *end, void *memory, uint64_t size, const ms_shape *shape);
/* 0; -EPROTO: another layout version, -EBADMSG: what is there is not of this shape.  Takes a slot:
 * -EUSERS, -EACCES... */
int ms_end_open(ms_end *end, void *memory, uint64_t size, const ms_shape *shape, int fd,
                uint32_t role);
/* Others are told; the slot stays until nothing is in hand any more.  1: nobody uses the memory any
 * more. */
int ms_end_close(ms_end *end);
/* The caller is about to use the end, or to keep something of it: a forked child claims a slot
 * first.  0, -EBADF: closed. */
int ms_end_enter(ms_end *end);
void ms_end_keep(ms_end *end);
int ms_end_release(ms_end *end);
/* Whether somebody else lives who has one of these roles.  `ever`: whether there ever was one. */
int ms_partners(ms_end *end, uint32_t role, int *ever);
/* How many ends with one of these roles live, this one included. */
uint32_t ms_end_count(ms_end *end, uint32_t role);
/* No more is sent, by anybody. */
void ms_channel_shut(ms_end *end, int at_once);
extern uint32_t ms_forks; /* how often this process is a forked child's child */

/* 0: nobody who lives has the slot, nor can claim it before it is dropped; others may recover it
 * too. -EAGAIN: its owner lives. */
int ms_slot_take(ms_end *end, uint32_t slot);
void ms_slot_drop(ms_end *end, uint32_t slot);
/* One lock for the list of ends and for recovering: what holds a slot excludes other processes, not
 * the threads of one.  Nothing is waited for under it, and fork() happens outside of it. */
void ms_ends_lock(void);
void ms_ends_unlock(void);

/* ---- ms_place.c: memory for messages that do not fit a ring position ---- */

/* A place for so many bytes, SENDING.  0, -EAGAIN: none is free, -EMSGSIZE: there is none so large.
 */
int ms_place_take(ms_end *end, uint64_t length, uint32_t *unit, uint64_t *word);
/* Whether a place at this unit could be part of one for so many bytes. */
int ms_place_fits(const ms_end *end, uint32_t unit, uint64_t length);
/* Whether there is a free one. */
int ms_place_is_there(ms_end *end, uint64_t length);
unsigned char *ms_place_bytes(const ms_end *end, uint32_t unit);
/* Bytes that a place with this word at this unit can have; 0: no such place can be. */
uint64_t ms_place_room(const ms_end *end, uint32_t unit, uint64_t word);
/* Give back a place that has this word.  0, or -ESTALE: it no longer has. */
int ms_place_free(ms_end *end, uint32_t unit, uint64_t word);
uint64_t ms_place_largest(const ms_end *end);
/* Whether a place that once had this word still has the same message. */
int ms_place_is_same(const ms_end *end, uint32_t unit, uint64_t word);
/* How many places are in somebody's hands; slots[] gets whose the first `most` are. */
uint32_t ms_places_in_hand(const ms_end *end, uint32_t *slots, uint32_t most);

/* ---- ms_ring.c; each asks ms_topic.c instead where the channel is a topic ---- */

/* Queue a message: short bytes, or a place that is SENDING.  0; -EAGAIN: full; -EPIPE: shut down.
 * `quiet`: the caller rings the bell. */
int ms_ring_push(ms_end *end, const void *bytes, uint32_t length, uint32_t format, int quiet,
                 uint64_t *position);
int ms_ring_push_place(ms_end *end, uint32_t unit, uint64_t word, uint64_t length, uint32_t format,
                       int quiet, uint64_t *position);
/* Begin to take the next message.  0; -EAGAIN: none; -EBUSY: the next one is being worked on;
 * -EBADMSG: what was taken made no sense, and is gone. */
int ms_ring_pull(ms_end *end, ms_message *message);
/* It was copied, or is kept in hand (only in a place), or was not taken after all. */
void ms_ring_finish(ms_end *end, const ms_message *message);
int ms_ring_keep(ms_end *end, ms_message *message);
void ms_ring_unpull(ms_end *end, const ms_message *message);
/* A message in hand: done with, or to be delivered again if it may be. */
void ms_ring_release(ms_end *end, const ms_message *message, int again);
/* Whether a pull would give something; -EBUSY and -EAGAIN as there. */
int ms_ring_ready(ms_end *end);
/* Whether there is a position for a message. */
int ms_ring_has_room(ms_end *end);
/* How many messages wait. */
uint32_t ms_ring_count(ms_end *end);
/* Whether the message at this position has not been taken yet. */
int ms_ring_waits(ms_end *end, uint64_t position);
/* ---- ms_hints.c ---- */

/* Set the hints to what the words say.  Whether they can be right as they are. */
void ms_ring_resync(ms_end *end);
int ms_hints_fit(ms_end *end);

/* ---- ms_recover.c: the dead ---- */

/* Set right what the dead had; how many of them were found. */
int ms_recover(ms_end *end);
/* The same, but however long the channel is, in one look, and with the hints set to what the words
 * say: nobody will look again. */
int ms_recover_all(ms_end *end);
/* Set right every word that names the slot, whose lock the caller has. */
void ms_recover_slot(ms_end *end, uint32_t slot);

/* One more place was taken back from the dead. */
void ms_count_repaired(ms_end *end);

/* ---- ms_bell.c: sleeping and waking ---- */

/* Something changed that those who sleep at this bell wait for; after the change. */
void ms_ring_bell(ms_end *end, int bell, int everybody);
void ms_ring_all_bells(ms_end *end);
/* The same, at the bell of a call's cell. */
void ms_ring_cell(ms_end *end, uint32_t cell);

enum {
    MS_FOR_MESSAGE = MS_BELL_MESSAGE,
    MS_FOR_ROOM = MS_BELL_ROOM,
    MS_FOR_PLACE = MS_BELL_PLACE,
    MS_FOR_ANSWER = MS_BELLS
};

typedef struct {
    ms_end *end;
    int what;
    uint64_t length;            /* MS_FOR_PLACE */
    const struct ms_call *call; /* MS_FOR_ANSWER */
    int64_t deadline;           /* of CLOCK_MONOTONIC in ns; MS_FOREVER; 0: look once */
    int slept, spun;
    uint32_t looks;    /* for an answer: how often the hint was looked at */
    int64_t next_look; /* when to look after the others next */
} ms_await;

/* After an attempt in vain.  0: try again; -ETIMEDOUT; -EINTR: see to signals and call again;
 * -ENOTCONN: nobody lives who could end the wait (try once more); -EBADF: this end was closed. */
int ms_await_change(ms_await *wait);
/* Once after the last attempt of a wait that slept; `taken`: whether it got what it waited for. */
void ms_await_end(ms_await *wait, int taken);
/* Look after those who may have died, and the hints, unless that was just done.  1 when something
 * was set right. */
int ms_look_after(ms_end *end);
/* Whether an attempt is worth it: MS_FOR_MESSAGE also when a receive would fail at once. */
int ms_worth_it(ms_end *end, int what, uint64_t length);
/* For ms_wait: an end that is waited for beside other things.  `self` is an ms_watched. */
typedef struct {
    ms_end *end;
    int what;
    uint64_t length; /* MS_FOR_PLACE */
    uint32_t nobody; /* whether the last look found nobody who could end the wait */
    ms_other other;
} ms_watched;
void ms_watched_make(ms_watched *watched, ms_end *end, int what, uint64_t length);
/* Whether a send or a receive, or what takes a place for so many bytes, would end at once, for
 * better or worse. */
int ms_channel_ready(ms_end *end, int what, uint64_t length);

#endif
