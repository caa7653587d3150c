/* SPDX-License-Identifier: MIT
 *
 * Making the state of an object, and waking those who sleep on it; see ms_state.h.
 */
#include "ms_state.h"

#include <string.h>

#include "ms_atomic.h"
#include "ms_futex.h"
#include "ms_spin.h"

#ifdef MS_TEST_STEPS
void (*ms_step_hook)(const char *name);
#endif

void ms_state_make(ms_state *state, uint32_t kind, uint32_t flags, uint32_t maximum, uint64_t word)
{
    memset(state, 0, sizeof *state);
    state->magic = MS_STATE_MAGIC;
    state->version = MS_STATE_VERSION;
    state->kind = (uint8_t)kind;
    state->flags = (uint16_t)flags;
    state->maximum = maximum;
    state->word = word;
}

void ms_wake(ms_state *state, int n)
{
    MS_STEP("wake: before");
    ms_ring(&state->rung);
    ms_add_u32(&state->sequence,
               1); /* SYNC(sequence): release; pairs with the load before a sleep in ms_wait.c */
    ms_futex_wake(&state->sequence, n);
}
