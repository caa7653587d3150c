/* SPDX-License-Identifier: MIT
 *
 * See ms_view.h.  Counting and closing meet in one word, so no lock is needed with or without the
 * interpreter's.
 */
#include "ms_view.h"

int ms_view_acquire(uint64_t *state)
{
    uint64_t seen = ms_load_u64(state);
    for (;;) {
        if (seen & MS_VIEW_CLOSED)
            return -1;
        /* Compare and swap, not add and undo: a count that comes and goes could be the one that
         * makes the true last user believe it was not the last, and then nobody unmaps.
         * SYNC(view-users): acquire, pairs with the release in ms_view_release */
        uint64_t now = ms_cas_u64(state, seen, seen + 1);
        if (now == seen)
            return 0;
        seen = now;
    }
}

int ms_view_release(uint64_t *state)
{
    /* SYNC(view-users): release of what this user did to the memory; pairs with the acquire in
     * ms_view_acquire and with the acquire of whoever unmaps, here or in ms_view_close */
    return ms_add_u64(state, (uint64_t)-1) == (MS_VIEW_CLOSED | 1);
}

int ms_view_close(uint64_t *state)
{
    uint64_t before = ms_or_u64(state, MS_VIEW_CLOSED);
    if (before & MS_VIEW_CLOSED)
        return -1;
    return before == 0;
}
