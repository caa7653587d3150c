/* SPDX-License-Identifier: MIT
 *
 * How long to look for a change before sleeping; see ms_spin.h.
 */
#define _GNU_SOURCE
#include "ms_spin.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <sched.h>
#include <unistd.h>
#endif

#include "ms_atomic.h"
#include "ms_futex.h"

#define SHORTEST 20000ll
#define LONGEST 200000ll
#define MOST_PENALTY 127u
#define TYPICAL_WAKE 20000ull /* until one has been measured */
/* the sleeper did not get a processor, which says nothing about waking */
#define ABSURD_WAKE 1000000ull

/* A note: the time in the upper 52 bits, which come round after 52 days, and below it the processor
 * plus one. */
#define PROCESSOR_BITS 12
#define PROCESSOR(note) ((uint32_t)(note) & ((1u << PROCESSOR_BITS) - 1))
#define SINCE(earlier, later) (((later) - (earlier)) & (UINT64_MAX >> PROCESSOR_BITS))
#define BACKWARDS (1ull << 51) /* a difference from here on is a negative one */

static uint64_t limit_ns = LONGEST;
static uint64_t wake_ns =
    TYPICAL_WAKE; /* what it takes from a ring on another processor until the sleeper runs */
static uint32_t processors;
static __thread uint64_t own_note;

void ms_spin_set(int64_t ns)
{
    ms_poke_u64(&limit_ns, ns < 0 ? 0 : ns > LONGEST ? LONGEST : (uint64_t)ns);
}

#ifdef _WIN32
static int current_processor(void)
{
    PROCESSOR_NUMBER here; /* a group has at most 64 */
    GetCurrentProcessorNumberEx(&here);
    return here.Group * 64 + here.Number;
}

static long processors_online(void)
{
    return GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
}
#else
static int current_processor(void)
{
    return sched_getcpu();
}

static long processors_online(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN);
}
#endif

static uint32_t processor_here(void) /* plus one; 0: unknown */
{
    int here = current_processor();
    return here < 0 || here >= (1 << PROCESSOR_BITS) - 1 ? 0 : (uint32_t)here + 1;
}

static int is_single_processor(void)
{
    uint32_t n = ms_peek_u32(&processors);
    if (!n) {
        long online = processors_online();
        n = online < 1 ? 1 : (uint32_t)online;
        ms_poke_u32(&processors, n);
    }
    return n == 1;
}

void ms_ring(uint64_t *rung)
{
    own_note = (uint64_t)ms_now() << PROCESSOR_BITS | processor_here();
    ms_poke_u64(rung, own_note);
}

static int64_t budget(void)
{
    int64_t enough = (int64_t)ms_peek_u64(&wake_ns) * 5 / 2, most = (int64_t)ms_peek_u64(&limit_ns);
    if (enough < SHORTEST)
        enough = SHORTEST;
    return enough < most ? enough : most;
}

/* The processor of whoever is waited for, plus one, as far as known. */
static uint32_t partner(const ms_pace *pace, const uint64_t *rung)
{
    uint64_t note = ms_peek_u64(rung);
    return note && note != own_note ? PROCESSOR(note) : ms_peek_u32(&pace->partner);
}

static void note_end(ms_pace *pace, int paid)
{
    uint32_t penalty = paid ? 0 : ms_peek_u32(&pace->penalty) * 2 + 1;
    if (penalty > MOST_PENALTY)
        penalty = MOST_PENALTY;
    if (paid && !ms_peek_u32(&pace->penalty))
        return; /* no store into a line that other threads may read */
    ms_poke_u32(&pace->penalty, penalty);
    ms_poke_u32(&pace->skip, penalty);
}

int ms_spin(ms_pace *pace, const uint64_t *rung, int64_t deadline, int (*ready)(void *),
            void *argument, int64_t *begun)
{
    uint32_t other, skip;
    *begun = 0;
    if (!ms_peek_u64(&limit_ns) || is_single_processor())
        return 0;
    other = partner(pace, rung);
    if (other && other == processor_here())
        return 0; /* it cannot run while we look */
    *begun = ms_now();
    skip = ms_peek_u32(&pace->skip);
    if (skip) {
        ms_poke_u32(&pace->skip, skip - 1);
        return 0;
    }
    int64_t end = *begun + budget();
    if (end > deadline)
        end = deadline;
    for (uint32_t n = 1; n % 32 || ms_now() < end; n++) {
        ms_relax();
        if (ready(argument)) {
            note_end(pace, 1);
            return 1;
        }
    }
    note_end(pace, 0);
    return 0;
}

static void learn(uint64_t cost)
{
    uint64_t known = ms_peek_u64(&wake_ns);
    if (cost < ABSURD_WAKE)
        ms_poke_u64(&wake_ns, known - known / 4 + cost / 4);
}

void ms_spin_slept(ms_pace *pace, const uint64_t *rung, int64_t begun)
{
    uint64_t note = ms_peek_u64(rung), at = note >> PROCESSOR_BITS;
    if (!note || note == own_note)
        return;
    if (ms_peek_u32(&pace->partner) != PROCESSOR(note))
        ms_poke_u32(&pace->partner, PROCESSOR(note));
    if (!begun || PROCESSOR(note) == processor_here())
        return;
    uint64_t waited = SINCE((uint64_t)begun, at);
    if (waited >= BACKWARDS)
        return; /* nobody rang in this wait */
    learn(SINCE(at, (uint64_t)ms_now()));
    if (waited < (uint64_t)budget())
        ms_poke_u32(&pace->skip, 0); /* looking would have paid: the next wait does */
}
