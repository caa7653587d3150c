# SPDX-License-Identifier: MIT
"""Private memory: allocating, committing, freeing (NtAllocateVirtualMemory,
NtFreeVirtualMemory)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno

from memsection._native import system
from memsection.nt.linux.bodies import commit
from memsection.nt.linux.system import addresses
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.addresses import GRANULARITY, HIGHEST, PAGE
from memsection.nt.linux.system.tables_lock import lock
from memsection.nt.linux.views import commit_pages, protect, regions
from memsection.nt.linux.views.regions import Region
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_ALLOCATION_TYPES = p.MEM_COMMIT | p.MEM_RESERVE | p.MEM_TOP_DOWN | p.MEM_LARGE_PAGES


def allocate(
    address: int, zero_bits: int, size: int, kind: int, protection: int
) -> tuple[int, int]:
    """NtAllocateVirtualMemory: private memory, or pages of a reserved section for everybody."""
    if 21 < zero_bits < 32:
        raise NtError(
            st.INVALID_PARAMETER_3, detail=f"{zero_bits} zero bits: a number up to 21, or a mask"
        )
    if not 0 < size <= HIGHEST:
        raise NtError(st.INVALID_PARAMETER_4, detail=f"{size} bytes cannot be allocated")
    if kind & (p.MEM_RESET | p.MEM_RESET_UNDO):
        return _reset(address, size, kind, protection)
    if not kind & (p.MEM_COMMIT | p.MEM_RESERVE) or kind & ~_ALLOCATION_TYPES:
        raise NtError(st.INVALID_PARAMETER_5, detail=f"allocation type {kind:#x}")
    base = protect.valid_protection(protection)
    if kind & p.MEM_LARGE_PAGES:
        _check_large(size, kind)
    if address == 0 or kind & p.MEM_RESERVE:
        _check_address(address, size)
        protect.require_not_copied(base)
        return _allocate_private(address, zero_bits, size, kind, protection)
    with lock:
        region, first, count = protect.inside(address, size)
        if region.obj is None:
            protect.require_not_copied(base)
            _commit_private(region, first, count, protect.as_allocated(region, base))
        else:
            commit_pages.commit_pages(region, first, count, base)
        return region.base + first * PAGE, count * PAGE


def _reset(address: int, size: int, kind: int, protection: int) -> tuple[int, int]:
    """MEM_RESET: the pages are not needed for now; MEM_RESET_UNDO: they are needed again, as they
    were.

    The kernel puts such pages first among those that it writes out (MADV_COLD, madvise(2)) and
    loses none, so undoing always finds them as they were.
    """
    if kind not in (p.MEM_RESET, p.MEM_RESET_UNDO):
        raise NtError(
            st.INVALID_PARAMETER_5,
            detail="MEM_RESET and MEM_RESET_UNDO go with no other allocation type",
        )
    protect.valid_protection(protection)  # it means nothing, and has to be one
    with lock:
        # of pages that are only reserved there is nothing to write out either
        region, first, count = protect.inside(address, size)
        start = region.base + first * PAGE
        if kind == p.MEM_RESET:
            try:
                sys_.madvise(start, count * PAGE, sys_.MADV_COLD)
            except OSError as error:
                if error.errno != errno.EINVAL:  # pages that are never written out cannot be cold
                    raise
        return start, count * PAGE


def _check_address(address: int, size: int) -> None:
    if address and not GRANULARITY <= address <= HIGHEST:
        raise NtError(st.INVALID_PARAMETER_2, detail=f"{address:#x} is no address for memory")
    if size > HIGHEST - address:
        raise NtError(
            st.INVALID_PARAMETER_4, detail=f"there are no {size} bytes of addresses at {address:#x}"
        )


def _check_large(size: int, kind: int) -> None:
    both = p.MEM_COMMIT | p.MEM_RESERVE
    if kind & both != both:
        raise NtError(
            st.INVALID_PARAMETER_5, detail="large pages are reserved and committed at once"
        )
    page = addresses.large_page_size()
    if size % page:
        raise NtError(
            st.INVALID_PARAMETER_4,
            detail=f"{size} bytes are not a multiple of the large page, {page}",
        )


def _allocate_private(
    address: int, zero_bits: int, size: int, kind: int, protection: int
) -> tuple[int, int]:
    start = address // GRANULARITY * GRANULARITY
    length = -(-(address + size - start) // PAGE) * PAGE
    prot = addresses.prot_of(protection) if kind & p.MEM_COMMIT else 0
    flags = system.MAP_PRIVATE | system.MAP_ANONYMOUS
    if kind & p.MEM_COMMIT:
        commit.check(length)
    else:
        flags |= system.MAP_NORESERVE
    try:
        if kind & p.MEM_LARGE_PAGES:
            start = _map_large(start, length, prot, flags)
        elif start:
            start = sys_.mmap(start, length, prot, flags | system.MAP_FIXED_NOREPLACE, -1, 0)
        elif zero_bits:
            start = _map_below(zero_bits, length, prot, flags)
        else:
            start = addresses.place(length, prot, flags, -1, 0)
    except FileExistsError:
        raise NtError(st.CONFLICTING_ADDRESSES) from None
    region = Region(start, length, protection, None, 0, p.writable(protection), False)
    if not kind & p.MEM_COMMIT:
        region.change(0, length // PAGE, 0)  # protection 0: reserved only
    regions.add(region)
    return start, length


def _map_large(start: int, size: int, prot: int, flags: int) -> int:
    """Map huge pages, which are reserved with the mapping."""
    if start:
        flags |= system.MAP_FIXED_NOREPLACE
    try:
        return sys_.mmap(start, size, prot, flags | sys_.MAP_HUGETLB, -1, 0)
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
        raise NtError(
            st.INSUFFICIENT_RESOURCES,
            detail=f"{size} bytes in large pages are not free; the administrator reserves them "
            "(sysctl vm.nr_hugepages=N)",
        ) from None


def _map_below(zero_bits: int, size: int, prot: int, flags: int) -> int:
    """Map private memory at the highest free address below the limit of ``zero_bits``."""
    limit = addresses.address_limit(zero_bits)
    start = (limit - size) // GRANULARITY * GRANULARITY
    while start > 0:
        try:
            return sys_.mmap(start, size, prot, flags | system.MAP_FIXED_NOREPLACE, -1, 0)
        except FileExistsError:
            start -= GRANULARITY
    raise NtError(st.NO_MEMORY, detail=f"no room for {size} bytes below {limit:#x}")


def _commit_private(region: Region, first: int, count: int, protection: int) -> None:
    sys_.mprotect(region.base + first * PAGE, count * PAGE, addresses.prot_of(protection))
    region.change(first, count, protection)


def free(address: int, size: int, kind: int) -> tuple[int, int]:
    """NtFreeVirtualMemory: the pages that the range touches; the whole allocation for size 0."""
    if kind not in (p.MEM_DECOMMIT, p.MEM_RELEASE):
        raise NtError(st.INVALID_PARAMETER_4, detail=f"free type {kind:#x}")
    if not 0 <= address <= HIGHEST:
        raise NtError(st.INVALID_PARAMETER_2, detail=f"{address:#x} is no user address")
    if not 0 <= size <= HIGHEST - address:
        raise NtError(st.INVALID_PARAMETER_3, detail=f"{size:#x} bytes at {address:#x}")
    with lock:
        region, first, count = _to_free(address, size)
        start = region.base + first * PAGE
        if kind == p.MEM_RELEASE:
            _release(region, first, count)
            return start, count * PAGE
        flags = system.MAP_PRIVATE | system.MAP_ANONYMOUS | system.MAP_NORESERVE | system.MAP_FIXED
        sys_.mmap(start, count * PAGE, 0, flags, -1, 0)
        region.change(first, count, 0)
        return start, count * PAGE if size else 0


def _to_free(address: int, size: int) -> tuple[Region, int, int]:
    """The allocation of a range, its first page and its page count."""
    region = regions.find(address)
    if region is None:
        raise NtError(st.MEMORY_NOT_ALLOCATED, detail=f"no allocated memory at {address:#x}")
    if region.obj is not None:
        raise NtError(st.UNABLE_TO_DELETE_SECTION)
    first = (address - region.base) // PAGE
    if not size:
        if first:
            raise NtError(
                st.FREE_VM_NOT_AT_BASE,
                detail=f"{address:#x} is inside the allocation at {region.base:#x}",
            )
        return region, 0, region.size // PAGE
    end = -(-(address + size - region.base) // PAGE)
    if end * PAGE > region.size:
        raise NtError(
            st.UNABLE_TO_FREE_VM,
            detail=f"{size} bytes at {address:#x} are more than the allocation has",
        )
    return region, first, end - first


def _release(region: Region, first: int, count: int) -> None:
    """Give pages back to the system; what is left before and after them are allocations of their
    own."""
    end, last = first + count, region.size // PAGE
    if not first and end == last:
        done = regions.remove(region)
    else:
        rest = [region.part(0, first)] if first else []
        if end < last:
            rest.append(region.part(end, last - end))
        done = regions.release_part(region, region.base + first * PAGE, count * PAGE, rest)
    if not done:
        raise NtError(st.MEMORY_NOT_ALLOCATED, detail=f"no allocated memory at {region.base:#x}")
