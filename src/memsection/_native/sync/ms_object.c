/* SPDX-License-Identifier: MIT
 *
 * What a process keeps about its synchronisation objects: one record and one mapping for each, and
 * its threads; and what becomes of all that in a forked child and at the end of a thread.  Slots
 * are in ms_slot.c.
 */
#define _GNU_SOURCE
#include "ms_object.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ms_atomic.h"

/* One lock for the records, the threads and the slots' file locks (threads share a description, so
 * between them the kernel's lock excludes nobody).  Nothing is waited for under it, and fork()
 * happens outside of it. */
pthread_mutex_t ms_records = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_end;

#define BUCKETS 1024u
static ms_object *records[BUCKETS];
static ms_thread *threads;
static uint64_t last_thread_id;

__thread ms_thread *ms_thread_here;

static ms_object **bucket(uint64_t device, uint64_t inode)
{
    return &records[(inode ^ device) % BUCKETS];
}

static void drop(ms_object *object) /* under the lock */
{
    ms_object **at = bucket(object->device, object->inode);
    while (*at != object)
        at = &(*at)->next;
    *at = object->next;
    munmap((char *)object->state - MS_STATE_OFFSET, MS_PAGE);
    if (object->lock_fd >= 0)
        close(object->lock_fd);
    free(object);
}

/* ------------------------------------------------------------------ threads, fork */

static void abandon_all(ms_thread *thread)
{
    pthread_mutex_lock(&ms_records);
    for (ms_object *object = thread->held, *next; object; object = next) {
        next = object->held_next;
        object->held_next = NULL;
        MS_STEP("thread ends: before abandoning");
        ms_poke_u64(&object->owner, 0);
        uint64_t mine = object->me, left = MS_WORD(MS_HIGH(mine), MS_ABANDONED);
        uint64_t seen = ms_cas_u64(&object->state->word, mine,
                                   left); /* SYNC(mutex): release; pairs with ms_mutex_try */
        if (seen == (mine | MS_CONTENDED) && ms_cas_u64(&object->state->word, seen, left) == seen)
            ms_wake(object->state, 1);
        if (object->uses == 0)
            drop(object);
    }
    thread->held = NULL;
    pthread_mutex_unlock(&ms_records);
}

static void thread_ends(void *record)
{
    ms_thread *thread = record;
    ms_thread_here = NULL;
    abandon_all(thread);
    pthread_mutex_lock(&ms_records);
    *thread->link = thread->next;
    if (thread->next)
        thread->next->link = thread->link;
    pthread_mutex_unlock(&ms_records);
    free(thread);
}

static void before_fork(void)
{
    pthread_mutex_lock(&ms_records);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&ms_records);
}

/* The child owns nothing and has no slot: the descriptions it got are its parent's, and would keep
 * the parent's slots alive after its death.  The records of other threads are left where they are:
 * those threads do not exist here. */
static void after_fork_in_child(void)
{
    for (uint32_t i = 0; i < BUCKETS; i++) {
        for (ms_object *object = records[i], *next; object; object = next) {
            next = object->next;
            if (object->lock_fd >= 0)
                close(object->lock_fd);
            object->lock_fd = -1;
            object->me = object->owner = object->lockers = 0;
            object->counts = 0;
            object->held_next = NULL;
            if (object->uses == 0)
                drop(object);
        }
    }
    threads = NULL;
    if (ms_thread_here) {
        ms_thread_here->held = NULL;
        ms_thread_here->pending = 0;
        ms_thread_here->tid = (uint32_t)syscall(SYS_gettid);
        ms_thread_here->next = NULL;
        ms_thread_here->link = &threads;
        threads = ms_thread_here;
    }
    pthread_mutex_init(&ms_records, NULL);
}

static void set_up(void)
{
    pthread_key_create(&at_thread_end, thread_ends);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

ms_thread *ms_new_thread(void)
{
    ms_thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        return NULL;
    pthread_once(&once, set_up);
    if (pthread_setspecific(at_thread_end, thread)) {
        free(thread);
        return NULL;
    }
    thread->tid = (uint32_t)syscall(SYS_gettid);
    pthread_mutex_lock(&ms_records);
    thread->id = ++last_thread_id;
    thread->next = threads;
    thread->link = &threads;
    if (threads)
        threads->link = &thread->next;
    threads = thread;
    pthread_mutex_unlock(&ms_records);
    ms_thread_here = thread;
    return thread;
}

int ms_at_work_here(const ms_object *object)
{
    if (ms_load_u64(&object->owner) || ms_load_u64(&object->lockers))
        return 1;
    for (const ms_thread *thread = threads; thread; thread = thread->next)
        if (ms_load_u64(&thread->pending) == (uintptr_t)object)
            return 1;
    return 0;
}

/* ------------------------------------------------------------------ records */

int ms_sane(const ms_object *object, uint64_t word)
{
    uint32_t slot = MS_SLOT(word);
    if (word & MS_UNUSED || (word & MS_LOCKED && !slot))
        return 0;
    if (word & (MS_ARMED | MS_SECOND) && object->kind != MS_TIMER)
        return 0;
    if (object->kind == MS_MUTEX) {
        if (word & (MS_SIGNALED | MS_TOKEN))
            return 0;
        if (slot && !(word & MS_LOCKED))
            return !(word & MS_ABANDONED);
        return word & MS_ABANDONED || !MS_HIGH(word);
    }
    if (word & MS_ABANDONED || (slot && !(word & MS_LOCKED)))
        return 0;
    if (object->kind == MS_TIMER)
        return !(word & MS_TOKEN);
    if (object->kind == MS_SEMAPHORE)
        return !(word & (MS_SIGNALED | MS_TOKEN)) && MS_HIGH(word) <= object->maximum;
    return 1;
}

static int is_of_kind(const ms_state *state, uint32_t kind)
{
    return ms_peek_u32(&state->magic) == MS_STATE_MAGIC && state->version == MS_STATE_VERSION &&
           state->kind == kind;
}

int ms_same_state(const ms_object *object)
{
    return is_of_kind(object->state, object->kind);
}

int ms_open_again(int fd)
{
    char path[40];
    struct stat file;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_RDWR | O_CLOEXEC);
    if (own >= 0 || errno != EACCES || fstat(fd, &file) || file.st_uid != geteuid())
        return own;
    if (fchmod(fd, (file.st_mode & 07777) | S_IRUSR | S_IWUSR))
        return -1;
    own = open(path, O_RDWR | O_CLOEXEC);
    int problem = errno;
    if (fchmod(fd, file.st_mode & 07777) && own < 0)
        problem = errno;
    errno = problem;
    return own;
}

/* A mapping pins the description it is made through, and a handle's carries the lock that keeps the
 * object's name: so it is made through one of its own, where the file lets us open it again.
 *
 * What is looked at is read from the file and not from the mapping: who may write the file of a
 * Global object may cut it between any two of our instructions, and the caller can guard the
 * mapping only when it has it. */
static int map_state(ms_object *object, int fd, int64_t page, uint32_t kind)
{
    ms_state seen;
    ssize_t length = pread(fd, &seen, sizeof seen, page + MS_STATE_OFFSET);
    if (length < 0)
        return -errno;
    if (length != sizeof seen || !is_of_kind(&seen, kind) ||
        (kind == MS_SEMAPHORE && (seen.maximum == 0 || seen.maximum > MS_COUNT_MOST)))
        return -EBADMSG;
    int own = ms_open_again(fd);
    void *at = mmap(NULL, MS_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, own >= 0 ? own : fd, page);
    int problem = errno;
    if (own >= 0)
        close(own);
    if (at == MAP_FAILED)
        return -problem;
    object->state = (ms_state *)((char *)at + MS_STATE_OFFSET);
    object->kind = kind;
    /* Read once: what a peer writes there later changes nothing here. */
    object->flags = seen.flags;
    object->maximum = seen.maximum;
    MS_STEP("open: mapped");
    return 0;
}

static int add(int fd, int64_t page, uint32_t kind, const struct stat *file, ms_object **out)
{
    ms_object *object = calloc(1, sizeof *object);
    if (!object)
        return -ENOMEM;
    int result = map_state(object, fd, page, kind);
    if (result) {
        free(object);
        return result;
    }
    object->device = file->st_dev;
    object->inode = file->st_ino;
    object->lock_fd = -1;
    object->uses = 1;
    ms_object **head = bucket(object->device, object->inode);
    object->next = *head;
    *head = *out = object;
    return 0;
}

int ms_object_get(int fd, int64_t page, uint32_t kind, ms_object **out)
{
    struct stat file;
    int result = 0;
    *out = NULL;
    /* A page past the end could be mapped, and would kill whoever touches it. */
    if (fstat(fd, &file))
        return -errno;
    if (page < 0 || page % MS_PAGE || page > file.st_size - MS_PAGE)
        return -EBADMSG;
    pthread_once(&once, set_up);
    pthread_mutex_lock(&ms_records);
    ms_object *object = *bucket(file.st_dev, file.st_ino);
    while (object && (object->device != file.st_dev || object->inode != file.st_ino))
        object = object->next;
    if (!object)
        result = add(fd, page, kind, &file, out);
    else if (object->kind != kind)
        result = -EBADMSG;
    else {
        object->uses++;
        *out = object;
    }
    pthread_mutex_unlock(&ms_records);
    return result;
}

void ms_object_put(ms_object *object)
{
    pthread_mutex_lock(&ms_records);
    /* A mutex that a thread here still owns stays until that thread ends: it has to be abandoned
     * then. */
    if (--object->uses == 0 && !ms_load_u64(&object->owner))
        drop(object);
    pthread_mutex_unlock(&ms_records);
}
