/* SPDX-License-Identifier: MIT
 *
 * See ms_readers.h.
 */
#define _GNU_SOURCE
#include "ms_readers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ms_atomic.h"
#include "ms_futex.h"

_Static_assert(sizeof(ms_rw_state) == 256, "the state has a fixed size");
_Static_assert(sizeof(ms_rw_slot) == 64, "each slot has a cache line of its own");

uint64_t ms_readers_size(void)
{
    return sizeof(ms_rw_state) + (MS_READERS_SLOTS + 1) * sizeof(ms_rw_slot);
}

void ms_readers_format(void *memory)
{
    ms_rw_state *state = memory;
    memset(memory, 0, ms_readers_size());
    state->version = MS_READERS_VERSION;
    state->magic = MS_READERS_MAGIC;
}

int ms_readers_attach(ms_readers *lock, void *memory, uint64_t size)
{
    ms_rw_state *state = memory;
    memset(lock, 0, sizeof *lock);
    lock->lock_fd = -1;
    if (size < ms_readers_size() || ms_peek_u32(&state->magic) != MS_READERS_MAGIC
        || ms_peek_u32(&state->version) != MS_READERS_VERSION)
        return -EBADMSG;
    lock->state = state;
    lock->slots = (ms_rw_slot *)(state + 1);
    return 0;
}

/* ------------------------------------------------------------------ slots */

static int slot_lock(const ms_readers *lock, uint32_t slot, short type)
{
    struct flock range = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = MS_READERS_LOCKS + slot, .l_len = 1};
    while (fcntl(lock->lock_fd, F_OFD_SETLK, &range))
        if (errno != EINTR)
            return errno == EACCES ? -EAGAIN : -errno;
    return 0;
}

/* A slot of a process is locked for writing, which takes more than the right to read. */
static int is_taken_by_a_reader_of_the_file(const ms_readers *lock, uint32_t slot)
{
    struct flock range = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = MS_READERS_LOCKS + slot, .l_len = 1};
    return !fcntl(lock->lock_fd, F_OFD_GETLK, &range) && range.l_type == F_RDLCK;
}

/* A description of our own, which no handle and no child shares. */
static int describe(int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_RDWR | O_CLOEXEC);
    return own < 0 ? -errno : own;
}

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
    int strangers = 0, result;
    if (lock->slot)
        return 0;
    if (lock->lock_fd < 0)
        lock->lock_fd = describe(fd);
    if (lock->lock_fd < 0)
        return lock->lock_fd;
    for (uint32_t slot = 1; slot <= MS_READERS_SLOTS; slot++) {
        result = slot_lock(lock, slot, F_WRLCK);
        if (!result) {
            raise_highest(lock->state, slot);
            ms_store_u64(&lock->slots[slot].count, 0); /* of its last owner, who is dead */
            lock->count = 0;
            lock->slot = slot;
            return 0;
        }
        if (result != -EAGAIN)
            return result;
        strangers |= is_taken_by_a_reader_of_the_file(lock, slot);
    }
    return strangers ? -EBUSY : -EUSERS;
}

static void wake_the_writer(ms_readers *lock)
{
    uint64_t *number = &lock->state->departures;
    ms_add_u64(number, 1);
    ms_futex_wake((uint32_t *)number + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__), INT32_MAX);
}

void ms_readers_drop(ms_readers *lock)
{
    if (lock->slot && lock->count) {
        ms_store_u64(&lock->slots[lock->slot].count, 0);
        wake_the_writer(lock);
    }
    if (lock->lock_fd >= 0)
        close(lock->lock_fd);
    lock->lock_fd = -1;
    lock->slot = 0;
}

void ms_readers_forked(ms_readers *lock)
{
    int parents = lock->lock_fd;
    lock->lock_fd = parents >= 0 ? describe(parents) : -1;
    if (parents >= 0)
        close(parents);
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
        ms_store_u64(&lock->state->writer, (uint32_t)getpid());
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
    /* A read lock: it excludes the owner and whoever would claim the slot, and not others who
     * judge. */
    if (lock->lock_fd < 0 || slot_lock(lock, slot, F_RDLCK))
        return 0;
    ms_store_u64(&lock->slots[slot].count, 0);
    slot_lock(lock, slot, F_UNLCK);
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
