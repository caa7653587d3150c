/* SPDX-License-Identifier: MIT
 *
 * See ms_guard.h.  The handlers read a table of slots that is never freed or moved, and call
 * nothing but system calls. A slot is live while `start` is not 0.  Its other fields change only
 * while it is not live and no thread is inside a handler, so a handler that sees `start` may read
 * them plainly.
 */
#define _GNU_SOURCE
#include "ms_guard.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "ms_atomic.h"

#define PREVIOUS_MAXIMUM 16

struct ms_guard {
    uint64_t start;  /* address; 0: not live; published last */
    uint64_t end;    /* first address after it, a page boundary */
    uint64_t length; /* as asked for */
    uint64_t fault;  /* 1 + offset of the lowest page found missing; 0: none */
    uint64_t file_offset;
    uint64_t device; /* of the file behind fd, so that a descriptor closed and given out again is
                        noticed */
    uint64_t inode;
    int32_t prot;
    int32_t fd;
    const uint32_t *bitmap; /* of a reserved section's view, else NULL */
    uint64_t first_page;
    uint32_t *opened; /* a bit for each page that was opened; its protection is the program's from
                         then on */
    ms_guard *next_free;
};

struct entry {
    int signal;
    uint32_t count; /* of previous[] */
    struct sigaction
        previous[PREVIOUS_MAXIMUM]; /* handlers found when ours was put on top, the oldest first */
};

static ms_guard slots[MS_GUARD_MAXIMUM];
static uint32_t slots_used;     /* slots ever given out */
static ms_guard *free_slots;    /* under table_lock */
static uint32_t reserved_views; /* SIGSEGV is taken over from the first such view on */
static uint32_t inside;         /* threads in a handler */
static struct entry bus = {.signal = SIGBUS}, segv = {.signal = SIGSEGV};
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t page_size;

/* initial-exec: other models may allocate on first use, which a handler must not. */
static _Thread_local
    __attribute__((tls_model("initial-exec"))) uint32_t depth; /* handlers of others below us */
static _Thread_local
    __attribute__((tls_model("initial-exec"))) uint64_t retried; /* see open_page */

_Static_assert(sizeof(void *) <= sizeof(uint64_t), "an address fits a slot's word");
_Static_assert(sizeof(slots) < 16 << 20,
               "the table is address space, not memory, but not boundless");
_Static_assert(offsetof(ms_guard, start) % 8 == 0 && offsetof(ms_guard, fault) % 8 == 0,
               "atomic words are aligned");

/* ---------------------------------------------------------------- in the handlers */

static uint64_t page_floor(uint64_t value)
{
    return value & ~(uint64_t)(page_size - 1);
}
static uint64_t page_ceiling(uint64_t value)
{
    return page_floor(value + page_size - 1);
}

static ms_guard *find(uint64_t address, int reserved)
{
    uint32_t used = ms_load_u32(&slots_used);
    for (uint32_t i = 0; i < used; i++) {
        /* SYNC(guard-slot): acquire, pairs with the release in publish */
        uint64_t start = ms_load_u64(&slots[i].start);
        if (start && address >= start && address < slots[i].end &&
            (slots[i].bitmap != NULL) == reserved)
            return &slots[i];
    }
    return NULL;
}

/* Bytes of the file from the view's start on; -1 when the descriptor cannot tell. */
static int64_t bytes_left(const ms_guard *guard)
{
    struct stat st;
    if (guard->fd < 0 || fstat(guard->fd, &st) != 0)
        return -1;
    if ((uint64_t)st.st_dev != guard->device || (uint64_t)st.st_ino != guard->inode)
        return -1;
    return (uint64_t)st.st_size <= guard->file_offset
               ? 0
               : (int64_t)((uint64_t)st.st_size - guard->file_offset);
}

static void mark(ms_guard *guard, uint64_t offset)
{
    uint64_t seen = ms_load_u64(&guard->fault);
    while (seen == 0 || offset + 1 < seen) {
        uint64_t now = ms_cas_u64(&guard->fault, seen, offset + 1);
        if (now == seen)
            return;
        seen = now;
    }
}

/* Zero pages in place of what was cut off: the whole tail at once, because a mapping for each page
 * would soon meet the system's limit of mappings.  1 when the access may be tried again. */
static int replace(uint64_t address)
{
    ms_guard *guard = find(address, 0);
    if (guard == NULL)
        return 0;
    uint64_t from = page_floor(address), to = from + page_size;
    int64_t left = bytes_left(guard);
    if (left >= 0 && guard->start + page_ceiling((uint64_t)left) <= from) {
        from = guard->start + page_ceiling((uint64_t)left);
        to = guard->end;
    } /* else the page should exist but cannot be had (a full disk): that page only */
    mark(guard, from - guard->start);
    /* Safety: [from, to) is inside the view's own mapping, which stays mapped until ms_guard_remove
     * has returned, and that waits for this handler.  A raw call: the C library's wrapper may be
     * someone's interceptor. */
    long result = syscall(SYS_mmap, (void *)(uintptr_t)from, (size_t)(to - from), guard->prot,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    return result != -1;
}

/* Replace what files have lost and nobody has touched so far.  1 when there was something. */
static int replace_lost(void)
{
    uint32_t used = ms_load_u32(&slots_used);
    int found = 0;
    for (uint32_t i = 0; i < used; i++) {
        ms_guard *guard = &slots[i];
        uint64_t start = ms_load_u64(&guard->start), fault = ms_load_u64(&guard->fault);
        int64_t left = start && guard->bitmap == NULL ? bytes_left(guard) : -1;
        uint64_t lost = page_ceiling((uint64_t)left);
        if (left >= 0 && start + lost < guard->end && !(fault && fault - 1 <= lost))
            found |= replace(start + lost);
    }
    return found;
}

/* A signal that this thread sent itself may be a fault's: Python's fault handler, put on top of
 * ours, writes its report, puts ours back and raises the signal again, so that the address is lost.
 * Then it is ignored: the instruction faults once more, and we see the true address.  That we are
 * called in the middle of a handler is known where handlers have a stack of their own; elsewhere by
 * a file that has lost pages.  Every other such signal means what it says. */
static int is_raised_again(const siginfo_t *info, const void *context)
{
    if (info->si_code != SI_TKILL || info->si_pid != getpid() || depth)
        return 0;
    if (((const ucontext_t *)context)->uc_stack.ss_flags & SS_ONSTACK)
        return 1;
    return info->si_signo == SIGBUS && replace_lost();
}

static int bit(const uint32_t *words, uint64_t index)
{
    return ms_load_u32(&words[index / 32]) >> (index % 32) & 1;
}

/* Open pages [from, to) of a reserved view.  0 or a negative errno. */
static int open_run(ms_guard *guard, uint64_t from, uint64_t to)
{
    uint64_t low = page_floor(guard->start + from * MS_GUARD_PAGE),
             high = guard->start + to * MS_GUARD_PAGE;
    /* Safety: inside the view's own mapping, which stays mapped as long as the slot is live or a
     * handler runs. */
    if (mprotect((void *)(uintptr_t)low, (size_t)(page_ceiling(high) - low), guard->prot) != 0)
        return -errno;
    for (uint64_t i = from; i < to; i++)
        ms_or_u32(&guard->opened[i / 32], UINT32_C(1) << (i % 32));
    return 0;
}

/* A page of a reserved view was touched.  1 when the access may be tried again. */
static int open_page(uint64_t address)
{
    ms_guard *guard = find(address, 1);
    if (guard == NULL)
        return 0;
    uint64_t page = (address - guard->start) / MS_GUARD_PAGE,
             pages = (guard->end - guard->start) / MS_GUARD_PAGE;
    if (bit(guard->opened, page)) {
        /* Another thread opened it meanwhile, or the access exceeds the view's protection: once
         * more tells. */
        if (retried == address)
            return 0;
        retried = address;
        return 1;
    }
    if (!bit(guard->bitmap, guard->first_page + page))
        return 0;
    uint64_t from = page, to = page + 1;
    while (from > 0 && !bit(guard->opened, from - 1) &&
           bit(guard->bitmap, guard->first_page + from - 1))
        from--;
    while (to < pages && !bit(guard->opened, to) && bit(guard->bitmap, guard->first_page + to))
        to++;
    retried = 0;
    return open_run(guard, from, to) == 0;
}

/* The default end: a fault happens again when the instruction is tried again, and the kernel then
 * reports the true cause; a signal that somebody sent has to be sent again. */
static void die(int signal, const siginfo_t *info)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, NULL);
    if (info->si_code <= 0)
        syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signal);
}

/* Not ours: to the handler that was there before; should that one come back to us, to the one
 * before it. */
static void chain(const struct entry *entry, int signal, siginfo_t *info, void *context)
{
    uint32_t count = ms_load_u32(&entry->count);
    if (depth >= count) {
        die(signal, info);
        return;
    }
    const struct sigaction *previous = &entry->previous[count - 1 - depth];
    depth++;
    if (previous->sa_flags & SA_SIGINFO)
        previous->sa_sigaction(signal, info, context);
    else if (previous->sa_handler == SIG_DFL ||
             (previous->sa_handler == SIG_IGN && info->si_code > 0))
        die(signal, info);
    else if (previous->sa_handler != SIG_IGN)
        previous->sa_handler(signal);
    depth--;
}

/* Safety: runs on any thread at any instruction.  It touches only the table, the faulted view and
 * thread-local words that need no allocation, calls only system calls, and leaves errno as it was.
 */
static void handler(int signal, siginfo_t *info, void *context)
{
    int saved = errno, done = 0;
    uint64_t address = (uint64_t)(uintptr_t)info->si_addr;
    /* SYNC(guard-inside): acquire and release on one word with ms_guard_remove: either it sees this
     * thread, or this thread sees the slot already empty */
    ms_add_u32(&inside, 1);
    if (signal == SIGBUS && info->si_code == BUS_ADRERR)
        done = replace(address);
    else if (signal == SIGSEGV && info->si_code == SEGV_ACCERR)
        done = open_page(address);
    else
        done = is_raised_again(info, context);
    ms_add_u32(&inside, (uint32_t)-1);
    if (!done)
        chain(signal == SIGBUS ? &bus : &segv, signal, info, context);
    errno = saved;
}

/* ---------------------------------------------------------------- outside of them */

static void before_fork(void)
{
    pthread_mutex_lock(&table_lock);
}
static void after_fork(void)
{
    pthread_mutex_unlock(&table_lock);
}

static void after_fork_in_child(void)
{
    ms_store_u32(&inside, 0); /* those threads do not exist here */
    pthread_mutex_unlock(&table_lock);
}

static int is_on_top(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handler;
}

/* Under table_lock. */
static int put_on_top(struct entry *entry)
{
    struct sigaction current, ours;
    if (sigaction(entry->signal, NULL, &current) != 0)
        return -errno;
    if (is_on_top(&current))
        return 0;
    uint32_t count = entry->count;
    const struct sigaction *newest = count ? &entry->previous[count - 1] : NULL;
    /* Entries are never changed: a handler may be reading them.  When the room is used up the
     * newest one stays. */
    if (count < PREVIOUS_MAXIMUM && !(newest && newest->sa_sigaction == current.sa_sigaction)) {
        entry->previous[count] = current;
        ms_store_u32(&entry->count, count + 1);
    }
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = handler;
    /* SA_NODEFER: the bitmap of a reserved view can itself be in a file that was cut. */
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    return sigaction(entry->signal, &ours, NULL) ? -errno : 1;
}

int ms_guard_ensure(void)
{
    struct sigaction current;
    int need_segv = ms_load_u32(&reserved_views) != 0;
    if (sigaction(SIGBUS, NULL, &current) == 0 && is_on_top(&current) &&
        (!need_segv || (sigaction(SIGSEGV, NULL, &current) == 0 && is_on_top(&current))))
        return 0;
    pthread_mutex_lock(&table_lock);
    if (!page_size) {
        page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
        pthread_atfork(before_fork, after_fork, after_fork_in_child);
    }
    int result = put_on_top(&bus);
    if (result >= 0 && need_segv) {
        int second = put_on_top(&segv);
        result = second != 0 ? second : result;
    }
    pthread_mutex_unlock(&table_lock);
    return result;
}

static ms_guard *take_slot(void)
{
    ms_guard *guard = NULL;
    pthread_mutex_lock(&table_lock);
    if (free_slots != NULL) {
        guard = free_slots;
        free_slots = guard->next_free;
    } else if (slots_used < MS_GUARD_MAXIMUM) {
        guard = &slots[slots_used];
        ms_store_u32(&slots_used, slots_used + 1);
    }
    pthread_mutex_unlock(&table_lock);
    return guard;
}

static void publish(ms_guard *guard, void *address, size_t length, int prot)
{
    guard->end = page_ceiling((uint64_t)(uintptr_t)address + length);
    guard->length = length;
    guard->prot = prot;
    ms_store_u64(&guard->fault, 0);
    /* SYNC(guard-slot): release of all the slot's fields, pairs with the acquire in find */
    ms_store_u64(&guard->start, (uint64_t)(uintptr_t)address);
}

static int valid(const void *address, size_t length)
{
    uintptr_t start = (uintptr_t)address;
    return start != 0 && start % page_size == 0 && length != 0 &&
           length <= UINTPTR_MAX - start - page_size;
}

int ms_guard_add(void *address, size_t length, int prot, int fd, uint64_t file_offset,
                 ms_guard **out)
{
    struct stat st = {0};
    int result = ms_guard_ensure();
    if (result < 0)
        return result;
    if (!valid(address, length))
        return -EINVAL;
    if (fd >= 0 && fstat(fd, &st) != 0)
        return -errno;
    ms_guard *guard = take_slot();
    if (guard == NULL)
        return -ENOMEM;
    guard->file_offset = file_offset;
    guard->device = (uint64_t)st.st_dev;
    guard->inode = (uint64_t)st.st_ino;
    guard->fd = fd;
    guard->bitmap = NULL;
    guard->opened = NULL;
    publish(guard, address, length, prot);
    *out = guard;
    return 0;
}

int ms_guard_add_reserved(void *address, size_t length, int prot, const uint32_t *bitmap,
                          uint64_t first_page, ms_guard **out)
{
    ms_add_u32(&reserved_views, 1);
    int result = ms_guard_ensure();
    if (result >= 0)
        result = valid(address, length) && bitmap != NULL ? 0 : -EINVAL;
    ms_guard *guard = NULL;
    uint32_t *opened = NULL;
    if (result == 0) {
        opened = calloc((size_t)(page_ceiling(length) / MS_GUARD_PAGE / 32 + 1), sizeof *opened);
        guard = opened != NULL ? take_slot() : NULL;
        result = guard != NULL ? 0 : -ENOMEM;
    }
    if (result < 0) {
        free(opened);
        ms_add_u32(&reserved_views, (uint32_t)-1);
        return result;
    }
    guard->fd = -1;
    guard->bitmap = bitmap;
    guard->first_page = first_page;
    guard->opened = opened;
    publish(guard, address, length, prot);
    *out = guard;
    return 0;
}

/* Wait until every thread that was in a handler has left it.  A handler never waits for anybody. */
static void drain(void)
{
    /* SYNC(guard-inside): acquire and release on one word with handler; a read-modify-write,
     * because a plain load could come before the store that emptied the slot */
    uint32_t threads = ms_add_u32(&inside, 0);
    while (threads != 0) {
        sched_yield();
        threads = ms_load_u32(&inside);
    }
}

void ms_guard_remove(ms_guard *guard)
{
    ms_swap_u64(&guard->start, 0);
    drain();
    if (guard->bitmap != NULL) {
        free(guard->opened);
        guard->opened = NULL;
        guard->bitmap = NULL;
        ms_add_u32(&reserved_views, (uint32_t)-1);
    }
    pthread_mutex_lock(&table_lock);
    guard->next_free = free_slots;
    free_slots = guard;
    pthread_mutex_unlock(&table_lock);
}

int ms_guard_fault(const ms_guard *guard, uint64_t *offset)
{
    uint64_t fault = ms_load_u64(&guard->fault);
    *offset = fault - 1;
    return fault != 0;
}

int ms_guard_look(const ms_guard *guard, uint64_t *offset)
{
    if (ms_guard_fault(guard, offset))
        return 1;
    int64_t left = bytes_left(guard);
    if (left < 0 || (uint64_t)left >= guard->length)
        return 0;
    *offset = page_floor((uint64_t)left);
    return 1;
}

/* The bitmap's bits for 32 pages of the view from `page` on; pages after the view's end count as
 * not committed. */
static uint32_t committed(const ms_guard *guard, uint64_t page, uint64_t pages)
{
    uint64_t at = guard->first_page + page;
    uint32_t shift = (uint32_t)(at % 32), bits = ms_load_u32(&guard->bitmap[at / 32]) >> shift;
    if (shift != 0 && page + 32 - shift < pages)
        bits |= ms_load_u32(&guard->bitmap[at / 32 + 1]) << (32 - shift);
    return pages - page < 32 ? bits & ((UINT32_C(1) << (pages - page)) - 1) : bits;
}

int ms_guard_sync(ms_guard *guard)
{
    if (guard->bitmap == NULL)
        return 0;
    uint64_t pages = (guard->end - guard->start) / MS_GUARD_PAGE, page = 0;
    int result = 0;
    while (page < pages && result == 0) {
        uint32_t closed = committed(guard, page, pages) & ~ms_load_u32(&guard->opened[page / 32]);
        uint64_t from = page, window = page + 32 < pages ? page + 32 : pages;
        if (closed == UINT32_MAX) { /* the common long run: as far as it goes, in one call */
            while (page + 32 < pages && (committed(guard, page + 32, pages) &
                                         ~ms_load_u32(&guard->opened[page / 32 + 1])) == UINT32_MAX)
                page += 32;
            page = page + 32 < pages ? page + 32 : pages;
            result = open_run(guard, from, page);
            continue;
        }
        while (page < window && result == 0) {
            from = page;
            while (page < window && closed >> (page % 32) & 1)
                page++;
            if (page > from)
                result = open_run(guard, from, page);
            else
                page++;
        }
    }
    drain(); /* a first touch seen before this must not open a page again that is about to be closed
                on purpose */
    return result;
}
