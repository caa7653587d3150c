/* SPDX-License-Identifier: MIT
 *
 * How long to look for a change before sleeping until somebody tells of it.  For everything that
 * waits on words in shared memory: what the words mean is their owners' business.
 *
 * Looking pays as long as it is shorter than being woken, and only while the partner runs on
 * another processor.  Both are learned from the note that whoever wakes leaves: when it rang, and
 * on which processor.  So nothing is noted, and no time is spent, where nobody sleeps.
 *
 * A wait looks like this:
 *
 *     int64_t begun;
 *     if (!ms_spin(&pace, &shared->rung, deadline, is_ready, argument, &begun)) {
 *         ... mark, read the sequence, sleep ...
 *         ms_spin_slept(&pace, &shared->rung, begun);
 *     }
 *
 * and whoever wakes calls ms_ring(&shared->rung) before the word changes that sleepers sleep on.
 */
#ifndef MS_SPIN_H
#define MS_SPIN_H

#include <stdint.h>

/* What one process learned about waiting for one thing; zeros at first.  Threads may share it: all
 * of it is advice. */
typedef struct {
    uint32_t skip;    /* how many waits are left that sleep at once */
    uint32_t penalty; /* how many that will be after the next attempt in vain */
    uint32_t partner; /* the processor of whoever rang last, plus one; 0: unknown */
} ms_pace;

/* Note in shared memory that this thread rings now and here.  A reader believes nothing of it: a
 * wrong note costs time. */
void ms_ring(uint64_t *rung);

/* Call `ready` again and again for as long as that is likely to be shorter than a sleep.  1: it
 * returned nonzero; 0: sleep now. `begun` gets what ms_spin_slept wants. */
int ms_spin(ms_pace *pace, const uint64_t *rung, int64_t deadline, int (*ready)(void *),
            void *argument, int64_t *begun);

/* After each sleep of such a wait: learn from the note what being woken costs, and whether looking
 * would have paid. */
void ms_spin_slept(ms_pace *pace, const uint64_t *rung, int64_t begun);

/* The longest time that any wait spins, in ns: at most 200 us; 0 for never. */
void ms_spin_set(int64_t ns);

#endif
