/* SPDX-License-Identifier: MIT
 *
 * What the tests of the protocol steps share: a directory of names, a body with a name, and system
 * calls that fail, or end the process, one after the other.
 */
#ifndef MS_TESTS_PROTOCOL_H
#define MS_TESTS_PROTOCOL_H

#include "protocol/ms_calls.h"
#include "protocol/ms_body.h"
#include "protocol/ms_description.h"
#include "protocol/ms_layout.h"
#include "protocol/ms_mapping.h"
#include "protocol/ms_name.h"

#include "check.h"

#include <dirent.h>
#include <string.h>
#include <sys/wait.h>

#define DATA_SIZE 8192u
#define PID_NAMESPACE 7u

static char root[] = "/tmp/ms-protocol-XXXXXX";
static int directory;
static const ms_name NAME = {-1, "file", "\\a name", 7, 1234};

/* ------------------------------------------------------------------ the hook */

static int call_to_fail, errno_to_give, dies_there;
static __thread int calls_made;
static __thread const char *failed_call;

static int hook(const char *name)
{
    if (++calls_made != call_to_fail)
        return 0;
    if (dies_there)
        _exit(3);
    failed_call = name;
    return strcmp(name, "close") ? errno_to_give : 0; /* close(2) cannot fail to close */
}

int (*ms_before_call)(const char *) = hook;

static inline void let_all_pass(void)
{
    call_to_fail = 0;
}

/* ------------------------------------------------------------------ what is there */

static inline int count_entries(const char *path)
{
    DIR *entries = opendir(path);
    CHECK(entries);
    int count = 0;
    while (readdir(entries))
        count++;
    closedir(entries);
    return count;
}

static inline int descriptors(void)
{
    return count_entries("/proc/self/fd");
}

static inline int mappings(void)
{
#ifdef __SANITIZE_THREAD__
    return 0; /* the sanitizer maps what it needs at any time */
#endif
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps);
    int lines = 0, c;
    while ((c = getc(maps)) != EOF)
        lines += c == '\n';
    fclose(maps);
    return lines;
}

static inline int name_exists(const char *file)
{
    return faccessat(directory, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether nobody has a lock on what this descriptor means. */
static inline int is_unlocked(int fd)
{
    int other = ms_description_reopen(fd, 0);
    CHECK(other >= 0);
    int free = ms_description_lock(other, LOCK_EX);
    close(other);
    CHECK(free >= 0);
    return free;
}

/* ------------------------------------------------------------------ objects */

typedef struct {
    int fd, locator;
    ms_body_made made;
} object;

static inline ms_name name_here(void)
{
    ms_name name = NAME;
    name.directory = directory;
    return name;
}

static inline ms_body_plan plan_of(int flags)
{
    static __thread char area[300];
    memset(area, 0, sizeof area);
    ms_page *page = (ms_page *)(void *)area;
    memcpy(page->magic, MS_PAGE_MAGIC, sizeof page->magic);
    page->version = MS_PAGE_VERSION;
    page->type = 1;
    page->area_pages = 1;
    return (ms_body_plan){.area = area,
                          .area_size = sizeof area,
                          .at = DATA_SIZE,
                          .name = NAME.text,
                          .name_length = NAME.length,
                          .size = DATA_SIZE,
                          .pid = (uint32_t)getpid(),
                          .uid = geteuid(),
                          .mode = 0600,
                          .flags = flags};
}

/* A body made as the door makes it: its descriptor, or a negative errno. */
static inline int make_object(int where, int flags, ms_body_made *made)
{
    ms_body_plan plan = plan_of(flags);
    int fd = ms_body_make(where, 0);
    if (fd < 0)
        return fd;
    int failure = ms_body_reserve(fd, 0, DATA_SIZE + MS_PAGE_SIZE);
    if (!failure)
        failure = ms_body_finish(fd, &plan, made);
    if (failure)
        close(fd);
    return failure ? failure : made->fd;
}

static inline int publish_object(object *one)
{
    ms_name name = name_here();
    ms_hint mine = {(uint32_t)getpid(), (uint32_t)one->fd};
    one->locator = ms_name_make_locator(&name, 1, one->made.file.device, one->made.file.inode,
                                        PID_NAMESPACE, mine);
    if (one->locator < 0)
        return one->locator;
    int failure = ms_name_link(one->locator, directory, name.file);
    if (failure)
        close(one->locator);
    return failure;
}

/* An object with a Local name, with a handle of this process to it. */
static inline object named_object(void)
{
    object one;
    one.fd = make_object(-1, MS_BODY_SEAL, &one.made);
    CHECK(one.fd >= 0);
    CHECK(ms_description_set(one.fd, MS_HANDLE_TAG | 7, 0) == 0);
    CHECK(publish_object(&one) == 0);
    return one;
}

static inline int find_object(ms_found_body *found)
{
    ms_name name = name_here();
    return ms_name_find(&name, geteuid(), PID_NAMESPACE, 1, found);
}

static inline void let_go(ms_found_body *found)
{
    close(found->body);
    close(found->locator.fd);
}

/* Close it, and its name is gone. */
static inline void close_object(object *one)
{
    int probe = -1;
    CHECK(ms_name_close_last(one->fd, &probe, directory, NAME.file, one->locator, 0, 1) == 1);
    CHECK(!name_exists(NAME.file));
    close(probe);
    close(one->locator);
}

static inline void begin(void)
{
    CHECK(mkdtemp(root));
    directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(directory >= 0);
}

static inline void end(void)
{
    CHECK(rmdir(root) == 0);
    close(directory);
}

#endif
