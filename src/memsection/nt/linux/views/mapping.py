# SPDX-License-Identifier: MIT
"""Mapping views of sections, and unmapping them."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno

from memsection._native import system
from memsection.nt.linux.bodies import control_page, seals
from memsection.nt.linux.handles import table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.system import addresses
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.views import commit_pages, protect, regions
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import SECTION


def map_view(section: int, base: int, zero_bits: int, commit_size: int, offset: int, view_size: int, inherit: int,
             allocation_type: int, protection: int, numa_node: int | None) -> tuple[int, int, int]:
    """NtMapViewOfSection into this process."""
    handle = table.lookup(section, SECTION)
    if protection & ~p.PAGE_BASE_MASK:
        raise NtError(st.INVALID_PAGE_PROTECTION, detail="a view's modifiers are those of its section")
    kind = protect.valid_protection(protection)
    if base > addresses.HIGHEST:
        raise NtError(st.INVALID_PARAMETER_3, detail=f"{base:#x} is no user address")
    if 21 < zero_bits < 32:
        raise NtError(st.INVALID_PARAMETER_4, detail=f"{zero_bits} zero bits: a number up to 21, or a mask")
    if inherit not in (p.VIEW_SHARE, p.VIEW_UNMAP):
        raise NtError(st.INVALID_PARAMETER_8)
    needed = p.needed_access(kind)
    if needed & ~handle.access:
        handle.require(needed)
    facts = handle.obj.facts
    assert facts is not None
    if facts.file_identity is not None:
        facts = handle.obj.facts = control_page.read(handle.fd, facts.body_size)  # it may have been extended
    if not p.allows(facts.protection, kind):
        raise NtError(st.SECTION_PROTECTION, name=handle.obj.display_name(),
                      detail=f"asked for a {p.words(kind)} view of a {p.words(facts.protection)} section")
    if base % p.ALLOCATION_GRANULARITY or offset % p.ALLOCATION_GRANULARITY:
        raise NtError(st.MAPPED_ALIGNMENT, name=handle.obj.display_name(),
                      detail=f"{'address' if base % p.ALLOCATION_GRANULARITY else 'offset'} "
                             f"{base if base % p.ALLOCATION_GRANULARITY else offset:#x} is not a multiple of 65536")
    if offset < 0 or view_size < 0 or offset + view_size > facts.size or offset >= facts.size:
        raise NtError(st.INVALID_VIEW_SIZE, name=handle.obj.display_name(),
                      detail=f"asked for {view_size} bytes at {offset}, the section has {facts.size}")
    size = p.page_up(view_size or facts.size - offset)
    if zero_bits and not base:
        region = _map_below(zero_bits, handle, facts, offset, size, kind)
    else:
        region = _map(handle, facts, base, offset, size, kind)
    region.modifiers = _modifiers(facts.attributes)
    try:
        if numa_node is not None:
            _bind_view(region.base, size, numa_node)
        regions.add(region)
    except BaseException:
        sys_.munmap(region.base, size)
        raise
    if commit_size and region.bitmap:
        commit_pages.commit_view(region, commit_size)
    return st.SUCCESS, region.base, size


def _modifiers(attributes: int) -> int:
    return ((p.PAGE_NOCACHE if attributes & p.SEC_NOCACHE else 0)
            | (p.PAGE_WRITECOMBINE if attributes & p.SEC_WRITECOMBINE else 0))


def _map(handle: Handle, facts: control_page.Facts, base: int, offset: int, size: int, protection: int) -> regions.Region:
    obj = handle.obj
    writable = p.writable(protection)
    fd = table.view_descriptor(handle, writable=writable)
    prot = addresses.prot_of(protection)
    reserved = facts.bitmap_pages > 0
    flags = system.MAP_PRIVATE if p.copies(protection) else system.MAP_SHARED
    at_first = system.PROT_NONE if reserved else prot
    large = facts.attributes & p.SEC_LARGE_PAGES
    if large and not _is_whole(fd, offset + size):
        raise control_page.corrupt("its large pages are not sealed against being cut")
    try:
        if base:
            address = sys_.mmap(base, size, at_first, flags | system.MAP_FIXED_NOREPLACE, fd, offset)
        elif large:
            size = p.page_up(size)
            address = sys_.mmap(0, size, at_first, flags, fd, offset)
        else:
            address = addresses.place(size, at_first, flags, fd, offset)
    except FileExistsError:
        raise NtError(st.CONFLICTING_ADDRESSES, name=obj.display_name(),
                      detail=f"{base:#x}+{size:#x} is not free") from None
    except OSError as error:
        raise _map_refused(error, handle, writable, size) from None
    region = regions.Region(address, size, protection, obj, offset)
    try:
        if reserved:
            _guard_reserved(region, handle, facts, prot)
        elif not large and not _is_whole(fd, offset + size):
            # What is missing of the last page was never there.
            region.guard = regions.new_guard(address, min(size, facts.size - offset), prot, fd, offset)
    except BaseException:
        if region.bitmap:
            sys_.munmap(region.bitmap, region.bitmap_size)
        sys_.munmap(address, size)
        raise
    return region


def _is_whole(fd: int, end: int) -> bool:
    """Whether all bytes up to this one are there, and nobody can take them away; else a view has to be guarded."""
    return seals.is_sealed(fd) and sys_.fstat(fd).st_size >= end


def _map_below(zero_bits: int, handle: Handle, facts: control_page.Facts, offset: int, size: int,
               protection: int) -> regions.Region:
    """Map where the upper bits of the address are zero: so many of the lowest 32, or all outside of a mask."""
    limit = addresses.address_limit(zero_bits)
    start = (limit - size) // p.ALLOCATION_GRANULARITY * p.ALLOCATION_GRANULARITY
    while start > 0:
        try:
            return _map(handle, facts, start, offset, size, protection)
        except NtError as failure:
            if failure.status != st.CONFLICTING_ADDRESSES:
                raise
        start -= p.ALLOCATION_GRANULARITY
    raise NtError(st.NO_MEMORY, name=handle.obj.display_name(), detail=f"no room for {size} bytes below {limit:#x}")


def _map_refused(error: OSError, handle: Handle, writable: bool, size: int) -> NtError:
    name = handle.obj.display_name()
    if error.errno == errno.EPERM and writable and _sealed(handle.fd):
        return NtError(st.ACCESS_DENIED, name=name, detail="the section is sealed: no new writable views")
    if error.errno == errno.EPERM:
        return NtError(st.ACCESS_DENIED, name=name, detail="the kernel refused the mapping (a mount with noexec?)")
    if error.errno == errno.ENOMEM:
        return NtError(st.NO_MEMORY, name=name,
                       detail=f"no address space or no mapping left for {size} bytes (vm.max_map_count, ulimit -v)")
    return NtError(st.from_errno(error.errno), name=name, detail=f"mmap: {error.strerror}")


def _guard_reserved(region: regions.Region, handle: Handle, facts: control_page.Facts, prot: int) -> None:
    """Map the bitmap of committed pages beside the view, and have first touches of committed pages served (C2)."""
    from memsection._native import guard

    region.bitmap_size = facts.bitmap_pages * p.PAGE_SIZE
    body = table.view_descriptor(handle, writable=False)
    region.bitmap = sys_.mmap(0, region.bitmap_size, system.PROT_READ, system.MAP_SHARED, body, facts.bitmap_offset)
    if not seals.is_sealed(body):
        region.guard = regions.CutReserved(region, prot, body)
        region.guard.sync()
        return
    try:
        region.guard = regions.Absent(region.base, region.size)
    except OSError:  # a read-only view, or a system without userfaultfd(2) for everybody: first touches are served
        region.guard = guard.add_reserved(region.base, region.size, prot, region.bitmap, region.offset // p.PAGE_SIZE)
        region.guard.sync()
    else:
        sys_.mprotect(region.base, region.size, prot)


def _bind_view(address: int, size: int, node: int) -> None:
    try:
        sys_.mbind(address, size, node)
    except OSError as error:
        raise NtError(st.INVALID_PARAMETER, detail=f"NUMA node {node}: {error.strerror}") from None


def unmap(address: int) -> None:
    """NtUnmapViewOfSection in this process."""
    region = regions.find(address)
    if region is None or region.obj is None or not regions.remove(region):
        raise NtError(st.NOT_MAPPED_VIEW, detail=f"there is no view at {address:#x}")


def _sealed(fd: int) -> bool:
    try:
        return bool(sys_.fcntl(fd, sys_.F_GET_SEALS) & sys_.F_SEAL_FUTURE_WRITE)
    except OSError:
        return False
