/* SPDX-License-Identifier: MIT
 *
 * ms_seqlock: layouts and bounds, no torn value among threads, and headers full of noise.
 */
#include "check.h"
#include "ms_atomic.h"
#include "ms_seqlock.h"

#include <string.h>

enum { CAPACITY = 256, SLOTS = 3, READERS = 3, VALUES = 30000, NOISE = 20000 };

static _Alignas(64) unsigned char memory[64 + SLOTS * (64 + CAPACITY)];

static void sizes(void)
{
    CHECK(ms_seqlock_size(1, 2) == 64 + 2 * 128);
    CHECK(ms_seqlock_size(CAPACITY, SLOTS) == sizeof memory);
    CHECK(ms_seqlock_size(0, 4) == 0 && ms_seqlock_size(1, 1) == 0 && ms_seqlock_size(1, 65) == 0);
    CHECK(ms_seqlock_size(UINT64_MAX, 64) == 0 &&
          ms_seqlock_size(UINT64_C(1) << 56, 64) > UINT64_C(1) << 56);
    ms_seqlock lock;
    CHECK(ms_seqlock_format(memory, sizeof memory - 1, CAPACITY, SLOTS) == MS_SEQLOCK_REFUSED);
    CHECK(ms_seqlock_format(memory + 4, sizeof memory - 4, 1, 2) == MS_SEQLOCK_REFUSED);
    CHECK(ms_seqlock_attach(&lock, memory, sizeof memory) == MS_SEQLOCK_EMPTY);
    CHECK(ms_seqlock_attach(&lock, memory, 63) == MS_SEQLOCK_REFUSED);
    CHECK(ms_seqlock_format(memory, sizeof memory, CAPACITY, SLOTS) == MS_SEQLOCK_OK);
    CHECK(ms_seqlock_attach(&lock, memory, sizeof memory - 1) == MS_SEQLOCK_REFUSED);
    CHECK(ms_seqlock_attach(&lock, memory, sizeof memory) == MS_SEQLOCK_OK);
}

static void *end(void *argument)
{
    ms_seqlock lock;
    CHECK(ms_seqlock_attach(&lock, memory, sizeof memory) == MS_SEQLOCK_OK);
    uint64_t sequence, length, last = 0;
    unsigned char value[CAPACITY];
    if (argument == NULL) {
        for (uint64_t number = 1; number <= VALUES; number++) {
            unsigned char *target = ms_seqlock_begin(&lock);
            length = 8 + number % (CAPACITY - 8);
            for (uint64_t i = 0; i < length; i++)
                __atomic_store_n(target + i, (unsigned char)number, __ATOMIC_RELAXED);
            ms_seqlock_commit(&lock, length);
        }
        return NULL;
    }
    while (last < VALUES) {
        if (ms_seqlock_look(&lock, &sequence, &length) != MS_SEQLOCK_OK)
            continue;
        CHECK(sequence >= last && length <= CAPACITY);
        uint64_t first = length / 3;
        if (ms_seqlock_copy(&lock, sequence, 0, value, first) != MS_SEQLOCK_OK ||
            ms_seqlock_copy(&lock, sequence, first, value + first, length - first) != MS_SEQLOCK_OK)
            continue;
        CHECK(length == 8 + sequence % (CAPACITY - 8));
        for (uint64_t i = 0; i < length; i++)
            CHECK(value[i] == (unsigned char)sequence);
        last = sequence;
        CHECK(last == VALUES || ms_seqlock_watch(&lock, last, 0, UINT32_MAX));
    }
    return NULL;
}

/* Whatever the bytes are: nothing outside of the memory is touched (the address sanitizer looks).
 */
static void noise(void)
{
    unsigned char *block = malloc(sizeof memory), value[CAPACITY];
    CHECK(block != NULL);
    for (int round = 0; round < NOISE; round++) {
        ms_seqlock lock;
        CHECK(ms_seqlock_format(block, sizeof memory, CAPACITY, SLOTS) == MS_SEQLOCK_OK);
        for (int i = rand() % 12; i > 0; i--)
            block[rand() % (i % 2 ? 64 : (int)sizeof memory)] = (unsigned char)rand();
        if (ms_seqlock_attach(&lock, block, sizeof memory) != MS_SEQLOCK_OK)
            continue;
        for (int i = rand() % 12; i > 0; i--)
            block[rand() % (int)sizeof memory] = (unsigned char)rand();
        uint64_t sequence, length;
        if (lock.capacity <= CAPACITY &&
            ms_seqlock_look(&lock, &sequence, &length) == MS_SEQLOCK_OK)
            ms_seqlock_copy(&lock, sequence, 0, value, length);
        memset(ms_seqlock_begin(&lock), 1, (size_t)lock.capacity);
        ms_seqlock_commit(&lock, lock.capacity);
    }
    free(block);
}

int main(void)
{
    sizes();
    together(READERS + 1, end);
    noise();
    return 0;
}
