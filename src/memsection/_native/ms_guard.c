/* SPDX-License-Identifier: MIT
 *
 * The table of guarded views: giving its slots out and taking them back, when no handler is at
 * them; see ms_guard.h.
 */
#define _GNU_SOURCE
#include "ms_guard_slots.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>

ms_guard ms_guard_slots[MS_GUARD_MAXIMUM];
uint32_t ms_guard_slots_used;
uint32_t ms_guard_reserved_views;
uint32_t ms_guard_inside;
pthread_mutex_t ms_guard_table_lock = PTHREAD_MUTEX_INITIALIZER;
uintptr_t ms_guard_page_size;

static ms_guard *free_slots; /* under ms_guard_table_lock */

_Static_assert(sizeof(void *) <= sizeof(uint64_t), "an address fits a slot's word");
_Static_assert(sizeof(ms_guard_slots) < 16 << 20,
               "the table is address space, not memory, but not boundless");
_Static_assert(offsetof(ms_guard, start) % 8 == 0 && offsetof(ms_guard, fault) % 8 == 0,
               "atomic words are aligned");

static ms_guard *take_slot(void)
{
    ms_guard *guard = NULL;
    pthread_mutex_lock(&ms_guard_table_lock);
    if (free_slots != NULL) {
        guard = free_slots;
        free_slots = guard->next_free;
    } else if (ms_guard_slots_used < MS_GUARD_MAXIMUM) {
        guard = &ms_guard_slots[ms_guard_slots_used];
        ms_store_u32(&ms_guard_slots_used, ms_guard_slots_used + 1);
    }
    pthread_mutex_unlock(&ms_guard_table_lock);
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
    return start != 0 && start % ms_guard_page_size == 0 && length != 0 &&
           length <= UINTPTR_MAX - start - ms_guard_page_size;
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
    ms_add_u32(&ms_guard_reserved_views, 1);
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
        ms_add_u32(&ms_guard_reserved_views, (uint32_t)-1);
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
    uint32_t threads = ms_add_u32(&ms_guard_inside, 0);
    while (threads != 0) {
        sched_yield();
        threads = ms_load_u32(&ms_guard_inside);
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
        ms_add_u32(&ms_guard_reserved_views, (uint32_t)-1);
    }
    pthread_mutex_lock(&ms_guard_table_lock);
    guard->next_free = free_slots;
    free_slots = guard;
    pthread_mutex_unlock(&ms_guard_table_lock);
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
    int64_t left = ms_guard_bytes_left(guard);
    if (left < 0 || (uint64_t)left >= guard->length)
        return 0;
    *offset = page_floor((uint64_t)left);
    return 1;
}

/* The bitmap's bits for 32 pages of the view from `page` on; pages after the view's end count as
 * not committed. */
static uint32_t committed_bits(const ms_guard *guard, uint64_t page, uint64_t pages)
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
        uint32_t closed =
            committed_bits(guard, page, pages) & ~ms_load_u32(&guard->opened[page / 32]);
        uint64_t from = page, window = page + 32 < pages ? page + 32 : pages;
        if (closed == UINT32_MAX) { /* the common long run: as far as it goes, in one call */
            while (page + 32 < pages && (committed_bits(guard, page + 32, pages) &
                                         ~ms_load_u32(&guard->opened[page / 32 + 1])) == UINT32_MAX)
                page += 32;
            page = page + 32 < pages ? page + 32 : pages;
            result = ms_guard_open_run(guard, from, page);
            continue;
        }
        while (page < window && result == 0) {
            from = page;
            while (page < window && closed >> (page % 32) & 1)
                page++;
            if (page > from)
                result = ms_guard_open_run(guard, from, page);
            else
                page++;
        }
    }
    drain(); /* a first touch seen before this must not open a page again that is about to be closed
                on purpose */
    return result;
}
