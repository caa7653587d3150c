/* SPDX-License-Identifier: MIT
 *
 * Steps that make the body of an object, a file of data pages and a control area, and that look at
 * one.
 *
 * A body is made in three: the file, its pages, and what makes it a body.  Between them a caller
 * may do what is unusual (pages of a NUMA node, huge pages, an access list).  Who makes a body has
 * the only descriptor of it until it gets a name or is sent, so nothing of this is seen half-made
 * (N2).
 */
#ifndef MS_BODY_H
#define MS_BODY_H

#include <stddef.h>
#include <stdint.h>

#define MS_BODY_SEAL 0x1      /* nobody can cut it or make it larger (M3): for memory */
#define MS_BODY_READ_ONLY 0x2 /* the descriptor that comes out may only read (R2) */
#define MS_BODY_UNLOCKED 0x4  /* it is no handle yet */

/* What a file is, as far as a body is concerned. */
typedef struct {
    uint64_t device, inode, size, links;
    uint32_t uid, gid;
    int is_regular;
} ms_file;

/* What is written into a body that was made. */
typedef struct {
    const char *area; /* the control area's pages with texts, if any, then the beginning of the
                         control page */
    size_t area_size, page_at; /* its bytes, and where in it the control page begins */
    uint64_t at;               /* where in the body it goes */
    const char *name; /* put into the control page at MS_PAGE_TEXT_AT, with its fields; none with
                         length 0 */
    size_t name_length;
    uint64_t size; /* what the control page says of the object's size */
    uint32_t pid, uid;
    int mode; /* permission bits, -1 to leave them */
    int flags;
} ms_body_plan;

/* What came of it. */
typedef struct {
    int fd;
    ms_file file;
    uint64_t created_ns;
    size_t page_size; /* of the control page's beginning, as it was written */
    char page[4096];
} ms_body_made;

/* An empty file: in memory, or with a directory one of that, without a name.  `size` 0 leaves it
 * without pages. */
int ms_body_make(int directory, uint64_t size);

/* Have the pages of a part now, so that touching them later cannot fail (C1); the file grows to it.
 * -EINTR: once more. */
int ms_body_reserve(int fd, uint64_t offset, uint64_t size);

/* Write, give the mode, seal, lock: a body whose handle comes out in `made->fd`, another descriptor
 * than `fd` where that may only read; `fd` is closed then.  After a failure `fd` is the caller's as
 * before. */
int ms_body_finish(int fd, const ms_body_plan *plan, ms_body_made *made);

int ms_body_file(int fd, ms_file *file);

/* 1 where the control page begins with these bytes, 0 where it does not, or cannot be read. */
int ms_body_same_page(int fd, uint64_t body_size, const char *page, size_t size);

/* 1 where that is so and the body is sealed, as every one in memory is (M3). */
int ms_body_is_unchanged(int fd, uint64_t body_size, const char *page, size_t size);

/* 1 where the flags in the control page say that the object lives without handles. */
int ms_body_is_permanent(int fd);

/* The body through the descriptor of any process; -ENOENT unless it is that very file, and a
 * regular one.  For reading where writing is refused. */
int ms_body_open(uint32_t pid, uint32_t fd, uint64_t device, uint64_t inode, int writable,
                 ms_file *file);

#endif
