/* SPDX-License-Identifier: MIT
 *
 * Sleeping at a bell of a channel, and waking those who do, as each system has it.
 *
 * On Linux the bell's sequence is a futex.  On Windows nobody can sleep on a number that another
 * process changes.  There each bell has named events, whose names only who may read the section
 * knows: an auto-reset one that wakes one sleeper, and two manual-reset ones that wake everybody.
 * Of these two the sleepers of one time sleep at one and those who come after a ring at the other,
 * so that one can be cleared while the other is set.  The sequence says which: below GENERATION it
 * counts rings for one, above it rings for everybody.  A ringer that is killed in the middle, one
 * that overtakes another, and strangers who set and clear events cost a sleeper its look after at
 * most 50 ms, or an attempt in vain.
 */
#ifndef MS_SLEEP_H
#define MS_SLEEP_H

#include "ms_channel.h"

/* Sleep at the bell `which` (MS_BELLS + n: that of cell n of a service) while its sequence is
 * `seen`, until a deadline of ms_now() that is not far away.  0, or -EINTR. */
int ms_sleep(ms_end *end, int which, ms_bell *bell, uint32_t seen, int64_t deadline);
/* Change the sequence and wake: everybody, or one. */
void ms_wake(ms_end *end, int which, ms_bell *bell, int everybody);
/* Sleep for at most so many ns, where nobody wakes.  0, or -EINTR. */
int ms_nap(int64_t ns);
/* The end does neither any more. */
void ms_sleep_close(ms_end *end);

#endif
