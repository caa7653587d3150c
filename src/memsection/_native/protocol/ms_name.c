/* SPDX-License-Identifier: MIT
 *
 * See ms_name.h.
 */
#include "ms_calls.h" /* first: it asks for what is not in POSIX */
#include "ms_name.h"

#include <stdlib.h>
#include <string.h>

#include "ms_description.h"

/* ------------------------------------------------------------------ locators */

int ms_name_make_locator(const ms_name *name, uint32_t type, uint64_t device, uint64_t inode,
                         uint64_t pid_namespace, ms_hint creator)
{
    ms_locator head = {MS_LOCATOR_MAGIC, MS_LOCATOR_VERSION, type,           device, inode,
                       pid_namespace,    name->length,       name->checksum, {0},    {creator}};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)(uintptr_t)name->text, name->length}};
    int fd = MS_CALL(openat, name->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) return -errno;
    int failure = 0;
    ssize_t written = MS_CALL(pwritev, fd, parts, 2, 0);
    if (written != (ssize_t)(sizeof head + name->length)) failure = written < 0 ? -errno : -ENOSPC;
    if (!failure) {
        int locked = ms_description_lock(fd, LOCK_SH);
        if (locked <= 0) failure = locked < 0 ? locked : -EWOULDBLOCK;
    }
    if (!failure) return fd;
    MS_CLOSE(fd);
    return failure;
}

int ms_name_link(int fd, int directory, const char *file)
{
    /* By the descriptor itself where the kernel lets its opener do that (from 6.10 on, or with
     * CAP_DAC_READ_SEARCH), else by the way that needs no right (open(2), O_TMPFILE).  Which of the
     * two it is is asked once in a process. */
    static int by_path;
    char path[MS_PROC_PATH];
    if (!__atomic_load_n(&by_path, __ATOMIC_RELAXED)) {
        if (!MS_CALL(linkat, fd, "", directory, file, AT_EMPTY_PATH)) return 0;
        if (errno != ENOENT && errno != EPERM) return -errno;
    }
    ms_own_path(path, fd);
    if (MS_CALL(linkat, AT_FDCWD, path, directory, file, AT_SYMLINK_FOLLOW)) return -errno;
    __atomic_store_n(&by_path, 1, __ATOMIC_RELAXED);
    return 0;
}

/* Whether a locator of this size says what it has to: 1, 0, or a negative errno. */
static int read_locator(int fd, uint64_t size, const ms_name *name, ms_locator *head)
{
    char small[512], *text = small;
    if (size != sizeof *head + name->length) return 0;
    if (name->length > sizeof small && !(text = malloc(name->length))) return -ENOMEM;
    struct iovec parts[] = {{head, sizeof *head}, {text, name->length}};
    ssize_t got = MS_CALL(preadv, fd, parts, 2, 0);
    int result = got < 0 ? -errno
                         : (uint64_t)got == size &&
                               !memcmp(head->magic, MS_LOCATOR_MAGIC, sizeof head->magic) &&
                               head->version == MS_LOCATOR_VERSION && head->inode &&
                               head->name_length == name->length &&
                               head->name_checksum == name->checksum &&
                               !memcmp(text, name->text, name->length);
    if (text != small) free(text);
    return result;
}

/* Lock a locator, and see whether it still is one: an outcome or a negative errno. */
static int lock_locator(const ms_name *name, uint32_t uid, int alone, ms_located *locator)
{
    ms_file file;
    int failure = ms_body_file(locator->fd, &file);
    if (failure) return failure;
    locator->owner = file.uid;
    if (!file.is_regular || file.uid != uid) return MS_PLANTED;
    /* Whoever searches does it alone, with the exclusive lock: with shared ones several that look
     * for what a crash left would keep each other from ever sweeping it. */
    int locked = alone ? ms_description_lock(locator->fd, LOCK_EX) : 0;
    locator->is_exclusive = locked > 0;
    if (!locked) locked = ms_description_lock(locator->fd, LOCK_SH);
    if (locked <= 0) return locked < 0 ? locked : MS_BUSY;
    /* Looked at again under the lock: it may have been unlinked before that was had (L4). */
    if ((failure = ms_body_file(locator->fd, &file))) return failure;
    if (!file.links) return MS_GONE;
    int whole = read_locator(locator->fd, file.size, name, &locator->head);
    return whole < 0 ? whole : whole ? MS_FOUND : MS_DAMAGED;
}

int ms_name_open_locator(const ms_name *name, uint32_t uid, int alone, ms_located *locator)
{
    locator->fd = MS_CALL(openat, name->directory, name->file, O_RDWR | MS_OPEN_FLAGS | O_NOFOLLOW);
    if (locator->fd < 0) return -errno;
    int outcome = lock_locator(name, uid, alone, locator);
    if (outcome == MS_FOUND || outcome == MS_DAMAGED) return outcome;
    MS_CLOSE(locator->fd);
    locator->fd = -1;
    return outcome;
}

/* Remove a name if its file is still linked; the caller has the lock that lets it (L6). */
static int unlink_linked(int locator, int directory, const char *file)
{
    ms_file status;
    int failure = ms_body_file(locator, &status);
    if (failure) return failure;
    /* Without links it was removed before, and the name may be another object's by now. */
    if (status.links && MS_CALL(unlinkat, directory, file, 0) && errno != ENOENT) return -errno;
    return 0;
}

int ms_name_sweep(int locator, int directory, const char *file)
{
    /* First given back, because a shared lock that stays would be lost to a conversion that is
     * refused. */
    if (MS_CALL(flock, locator, LOCK_UN)) return -errno;
    int locked = ms_description_lock(locator, LOCK_EX);
    if (locked <= 0) return locked;
    int failure = unlink_linked(locator, directory, file);
    return failure ? failure : 1;
}

void ms_name_leave_hint(int locator, const ms_hint hints[MS_HINTS], int slot, ms_hint mine)
{
    for (int i = 0; i < MS_HINTS; i++)
        if (hints[i].pid == mine.pid && hints[i].fd == mine.fd) return;
    off_t at = (off_t)(offsetof(ms_locator, hints) + (size_t)slot * sizeof mine);
    if (MS_CALL(pwrite, locator, &mine, sizeof mine, at) < 0)
        return; /* no room there: who looks for it searches */
}

/* ------------------------------------------------------------------ finding by a locator */

int ms_name_hold(int body, int locator, int is_exclusive, int directory, const char *file)
{
    ms_file status;
    /* A free lock means that there is no handle anywhere: what was found is a view's, or on its way
     * out (L4). */
    int locked = ms_description_lock(body, LOCK_EX);
    if (locked < 0) return locked;
    if (locked) {
        int failure = unlink_linked(locator, directory, file);
        return failure ? failure : MS_SWEPT;
    }
    if ((locked = ms_description_lock(body, LOCK_SH)) <= 0) return locked < 0 ? locked : MS_BUSY;
    if (is_exclusive && (locked = ms_description_lock(locator, LOCK_SH)) <= 0)
        return locked < 0 ? locked : MS_BUSY;
    int failure = ms_body_file(locator, &status);
    return failure ? failure : status.links ? MS_FOUND : MS_GONE;
}

/* By the hints of a locator: an outcome or a negative errno. */
static int find_by_hints(const ms_name *name, uint64_t pid_namespace, int writable,
                         ms_found_body *found)
{
    const ms_locator *head = &found->locator.head;
    if (head->pid_namespace != pid_namespace) return MS_LOST; /* its numbers mean other processes */
    for (int i = 0; i < MS_HINTS; i++) {
        found->source = head->hints[i];
        if (!found->source.pid) continue;
        found->body = ms_body_open(found->source.pid, found->source.fd, head->device, head->inode,
                                   writable, &found->file);
        if (found->body == -ENOENT) continue; /* hints may lie */
        if (found->body < 0) return found->body;
        return ms_name_hold(found->body, found->locator.fd, found->locator.is_exclusive,
                            name->directory, name->file);
    }
    return MS_LOST;
}

int ms_name_find(const ms_name *name, uint32_t uid, uint64_t pid_namespace, int writable,
                 ms_found_body *found)
{
    found->body = -1;
    int outcome = ms_name_open_locator(name, uid, 0, &found->locator);
    if (outcome == MS_FOUND) outcome = find_by_hints(name, pid_namespace, writable, found);
    if (outcome == MS_FOUND) {
        int mode = MS_CALL(fcntl, found->body, F_GETFL);
        if (mode >= 0) {
            found->is_writable = (mode & O_ACCMODE) == O_RDWR;
            return MS_FOUND;
        }
        outcome = -errno;
        ms_name_give_up(found->body, name->directory, name->file,
                        0); /* this may be the last lock by now (L3) */
        found->body = -1;
    }
    if (found->body >= 0) MS_CLOSE(found->body);
    if (found->locator.fd >= 0) MS_CLOSE(found->locator.fd);
    found->body = found->locator.fd = -1;
    return outcome;
}

/* --------------------------------------------------------------- finding a body by its own name */

int ms_name_find_body(int directory, const char *file, int writable, int *body, ms_file *status,
                      int *is_writable)
{
    *is_writable = writable;
    *body = ms_description_open_at(directory, file, writable);
    if (writable && (*body == -EACCES || *body == -EPERM)) {
        *is_writable = 0;
        *body = ms_description_open_at(directory, file, 0);
    }
    if (*body < 0) return *body;
    int outcome = ms_body_file(*body, status);
    if (!outcome) outcome = !status->is_regular ? MS_PLANTED : status->links ? MS_FOUND : MS_GONE;
    if (outcome == MS_FOUND) return outcome;
    MS_CLOSE(*body);
    *body = -1;
    return outcome;
}

/* Remove the name of a Global body if it leads to it: its exclusive lock is the caller's (L6). */
static int unlink_body(int body, int directory, const char *file)
{
    struct stat named, own;
    if (MS_CALL(fstat, body, &own)) return -errno;
    if (MS_CALL(fstatat, directory, file, &named, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : -errno;
    /* An inode number is not given away while the body is open, so that equal ones mean the same
     * file. */
    if (named.st_dev != own.st_dev || named.st_ino != own.st_ino) return 0;
    return MS_CALL(unlinkat, directory, file, 0) && errno != ENOENT ? -errno : 0;
}

int ms_name_hold_body(int body, int directory, const char *file)
{
    ms_file status;
    int locked = ms_description_lock(body, LOCK_EX);
    if (locked < 0) return locked;
    if (locked && !ms_body_is_permanent(body)) { /* the lock is free: remains of a crash */
        int failure = unlink_body(body, directory, file);
        return failure ? failure : MS_SWEPT;
    }
    if ((locked = ms_description_lock(body, LOCK_SH)) <= 0) return locked < 0 ? locked : MS_BUSY;
    int failure = ms_body_file(body, &status);
    return failure ? failure : status.links ? MS_FOUND : MS_GONE;
}

int ms_name_exists(int directory, const char *file)
{
    struct stat st;
    if (!MS_CALL(fstatat, directory, file, &st, AT_SYMLINK_NOFOLLOW)) return 1;
    return errno == ENOENT ? 0 : -errno;
}

int ms_name_is_free(int directory, const char *file)
{
    int fd = MS_CALL(openat, directory, file, O_RDONLY | MS_OPEN_FLAGS | O_NOFOLLOW);
    if (fd < 0) return -errno;
    int free = ms_description_lock(fd, LOCK_EX);
    MS_CLOSE(fd);
    return free;
}

/* ------------------------------------------------------------------ the last close */

/* Remove a Local name if its locator leads to this body, whose exclusive lock is the caller's (L6).
 */
static int unlink_locator_of(int body, int directory, const char *file)
{
    ms_locator head;
    ms_file own, status;
    int failure = ms_body_file(body, &own);
    if (failure) return failure;
    int fd = MS_CALL(openat, directory, file, O_RDWR | MS_OPEN_FLAGS | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? 0 : -errno;
    /* The locator's shared lock keeps sweepers away between the look and the unlink. */
    if (ms_description_lock(fd, LOCK_SH) > 0 && !ms_body_file(fd, &status) && status.links &&
        MS_CALL(pread, fd, &head, sizeof head, 0) == sizeof head &&
        !memcmp(head.magic, MS_LOCATOR_MAGIC, sizeof head.magic) &&
        head.version == MS_LOCATOR_VERSION && head.device == own.device &&
        head.inode == own.inode && MS_CALL(unlinkat, directory, file, 0) && errno != ENOENT)
        failure = -errno;
    MS_CLOSE(fd);
    return failure;
}

/* Remove the name if nobody has a handle: 1, and the probe has the exclusive lock; 0. */
static int remove_if_last(int probe, int directory, const char *file, int locator, int is_body)
{
    int locked = ms_description_lock(probe, LOCK_EX);
    if (locked <= 0) return locked;
    /* What fails from here on leaves the name to whoever meets it: another user's body in a sticky
     * directory, or no descriptor left.  Closing must not fail for that. */
    if (is_body) {
        if (!ms_body_is_permanent(probe)) (void)unlink_body(probe, directory, file);
    } else if (locator < 0) {
        (void)unlink_locator_of(probe, directory, file);
    } else {
        (void)unlink_linked(locator, directory, file);
    }
    return 1;
}

int ms_name_unlink_if_last(int probe, int directory, const char *file, int locator, int is_body)
{
    int last = remove_if_last(probe, directory, file, locator, is_body);
    if (last > 0) MS_CALL(flock, probe, LOCK_UN);
    return last;
}

int ms_name_close_last(int fd, int *probe, int directory, const char *file, int locator,
                       int is_body, int keeps)
{
    /* A description of its own asks "was I last?" after the handle is closed (L3).  Where none can
     * be had (no descriptor left, or another user's object that is no longer open to this one)
     * closing does not fail: a name whose object is gone is swept by whoever meets it. */
    if (*probe < 0) *probe = ms_description_reopen(fd, 0);
    MS_CLOSE(fd);
    if (*probe >= 0 && keeps)
        return ms_name_unlink_if_last(*probe, directory, file, locator, is_body);
    int last = *probe < 0 ? 1 : remove_if_last(*probe, directory, file, locator, is_body);
    if (*probe >= 0 && last > 0) MS_CLOSE(*probe); /* the lock goes with the description */
    if (*probe < 0 || last > 0) *probe = -1;
    return last;
}

void ms_name_give_up(int fd, int directory, const char *file, int is_body)
{
    /* Nobody shares this description, so that converting its lock takes nothing from anybody. */
    if (ms_description_lock(fd, LOCK_EX) > 0) {
        if (!is_body)
            (void)unlink_locator_of(fd, directory, file);
        else if (!ms_body_is_permanent(fd))
            (void)unlink_body(fd, directory, file);
    }
    MS_CLOSE(fd);
}
