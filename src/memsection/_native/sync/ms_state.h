/* SPDX-License-Identifier: MIT
 *
 * The state of a mutex, event, semaphore or timer, which every process sees: its words, how it is
 * made, and how sleepers are woken. Nothing here knows a name, a handle or a right.
 *
 * The word.  All that matters of an object is in one u64, changed by compare-and-swap only:
 *
 *     0..15   slot        mutex: the owner; with LOCKED: who holds the object still for a moment
 *     16      CONTENDED   somebody may sleep on `sequence`; whoever makes the object available
 *                         clears it and wakes
 *     17      LOCKED      a wait for all is deciding: nobody but the slot's process may change the
 *                         rest
 *     18      ABANDONED   mutex: the last owner ended while it owned
 *     19      SIGNALED    event
 *     20      TOKEN       auto-reset event: one of those who waited when it was pulsed may still go
 *                         through
 *     21      ARMED       timer: it has a due time that has not been taken
 *     22      SECOND      timer: the second of its two settings is the one that holds
 *     32..63  high        mutex: process id of the owner, or of the one that ended; event: number
 *                         of pulses; semaphore: units; timer: how often its settings changed
 *
 * A slot is a number that one process claimed by an exclusive byte-range lock (fcntl(2), open file
 * description locks) on byte MS_SLOT_BASE + slot of the object's file.  The kernel drops the lock
 * when the process ends in any way, so a slot whose lock can be had belongs to nobody who lives.
 * Whoever gets the lock of a slot, to claim it (for writing) or to look after its last owner (for
 * reading), first sets right what the word says of that slot; only then is the lock used or given
 * back.  So a slot in the word is never mistaken for its next owner (invariant S3).
 *
 * Everything in ms_state is written by strangers.  Which kind an object is, its maximum, and
 * whether this process owns it is kept in ms_object, which they cannot reach.
 */
#ifndef MS_STATE_H
#define MS_STATE_H

#include <stddef.h>
#include <stdint.h>

enum { MS_MUTEX = 1, MS_EVENT = 2, MS_SEMAPHORE = 3, MS_TIMER = 4 };

#define MS_STATE_MAGIC 0x434e5953u /* "SYNC" */
#define MS_STATE_VERSION 1u
/* flag of an event or a timer: stays signaled until it is reset, or set again */
#define MS_MANUAL 1u
#define MS_SLOT_BASE (1ll << 62)
#define MS_SLOT_MOST 0xffffu
#define MS_COUNT_MOST 0x7fffffffu

#define MS_CONTENDED (1ull << 16)
#define MS_LOCKED (1ull << 17)
#define MS_ABANDONED (1ull << 18)
#define MS_SIGNALED (1ull << 19)
#define MS_TOKEN (1ull << 20)
#define MS_ARMED (1ull << 21)
#define MS_SECOND (1ull << 22)
#define MS_UNUSED 0xff800000ull
#define MS_SLOT(word) ((uint32_t)(word) & MS_SLOT_MOST)
#define MS_HIGH(word) ((uint32_t)((word) >> 32))
#define MS_WORD(high, low) ((uint64_t)(high) << 32 | (low))

/* Positive results, beside negative errnos. */
#define MS_WAS_ABANDONED 1 /* taken, and its last owner ended while it owned it */

/* When a timer is due, and how often after that; see ms_timer.h. */
typedef struct {
    uint64_t due;    /* in 100 ns: since the clock began, or since 1601 */
    uint64_t repeat; /* the period in ms, 0 for once; above it the clock */
} ms_setting;

/* What every process sees; at MS_STATE_OFFSET of an object's last page. */
typedef struct {
    uint32_t magic;
    uint8_t version;
    uint8_t kind;
    uint16_t flags;
    uint32_t maximum; /* semaphore */
    uint32_t reserved[13];
    uint64_t word;     /* a cache line of its own, with what changes with it */
    uint32_t sequence; /* what waiters sleep on: changes whenever they should look again */
    uint32_t reserved2;
    uint64_t owner_notes;   /* mutex: its owner's thread id, and above it how often it has it; to be
                               read, never believed */
    uint64_t rung;          /* when and where somebody last woke others: see ms_spin.h */
    ms_setting settings[2]; /* timer: one of them holds, the other is where the next is written */
} ms_state;

#define MS_STATE_OFFSET 3072
#define MS_PAGE 4096
_Static_assert(offsetof(ms_state, word) == 64, "the word has a fixed place");
_Static_assert(offsetof(ms_state, sequence) == 72, "the sequence has a fixed place");
_Static_assert(offsetof(ms_state, owner_notes) == 80,
               "what is noted of the owner has a fixed place");
_Static_assert(offsetof(ms_state, rung) == 88, "the note of whoever rang has a fixed place");
_Static_assert(offsetof(ms_state, settings) == 96, "the settings have a fixed place");
_Static_assert(sizeof(ms_state) == 128, "the state has a fixed size");
_Static_assert(MS_STATE_OFFSET + sizeof(ms_state) <= MS_PAGE, "the state fits its page");

/* Named steps, for tests that stop or kill a process between two instructions; nothing in the
 * product. */
#ifdef MS_TEST_STEPS
extern void (*ms_step_hook)(const char *name);
extern uint32_t ms_step_first_slot; /* the slot that ms_claim tries first, if not 0 */
#define MS_STEP(name)                                                                              \
    do {                                                                                           \
        if (ms_step_hook)                                                                          \
            ms_step_hook(name);                                                                    \
    } while (0)
#else
#define MS_STEP(name) ((void)0)
#endif

/* Write the first bytes of a new object's state. */
void ms_state_make(ms_state *state, uint32_t kind, uint32_t flags, uint32_t maximum, uint64_t word);

/* Wake n of those who sleep on the object (all: INT32_MAX), after its word names nobody. */
void ms_wake(ms_state *state, int n);

#endif
