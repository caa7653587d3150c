/* SPDX-License-Identifier: MIT
 *
 * What ms_ending.h says.  It allocates only while handles are noted, and takes no lock: at the end
 * there is one thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "ms_ending.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the file position of a handle says (H1): it is one, and was not taken away. */
#define TAG ((uint64_t)1 << 62)
#define REVOKED ((uint64_t)1 << 61)

struct place {
    dev_t device;
    ino_t inode;
};

/* What never changes in a locator, which names the body.  Many file systems give the number of a
 * removed file to the next one, so that the number alone does not tell a locator from its
 * successor; a body's own number is not given away while the probe is open. */
struct head {
    ssize_t length;
    char bytes[64];
};

struct noted {
    struct ms_ending of;
    struct place body, file, directory;
    struct head head;
    int probe; /* a description of its own, which asks "was I last?" after the handles are closed
                  (L3) */
};

static struct noted *noted;
static int count, room;
static pid_t process; /* whose they are: a forked child has a table of its own */

int ms_ending_count(void)
{
    return process == getpid() ? count : 0;
}

static int place_of(int failed, const struct stat *st, struct place *out)
{
    if (failed)
        return -errno;
    *out = (struct place){st->st_dev, st->st_ino};
    return 0;
}

static int is_at(int failed, const struct stat *st, const struct place *place)
{
    return !failed && st->st_dev == place->device && st->st_ino == place->inode;
}

static int read_head(const struct ms_ending *of, struct head *out)
{
    int fd =
        openat(of->directory, of->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    out->length = pread(fd, out->bytes, sizeof out->bytes, 0);
    int failed = out->length < 0 ? -errno : 0;
    close(fd);
    return failed;
}

static int make_room(void)
{
    if (process != getpid()) {
        process = getpid();
        count = 0;
    }
    if (count < room)
        return 0;
    int more = room ? 2 * room : 64;
    struct noted *larger = realloc(noted, (size_t)more * sizeof *larger);
    if (!larger)
        return -ENOMEM;
    noted = larger;
    room = more;
    return 0;
}

int ms_ending_add(const struct ms_ending *one)
{
    struct noted new = {.of = *one};
    struct stat st;
    char path[40];
    int failed = make_room();
    if (!failed)
        failed = place_of(fstat(one->fd, &st), &st, &new.body);
    if (!failed)
        failed = place_of(fstat(one->directory, &st), &st, &new.directory);
    if (!failed)
        failed =
            place_of(fstatat(one->directory, one->file, &st, AT_SYMLINK_NOFOLLOW), &st, &new.file);
    if (!failed && !one->is_body)
        failed = read_head(one, &new.head);
    if (failed)
        return failed;
    snprintf(path, sizeof path, "/proc/self/fd/%d", one->fd);
    new.probe = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (new.probe < 0)
        return -errno;
    noted[count++] = new;
    return 0;
}

/* The number may mean something else by now: the handle was closed after it was noted. */
static int is_still_open(const struct noted *one)
{
    struct stat st;
    off_t where = lseek(one->of.fd, 0, SEEK_CUR);
    return where >= 0 && ((uint64_t)where & (TAG | REVOKED)) == TAG &&
           is_at(fstat(one->of.fd, &st), &st, &one->body);
}

static int is_permanent(const struct noted *one)
{
    struct stat st;
    uint32_t flags = 0;
    return !fstat(one->probe, &st) && st.st_size >= one->of.flags_at &&
           pread(one->probe, &flags, sizeof flags, st.st_size - one->of.flags_at) == sizeof flags &&
           (flags & one->of.permanent);
}

static int has_noted_head(const struct noted *one)
{
    struct head now;
    return !read_head(&one->of, &now) && now.length == one->head.length &&
           !memcmp(now.bytes, one->head.bytes, (size_t)now.length);
}

static void remove_name(const struct noted *one)
{
    struct stat st;
    if (is_at(fstat(one->of.directory, &st), &st, &one->directory) &&
        is_at(fstatat(one->of.directory, one->of.file, &st, AT_SYMLINK_NOFOLLOW), &st,
              &one->file) &&
        (one->of.is_body ? !is_permanent(one) : has_noted_head(one)))
        unlinkat(one->of.directory, one->of.file, 0);
}

void ms_ending_run(void)
{
    if (process != getpid())
        return;
    for (int i = 0; i < count; i++)
        if (is_still_open(&noted[i]))
            close(noted[i].of.fd);
    for (int i = 0; i < count; i++) {
        if (!flock(noted[i].probe, LOCK_EX | LOCK_NB))
            remove_name(&noted[i]);
        close(noted[i].probe);
    }
    count = 0;
}
