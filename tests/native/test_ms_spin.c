/* SPDX-License-Identifier: MIT
 *
 * What a wait learns about looking before it sleeps: when it looks, when it sleeps at once, and
 * that it finds its way back. Nothing here measures: the notes of a partner are written by hand.
 */
#define _GNU_SOURCE
#include "check.h"
#include "ms_atomic.h"
#include "ms_futex.h"
#include "ms_spin.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

static uint32_t here; /* this processor plus one, as notes have it */

static int look(void *count)
{
    ++*(uint32_t *)count;
    return 0;
}

static int look_once(void *count)
{
    ++*(uint32_t *)count;
    return 1;
}

static uint64_t note(int64_t at, uint32_t processor)
{
    return (uint64_t)at << 12 | processor;
}

/* Whether a wait looks at all. */
static int looks(ms_pace *pace, uint64_t rung)
{
    uint32_t count = 0;
    int64_t begun;
    CHECK(ms_spin(pace, &rung, MS_FOREVER, look, &count, &begun) == 0);
    return count > 0;
}

static void a_wait_in_vain_is_left_out(void)
{
    ms_pace pace = {0};
    CHECK(looks(&pace, 0));
    CHECK(!looks(&pace, 0) && looks(&pace, 0)); /* once, then three times */
    for (int i = 0; i < 3; i++)
        CHECK(!looks(&pace, 0));
    CHECK(looks(&pace, 0));
    for (int i = 0; i < 3000; i++)
        looks(&pace, 0);
    int left_out = 0;
    while (!looks(&pace, 0))
        CHECK(++left_out <= 127);
}

static void a_short_wait_brings_it_back(void)
{
    ms_pace pace = {0};
    for (int i = 0; i < 50; i++)
        looks(&pace, 0);
    while (pace.skip < 20)
        looks(&pace, 0);
    int64_t begun = ms_now() - 50000;
    uint64_t late = note(begun - 1, here + 1), long_wait = note(begun + 20000000, here + 1),
             soon = note(begun + 10000, here + 1);
    ms_spin_slept(&pace, &late, begun); /* it rang before the wait began */
    ms_spin_slept(&pace, &long_wait, begun);
    CHECK(pace.skip && !looks(&pace, soon));
    ms_spin_slept(&pace, &soon, begun);
    CHECK(!pace.skip && looks(&pace, soon));
}

static void looking_pays_once_and_is_done_again(void)
{
    ms_pace pace = {.penalty = 63};
    uint64_t rung = 0;
    uint32_t count = 0;
    int64_t begun;
    CHECK(ms_spin(&pace, &rung, MS_FOREVER, look_once, &count, &begun) == 1 && count == 1 &&
          begun > 0);
    CHECK(pace.penalty == 0 && looks(&pace, 0));
}

static void a_partner_on_this_processor_is_not_looked_for(void)
{
    ms_pace pace = {0};
    CHECK(!looks(&pace, note(ms_now(), here)));
    CHECK(looks(&pace, note(ms_now(), here + 1)));
    uint64_t rung = note(ms_now(), here), own = 0;
    ms_spin_slept(&pace, &rung, 0); /* and that is remembered when the newest note is one's own */
    ms_ring(&own);
    CHECK(pace.partner == here && !looks(&pace, own));
}

static void whatever_stands_there_costs_time_only(void)
{
    ms_pace pace = {0};
    uint64_t x = 88172645463325252ull;
    for (int i = 0; i < 3000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        uint64_t rung =
            i % 3 ? x : note(ms_now() + (int64_t)(x % 2000000) - 1000000, (uint32_t)x & 0xfff);
        int64_t begun = i % 5 ? ms_now() - (int64_t)(x >> 44) : 0;
        ms_spin_slept(&pace, &rung, begun);
        int64_t before = ms_now();
        looks(&pace, rung);
        CHECK(ms_now() - before < 5000000000); /* a watchdog */
    }
}

int main(void)
{
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return 0; /* a machine with one processor never looks */
    cpu_set_t set;
    int processor = sched_getcpu();
    CHECK(processor >= 0);
    here = (uint32_t)processor + 1;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
    a_wait_in_vain_is_left_out();
    a_short_wait_brings_it_back();
    looking_pays_once_and_is_done_again();
    a_partner_on_this_processor_is_not_looked_for();
    whatever_stands_there_costs_time_only();
    ms_spin_set(0);
    ms_pace pace = {0};
    CHECK(!looks(&pace, 0) && !looks(&pace, note(ms_now(), here + 1)));
    return 0;
}
