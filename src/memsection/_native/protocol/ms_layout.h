/* SPDX-License-Identifier: MIT
 *
 * What stands in shared files: the control page at a body's end, the locator of a Local name, and
 * the file position of a handle.  The one definition in C; tests/native/test_layout.py compares
 * Python's with it.  Numbers are little-endian.
 */
#ifndef MS_LAYOUT_H
#define MS_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the byte formats are little-endian, and the steps read and write them as they are"
#endif

#define MS_PAGE_SIZE 4096u
#define MS_GRANULARITY 65536u

/* ------------------------------------------------------ the control page: the last of each body */

#define MS_PAGE_MAGIC "MEMSECT" /* with its NUL: 8 bytes */
#define MS_PAGE_VERSION 1u
/* of the security descriptor, where it is not in pages of its own */
#define MS_PAGE_DESCRIPTOR_AT 256u
#define MS_PAGE_TEXT_AT 1536u  /* of the name, then the path */
#define MS_PAGE_STATE_AT 3072u /* of the state words of a synchronisation object */

#define MS_PAGE_PERMANENT 0x1u  /* flag: lives without handles */
#define MS_PAGE_SUPERSEDED 0x2u /* flag: the name may have gone to another section */

typedef struct {
    char magic[8];
    uint32_t version, type, flags, protection, attributes, creator_pid;
    uint64_t size, created_ns, file_device, file_inode;
    uint32_t creator_uid, area_pages, bitmap_pages;
    uint32_t descriptor_at, descriptor_length, descriptor_room, descriptor_checksum;
    uint32_t name_at, name_length, path_at, path_length;
} ms_page;

#define MS_PAGE_HEADER_SIZE 108u /* without the padding at the end of the struct */

static_assert(offsetof(ms_page, flags) == 16, "control page");
static_assert(offsetof(ms_page, size) == 32, "control page");
static_assert(offsetof(ms_page, creator_uid) == 64, "control page");
static_assert(offsetof(ms_page, descriptor_at) == 76, "control page");
static_assert(offsetof(ms_page, name_at) == 92, "control page");
static_assert(offsetof(ms_page, path_length) + 4 == MS_PAGE_HEADER_SIZE, "control page");
static_assert(sizeof(ms_page) <= MS_PAGE_DESCRIPTOR_AT, "the header ends before the descriptor");

/* -------------------------------------------------------- the locator: the file of a Local name */

#define MS_LOCATOR_MAGIC "MSLOCAT" /* with its NUL: 8 bytes */
#define MS_LOCATOR_VERSION 1u
#define MS_HINTS 16

typedef struct {
    uint32_t pid, fd; /* pid 0: none */
} ms_hint;

typedef struct {
    char magic[8];
    uint32_t version, type;
    uint64_t device, inode, pid_namespace;
    uint32_t name_length, name_checksum;
    char unused[16];
    ms_hint hints[MS_HINTS];
    /* the name follows */
} ms_locator;

static_assert(offsetof(ms_locator, device) == 16, "locator");
static_assert(offsetof(ms_locator, name_length) == 40, "locator");
static_assert(offsetof(ms_locator, hints) == 64, "locator");
static_assert(sizeof(ms_hint) == 8 && sizeof(ms_locator) == 192, "locator");

/* ----------------------------------------------------------- the file position of a handle (H1) */

#define MS_HANDLE_TAG ((uint64_t)1 << 62)       /* this description is a handle */
#define MS_HANDLE_REVOKED ((uint64_t)1 << 61)   /* another process took it away */
#define MS_HANDLE_PROTECTED ((uint64_t)1 << 60) /* HANDLE_FLAG_PROTECT_FROM_CLOSE */
/* another process's, which has not fetched it yet */
#define MS_HANDLE_PENDING ((uint64_t)1 << 59)
#define MS_HANDLE_DATA_SHIFT 32 /* one more than the data descriptor, 24 bits */

#endif
