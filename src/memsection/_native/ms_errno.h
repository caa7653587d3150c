/* SPDX-License-Identifier: MIT
 *
 * The error numbers of the core that a C library need not have.  Negative, they are results between
 * the core and its doors, and mean nothing to the system.
 */
#ifndef MS_ERRNO_H
#define MS_ERRNO_H

#include <errno.h>

#ifndef ESTALE
#define ESTALE 10070
#endif
#ifndef EUSERS
#define EUSERS 10068
#endif

#endif
