/* SPDX-License-Identifier: MIT
 *
 * Steps on views: mapping at the allocation granularity, and the addresses that are used again.
 */
#ifndef MS_MAPPING_H
#define MS_MAPPING_H

#include <stddef.h>
#include <stdint.h>

#define MS_ADDRESS_SIZES 64
#define MS_ADDRESSES_EACH 32

/* Where views were that are gone, by size, and where the next new one goes.  These are
 * hints only: who finds another thread at them does without. */
typedef struct {
    char is_in_use;
    uint64_t next; /* 0: not looked for yet */
    struct {
        uint64_t size; /* multiple of the granularity; 0: free */
        uint32_t count;
        uint64_t addresses[MS_ADDRESSES_EACH];
    } spare[MS_ADDRESS_SIZES];
} ms_addresses;

/* Map a part of a file, or private memory with fd -1, at a multiple of the granularity.  0 and its
 * address. */
int ms_mapping_map(ms_addresses *addresses, int fd, size_t size, int prot, int flags,
                   uint64_t offset, uint64_t *address);

/* Have the pages of a fresh writable view now, in one call instead of a fault for each; what fails
 * costs only time. */
void ms_mapping_populate(uint64_t address, size_t size);

/* Unmap; the address is used again where `addresses` is given.  Never fails for a range that is
 * mapped. */
int ms_mapping_unmap(ms_addresses *addresses, uint64_t address, size_t size);

/* A range of this size is free again. */
void ms_mapping_reuse(ms_addresses *addresses, uint64_t address, size_t size);

#endif
