/* SPDX-License-Identifier: MIT
 *
 * ms_number: it is ready once the number is above the one that is known, and what was written before the number is seen.
 */
#include "check.h"
#include "ms_atomic.h"
#include "ms_number.h"

enum { ROUNDS = 2000 };

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

int main(void)
{
    ms_number record;
    uint32_t value = 0;
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
