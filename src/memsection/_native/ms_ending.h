/* SPDX-License-Identifier: MIT
 *
 * Names that go with their process: noted while the interpreter still works, taken away when
 * nothing of it runs any more.
 *
 * Handlers and finalizers of a program run at its end in an order that nobody here chooses, and may
 * use every object until then.  So the end of the objects is after all of them, in plain C.
 */
#ifndef MS_ENDING_H
#define MS_ENDING_H

#include <stdint.h>

/* A handle to a named object: `file` in `directory` is its locator, or the body itself.  That one's
 * word at `flags_at` before its end says whether the name stays for ever (`permanent`). */
struct ms_ending {
    int fd, directory, is_body;
    uint32_t flags_at, permanent;
    char file[512];
};

/* Note one, whose name is there.  0, or a negative errno. */
int ms_ending_add(const struct ms_ending *one);

/* How many are noted in this process. */
int ms_ending_count(void);

/* Close the handles that are still open, and remove the names of which they were the last (L1, L3,
 * L6). */
void ms_ending_run(void);

#endif
