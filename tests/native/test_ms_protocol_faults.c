/* SPDX-License-Identifier: MIT
 *
 * Each system call of each step fails once, with each errno that matters, and ends the process
 * once: then no descriptor, no mapping, no lock and no name is left that was not there before.
 */
#include "protocol.h"

static const int ERRORS[] = {EIO, EACCES, EMFILE, ENOSPC, EWOULDBLOCK, ENOENT, EINTR};

/* What one step starts from, and has to leave as it was if it fails. */
typedef struct {
    object one;
    int body; /* a second description, locked shared, as an open has it */
    ms_located locator;
    ms_addresses addresses;
} stage;

typedef struct {
    const char *name;
    void (*prepare)(stage *);
    int (*step)(stage *);  /* negative: failed */
    void (*undo)(stage *); /* what it made when it succeeded */
    void (*clear)(stage *);
} scene;

static void nothing(stage *one)
{
    (void)one;
}

static void have_object(stage *one)
{
    one->one = named_object();
}

static void clear_object(stage *one)
{
    close_object(&one->one);
}

/* ------------------------------------------------------------------ bodies */

static int create_memory(stage *one)
{
    return one->one.fd = make_object(-1, MS_BODY_SEAL, &one->one.made);
}

static int create_read_only(stage *one)
{
    return one->one.fd = make_object(-1, MS_BODY_SEAL | MS_BODY_READ_ONLY, &one->one.made);
}

static int create_file(stage *one)
{
    return one->one.fd = make_object(directory, 0, &one->one.made);
}

static int create_sized(stage *one)
{
    return one->one.fd = ms_body_make(-1, DATA_SIZE);
}

static void close_body(stage *one)
{
    close(one->one.fd);
}

/* ------------------------------------------------------------------ names */

static void have_unnamed(stage *one)
{
    one->one.fd = make_object(-1, MS_BODY_SEAL, &one->one.made);
    CHECK(one->one.fd >= 0);
}

static int publish(stage *one)
{
    return publish_object(&one->one);
}

static void unpublish(stage *one)
{
    CHECK(unlinkat(directory, NAME.file, 0) == 0);
    close(one->one.locator);
}

static int find_local(stage *one)
{
    ms_found_body found;
    int outcome = find_object(&found);
    if (outcome != MS_FOUND)
        return -1;
    one->body = found.body;
    one->locator = found.locator;
    return 0;
}

static void let_go_of_found(stage *one)
{
    close(one->body);
    close(one->locator.fd);
}

static int open_the_locator(stage *one)
{
    ms_name name = name_here();
    int outcome = ms_name_open_locator(&name, geteuid(), 1, &one->locator);
    if (outcome == MS_DAMAGED)
        close(one->locator.fd);
    return outcome == MS_FOUND ? 0 : -1;
}

static void close_the_locator(stage *one)
{
    close(one->locator.fd);
}

static int look_whether_free(stage *one)
{
    (void)one;
    return ms_name_is_free(directory, NAME.file);
}

static int reopen(stage *one)
{
    return one->body = ms_description_reopen(one->one.fd, 1);
}

static int copy(stage *one)
{
    return one->body = ms_description_copy(one->one.fd, 1, MS_HANDLE_TAG | 7);
}

static void close_reopened(stage *one)
{
    close(one->body);
}

static void have_denied(stage *one)
{
    have_unnamed(one);
    CHECK(fchmod(one->one.fd, 0) == 0);
}

static void clear_denied(stage *one)
{
    struct stat st;
    CHECK(fstat(one->one.fd, &st) == 0);
    CHECK((st.st_mode & 07777) == 0 || (failed_call && !strcmp(failed_call, "chmod")));
    close(one->one.fd);
}

/* ------------------------------------------------------------------ Global names */

static void have_global(stage *one)
{
    one->one.fd = make_object(directory, 0, &one->one.made);
    CHECK(one->one.fd >= 0 && ms_name_link(one->one.fd, directory, NAME.file) == 0);
}

static void clear_global(stage *one)
{
    int probe = -1;
    CHECK(ms_name_close_last(one->one.fd, &probe, directory, NAME.file, -1, 1, 1) == 1);
    CHECK(!name_exists(NAME.file));
    close(probe);
}

static int find_global(stage *one)
{
    ms_file status;
    int writable;
    int outcome = ms_name_find_body(directory, NAME.file, 1, &one->body, &status, &writable);
    if (outcome != MS_FOUND)
        return -1;
    outcome = ms_name_hold_body(one->body, directory, NAME.file);
    if (outcome == MS_FOUND)
        return 0;
    close(one->body);
    return -1;
}

/* ------------------------------------------------------------------ views */

static int map(stage *one)
{
    uint64_t address;
    int failure =
        ms_mapping_map(&one->addresses, one->one.fd, 4096, PROT_READ, MAP_SHARED, 0, &address);
    one->one.made.created_ns = address;
    return failure;
}

static void have_no_hint(stage *one)
{
    have_unnamed(one);
    one->addresses.next = 1;
}

static void unmap(stage *one)
{
    CHECK(ms_mapping_unmap(&one->addresses, one->one.made.created_ns, 4096) == 0);
}

static const scene SCENES[] = {
    {"create", nothing, create_memory, close_body, nothing},
    {"create a handle that may only read", nothing, create_read_only, close_body, nothing},
    {"create a Global body", nothing, create_file, close_body, nothing},
    {"create without pages", nothing, create_sized, close_body, nothing},
    {"publish", have_unnamed, publish, unpublish, close_body},
    {"find", have_object, find_local, let_go_of_found, clear_object},
    {"open the locator", have_object, open_the_locator, close_the_locator, clear_object},
    {"look whether it is free", have_object, look_whether_free, nothing, clear_object},
    {"open anew", have_object, reopen, close_reopened, clear_object},
    {"another handle", have_object, copy, close_reopened, clear_object},
    {"open anew as the owner", have_denied, reopen, close_reopened, clear_denied},
    {"find a Global body", have_global, find_global, close_reopened, clear_global},
    {"map", have_unnamed, map, unmap, close_body},
    {"map where there is no hint", have_no_hint, map, unmap, close_body},
};

/* The step with its k-th call failing; whether there was such a call. */
static int fails_cleanly(const scene *what, int k, int error)
{
    static stage one;
    memset(&one, 0, sizeof one);
    let_all_pass();
    what->prepare(&one);
    int fds = descriptors(), maps = mappings(), named = name_exists(NAME.file);
    calls_made = 0;
    failed_call = NULL;
    call_to_fail = k;
    errno_to_give = error;
    int result = what->step(&one);
    int was_there = calls_made >= k;
    let_all_pass();
    if (result >= 0) {
        what->undo(&one); /* the failure was not the step's business: it came to its end */
    }
    if (descriptors() != fds || name_exists(NAME.file) != named ||
        (result < 0 && mappings() != maps)) {
        fprintf(stderr, "%s: call %d, %s, with errno %d left something (result %d)\n", what->name,
                k, failed_call ? failed_call : "?", error, result);
        abort();
    }
    what->clear(&one); /* which checks that no lock is left: the name goes with the last handle */
    return was_there;
}

/* The process dies at the k-th call of a step: what is left is found to be nobody's, and removed.
 */
static inline int dies_cleanly(const scene *what, int k)
{
    pid_t child = fork();
    if (!child) {
        static stage one;
        what->prepare(&one);
        calls_made = 0;
        call_to_fail = k;
        dies_there = 1;
        what->step(&one);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (name_exists(NAME.file)) {
        ms_name name = name_here();
        ms_located locator;
        ms_file file;
        int body, writable;
        int outcome = ms_name_open_locator(&name, geteuid(), 1, &locator);
        if (outcome == MS_FOUND) {
            CHECK(locator.is_exclusive); /* all of its locks went with it */
            CHECK(ms_name_sweep(locator.fd, directory, NAME.file) == 1);
            close(locator.fd);
        } else {
            CHECK(outcome == MS_DAMAGED); /* a Global body */
            close(locator.fd);
            CHECK(ms_name_find_body(directory, NAME.file, 0, &body, &file, &writable) == MS_FOUND);
            CHECK(ms_name_hold_body(body, directory, NAME.file) == MS_SWEPT);
            close(body);
        }
    }
    CHECK(!name_exists(NAME.file));
    return WEXITSTATUS(status) == 3;
}

/* ------------------------------------------------------------------ steps that remove */

/* A close comes to its end whatever fails: the descriptor is closed, and the name is at most left
 * for whoever meets it, who can remove it. */
static int closes_in_any_case(int k, int error, int is_body, int keeps)
{
    object one;
    int probe = -1;
    let_all_pass();
    int fds = descriptors();
    if (is_body) {
        one.fd = make_object(directory, 0, &one.made);
        CHECK(one.fd >= 0 && ms_name_link(one.fd, directory, NAME.file) == 0);
        one.locator = -1;
    } else {
        one = named_object();
    }
    calls_made = 0;
    call_to_fail = k;
    errno_to_give = error;
    ms_name_close_last(one.fd, &probe, directory, NAME.file, one.locator, is_body, keeps);
    int was_there = calls_made >= k;
    let_all_pass();
    CHECK(fcntl(one.fd, F_GETFD) < 0);
    if (probe >= 0) {
        close(probe);
    }
    if (one.locator >= 0)
        close(one.locator);
    CHECK(descriptors() == fds);
    if (name_exists(NAME.file))
        CHECK(unlinkat(directory, NAME.file, 0) == 0);
    return was_there;
}

int main(void)
{
    begin();
    for (size_t i = 0; i < sizeof SCENES / sizeof *SCENES; i++) {
        for (size_t e = 0; e < sizeof ERRORS / sizeof *ERRORS; e++)
            for (int k = 1; fails_cleanly(&SCENES[i], k, ERRORS[e]); k++)
                CHECK(k < 100);
#ifndef __SANITIZE_THREAD__
        int k = 1;
        while (dies_cleanly(&SCENES[i], k))
            k++;
        CHECK(k > 1);
#endif
    }
    for (size_t e = 0; e < sizeof ERRORS / sizeof *ERRORS; e++)
        for (int is_body = 0; is_body < 2; is_body++)
            for (int keeps = 0; keeps < 2; keeps++)
                for (int k = 1; closes_in_any_case(k, ERRORS[e], is_body, keeps); k++)
                    CHECK(k < 100);
    end();
    return 0;
}
