/* SPDX-License-Identifier: MIT
 *
 * See ms_description.h.
 */
#include "ms_calls.h" /* first: it asks for what is not in POSIX */
#include "ms_description.h"
#include "ms_layout.h"

static int flags_of(int writable)
{
    return (writable ? O_RDWR : O_RDONLY) | MS_OPEN_FLAGS;
}

static int is_refusal(int failure)
{
    return failure == -EACCES || failure == -EPERM;
}

/* Open what an O_PATH descriptor means, although its mode refuses that to its owner, who is this
 * user. */
static int open_as_owner(int by_path, int writable)
{
    char link[MS_PROC_PATH];
    struct stat st;
    if (MS_CALL(fstat, by_path, &st)) return -errno;
    if (st.st_uid != geteuid() || !S_ISREG(st.st_mode)) return -EACCES;
    ms_own_path(link, by_path);
    if (MS_CALL(chmod, link, (st.st_mode & 07777) | 0600)) return -errno;
    int fd = MS_CALL(open, link, flags_of(writable));
    int failure = fd < 0 ? -errno : 0;
    /* Back in every case.  Who is killed before this leaves more to the owner alone, who may change
     * the mode anyway. */
    if (MS_CALL(chmod, link, st.st_mode & 07777) && !failure) {
        failure = -errno;
        MS_CLOSE(fd);
    }
    return failure ? failure : fd;
}

int ms_description_open(const char *path, int writable)
{
    int fd = MS_CALL(open, path, flags_of(writable));
    if (fd >= 0) return fd;
    int refusal = -errno;
    if (!is_refusal(refusal)) return refusal;
    /* By one descriptor from here on: the path of another process's may mean another file by the
     * next call. */
    int by_path = MS_CALL(open, path, O_PATH | O_CLOEXEC);
    if (by_path < 0) return -errno;
    fd = open_as_owner(by_path, writable);
    MS_CLOSE(by_path);
    return fd;
}

int ms_description_reopen(int fd, int writable)
{
    char path[MS_PROC_PATH];
    ms_own_path(path, fd);
    return ms_description_open(path, writable);
}

int ms_description_open_at(int directory, const char *file, int writable)
{
    int fd = MS_CALL(openat, directory, file, flags_of(writable) | O_NOFOLLOW);
    if (fd >= 0) return fd;
    int refusal = -errno;
    if (!is_refusal(refusal)) return refusal;
    int by_path = MS_CALL(openat, directory, file, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (by_path < 0) return -errno;
    fd = ms_description_reopen(by_path, writable);
    MS_CLOSE(by_path);
    return fd;
}

int ms_description_position(int fd, uint64_t *position)
{
    off_t where = MS_CALL(lseek, fd, 0, SEEK_CUR);
    if (where < 0) return -errno;
    *position = (uint64_t)where;
    return 0;
}

int ms_description_set(int fd, uint64_t position, int inherit)
{
    if (MS_CALL(lseek, fd, (off_t)position, SEEK_SET) < 0) return -errno;
    if (inherit && MS_CALL(fcntl, fd, F_SETFD, 0)) return -errno;
    return 0;
}

int ms_description_copy(int fd, int writable, uint64_t position)
{
    int copy = ms_description_reopen(fd, writable);
    if (copy < 0) return copy;
    int locked = ms_description_lock(copy, LOCK_SH);
    int failure = locked > 0 ? ms_description_set(copy, position, 0)
                  : locked   ? locked
                             : -EWOULDBLOCK;
    if (!failure) return copy;
    MS_CLOSE(copy);
    return failure;
}

static int is_live(uint64_t position)
{
    return (position & (MS_HANDLE_TAG | MS_HANDLE_REVOKED)) == MS_HANDLE_TAG;
}

int ms_description_is_live(int fd)
{
    uint64_t position = 0;
    int failure = ms_description_position(fd, &position);
    return failure ? failure : is_live(position);
}

int ms_description_revoke(int fd)
{
    uint64_t position = 0;
    int failure = ms_description_position(fd, &position);
    if (failure) return failure;
    if (!is_live(position)) return 0;
    failure = ms_description_set(fd, position | MS_HANDLE_REVOKED, 0);
    return failure ? failure : 1;
}

int ms_description_lock(int fd, int operation)
{
    if (!MS_CALL(flock, fd, operation | LOCK_NB)) return 1;
    return errno == EWOULDBLOCK ? 0 : -errno;
}
