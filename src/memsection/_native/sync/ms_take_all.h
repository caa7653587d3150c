/* SPDX-License-Identifier: MIT
 *
 * Taking all objects of a wait at once.  Private to ms_wait.c and ms_take_all.c.
 */
#ifndef MS_TAKE_ALL_H
#define MS_TAKE_ALL_H

#include "ms_wait.h"

/* Take all items or none: 0, MS_WAS_ABANDONED; -EBUSY or -EAGAIN: `index` is one that is missing;
 * -EOWNERDEAD, -EBADMSG, -EOVERFLOW. */
int ms_take_all(ms_wait *wait);

#endif
