/* SPDX-License-Identifier: MIT
 *
 * ms_ending: at the end the handles that are still open are closed, and the names of which they
 * were the last go.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "check.h"
#include "ms_ending.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAG ((off_t)1 << 62)

static char place[] = "/tmp/ms-ending-XXXXXX";
static int directory;

static int is_there(const char *name)
{
    return faccessat(directory, name, F_OK, 0) == 0;
}

/* A handle to a body in memory, whose name is a file; noted for the end. */
static int note(const char *name, int is_body, uint32_t flags)
{
    struct ms_ending one = {
        .directory = directory, .is_body = is_body, .flags_at = 8, .permanent = 1};
    one.fd = memfd_create("body", MFD_CLOEXEC);
    CHECK(one.fd >= 0 && ftruncate(one.fd, 4096) == 0);
    CHECK(pwrite(one.fd, &flags, sizeof flags, 4096 - 8) == sizeof flags);
    CHECK(flock(one.fd, LOCK_SH) == 0 && lseek(one.fd, TAG, SEEK_SET) == TAG);
    int file = openat(directory, name, O_CREAT | O_WRONLY, 0600);
    CHECK(file >= 0 && write(file, &one.fd, sizeof one.fd) == sizeof one.fd &&
          close(file) == 0); /* it says which body */
    strcpy(one.file, name);
    CHECK(ms_ending_add(&one) == 0);
    return one.fd;
}

int main(void)
{
    CHECK(mkdtemp(place) && (directory = open(place, O_RDONLY | O_DIRECTORY)) >= 0);
    struct ms_ending missing = {.fd = directory, .directory = directory, .file = "missing"};
    CHECK(ms_ending_add(&missing) < 0 && ms_ending_count() == 0);

    int last = note("last", 0, 0), closed = note("closed", 0, 0), shared = note("shared", 0, 0);
    note("stays", 1, 1);
    note("goes", 1, 0);
    int gone = note("replaced", 0, 0);
    CHECK(ms_ending_count() == 6);

    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", shared);
    int other = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(other >= 0 && flock(other, LOCK_SH) == 0); /* another handle to it */
    CHECK(close(closed) == 0 &&
          (closed = open("/dev/null", O_RDONLY)) >= 0); /* the number is something else's now */
    CHECK(unlinkat(directory, "replaced", 0) == 0);     /* the next file may get its number */
    int file = openat(directory, "successor", O_CREAT | O_WRONLY, 0600);
    CHECK(file >= 0 && close(file) == 0 &&
          renameat(directory, "successor", directory, "replaced") == 0);

    pid_t child = fork();
    if (!child) { /* a table of its own, and empty */
        CHECK(ms_ending_count() == 0);
        ms_ending_run();
        CHECK(is_there("last"));
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    ms_ending_run();
    CHECK(ms_ending_count() == 0);
    CHECK(!is_there("last") && fcntl(last, F_GETFD) < 0);
    CHECK(!is_there("closed") && fcntl(closed, F_GETFD) >= 0);
    CHECK(is_there("shared") && fcntl(shared, F_GETFD) < 0);
    CHECK(is_there("stays") && !is_there("goes"));
    CHECK(is_there("replaced") && fcntl(gone, F_GETFD) < 0);

    for (const char **name = (const char *[]){"shared", "stays", "replaced", NULL}; *name; name++)
        CHECK(unlinkat(directory, *name, 0) == 0);
    CHECK(rmdir(place) == 0);
    return 0;
}
