/* SPDX-License-Identifier: MIT
 *
 * Letting go of an object that was held still; see ms_hold.h.
 */
#include "ms_hold.h"

#include <errno.h>

#include "ms_atomic.h"

int ms_let_go(ms_object *object, uint64_t held, uint64_t now)
{
    int result = 0;
    for (;;) {
        uint64_t word = ms_load_u64(&object->state->word);
        if ((word & ~MS_CONTENDED) != held) {
            result = -EBADMSG; /* nobody else may change it */
            break;
        }
        MS_STEP("all: before letting go");
        /* SYNC(hold): release; pairs with hold, SYNC(mutex), SYNC(event), SYNC(semaphore) */
        if (ms_cas_u64(&object->state->word, word, now) == word) {
            if (word & MS_CONTENDED)
                ms_wake(object->state, INT32_MAX);
            break;
        }
    }
    return result;
}

void ms_uncount_hold(ms_object *object)
{
    ms_add_u64(&object->counts, MS_WORD(1, 0));
    ms_add_u64(&object->lockers, (uint64_t)-1);
}
