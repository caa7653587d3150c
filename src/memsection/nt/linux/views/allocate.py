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
from memsection.nt.linux.views import commit_pages, protect, query, regions
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
    if p.copies(base):
        raise NtError(st.INVALID_PAGE_PROTECTION, detail="private memory cannot be copy-on-write")
    if address == 0 or kind & p.MEM_RESERVE:
        return _allocate_private(address, zero_bits, size, kind, protection)
    with lock:
        region, first, count = protect.inside(address, size)
        if region.obj is None:
            _commit_private(region, first, count, protection)
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
        region, first, count = protect.inside(address, size)
        committed, end = query.committed_run(region, first)
        if not committed or end < first + count or region.any_reserved(first, count):
            raise NtError(st.CONFLICTING_ADDRESSES, detail="some of these pages are not committed")
        start = region.base + first * PAGE
        if kind == p.MEM_RESET:
            try:
                sys_.madvise(start, count * PAGE, sys_.MADV_COLD)
            except OSError as error:
                if error.errno != errno.EINVAL:  # pages that are never written out cannot be cold
                    raise
        return start, count * PAGE


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
        if start:
            start = sys_.mmap(start, length, prot, flags | system.MAP_FIXED_NOREPLACE, -1, 0)
        elif zero_bits:
            start = _mapped_below(zero_bits, length, prot, flags)
        else:
            start = addresses.place(length, prot, flags, -1, 0)
    except FileExistsError:
        raise NtError(st.CONFLICTING_ADDRESSES) from None
    region = Region(start, length, protection, None, 0, p.writable(protection), False)
    if not kind & p.MEM_COMMIT:
        region.change(0, length // PAGE, 0)  # protection 0: reserved only
    regions.add(region)
    return start, length


def _mapped_below(zero_bits: int, size: int, prot: int, flags: int) -> int:
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
    """NtFreeVirtualMemory."""
    if kind not in (p.MEM_DECOMMIT, p.MEM_RELEASE):
        raise NtError(st.INVALID_PARAMETER_4)
    region = regions.find(address)
    if region is None:
        raise NtError(
            st.INVALID_PARAMETER if kind == p.MEM_RELEASE else st.CONFLICTING_ADDRESSES,
            detail=f"no allocated memory at {address:#x}",
        )
    if region.obj is not None:
        raise NtError(st.UNABLE_TO_DELETE_SECTION)
    if kind == p.MEM_RELEASE:
        if address // PAGE * PAGE != region.base:
            raise NtError(
                st.FREE_VM_NOT_AT_BASE,
                detail=f"{address:#x} is inside the allocation at {region.base:#x}",
            )
        if size > region.size:
            raise NtError(
                st.UNABLE_TO_FREE_VM,
                detail=f"{size} bytes at {address:#x} are more than the allocation has",
            )
        if size and p.page_up(size) != region.size:
            raise NtError(st.NOT_ON_THIS_SYSTEM, detail="MEM_RELEASE frees a whole allocation")
        if not regions.remove(region):
            raise NtError(st.INVALID_PARAMETER, detail=f"no allocated memory at {address:#x}")
        return region.base, region.size
    with lock:
        region, first, count = protect.inside(address, size or region.base + region.size - address)
        start = region.base + first * PAGE
        sys_.mmap(
            start,
            count * PAGE,
            0,
            system.MAP_PRIVATE | system.MAP_ANONYMOUS | system.MAP_NORESERVE | system.MAP_FIXED,
            -1,
            0,
        )
        region.change(first, count, 0)
        return start, count * PAGE
