/* SPDX-License-Identifier: MIT
 *
 * The end of holding an object still: its word is LOCKED, with the slot of whoever holds it, until
 * that one writes another.  Who begins to hold counts itself in `lockers` before it changes the
 * word.  Private to what holds: ms_take_all.c and ms_timer.c.
 */
#ifndef MS_HOLD_H
#define MS_HOLD_H

#include "ms_object.h"

/* The word of a held object without the lock and the slot of its holder. */
static inline uint64_t ms_unlocked_word(uint64_t held)
{
    return held & ~(uint64_t)(MS_LOCKED | MS_SLOT_MOST);
}

/* Give a held object its new word; whoever sleeps looks again.  -EBADMSG when somebody else changed
 * it meanwhile. */
int ms_let_go(ms_object *object, uint64_t held, uint64_t now);

/* After an object was let go, or could not be held: this thread is no longer at it. */
void ms_uncount_hold(ms_object *object);

#endif
