/* SPDX-License-Identifier: MIT
 *
 * See ms_mapping.h.
 */
#include "ms_calls.h" /* first: it asks for what is not in POSIX */
#include "ms_mapping.h"
#include "ms_layout.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define HUGE_PAGE ((uint64_t)2 << 20)
/* below it a hint is no better than the kernel's own choice */
#define LOWEST ((uint64_t)1 << 40)

static void *pointer(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

static uint64_t round_up(uint64_t size)
{
    return (size + MS_GRANULARITY - 1) / MS_GRANULARITY * MS_GRANULARITY;
}

static unsigned place_of(uint64_t size)
{
    return (unsigned)(size / MS_GRANULARITY % MS_ADDRESS_SIZES);
}

/* Where new views go: below where the kernel puts libraries by itself, but under the same entry of
 * the highest page table (512 GiB); elsewhere each mapping and unmapping costs up to 8 us more.
 * From there downwards. */
static uint64_t first_address(void)
{
    void *probe =
        MS_CALL(mmap, NULL, MS_GRANULARITY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED) return 0;
    MS_CALL(munmap, probe, MS_GRANULARITY);
    uint64_t found = (uintptr_t)probe, room = found & (((uint64_t)1 << 39) - 1);
    room = room > (uint64_t)1 << 37 || room < (uint64_t)1 << 33 ? (uint64_t)1 << 36 : room / 2;
    return (found - room) / MS_GRANULARITY * MS_GRANULARITY;
}

/* Have the addresses to oneself, or not at all: nobody waits for them, nor for whoever had them
 * when the process was forked. */
static int take(ms_addresses *addresses)
{
    return !__atomic_test_and_set(&addresses->is_in_use, __ATOMIC_ACQUIRE);
}

static void leave(ms_addresses *addresses)
{
    __atomic_clear(&addresses->is_in_use, __ATOMIC_RELEASE);
}

static uint64_t take_address(ms_addresses *addresses, uint64_t size)
{
    unsigned place = place_of(size);
    if (addresses->spare[place].size == size && addresses->spare[place].count)
        return addresses->spare[place].addresses[--addresses->spare[place].count];
    if (!addresses->next) addresses->next = first_address();
    if (addresses->next < LOWEST || addresses->next - LOWEST < size) return 0;
    addresses->next -= size;
    if (size >= HUGE_PAGE)
        addresses->next -=
            addresses->next % HUGE_PAGE; /* so that huge pages can be mapped as such */
    return addresses->next;
}

/* Where the next view of this size should be; 0 when there is no idea. */
static uint64_t next_address(ms_addresses *addresses, uint64_t size)
{
    if (!take(addresses)) return 0;
    uint64_t address = take_address(addresses, size);
    leave(addresses);
    return address;
}

/* Where the kernel will not have the hint: room is made, a part of it mapped over, and the rest
 * given back. */
static int map_within_room(int fd, size_t size, int prot, int flags, uint64_t offset,
                           uint64_t *address)
{
    size_t whole = (size + MS_PAGE_SIZE - 1) / MS_PAGE_SIZE * MS_PAGE_SIZE;
    void *room = MS_CALL(mmap, NULL, whole + MS_GRANULARITY, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return -errno;
    uint64_t begin = (uintptr_t)room, end = begin + whole + MS_GRANULARITY,
             aligned = round_up(begin);
    if (MS_CALL(mmap, pointer(aligned), size, prot, flags | MAP_FIXED, fd, (off_t)offset) ==
        MAP_FAILED) {
        int failure = -errno;
        MS_CALL(munmap, room, whole + MS_GRANULARITY);
        return failure;
    }
    if (aligned > begin) MS_CALL(munmap, room, aligned - begin);
    if (end > aligned + whole) MS_CALL(munmap, pointer(aligned + whole), end - aligned - whole);
    *address = aligned;
    return 0;
}

int ms_mapping_map(ms_addresses *addresses, int fd, size_t size, int prot, int flags,
                   uint64_t offset, uint64_t *address)
{
    /* A hint that worked before costs one call. */
    void *found = MS_CALL(mmap, pointer(next_address(addresses, round_up(size))), size, prot, flags,
                          fd, (off_t)offset);
    if (found == MAP_FAILED) return -errno;
    *address = (uintptr_t)found;
    if (*address % MS_GRANULARITY == 0) return 0;
    MS_CALL(munmap, found, size);
    return map_within_room(fd, size, prot, flags, offset, address);
}

void ms_mapping_populate(uint64_t address, size_t size)
{
    if (MS_CALL(madvise, pointer(address), size, MADV_POPULATE_WRITE))
        return; /* before Linux 5.14: faults do it */
}

int ms_mapping_unmap(ms_addresses *addresses, uint64_t address, size_t size)
{
    if (MS_CALL(munmap, pointer(address), size)) return -errno;
    if (addresses) ms_mapping_reuse(addresses, address, size);
    return 0;
}

void ms_mapping_reuse(ms_addresses *addresses, uint64_t address, size_t size)
{
    uint64_t whole = round_up(size);
    unsigned place = place_of(whole);
    if (!take(addresses)) return;
    if (addresses->spare[place].size != whole) { /* the size in use now is the likelier one */
        addresses->spare[place].size = whole;
        addresses->spare[place].count = 0;
    }
    if (addresses->spare[place].count < MS_ADDRESSES_EACH)
        addresses->spare[place].addresses[addresses->spare[place].count++] = address;
    leave(addresses);
}
