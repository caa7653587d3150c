/* SPDX-License-Identifier: MIT
 *
 * What mutexes, events and semaphores share: the state words that every process sees, and what each process keeps
 * about an object for itself.  Nothing here knows a name, a handle or a right.
 *
 * The word.  All that matters of an object is in one u64, changed by compare-and-swap only:
 *
 *     0..15   slot        mutex: the owner; with LOCKED: who holds the object still for a moment
 *     16      CONTENDED   somebody may sleep on `sequence`; whoever makes the object available clears it and wakes
 *     17      LOCKED      a wait for all is deciding: nobody but the slot's process may change the rest
 *     18      ABANDONED   mutex: the last owner ended while it owned
 *     19      SIGNALED    event
 *     20      TOKEN       auto-reset event: one of those who waited when it was pulsed may still go through
 *     32..63  high        mutex: process id of the owner, or of the one that ended; event: number of pulses;
 *                         semaphore: units
 *
 * A slot is a number that one process claimed by an exclusive byte-range lock (fcntl(2), open file description locks)
 * on byte MS_SLOT_BASE + slot of the object's file.  The kernel drops the lock when the process ends in any way, so a
 * slot whose lock can be had belongs to nobody who lives.  Whoever gets the lock of a slot, to claim it (for writing) or
 * to judge its last owner (for reading), first sets right what the word says of that slot; only then is the lock used or
 * given back.  So a slot in the word is never mistaken for its next owner (invariant S3).
 *
 * Everything in ms_state is written by strangers.  Which kind an object is, its maximum, and whether this process
 * owns it is kept in ms_object, which they cannot reach.
 */
#ifndef MS_SYNC_H
#define MS_SYNC_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "ms_spin.h"

enum { MS_MUTEX = 1, MS_EVENT = 2, MS_SEMAPHORE = 3 };

#define MS_STATE_MAGIC 0x434e5953u /* "SYNC" */
#define MS_STATE_VERSION 1u
#define MS_MANUAL 1u /* flag of an event: stays set until it is reset */
#define MS_SLOT_BASE (1ll << 62)
#define MS_SLOT_MOST 0xffffu
#define MS_COUNT_MOST 0x7fffffffu

#define MS_CONTENDED (1ull << 16)
#define MS_LOCKED (1ull << 17)
#define MS_ABANDONED (1ull << 18)
#define MS_SIGNALED (1ull << 19)
#define MS_TOKEN (1ull << 20)
#define MS_UNUSED 0xffe00000ull
#define MS_SLOT(word) ((uint32_t)(word) & MS_SLOT_MOST)
#define MS_HIGH(word) ((uint32_t)((word) >> 32))
#define MS_WORD(high, low) ((uint64_t)(high) << 32 | (low))

/* Positive results, beside negative errnos. */
#define MS_WAS_ABANDONED 1 /* taken, and its last owner ended while it owned it */

/* What every process sees; at MS_STATE_OFFSET of an object's last page. */
typedef struct {
    uint32_t magic;
    uint8_t version;
    uint8_t kind;
    uint16_t flags;
    uint32_t maximum; /* semaphore */
    uint32_t reserved[13];
    uint64_t word;      /* a cache line of its own, with what changes with it */
    uint32_t sequence;  /* what waiters sleep on: changes whenever they should look again */
    uint32_t reserved2;
    uint64_t owner_notes; /* mutex: its owner's thread id, and above it how often it has it; to be read, never believed */
    uint64_t rung;      /* when and where somebody last woke others: see ms_spin.h */
    uint32_t reserved3[8];
} ms_state;

#define MS_STATE_OFFSET 3072
#define MS_PAGE 4096
_Static_assert(offsetof(ms_state, word) == 64, "the word has a fixed place");
_Static_assert(offsetof(ms_state, sequence) == 72, "the sequence has a fixed place");
_Static_assert(offsetof(ms_state, owner_notes) == 80, "what is noted of the owner has a fixed place");
_Static_assert(offsetof(ms_state, rung) == 88, "the note of whoever rang has a fixed place");
_Static_assert(sizeof(ms_state) == 128, "the state has a fixed size");
_Static_assert(MS_STATE_OFFSET + sizeof(ms_state) <= MS_PAGE, "the state fits its page");

/* One object as this process has it: one record however many handles there are. */
typedef struct ms_object {
    ms_state *state;
    uint64_t me;    /* the word of a mutex that this process owns; 0 before it claimed a slot */
    uint64_t owner; /* mutex: the ms_thread.id of the thread here that owns it, else 0 */
    uint64_t counts; /* how often it was taken, or held still, here; below that, how often that thread has it */
    uint32_t kind, flags, maximum;
    ms_pace pace;
    struct ms_object *held_next; /* of what that thread owns */
    uint64_t lockers; /* threads here that hold the object LOCKED, or are about to */
    uint64_t device, inode;
    int lock_fd; /* the description that carries the slot's lock, -1 before it is needed */
    uint32_t uses;
    struct ms_object *next;
} ms_object;

/* One thread that ever owned a mutex. */
typedef struct ms_thread {
    uint64_t id; /* never used again in this process */
    ms_object *held;
    uint64_t pending; /* the object whose word changes before or after that is noted: its address; 0 when it owns none */
    uint32_t tid;
    struct ms_thread *next, **link;
} ms_thread;

/* Named steps, for tests that stop or kill a process between two instructions; nothing in the product. */
#ifdef MS_TEST_STEPS
extern void (*ms_step_hook)(const char *name);
extern uint32_t ms_step_first_slot; /* the slot that ms_claim tries first, if not 0 */
#define MS_STEP(name) \
    do { \
        if (ms_step_hook) \
            ms_step_hook(name); \
    } while (0)
#else
#define MS_STEP(name) ((void)0)
#endif

/* ---- ms_object.c: records, threads, fork ---- */

/* The first bytes of a new object's state.  high: pulses, or units. */
void ms_state_make(ms_state *state, uint32_t kind, uint32_t flags, uint32_t maximum, uint64_t word);

/* The record of the object behind this descriptor (read-write), whose last page begins at `page`; made if need be.
 * -EBADMSG when its state makes no sense, -EACCES for a read-only descriptor. */
int ms_object_get(int fd, int64_t page, uint32_t kind, ms_object **out);
void ms_object_put(ms_object *object);

/* Whether a word can be one of this object. */
int ms_sane(const ms_object *object, uint64_t word);

/* This thread's record; NULL without memory. */
#ifdef __GLIBC__ /* a pointer fits into what glibc keeps free for this model, which needs no call */
extern __thread ms_thread *ms_thread_here __attribute__((tls_model("initial-exec"), visibility("hidden")));
#else
extern __thread ms_thread *ms_thread_here __attribute__((visibility("hidden")));
#endif
ms_thread *ms_new_thread(void);

static inline ms_thread *ms_self(void)
{
    ms_thread *here = ms_thread_here;
    return __builtin_expect(here != NULL, 1) ? here : ms_new_thread();
}

/* The lock of all records of this process; and what it protects. */
extern pthread_mutex_t ms_records __attribute__((visibility("hidden")));
/* Whether any thread here owns the object, holds it still, or is about to. */
int ms_at_work_here(const ms_object *object);
/* Whether the page still says what the record does. */
int ms_same_state(const ms_object *object);

/* A description of our own of what a handle's descriptor means; -1 where the file does not let us.  The owner may
 * always: where the security descriptor gives even its owner less, the owner's bits are widened for that moment. */
int ms_open_again(int fd);

/* ---- ms_slot.c: slots, the dead, waking ---- */

/* A slot for this process, if it has none; fd is any descriptor of the object (read-write).  -EUSERS: all are taken; -EBUSY:
 * processes that may only read the object hold locks on those that are left. */
int ms_claim(ms_object *object, int fd);

/* Look after the process that the word names.  1: the word has been set right or has changed, look again; 0: it lives;
 * -EBADMSG: this process is named and knows nothing of it. */
int ms_judge(ms_object *object, int fd, uint64_t word);

/* The word names nobody: wake n of those who sleep (all: INT32_MAX). */
void ms_wake(ms_object *object, int n);

/* ---- ms_robust.c: the mutex ---- */

/* Take a mutex if it can be had now.  0; MS_WAS_ABANDONED (only if `knowing`); -EOWNERDEAD: it was abandoned and has been
 * left so; -EBUSY; -EAGAIN: LOCKED; -ENOLCK: claim a slot first; -EOVERFLOW; -EBADMSG.  `dead` gets the pid of the last owner
 * when it is told of.  `contended`: the caller has slept, so others may sleep too. */
int ms_mutex_try(ms_object *object, int knowing, int contended, uint32_t *dead);
/* Give it back once.  -EPERM: this thread does not own it; -EBADMSG: it did, and the word no longer says so. */
int ms_mutex_release(ms_object *object, uint32_t *before);
/* Give it back whole and marked, as if the owner had ended. */
int ms_mutex_abandon(ms_object *object);
/* How often this thread owns it. */
#define MS_COUNT(object) ((uint32_t)(object)->counts)
/* Note that this thread owns it: after the change of the word, and before `pending` or `lockers` is taken back. */
void ms_mutex_owned(ms_object *object, ms_thread *thread);
/* Once more, by the thread that owns it.  0 or -EOVERFLOW. */
int ms_mutex_again(ms_object *object);

/* ---- ms_event.c: events and semaphores ---- */

enum { MS_SET, MS_RESET, MS_PULSE };
int ms_event_change(ms_object *object, int fd, int what, uint32_t *before);
/* -EOVERFLOW when the maximum would be exceeded: nothing is changed. */
int ms_semaphore_release(ms_object *object, int fd, uint32_t n, uint32_t *before);
/* Wait, without end only while the other side gets on, until the object is no longer LOCKED.  0, -EINTR, -EDEADLK. */
int ms_unlocked(ms_object *object, int fd, int64_t deadline);

#endif
