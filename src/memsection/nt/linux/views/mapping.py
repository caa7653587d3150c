# SPDX-License-Identifier: MIT
"""Mapping views of sections, and unmapping them."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno

from memsection._native import system
from memsection._native.view import lend
from memsection.nt.linux.bodies import control_page, seals
from memsection.nt.linux.handles import record, table
from memsection.nt.linux.system import addresses
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.views import regions
from memsection.nt.linux.views.regions import Region
from memsection.vocabulary import access as a
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import SECTION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Protection:
    """What one page protection means for a view."""

    __slots__ = ("copies", "flags", "needed", "prot", "readonly", "value", "writable")

    def __init__(self, value: int) -> None:
        self.value = value
        self.needed = p.needed_access(value)
        self.prot = addresses.prot_of(value)
        self.writable = p.writable(value)
        self.copies = p.copies(value)
        self.readonly = not (self.writable or self.copies)
        self.flags = system.MAP_PRIVATE if self.copies else system.MAP_SHARED


_PROTECTIONS = {value: _Protection(value) for value in p.PAGE_PROTECTIONS}
#: Which views a section of a protection allows.
_ALLOWED = frozenset(
    (section, view)
    for section in p.PAGE_PROTECTIONS
    for view in p.PAGE_PROTECTIONS
    if p.allows(section, view)
)

#: What a view may be asked for besides: the end of a file is reserved by nobody here, and addresses
#: come from above anyway.
_ALLOCATION_TYPES = p.MEM_RESERVE | p.MEM_TOP_DOWN | p.MEM_LARGE_PAGES


def map_view(
    section: int,
    base: int,
    zero_bits: int,
    commit_size: int,
    offset: int,
    view_size: int,
    inherit: int,
    allocation_type: int,
    protection: int,
    numa_node: int | None,
) -> tuple[int, int, int]:
    """NtMapViewOfSection into this process."""
    if allocation_type & ~_ALLOCATION_TYPES:
        raise NtError(
            st.INVALID_PARAMETER_9,
            detail=f"allocation type {allocation_type:#x} is none for a view",
        )
    handle = table.lookup(section, SECTION)
    if not 0 <= base <= addresses.HIGHEST or not 0 <= view_size <= addresses.HIGHEST - base:
        raise NtError(
            st.INVALID_PARAMETER_3,
            detail=f"there are no {view_size} bytes of user addresses at {base:#x}",
        )
    if zero_bits:
        _check_zero_bits(zero_bits, base, view_size)
    if inherit not in (p.VIEW_SHARE, p.VIEW_UNMAP):
        raise NtError(st.INVALID_PARAMETER_8)
    if allocation_type & ~p.MEM_TOP_DOWN:
        _check_allocation_type(handle, allocation_type)
    # An address or an offset that is not aligned is told first.
    if commit_size and not (base | offset) % p.ALLOCATION_GRANULARITY:
        _check_commit_size(handle, commit_size, offset, view_size, allocation_type)
    region = _map_handle(handle, base, zero_bits, offset, view_size, protection, numa_node)
    if commit_size and region.bitmap:
        from memsection.nt.linux.views import commit_pages

        commit_pages.commit_view(region, commit_size)
    return st.SUCCESS, region.base, region.size


def _check_zero_bits(zero_bits: int, base: int, view_size: int) -> None:
    if zero_bits < 0 or 21 < zero_bits < 32:
        raise NtError(
            st.INVALID_PARAMETER_4, detail=f"{zero_bits} zero bits: a number up to 21, or a mask"
        )
    limit = addresses.address_limit(zero_bits)
    if base >= limit or base and base + view_size > limit:
        raise NtError(
            st.INVALID_PARAMETER_4,
            detail=f"the address {base:#x} is not below the limit that is asked for, {limit:#x}",
        )


def _check_allocation_type(handle: record.Handle, allocation_type: int) -> None:
    facts = handle.obj.facts
    assert facts is not None
    wrong = None
    if allocation_type & p.MEM_RESERVE and not facts.attributes & p.SEC_FILE:
        wrong = "MEM_RESERVE is for sections of files"
    elif allocation_type & p.MEM_LARGE_PAGES and not facts.attributes & p.SEC_LARGE_PAGES:
        wrong = "MEM_LARGE_PAGES is for sections that were made of large pages"
    if wrong:
        raise NtError(st.INVALID_PARAMETER_9, name=handle.obj.display_name(), detail=wrong)
    if allocation_type & p.MEM_RESERVE and not p.writable(facts.protection):
        raise NtError(
            st.SECTION_PROTECTION,
            name=handle.obj.display_name(),
            detail="MEM_RESERVE is for sections that can be extended, not read-only ones",
        )


def _check_commit_size(
    handle: record.Handle, commit_size: int, offset: int, view_size: int, allocation_type: int
) -> None:
    facts = handle.obj.facts
    assert facts is not None
    size = view_size or max(facts.size - offset, 0)
    if not facts.attributes & p.SEC_FILE or allocation_type & p.MEM_RESERVE:
        size = p.page_up(size)  # the bytes of a file are counted one by one
    if commit_size > size:
        raise NtError(
            st.INVALID_PARAMETER_5,
            name=handle.obj.display_name(),
            detail=f"{commit_size} bytes to commit are more than the view has",
        )


def map_buffer(
    section: int,
    offset: int,
    view_size: int,
    protection: int,
    kind: type[Any],
    numa_node: int | None,
) -> Any:
    """A view as a buffer of this kind, which releases it."""
    handle = table.lookup(section, SECTION)
    region = _map_handle(handle, 0, 0, offset, view_size, protection, numa_node)
    length = view_size or region.size
    facts = handle.obj.facts
    if (
        not view_size
        and facts is not None
        and facts.file_identity is not None
        and handle.access & a.SECTION_QUERY
    ):
        length = min(facts.size - offset, length)  # its last page is part of a page
    meant, guard = _PROTECTIONS[region.protection], region.guard
    # It releases the region, not the address: whoever unmaps the view otherwise makes room for
    # another one there (M2).
    return lend(
        kind,
        region.base,
        length,
        meant.readonly,
        region,
        None if guard is None else guard.check,
        not region.bitmap,
    )


def _map_handle(
    handle: record.Handle,
    base: int,
    zero_bits: int,
    offset: int,
    view_size: int,
    protection: int,
    numa_node: int | None,
) -> Region:
    obj = handle.obj
    meant = _PROTECTIONS.get(protection)
    if meant is None:
        meant = _check_protection(protection)
    if meant.needed & ~handle.access:
        handle.require(meant.needed)
    facts = obj.facts
    assert facts is not None
    if facts.file_identity is not None:  # it may have been extended
        facts = obj.facts = control_page.current(handle.fd, facts)
    protection = facts.protection
    if protection != meant.value and (protection, meant.value) not in _ALLOWED:
        _require_allowed(handle, protection, meant.value)
    size = facts.size
    if base or offset or view_size or not size:
        _require_range(obj, base, offset, view_size, size)
        size = view_size or size - offset
    if size & _WITHIN_PAGE:
        size = p.page_up(size)
    if zero_bits and not base:
        region = _map_below(zero_bits, handle, facts, offset, size, meant)
    else:
        region = _map(handle, facts, base, offset, size, meant)
    if facts.attributes & _MODIFYING:
        region.modifiers = _modifiers(facts.attributes)
    try:
        if numa_node is not None:
            _bind_view(region.base, size, numa_node)
        regions.add(region)
    except BaseException:
        sys_.munmap(region.base, size)
        raise
    return region


def _check_protection(protection: int) -> _Protection:
    if protection & ~p.PAGE_BASE_MASK:
        raise NtError(
            st.INVALID_PAGE_PROTECTION, detail="a view's modifiers are those of its section"
        )
    from memsection.nt.linux.views import protect

    return _PROTECTIONS[protect.valid_protection(protection)]


def _require_range(
    obj: record.LocalObject, base: int, offset: int, view_size: int, size: int
) -> None:
    if (base | offset) % p.ALLOCATION_GRANULARITY:
        wrong = base if base % p.ALLOCATION_GRANULARITY else offset
        raise NtError(
            st.MAPPED_ALIGNMENT,
            name=obj.display_name(),
            detail=f"{'address' if wrong is base else 'offset'} {wrong:#x} is not a "
            "multiple of 65536",
        )
    if offset < 0 or view_size < 0 or offset + view_size > size or offset >= size:
        raise NtError(
            st.INVALID_VIEW_SIZE,
            name=obj.display_name(),
            detail=f"asked for {view_size} bytes at {offset}, the section has {size}",
        )


def _require_allowed(handle: record.Handle, section: int, view: int) -> None:
    if not p.allows(section, view):
        raise NtError(
            st.SECTION_PROTECTION,
            name=handle.obj.display_name(),
            detail=f"asked for a {p.words(view)} view of a {p.words(section)} section",
        )


_WITHIN_PAGE = p.PAGE_SIZE - 1
_MODIFYING = p.SEC_NOCACHE | p.SEC_WRITECOMBINE


def _modifiers(attributes: int) -> int:
    return (p.PAGE_NOCACHE if attributes & p.SEC_NOCACHE else 0) | (
        p.PAGE_WRITECOMBINE if attributes & p.SEC_WRITECOMBINE else 0
    )


def _map(
    handle: record.Handle,
    facts: control_page.Facts,
    base: int,
    offset: int,
    size: int,
    meant: _Protection,
) -> Region:
    obj = handle.obj
    fd = sys_.view_descriptor(handle, meant.writable)
    large = facts.attributes & p.SEC_LARGE_PAGES
    if large and not _is_whole(fd, offset + size):
        raise control_page.corrupt("its large pages are not sealed against being cut")
    is_reserved = facts.bitmap_pages > 0
    prot = system.PROT_NONE if is_reserved else meant.prot
    try:
        if base or large:
            region = _map_at(base, obj, fd, size, meant, prot, offset)
        else:
            region = sys_.map_region(
                Region, obj, fd, size, meant.value, prot, meant.flags, offset, meant.writable
            )
    except OSError as error:
        raise _map_refused(error, handle, meant.writable, base, size) from None
    # Every body is sealed but a Global one, which is a file (M3, found out when its facts were
    # read); and the data of a section of a file are not its body.
    if facts.file_identity is None and not is_reserved and obj.directory != "global":
        return region
    try:
        if is_reserved:
            _guard_reserved(region, handle, facts, meant.prot)
        elif not large and not _is_whole(fd, offset + size):
            # What is missing of the last page was never there.
            region.guard = regions.new_guard(
                region.base, min(size, facts.size - offset), meant.prot, fd, offset
            )
    except BaseException:
        if region.bitmap:
            sys_.munmap(region.bitmap, region.bitmap_size)
        sys_.munmap(region.base, size)
        raise
    return region


def _map_at(
    base: int,
    obj: record.LocalObject,
    fd: int,
    size: int,
    meant: _Protection,
    prot: int,
    offset: int,
) -> Region:
    """Map at this address and nowhere else, or where the kernel will have it (large pages)."""
    flags = meant.flags | (system.MAP_FIXED_NOREPLACE if base else 0)
    address = sys_.mmap(base, size, prot, flags, fd, offset)
    obj.fresh = False
    return Region(address, size, meant.value, obj, offset, meant.writable, not meant.copies)


def _is_whole(fd: int, end: int) -> bool:
    """Whether all bytes up to this one are there, and nobody can take them away; else a view has to
    be guarded."""
    return seals.is_sealed(fd) and sys_.fstat(fd).st_size >= end


def _map_below(
    zero_bits: int,
    handle: record.Handle,
    facts: control_page.Facts,
    offset: int,
    size: int,
    meant: _Protection,
) -> Region:
    """Map where the upper bits of the address are zero: so many of the lowest 32, or all outside of
    a mask."""
    limit = addresses.address_limit(zero_bits)
    start = (limit - size) // p.ALLOCATION_GRANULARITY * p.ALLOCATION_GRANULARITY
    while start > 0:
        try:
            return _map(handle, facts, start, offset, size, meant)
        except NtError as failure:
            if failure.status != st.CONFLICTING_ADDRESSES:
                raise
        start -= p.ALLOCATION_GRANULARITY
    raise NtError(
        st.NO_MEMORY,
        name=handle.obj.display_name(),
        detail=f"no room for {size} bytes below {limit:#x}",
    )


def _map_refused(
    error: OSError, handle: record.Handle, writable: bool, base: int, size: int
) -> NtError:
    name = handle.obj.display_name()
    if error.errno == errno.EEXIST:
        return NtError(
            st.CONFLICTING_ADDRESSES, name=name, detail=f"{base:#x}+{size:#x} is not free"
        )
    if error.errno == errno.EPERM and writable and _is_sealed(handle.fd):
        return NtError(
            st.ACCESS_DENIED, name=name, detail="the section is sealed: no new writable views"
        )
    if error.errno == errno.EPERM:
        return NtError(
            st.ACCESS_DENIED,
            name=name,
            detail="the kernel refused the mapping (a mount with noexec?)",
        )
    if error.errno == errno.ENOMEM:
        return NtError(
            st.NO_MEMORY,
            name=name,
            detail=f"no address space or no mapping left for {size} bytes (vm.max_map_count, "
            f"ulimit -v)",
        )
    return NtError(st.from_errno(error.errno), name=name, detail=f"mmap: {error.strerror}")


def _guard_reserved(
    region: Region, handle: record.Handle, facts: control_page.Facts, prot: int
) -> None:
    """Map the bitmap of committed pages beside the view, and have first touches of committed pages
    served (C2)."""
    from memsection._native import guard

    region.bitmap_size = facts.bitmap_pages * p.PAGE_SIZE
    body = sys_.view_descriptor(handle, False)
    region.bitmap = sys_.mmap(
        0, region.bitmap_size, system.PROT_READ, system.MAP_SHARED, body, facts.bitmap_offset
    )
    if not seals.is_sealed(body):
        region.guard = regions.CutReserved(region, prot, body)
        region.guard.sync()
        return
    try:
        region.guard = regions.UserfaultGuard(region.base, region.size)
    except OSError:
        # a read-only view, or a system without userfaultfd(2) for everybody: first touches are
        # served
        region.guard = guard.add_reserved(
            region.base, region.size, prot, region.bitmap, region.offset // p.PAGE_SIZE
        )
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
    if region is None or region.obj is None or not regions.unmap(region):
        raise NtError(st.NOT_MAPPED_VIEW, detail=f"there is no view at {address:#x}")


def _is_sealed(fd: int) -> bool:
    try:
        return bool(sys_.fcntl(fd, sys_.F_GET_SEALS) & sys_.F_SEAL_FUTURE_WRITE)
    except OSError:
        return False
