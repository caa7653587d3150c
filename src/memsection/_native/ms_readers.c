/* SPDX-License-Identifier: MIT
 *
 * See ms_readers.h.
 */
#define _GNU_SOURCE
#include "ms_readers.h"

#include <errno.h>
#include <string.h>

#include "ms_atomic.h"

#ifdef _WIN32
#include <windows.h>

static uint32_t own_pid(void)
{
    return GetCurrentProcessId();
}
#else
#include "ms_futex.h"
#include <unistd.h>

static uint32_t own_pid(void)
{
    return (uint32_t)getpid();
}
#endif

_Static_assert(sizeof(ms_rw_state) == 256, "the state has a fixed size");
_Static_assert(sizeof(ms_rw_slot) == 64, "each slot has a cache line of its own");

uint64_t ms_readers_size(void)
{
    return sizeof(ms_rw_state) + (MS_READERS_SLOTS + 1) * sizeof(ms_rw_slot);
}

void ms_readers_format(void *memory, const uint64_t token[2])
{
    ms_rw_state *state = memory;
    memset(memory, 0, ms_readers_size());
    state->token[0] = token[0];
    state->token[1] = token[1];
    state->version = MS_READERS_VERSION;
    state->magic = MS_READERS_MAGIC;
}

int ms_readers_attach(ms_readers *lock, void *memory, uint64_t size)
{
    ms_rw_state *state = memory;
    memset(lock, 0, sizeof *lock);
    ms_lives_init(&lock->lives, MS_LIVES_LOCKS);
    if (size < ms_readers_size() || ms_peek_u32(&state->magic) != MS_READERS_MAGIC ||
        ms_peek_u32(&state->version) != MS_READERS_VERSION)
        return -EBADMSG;
    lock->state = state;
    lock->slots = (ms_rw_slot *)(state + 1);
    return 0;
}

/* ------------------------------------------------------------------ slots */

static void raise_highest(ms_rw_state *state, uint32_t slot)
{
    uint32_t seen = ms_load_u32(&state->highest);
    while (seen < slot) {
        uint32_t found = ms_cas_u32(&state->highest, seen, slot);
        if (found == seen)
            return;
        seen = found;
    }
}

int ms_readers_claim(ms_readers *lock, int fd)
{
    int squatted = 0, result;
    if (lock->slot)
        return 0;
    if (!ms_lives_is_open(&lock->lives)) {
        uint64_t token[2] = {ms_peek_u64(&lock->state->token[0]),
                             ms_peek_u64(&lock->state->token[1])};
        result = ms_lives_open(&lock->lives, fd, token);
        if (result)
            return result;
    }
    for (uint32_t slot = 1; slot <= MS_READERS_SLOTS; slot++) {
        result = ms_lives_hold(&lock->lives, slot);
        if (!result) {
            raise_highest(lock->state, slot);
            ms_store_u64(&lock->slots[slot].count, 0); /* of its last owner, who is dead */
            lock->count = 0;
            lock->slot = slot;
            return 0;
        }
        if (result != -EAGAIN)
            return result;
        squatted |= ms_lives_is_squatted(&lock->lives, slot);
    }
    return squatted ? -EBUSY : -ENOSPC;
}

#ifdef _WIN32
int ms_readers_connect(ms_readers *lock, void *bell)
{
    HANDLE me = GetCurrentProcess();
    if (!DuplicateHandle(me, bell, me, &lock->bell, 0, FALSE, DUPLICATE_SAME_ACCESS))
        return -EBADF;
    return 0;
}

static void disconnect(ms_readers *lock)
{
    if (lock->bell)
        CloseHandle(lock->bell);
    lock->bell = NULL;
}

static void wake_the_writer(ms_readers *lock)
{
    ms_add_u64(&lock->state->departures, 1);
    if (lock->bell)
        SetEvent(lock->bell);
}
#else
int ms_readers_connect(ms_readers *lock, void *bell)
{
    return 0;
}

static void disconnect(ms_readers *lock) {}

static void wake_the_writer(ms_readers *lock)
{
    uint64_t *number = &lock->state->departures;
    ms_add_u64(number, 1);
    ms_futex_wake((uint32_t *)number + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__), INT32_MAX);
}
#endif

void ms_readers_drop(ms_readers *lock)
{
    if (lock->slot && lock->count) {
        ms_store_u64(&lock->slots[lock->slot].count, 0);
        wake_the_writer(lock);
    }
    ms_lives_close(&lock->lives);
    disconnect(lock);
    lock->slot = 0;
}

void ms_readers_forked(ms_readers *lock)
{
    ms_lives_forked(&lock->lives);
    lock->slot = 0;
    lock->count = 0;
}

/* ------------------------------------------------------------------ readers */

static void recount(ms_readers *lock, uint64_t count)
{
    lock->count = count;
    /* SYNC(readers): release; pairs with ms_readers_gone */
    ms_store_u64(&lock->slots[lock->slot].count, count);
    ms_fence(); /* before the look at `writer` (S5) */
}

int ms_readers_enter(ms_readers *lock, int anyway)
{
    recount(lock, lock->count + 1);
    /* SYNC(writer): acquire; pairs with ms_readers_set */
    if (__builtin_expect(!ms_load_u64(&lock->state->writer), 1) || anyway)
        return 1;
    ms_readers_leave(lock);
    return 0;
}

void ms_readers_leave(ms_readers *lock)
{
    recount(lock, lock->count - 1);
    if (__builtin_expect(ms_load_u64(&lock->state->writer) != 0, 0))
        wake_the_writer(lock);
}

/* ------------------------------------------------------------------ the writer */

uint64_t ms_readers_block(ms_readers *lock)
{
    uint64_t before = ms_load_u64(&lock->state->writer);
    if (!(before & MS_WRITES))
        ms_store_u64(&lock->state->writer, own_pid());
    ms_fence(); /* before the look at the readers (S5) */
    return before;
}

void ms_readers_set(ms_readers *lock, uint64_t writer)
{
    /* SYNC(writer): release; pairs with ms_readers_enter */
    ms_store_u64(&lock->state->writer, writer);
}

/* Whether the process of a slot is dead; then nothing is counted any more. */
static int has_died(ms_readers *lock, uint32_t slot)
{
    if (!ms_lives_is_open(&lock->lives) || ms_lives_block(&lock->lives, slot))
        return 0;
    ms_store_u64(&lock->slots[slot].count, 0);
    ms_lives_unblock(&lock->lives, slot);
    return 1;
}

static uint32_t highest(const ms_readers *lock)
{
    uint32_t found = ms_load_u32(&lock->state->highest);
    return found < MS_READERS_SLOTS ? found : MS_READERS_SLOTS;
}

int ms_readers_gone(ms_readers *lock, int look)
{
    for (uint32_t slot = 1, most = highest(lock); slot <= most; slot++) {
        if (slot == lock->slot) { /* what anybody else may write there does not matter to us */
            if (lock->count)
                return 0;
        } else {
            /* SYNC(readers): acquire; pairs with recount */
            if (ms_load_u64(&lock->slots[slot].count) && (!look || !has_died(lock, slot)))
                return 0;
        }
    }
    return 1;
}

uint32_t ms_readers_processes(ms_readers *lock)
{
    uint32_t processes = 0;
    for (uint32_t slot = 1, most = highest(lock); slot <= most; slot++)
        if (slot == lock->slot ? lock->count != 0
                               : ms_load_u64(&lock->slots[slot].count) && !has_died(lock, slot))
            processes++;
    return processes;
}
