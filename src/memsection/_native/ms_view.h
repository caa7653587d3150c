/* SPDX-License-Identifier: MIT
 *
 * The life of a mapping that others may be using: one state word that counts users and knows
 * whether the mapping was closed.  It decides who unmaps, and that it happens once; it does not
 * unmap, and knows neither Python nor the system.
 */
#ifndef MS_VIEW_H
#define MS_VIEW_H

#include "ms_atomic.h"

/* Bits 0-61 count users (exported buffers); bit 62 says closed.  A fresh word is MS_VIEW_CLOSED
 * until opened. */
#define MS_VIEW_CLOSED (UINT64_C(1) << 62)

/* One more user.  0, or -1 when closed: the memory may be gone. */
int ms_view_acquire(uint64_t *state);

/* One user less.  1 when the caller was the last user of a closed view and must unmap now, else 0.
 */
int ms_view_release(uint64_t *state);

/* No new users from now on.  1 when nobody uses it: the caller must unmap now.  0 when the last
 * user will.  -1 when it was closed before. */
int ms_view_close(uint64_t *state);

#endif
