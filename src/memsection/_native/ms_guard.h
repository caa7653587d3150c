/* SPDX-License-Identifier: MIT
 *
 * A fault under a registered view becomes an error that can be asked for, instead of the death of
 * the process.
 *
 * Two kinds of view are known.  Under a view of a *file*, pages vanish when somebody cuts the file
 * (SIGBUS): zero pages take their place and the view is marked.  A view of a *reserved* section is
 * mapped without access, and a bitmap that all its processes share says which pages are committed:
 * the first touch of such a page opens it (SIGSEGV).  Every other fault goes to whoever handled the
 * signal before, with the usual report and the usual end.
 */
#ifndef MS_GUARD_H
#define MS_GUARD_H

#include <stddef.h>
#include <stdint.h>

#define MS_GUARD_MAXIMUM 65536 /* views at once; the system's own default limit of mappings */
#define MS_GUARD_PAGE 4096     /* what one bit of the bitmap stands for */

typedef struct ms_guard ms_guard;

/* Guard a mapping of `length` bytes of a file.  `fd` (an O_PATH descriptor is enough) is for asking
 * the file's size in the handler: it stays the caller's and has to stay open until removal; -1 for
 * none: then one page is replaced per fault, and a cut is noticed by faults alone.  0 or a negative
 * errno. */
int ms_guard_add(void *address, size_t length, int prot, int fd, uint64_t file_offset,
                 ms_guard **out);

/* Guard a mapping without access of a reserved section.  Bit first_page + n of `bitmap` (u32 words,
 * lowest bit first) is page n of the mapping; it may change at any time and its content is not
 * trusted.  It has to stay mapped until removal.  0 or a negative errno. */
int ms_guard_add_reserved(void *address, size_t length, int prot, const uint32_t *bitmap,
                          uint64_t first_page, ms_guard **out);

/* Forget the view; on return no handler works on it any more, and the memory may be unmapped. */
void ms_guard_remove(ms_guard *guard);

/* 1 and the offset of the lowest page found missing, or 0: nothing was lost. */
int ms_guard_fault(const ms_guard *guard, uint64_t *offset);

/* As ms_guard_fault, and looks at the file's size besides: it may have been cut and nobody touched
 * it yet. */
int ms_guard_look(const ms_guard *guard, uint64_t *offset);

/* Open all pages that the bitmap says are committed, now: system calls fail on memory that is still
 * closed, and a change of protection must not be undone by a first touch.  0 or a negative errno.
 */
int ms_guard_sync(ms_guard *guard);

/* Put the handlers on top if anybody replaced them.  1 when that was needed, 0 when not, or a
 * negative errno. */
int ms_guard_ensure(void);

#endif
