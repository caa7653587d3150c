/* SPDX-License-Identifier: MIT
 *
 * ms_guard: cut files and reserved pages under threads, views that come and go meanwhile, fork, and
 * faults of others.
 */
#define _GNU_SOURCE
#include "check.h"
#include "ms_atomic.h"
#include "ms_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, PAGES = 128, ROUNDS = 30 };
#define PAGE ((size_t)MS_GUARD_PAGE)

static int file;
static unsigned char *shared;
static uint32_t *bitmap;
static pthread_barrier_t start;

static int new_file(size_t pages)
{
    int fd = memfd_create("guard", 0);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)(pages * PAGE)) == 0);
    return fd;
}

static unsigned char *map(int fd, size_t pages, int prot)
{
    void *memory = mmap(NULL, pages * PAGE, prot, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

/* A read that the optimiser and the thread sanitizer leave alone. */
static unsigned char get(const unsigned char *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}
static void put(unsigned char *at, unsigned char value)
{
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}

static void *cut_reader(void *argument)
{
    long me = (long)argument;
    pthread_barrier_wait(&start);
    for (size_t page = (size_t)me; page < PAGES; page += THREADS)
        CHECK(get(shared + page * PAGE) == 0);
    return NULL;
}

static void cut_under_threads(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        ms_guard *guard;
        uint64_t offset = 0;
        file = new_file(PAGES);
        shared = map(file, PAGES, PROT_READ | PROT_WRITE);
        memset(shared, 1, PAGES * PAGE);
        CHECK(ms_guard_add(shared, PAGES * PAGE, PROT_READ | PROT_WRITE, round % 2 ? file : -1, 0,
                           &guard) == 0);
        CHECK(!ms_guard_fault(guard, &offset) && !ms_guard_look(guard, &offset));
        CHECK(ftruncate(file, 0) == 0);
        CHECK(ms_guard_look(guard, &offset) == round % 2);
        together(THREADS, cut_reader);
        CHECK(ms_guard_fault(guard, &offset) && offset == 0);
        ms_guard_remove(guard);
        CHECK(munmap(shared, PAGES * PAGE) == 0 && close(file) == 0);
    }
}

static void *come_and_go(void *argument)
{
    int fd = new_file(4), cut = (long)argument % 2;
    for (int round = 0; round < ROUNDS * 10; round++) {
        ms_guard *guard;
        uint64_t offset;
        CHECK(ftruncate(fd, (off_t)(4 * PAGE)) == 0);
        unsigned char *memory = map(fd, 4, PROT_READ);
        CHECK(ms_guard_add(memory, 4 * PAGE, PROT_READ, fd, 0, &guard) == 0);
        if (cut)
            CHECK(ftruncate(fd, (off_t)PAGE) == 0);
        CHECK(get(memory + 3 * PAGE) == 0 && get(memory) == 0);
        CHECK(ms_guard_fault(guard, &offset) == cut && (!cut || offset == PAGE));
        ms_guard_remove(guard);
        CHECK(munmap(memory, 4 * PAGE) == 0);
    }
    CHECK(close(fd) == 0);
    return NULL;
}

static void *committer(void *argument)
{
    long me = (long)argument;
    pthread_barrier_wait(&start);
    for (size_t page = 0; page < PAGES; page++) {
        size_t mine = (page + (size_t)me * 16) % PAGES;
        ms_or_u32(&bitmap[mine / 32], UINT32_C(1) << (mine % 32));
        put(shared + mine * PAGE, 7);
        CHECK(get(shared + mine * PAGE) == 7);
    }
    return NULL;
}

static void reserve_under_threads(void)
{
    file = new_file(PAGES + 1);
    bitmap = (uint32_t *)(void *)(map(file, PAGES + 1, PROT_READ | PROT_WRITE) + PAGES * PAGE);
    for (int round = 0; round < ROUNDS; round++) {
        ms_guard *guard;
        memset(bitmap, 0, PAGE);
        shared = map(file, PAGES, PROT_NONE);
        CHECK(ms_guard_add_reserved(shared, PAGES * PAGE, PROT_READ | PROT_WRITE, bitmap, 0,
                                    &guard) == 0);
        together(THREADS, committer);
        CHECK(ms_guard_sync(guard) == 0);
        ms_guard_remove(guard);
        CHECK(munmap(shared, PAGES * PAGE) == 0);
    }
    CHECK(close(file) == 0);
}

/* Windows of 32 bits at any shift, at the bitmap's very end: the memory after it does not exist. */
static void sync_at_the_end_of_the_bitmap(void)
{
    file = new_file(2);
    unsigned char *table = map(file, 2, PROT_READ | PROT_WRITE);
    CHECK(munmap(table + PAGE, PAGE) == 0);
    memset(table, 0xFF, PAGE);
    size_t bits = PAGE * 8;
    for (size_t pages = 1; pages < 100; pages += 7) {
        ms_guard *guard;
        int fd = new_file(pages);
        unsigned char *memory = map(fd, pages, PROT_NONE);
        CHECK(ms_guard_add_reserved(memory, pages * PAGE, PROT_READ, (uint32_t *)(void *)table,
                                    bits - pages, &guard) == 0);
        CHECK(ms_guard_sync(guard) == 0);
        CHECK(read(fd, table, 0) == 0 &&
              pwrite(file, memory, pages * PAGE, 0) == (ssize_t)(pages * PAGE));
        memset(table, 0xFF, PAGE);
        ms_guard_remove(guard);
        CHECK(munmap(memory, pages * PAGE) == 0 && close(fd) == 0);
    }
    CHECK(munmap(table, PAGE) == 0 && close(file) == 0);
}

static void refuse_what_cannot_be(void)
{
    ms_guard *guard;
    static uint32_t words[1];
    int fd = new_file(1);
    unsigned char *memory = map(fd, 1, PROT_READ);
    CHECK(ms_guard_add(NULL, PAGE, PROT_READ, -1, 0, &guard) == -EINVAL);
    CHECK(ms_guard_add(memory + 1, PAGE, PROT_READ, -1, 0, &guard) == -EINVAL);
    CHECK(ms_guard_add(memory, 0, PROT_READ, -1, 0, &guard) == -EINVAL);
    CHECK(ms_guard_add(memory, SIZE_MAX, PROT_READ, -1, 0, &guard) == -EINVAL);
    CHECK(ms_guard_add(memory, PAGE, PROT_READ, 12345, 0, &guard) == -EBADF);
    CHECK(ms_guard_add_reserved(memory, PAGE, PROT_READ, NULL, 0, &guard) == -EINVAL);
    CHECK(ms_guard_add_reserved(memory, SIZE_MAX, PROT_READ, words, 0, &guard) == -EINVAL);
    CHECK(munmap(memory, PAGE) == 0 && close(fd) == 0);
}

static void table_is_full_at_its_maximum(void)
{
    static ms_guard *guards[MS_GUARD_MAXIMUM];
    ms_guard *extra;
    int fd = new_file(1);
    unsigned char *memory = map(fd, 1, PROT_READ);
    for (int i = 0; i < MS_GUARD_MAXIMUM; i++)
        CHECK(ms_guard_add(memory, PAGE, PROT_READ, -1, 0, &guards[i]) == 0);
    CHECK(ms_guard_add(memory, PAGE, PROT_READ, -1, 0, &extra) == -ENOMEM);
    ms_guard_remove(guards[77]);
    CHECK(ms_guard_add(memory, PAGE, PROT_READ, -1, 0, &guards[77]) == 0);
    for (int i = 0; i < MS_GUARD_MAXIMUM; i++)
        ms_guard_remove(guards[i]);
    CHECK(munmap(memory, PAGE) == 0 && close(fd) == 0);
}

static int status_of(void (*body)(void))
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        body();
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static void in_a_child(void)
{
    ms_guard *guard;
    int fd = new_file(2);
    unsigned char *memory = map(fd, 2, PROT_READ);
    CHECK(ms_guard_add(memory, 2 * PAGE, PROT_READ, fd, 0, &guard) == 0 && ftruncate(fd, 0) == 0);
    CHECK(get(memory + PAGE) == 0);
    alarm(20);
    ms_guard_remove(guard);
}

static uint32_t stop;

static void *fault_all_the_time(void *argument)
{
    int fd = new_file(1);
    while (!ms_load_u32(&stop)) {
        ms_guard *guard;
        unsigned char *memory = map(fd, 1, PROT_READ);
        CHECK(ms_guard_add(memory, PAGE, PROT_READ, fd, 0, &guard) == 0 && ftruncate(fd, 0) == 0);
        get(memory);
        ms_guard_remove(guard);
        CHECK(munmap(memory, PAGE) == 0 && ftruncate(fd, (off_t)PAGE) == 0);
    }
    CHECK(close(fd) == 0);
    return NULL;
}

/* A child made while threads were inside a handler does not wait for them: they do not exist there.
 */
static void fork_while_threads_fault(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, fault_all_the_time, NULL) == 0);
    for (int round = 0; round < 60; round++)
        CHECK(status_of(in_a_child) == 0);
    ms_store_u32(&stop, 1);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void not_ours(void)
{
    signal(SIGBUS, SIG_DFL);
    CHECK(ms_guard_ensure() == 1 && ms_guard_ensure() == 0);
    int fd = new_file(1);
    unsigned char *memory = map(fd, 1, PROT_READ);
    CHECK(ftruncate(fd, 0) == 0);
    get(memory);
}

static void exit_42(int number)
{
    _exit(number == SIGBUS ? 42 : 1);
}

static void not_ours_and_handled(void)
{
    signal(SIGBUS, exit_42);
    CHECK(ms_guard_ensure() == 1);
    int fd = new_file(1);
    unsigned char *memory = map(fd, 1, PROT_READ);
    CHECK(ftruncate(fd, 0) == 0);
    get(memory);
}

static void written_though_read_only(void)
{
    ms_guard *guard;
    static uint32_t words[1] = {UINT32_MAX};
    int fd = new_file(1);
    unsigned char *memory = map(fd, 1, PROT_NONE);
    CHECK(ms_guard_add_reserved(memory, PAGE, PROT_READ, words, 0, &guard) == 0);
    signal(SIGSEGV, SIG_DFL);
    CHECK(ms_guard_ensure() == 1 && get(memory) == 0);
    put(memory, 1);
}

int main(void)
{
    CHECK(pthread_barrier_init(&start, NULL, THREADS) == 0);
    refuse_what_cannot_be();
    cut_under_threads();
    together(6, come_and_go);
    reserve_under_threads();
    sync_at_the_end_of_the_bitmap();
    CHECK(status_of(in_a_child) == 0);
    fork_while_threads_fault();
    int status = status_of(not_ours);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    status = status_of(not_ours_and_handled);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    status = status_of(written_though_read_only);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    table_is_full_at_its_maximum();
    return 0;
}
