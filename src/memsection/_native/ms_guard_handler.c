/* SPDX-License-Identifier: MIT
 *
 * The handlers of SIGBUS and SIGSEGV, and putting them on top of those of others; see ms_guard.h.
 * They read the table of slots, and call nothing but system calls.
 */
#define _GNU_SOURCE
#include "ms_guard_slots.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define PREVIOUS_MAXIMUM 16

struct entry {
    int signal;
    uint32_t count; /* of previous[] */
    struct sigaction
        previous[PREVIOUS_MAXIMUM]; /* handlers found when ours was put on top, the oldest first */
};

static struct entry bus = {.signal = SIGBUS}, segv = {.signal = SIGSEGV};

/* initial-exec: other models may allocate on first use, which a handler must not. */
static _Thread_local
    __attribute__((tls_model("initial-exec"))) uint32_t depth; /* handlers of others below us */
static _Thread_local
    __attribute__((tls_model("initial-exec"))) uint64_t retried; /* see open_page */

/* ---------------------------------------------------------------- in the handlers */

static ms_guard *find(uint64_t address, int reserved)
{
    uint32_t used = ms_load_u32(&ms_guard_slots_used);
    for (uint32_t i = 0; i < used; i++) {
        /* SYNC(guard-slot): acquire, pairs with the release in publish */
        uint64_t start = ms_load_u64(&ms_guard_slots[i].start);
        if (start && address >= start && address < ms_guard_slots[i].end &&
            (ms_guard_slots[i].bitmap != NULL) == reserved)
            return &ms_guard_slots[i];
    }
    return NULL;
}

int64_t ms_guard_bytes_left(const ms_guard *guard)
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
    uint64_t from = page_floor(address), to = from + ms_guard_page_size;
    int64_t left = ms_guard_bytes_left(guard);
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
    uint32_t used = ms_load_u32(&ms_guard_slots_used);
    int found = 0;
    for (uint32_t i = 0; i < used; i++) {
        ms_guard *guard = &ms_guard_slots[i];
        uint64_t start = ms_load_u64(&guard->start), fault = ms_load_u64(&guard->fault);
        int64_t left = start && guard->bitmap == NULL ? ms_guard_bytes_left(guard) : -1;
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

int ms_guard_open_run(ms_guard *guard, uint64_t from, uint64_t to)
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
    return ms_guard_open_run(guard, from, to) == 0;
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
    ms_add_u32(&ms_guard_inside, 1);
    if (signal == SIGBUS && info->si_code == BUS_ADRERR)
        done = replace(address);
    else if (signal == SIGSEGV && info->si_code == SEGV_ACCERR)
        done = open_page(address);
    else
        done = is_raised_again(info, context);
    ms_add_u32(&ms_guard_inside, (uint32_t)-1);
    if (!done)
        chain(signal == SIGBUS ? &bus : &segv, signal, info, context);
    errno = saved;
}

/* ---------------------------------------------------------------- outside of them */

static void before_fork(void)
{
    pthread_mutex_lock(&ms_guard_table_lock);
}
static void after_fork(void)
{
    pthread_mutex_unlock(&ms_guard_table_lock);
}

static void after_fork_in_child(void)
{
    ms_store_u32(&ms_guard_inside, 0); /* those threads do not exist here */
    pthread_mutex_unlock(&ms_guard_table_lock);
}

static int is_on_top(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handler;
}

/* Under ms_guard_table_lock. */
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
    int need_segv = ms_load_u32(&ms_guard_reserved_views) != 0;
    if (sigaction(SIGBUS, NULL, &current) == 0 && is_on_top(&current) &&
        (!need_segv || (sigaction(SIGSEGV, NULL, &current) == 0 && is_on_top(&current))))
        return 0;
    pthread_mutex_lock(&ms_guard_table_lock);
    if (!ms_guard_page_size) {
        ms_guard_page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
        pthread_atfork(before_fork, after_fork, after_fork_in_child);
    }
    int result = put_on_top(&bus);
    if (result >= 0 && need_segv) {
        int second = put_on_top(&segv);
        result = second != 0 ? second : result;
    }
    pthread_mutex_unlock(&ms_guard_table_lock);
    return result;
}
