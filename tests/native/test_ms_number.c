/* SPDX-License-Identifier: MIT
 *
 * ms_number: it is ready once the number is above the one that is known, and what was written
 * before the number is seen.
 */
#include "check.h"
#include "ms_atomic.h"
#include "ms_futex.h"
#include "ms_number.h"
#include "ms_seqlock.h"

#include <time.h>
#include <unistd.h>

enum { ROUNDS = 2000, BURSTS = 1500, CAPACITY = 64 };

static uint64_t number;
static int payload;

static void *turn(void *argument)
{
    ms_number record;
    if (argument) {
        for (uint64_t i = 1; i <= ROUNDS; i++) {
            if (i == ROUNDS)
                payload = 42;
            ms_store_u64(&number, i);
        }
        return NULL;
    }
    ms_number_make(&record, &number, ROUNDS - 1);
    while (!record.other.ready(record.other.self))
        ms_relax();
    CHECK(payload == 42 && record.other.look(record.other.self));
    return NULL;
}

static _Alignas(64) unsigned char latest[64 + 2 * (64 + CAPACITY)];
static uint64_t received;

/* Sleeps without a limit but the number's own: a wake-up that does not come is never made up for.
 */
static void sleep_until_above(uint64_t above)
{
    ms_number record;
    ms_number_make(&record, &((struct ms_seqlock_header *)latest)->latest, above);
    for (;;) {
        uint32_t value, *word = record.other.mark(record.other.self, &value);
        if (record.other.ready(record.other.self))
            return;
        ms_futex_wait(word, value, record.other.limit(record.other.self, MS_FOREVER));
    }
}

static void pause_for(unsigned ns)
{
    struct timespec time = {.tv_nsec = ns};
    if (ns > 30000)
        nanosleep(&time, NULL);
    else
        for (int64_t end = ms_now() + ns; ms_now() < end;)
            ms_relax();
}

/* A writer with pauses of all lengths, and a reader that sleeps for each value: the last of a burst
 * always arrives. */
static void *writer_or_reader(void *argument)
{
    ms_seqlock lock;
    CHECK(ms_seqlock_attach(&lock, latest, sizeof latest) == MS_SEQLOCK_OK);
    uint64_t last = 0, length;
    unsigned random = 1;
    if (argument) {
        for (int burst = 0; burst < BURSTS; burst++) {
            for (unsigned count = 1 + (random = random * 1103515245 + 12345) / 65536 % 6; count;
                 count--) {
                pause_for(((random = random * 1103515245 + 12345) >> 16) %
                          (burst % 3 ? 20000 : 150000));
                ms_seqlock_begin(&lock);
                ms_seqlock_commit(&lock, 8);
                ms_seqlock_wake(&lock);
            }
            while (ms_load_u64(&received) != lock.written)
                usleep(20);
        }
        ms_seqlock_begin(&lock);
        ms_seqlock_commit(&lock, 1);
        ms_seqlock_wake(&lock);
        return NULL;
    }
    do {
        sleep_until_above(last);
        while (ms_seqlock_look(&lock, &last, &length) != MS_SEQLOCK_OK)
            ms_relax();
        ms_store_u64(&received, last);
    } while (length != 1);
    return NULL;
}

/* The kernel is asked to wake where there was time to fall asleep, and only there. */
static void who_is_woken(void)
{
    ms_seqlock lock;
    int64_t now = 1, asked = 0;
    CHECK(ms_seqlock_attach(&lock, latest, sizeof latest) == MS_SEQLOCK_OK);
    for (int i = 0; i < 1000; i++)
        asked += ms_seqlock_was_slept_on(&lock, now += 1000);
    CHECK(asked == 2);
    CHECK(ms_seqlock_was_slept_on(
        &lock, now += MS_NUMBER_STANDS)); /* the value before stood for so long */
    CHECK(ms_seqlock_was_slept_on(&lock,
                                  now += 1000)); /* that one may have been there before the pause */
    CHECK(!ms_seqlock_was_slept_on(&lock, now += 1000));
    for (int i = 0; i < 10; i++)
        CHECK(ms_seqlock_was_slept_on(&lock, now += MS_NUMBER_STANDS / 4) || i == 0);
}

/* Nobody sleeps for long on a value that may be about to change without a wake-up. */
static void short_sleeps(void)
{
    ms_number record;
    uint32_t value;
    number = 1;
    ms_number_make(&record, &number, 1);
    int64_t begun = ms_now();
    record.other.mark(record.other.self, &value);
    CHECK(record.other.limit(record.other.self, 5) == 5);
    int64_t until = record.other.limit(record.other.self, MS_FOREVER);
    CHECK(until == MS_FOREVER ? ms_now() - begun >= MS_NUMBER_STANDS
                              : until >= begun + MS_NUMBER_STANDS);
    pause_for(2 * MS_NUMBER_STANDS);
    record.other.mark(record.other.self, &value);
    CHECK(record.other.limit(record.other.self, MS_FOREVER) == MS_FOREVER);
    number = 2; /* another one: the time begins again */
    record.other.mark(record.other.self, &value);
    CHECK(record.since >= begun + 2 * MS_NUMBER_STANDS && value == 2);
    number = 0;
}

int main(void)
{
    ms_number record;
    uint32_t value = 0;
    alarm(100);
    CHECK(ms_seqlock_format(latest, sizeof latest, CAPACITY, 2) == MS_SEQLOCK_OK);
    who_is_woken();
    short_sleeps();
    together(2, writer_or_reader);
    number = ((uint64_t)7 << 32) + 3;
    ms_number_make(&record, &number, number);
    CHECK(!record.other.ready(record.other.self));
    uint32_t *word = record.other.mark(record.other.self, &value);
    CHECK(value == 3 && *word == 3);
    number++;
    CHECK(record.other.ready(record.other.self) && *word != value);
    record.other.leave(record.other.self);
    number = 0;
    together(2, turn);
    return 0;
}
