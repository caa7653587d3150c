/* SPDX-License-Identifier: MIT
 *
 * See ms_seqlock.h.  After H.-J. Boehm, "Can seqlocks get along with programming language memory
 * models?" (MSPC 2012): the copy itself races by design, and the number around it tells whether it
 * was a value.
 */
#ifdef _WIN32
#include <windows.h>
#else
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#endif
#include "ms_seqlock.h"

#include <string.h>

#include "ms_atomic.h"
#include "ms_number.h"

_Static_assert(sizeof(struct ms_seqlock_header) == MS_SEQLOCK_LINE, "the header is one line");
_Static_assert(sizeof(struct ms_seqlock_slot) == MS_SEQLOCK_LINE, "a slot's header is one line");
_Static_assert(offsetof(struct ms_seqlock_header, capacity) == 16, "layout version 1");
_Static_assert(offsetof(struct ms_seqlock_header, latest) == 24, "layout version 1");
_Static_assert(offsetof(struct ms_seqlock_slot, sequence) == 0, "layout version 1");
_Static_assert(offsetof(struct ms_seqlock_slot, length) == 8, "layout version 1");

static uint64_t stride_of(uint64_t capacity)
{
    return sizeof(struct ms_seqlock_slot) +
           (capacity + MS_SEQLOCK_LINE - 1) / MS_SEQLOCK_LINE * MS_SEQLOCK_LINE;
}

uint64_t ms_seqlock_size(uint64_t capacity, uint32_t slots)
{
    if (slots < MS_SEQLOCK_SLOTS_MINIMUM || slots > MS_SEQLOCK_SLOTS_MAXIMUM)
        return 0;
    if (capacity == 0 || capacity > UINT64_C(1) << 56)
        return 0;
    return sizeof(struct ms_seqlock_header) + slots * stride_of(capacity);
}

static struct ms_seqlock_header *header(const ms_seqlock *lock)
{
    /* Safety: attach checked that the memory is aligned and large enough; the caller keeps it
     * mapped. */
    return (struct ms_seqlock_header *)(void *)lock->base;
}

static struct ms_seqlock_slot *slot(const ms_seqlock *lock, uint64_t sequence)
{
    /* Safety: the remainder is below `slots`, and attach checked that so many slots are inside the
     * memory. */
    return (struct ms_seqlock_slot *)(void *)(lock->base + sizeof(struct ms_seqlock_header) +
                                              (sequence % lock->slots) * lock->stride);
}

/* The bytes may change while they are copied: see the file's paragraph.  The thread sanitizer only
 * knows words. */
static void copy(void *to, const void *from, uint64_t length)
{
#if defined(__SANITIZE_THREAD__)
    unsigned char *out = to;
    const unsigned char *in = from;
    for (uint64_t i = 0; i < length; i++)
        __atomic_store_n(out + i, __atomic_load_n(in + i, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
#else
    memcpy(to, from, (size_t)length);
#endif
}

int ms_seqlock_format(void *memory, uint64_t size, uint64_t capacity, uint32_t slots)
{
    uint64_t needed = ms_seqlock_size(capacity, slots);
    if (needed == 0 || needed > size || (uintptr_t)memory % 8 != 0)
        return MS_SEQLOCK_REFUSED;
    ms_seqlock lock = {
        .base = memory, .capacity = capacity, .stride = stride_of(capacity), .slots = slots};
    struct ms_seqlock_header *facts = header(&lock);
    ms_poke_u32(&facts->magic, 0);
    ms_poke_u64(&facts->latest, 0);
    facts->version = MS_SEQLOCK_VERSION;
    facts->slots = slots;
    facts->reserved = 0;
    facts->capacity = capacity;
    for (uint32_t i = 0; i < slots; i++)
        ms_poke_u64(&slot(&lock, i)->sequence, 0);
    /* SYNC(seqlock-format): release, pairs with the acquire in ms_seqlock_attach */
    ms_store_u32(&facts->magic, MS_SEQLOCK_MAGIC);
    return MS_SEQLOCK_OK;
}

int ms_seqlock_attach(ms_seqlock *lock, void *memory, uint64_t size)
{
    if (size < sizeof(struct ms_seqlock_header) || (uintptr_t)memory % 8 != 0)
        return MS_SEQLOCK_REFUSED;
    lock->base = memory;
    struct ms_seqlock_header *facts = header(lock);
    /* SYNC(seqlock-format): acquire, pairs with the release in ms_seqlock_format */
    uint32_t magic = ms_load_u32(&facts->magic);
    if (magic == 0)
        return MS_SEQLOCK_EMPTY;
    /* Each fact is read once: what is checked is what is used. */
    lock->slots = ms_peek_u32(&facts->slots);
    lock->capacity = ms_peek_u64(&facts->capacity);
    uint64_t needed = ms_seqlock_size(lock->capacity, lock->slots);
    if (magic != MS_SEQLOCK_MAGIC || ms_peek_u32(&facts->version) != MS_SEQLOCK_VERSION ||
        needed == 0 || needed > size)
        return MS_SEQLOCK_REFUSED;
    lock->stride = stride_of(lock->capacity);
    lock->written = ms_load_u64(&facts->latest);
    lock->told[0] = lock->told[1] = 0;
    return MS_SEQLOCK_OK;
}

void *ms_seqlock_begin(ms_seqlock *lock)
{
    struct ms_seqlock_slot *next = slot(lock, lock->written + 1);
    ms_poke_u64(&next->sequence, 0);
    /* SYNC(seqlock-change): release fence: the 0 is seen before any byte that follows it; pairs
     * with the acquire fence in ms_seqlock_copy */
    ms_fence_release();
    return next + 1;
}

void ms_seqlock_commit(ms_seqlock *lock, uint64_t length)
{
    uint64_t sequence = lock->written + 1;
    struct ms_seqlock_slot *next = slot(lock, sequence);
    ms_poke_u64(&next->length, length);
    /* SYNC(seqlock-value): release of the bytes and their length, pairs with the acquire in
     * ms_seqlock_look */
    ms_store_u64(&next->sequence, sequence);
    ms_store_u64(&header(lock)->latest,
                 sequence); /* SYNC(latest): release; pairs with the acquire in ms_number.c */
    lock->written = sequence;
}

int ms_seqlock_was_slept_on(ms_seqlock *lock, int64_t now)
{
    /* The value before was published after the call before the last one, and this one before now:
     * it stood for less time than lies between.  Whoever sleeps for long saw it stand for
     * MS_NUMBER_STANDS first; half of that is left for the store to be seen by other processors. */
    int64_t before = lock->told[1];
    lock->told[1] = lock->told[0];
    lock->told[0] = now;
    return before == 0 || now - before >= MS_NUMBER_STANDS / 2;
}

void ms_seqlock_wake(ms_seqlock *lock)
{
#ifdef __linux__
    /* Readers may not write, so nobody can say whether one sleeps: only how long there was to fall
     * asleep (decision 0123). */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (ms_seqlock_was_slept_on(lock, now.tv_sec * INT64_C(1000000000) + now.tv_nsec))
        syscall(SYS_futex,
                (uint32_t *)&header(lock)->latest + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__),
                FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
#else
    (void)lock;
#endif
}

int ms_seqlock_look(const ms_seqlock *lock, uint64_t *sequence, uint64_t *length)
{
    *sequence = ms_load_u64(&header(lock)->latest);
    if (*sequence == 0)
        return MS_SEQLOCK_EMPTY;
    const struct ms_seqlock_slot *newest = slot(lock, *sequence);
    /* SYNC(seqlock-value): acquire, pairs with the release in ms_seqlock_commit */
    if (ms_load_u64(&newest->sequence) != *sequence)
        return MS_SEQLOCK_AGAIN;
    *length = ms_peek_u64(&newest->length);
    return *length <= lock->capacity ? MS_SEQLOCK_OK : MS_SEQLOCK_AGAIN;
}

static void nap(int64_t ns)
{
#ifdef _WIN32
    Sleep((DWORD)((ns + 999999) / 1000000));
#else
    struct timespec left = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    nanosleep(&left, NULL); /* a signal ends it early: one look is made too soon */
#endif
}

int ms_seqlock_watch(const ms_seqlock *lock, uint64_t sequence, int64_t pause, uint32_t looks)
{
    for (uint32_t i = 0; i < looks; i++) {
        nap(pause);
        /* SYNC(latest): acquire: pairs with the release in ms_seqlock_commit */
        if (ms_load_u64(&header(lock)->latest) != sequence)
            return 1;
    }
    return 0;
}

int ms_seqlock_copy(const ms_seqlock *lock, uint64_t sequence, uint64_t offset, void *out,
                    uint64_t length)
{
    const struct ms_seqlock_slot *source = slot(lock, sequence);
    copy(out, (const unsigned char *)(source + 1) + offset, length);
    /* SYNC(seqlock-change): acquire fence: a byte of the next value copied above means that its 0
     * is seen below; pairs with the release fence in ms_seqlock_begin */
    ms_fence_acquire();
    return ms_peek_u64(&source->sequence) == sequence ? MS_SEQLOCK_OK : MS_SEQLOCK_AGAIN;
}
