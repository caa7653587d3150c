/* SPDX-License-Identifier: MIT
 *
 * ms_view: exactly one caller is told to unmap, and only when nobody uses the memory.  Memory is a
 * plain variable here: the thread sanitizer sees a race if the last user's work is not ordered
 * before the unmapping.
 */
#include "check.h"
#include "ms_view.h"

#include <sched.h>

enum { USERS = 4, ROUNDS = 200 };

static uint64_t state;
static int memory[USERS];
static int unmapped;
static pthread_barrier_t start;

static void unmap(void)
{
    unmapped++;
    for (int i = 0; i < USERS; i++)
        memory[i] = -1;
}

static void *user(void *argument)
{
    long me = (long)argument;
    pthread_barrier_wait(&start);
    if (me == USERS) {
        for (int i = rand() % 4; i > 0; i--)
            sched_yield();
        int told = ms_view_close(&state);
        CHECK(told == 0 || told == 1);
        if (told == 1)
            unmap();
        CHECK(ms_view_close(&state) == -1);
        return NULL;
    }
    while (ms_view_acquire(&state) == 0) {
        CHECK(memory[me] >= 0);
        memory[me]++;
        if (ms_view_release(&state))
            unmap();
    }
    return NULL;
}

int main(void)
{
    state = MS_VIEW_CLOSED;
    CHECK(ms_view_acquire(&state) == -1 && ms_view_close(&state) == -1);
    state = 0;
    CHECK(ms_view_acquire(&state) == 0 && ms_view_acquire(&state) == 0 && state == 2);
    CHECK(ms_view_release(&state) == 0 && ms_view_close(&state) == 0);
    CHECK(ms_view_acquire(&state) == -1 && ms_view_release(&state) == 1);
    CHECK(pthread_barrier_init(&start, NULL, USERS + 1) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        state = 0;
        unmapped = 0;
        for (int i = 0; i < USERS; i++)
            memory[i] = 0;
        together(USERS + 1, user);
        CHECK(unmapped == 1 && state == MS_VIEW_CLOSED);
    }
    return 0;
}
