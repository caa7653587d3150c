/* SPDX-License-Identifier: MIT
 *
 * See ms_body.h.
 */
#include "ms_calls.h" /* first: it asks for what is not in POSIX */
#include "ms_body.h"

#include <string.h>
#include <time.h>

#include "ms_description.h"
#include "ms_layout.h"

/* ------------------------------------------------------------------ looking */

static void file_of(const struct stat *st, ms_file *file)
{
    *file = (ms_file){st->st_dev, st->st_ino, (uint64_t)st->st_size, st->st_nlink,
                      st->st_uid, st->st_gid, S_ISREG(st->st_mode)};
}

int ms_body_file(int fd, ms_file *file)
{
    struct stat st;
    if (MS_CALL(fstat, fd, &st)) return -errno;
    file_of(&st, file);
    return 0;
}

int ms_body_same_page(int fd, uint64_t body_size, const char *page, size_t size)
{
    char now[MS_PAGE_SIZE];
    if (size > sizeof now || body_size < sizeof now) return 0;
    return MS_CALL(pread, fd, now, size, (off_t)(body_size - sizeof now)) == (ssize_t)size &&
           !memcmp(now, page, size);
}

int ms_body_is_unchanged(int fd, uint64_t body_size, const char *page, size_t size)
{
    const int seals = F_SEAL_GROW | F_SEAL_SHRINK;
    int has = MS_CALL(fcntl, fd, F_GET_SEALS);
    return has >= 0 && (has & seals) == seals && ms_body_same_page(fd, body_size, page, size);
}

int ms_body_is_permanent(int fd)
{
    ms_page page;
    struct stat st;
    return !MS_CALL(fstat, fd, &st) && st.st_size >= (off_t)MS_PAGE_SIZE &&
           MS_CALL(pread, fd, &page, MS_PAGE_HEADER_SIZE, st.st_size - (off_t)MS_PAGE_SIZE) ==
               MS_PAGE_HEADER_SIZE &&
           !memcmp(page.magic, MS_PAGE_MAGIC, sizeof page.magic) &&
           page.version == MS_PAGE_VERSION && (page.flags & MS_PAGE_PERMANENT);
}

int ms_body_open(uint32_t pid, uint32_t fd, uint64_t device, uint64_t inode, int writable,
                 ms_file *file)
{
    char path[MS_PROC_PATH];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%u/fd/%u", pid, fd);
    /* Looked at before it is opened, because opening a stranger's device could do something; and
     * once more afterwards, because the number may mean another file by then. */
    if (MS_CALL(stat, path, &st) || st.st_dev != device || st.st_ino != inode ||
        !S_ISREG(st.st_mode))
        return -ENOENT;
    int body = ms_description_open(path, writable);
    if (writable && (body == -EACCES || body == -EPERM)) body = ms_description_open(path, 0);
    if (body == -EMFILE || body == -ENFILE || body == -ENOMEM)
        return body; /* says nothing about the hint */
    if (body < 0) return -ENOENT;
    if (!ms_body_file(body, file) && file->device == device && file->inode == inode) return body;
    MS_CLOSE(body);
    return -ENOENT;
}

/* ------------------------------------------------------------------ making */

int ms_body_make(int directory, uint64_t size)
{
    /* The file of a Global body is its name's: nobody may open it before its mode is what its
     * descriptor says (S1). */
    int fd = directory < 0 ? MS_CALL(memfd_create, "memsection", MFD_CLOEXEC | MFD_ALLOW_SEALING)
                           : MS_CALL(openat, directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (size && MS_CALL(ftruncate, fd, (off_t)size)) {
        int failure = -errno;
        MS_CLOSE(fd);
        return failure;
    }
    return fd;
}

int ms_body_reserve(int fd, uint64_t offset, uint64_t size)
{
    return MS_CALL(fallocate, fd, 0, (off_t)offset, (off_t)size) ? -errno : 0;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The control page as it is going to be, in `made`; its length with the name, or -EINVAL. */
static ssize_t compose_page(const ms_body_plan *plan, ms_body_made *made)
{
    if (plan->page_at > plan->area_size) return -EINVAL;
    size_t length = plan->area_size - plan->page_at;
    if (length < MS_PAGE_HEADER_SIZE || length > MS_PAGE_SIZE) return -EINVAL;
    if (plan->name_length > MS_PAGE_STATE_AT - MS_PAGE_TEXT_AT) return -EINVAL;
    memset(made->page, 0, sizeof made->page);
    memcpy(made->page, plan->area + plan->page_at, length);
    ms_page *page = (ms_page *)(void *)made->page;
    made->page_size = length;
    made->created_ns = now_ns();
    page->creator_pid = plan->pid;
    page->creator_uid = plan->uid;
    page->size = plan->size;
    page->created_ns = made->created_ns;
    if (!plan->name_length) return (ssize_t)length;
    page->name_at = MS_PAGE_TEXT_AT;
    page->name_length = (uint32_t)plan->name_length;
    page->path_at = MS_PAGE_TEXT_AT + page->name_length;
    memcpy(made->page + MS_PAGE_TEXT_AT, plan->name, plan->name_length);
    size_t end = MS_PAGE_TEXT_AT + plan->name_length;
    return (ssize_t)(end > length ? end : length);
}

static int write_all(int fd, const void *bytes, size_t size, uint64_t at)
{
    ssize_t written = MS_CALL(pwrite, fd, bytes, size, (off_t)at);
    if (written < 0) return -errno;
    return (size_t)written == size ? 0 : -ENOSPC;
}

int ms_body_finish(int fd, const ms_body_plan *plan, ms_body_made *made)
{
    ssize_t length = compose_page(plan, made);
    int failure = length < 0 ? (int)length : 0;
    made->fd = -1;
    if (!failure && plan->page_at) failure = write_all(fd, plan->area, plan->page_at, plan->at);
    if (!failure) failure = write_all(fd, made->page, (size_t)length, plan->at + plan->page_at);
    /* The seals are last of what changes the file: no mode, and no later writer, can take its pages
     * away (M3). */
    if (!failure && plan->mode >= 0 && MS_CALL(fchmod, fd, (mode_t)plan->mode)) failure = -errno;
    if (!failure && plan->flags & MS_BODY_SEAL &&
        MS_CALL(fcntl, fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK))
        failure = -errno;
    if (!failure) failure = ms_body_file(fd, &made->file);
    if (failure) return failure;
    int handle = plan->flags & MS_BODY_READ_ONLY ? ms_description_reopen(fd, 0) : fd;
    if (handle < 0) return handle;
    /* The handle's own lock, on the handle's own description, before there is a name to find it by
     * (L3, N2). */
    if (!(plan->flags & MS_BODY_UNLOCKED)) {
        int locked = ms_description_lock(handle, LOCK_SH);
        if (locked <= 0) failure = locked < 0 ? locked : -EWOULDBLOCK;
    }
    if (failure) {
        if (handle != fd) MS_CLOSE(handle);
        return failure;
    }
    if (handle != fd) MS_CLOSE(fd);
    made->fd = handle;
    return 0;
}
