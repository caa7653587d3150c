/* SPDX-License-Identifier: MIT
 *
 * Every system call of the protocol steps, through one place.
 *
 * In the product a call is the C library's function.  With -DMS_TEST_CALLS each one first asks a
 * hook, which a test replaces: it can have the call fail with an errno, or end the process there.
 */
#ifndef MS_CALLS_H
#define MS_CALLS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef MS_TEST_CALLS
/* The errno that the call of this name is to fail with; 0 to make it. */
extern int (*ms_before_call)(const char *name);
#define MS_CALL(name, ...)                                                                         \
    ((errno = ms_before_call(#name)) ? (__typeof__(name(__VA_ARGS__)))-1 : name(__VA_ARGS__))
#define MS_CLOSE(fd) ((void)ms_before_call("close"), (void)close(fd))
#else
#define MS_CALL(name, ...) name(__VA_ARGS__)
/* close(2) always gives the number back, whatever it returns */
#define MS_CLOSE(fd) ((void)close(fd))
#endif

/* How a body or a locator is opened: nothing that was planted there can make the open wait or
 * become the terminal. */
#define MS_OPEN_FLAGS (O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Room for "/proc/<pid>/fd/<descriptor>". */
#define MS_PROC_PATH 48

static inline void ms_own_path(char path[MS_PROC_PATH], int fd)
{
    snprintf(path, MS_PROC_PATH, "/proc/self/fd/%d", fd);
}

#endif
