# SPDX-License-Identifier: MIT
"""Mapping views of sections, and unmapping them."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno

from memsection._native import system
from memsection._native.view import View
from memsection.nt.linux.bodies import control_page, seals
from memsection.nt.linux.handles import table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.system import addresses
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.views import commit_pages, protect, regions
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

    __slots__ = ("copies", "flags", "needed", "prot", "value", "writable")

    def __init__(self, value: int) -> None:
        self.value = value
        self.needed = p.needed_access(value)
        self.prot = addresses.prot_of(value)
        self.writable = p.writable(value)
        self.copies = p.copies(value)
        self.flags = system.MAP_PRIVATE if self.copies else system.MAP_SHARED


_PROTECTIONS = {value: _Protection(value) for value in p.PAGE_PROTECTIONS}
#: Which views a section of a protection allows.
_ALLOWED = frozenset(
    (section, view)
    for section in p.PAGE_PROTECTIONS
    for view in p.PAGE_PROTECTIONS
    if p.allows(section, view)
)

#: Sizes of fresh views whose pages are had in one call: below, faults are as fast, and above, who
#: maps much may not write to all of it.
_POPULATE_FROM, _POPULATE_TO = 65536, 4 << 20


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
    if base > addresses.HIGHEST or not 0 <= view_size <= addresses.HIGHEST - base:
        raise NtError(
            st.INVALID_PARAMETER_3,
            detail=f"there are no {view_size} bytes of user addresses at {base:#x}",
        )
    if 21 < zero_bits < 32:
        raise NtError(
            st.INVALID_PARAMETER_4, detail=f"{zero_bits} zero bits: a number up to 21, or a mask"
        )
    if inherit not in (p.VIEW_SHARE, p.VIEW_UNMAP):
        raise NtError(st.INVALID_PARAMETER_8)
    facts = handle.obj.facts
    if facts is not None and allocation_type & p.MEM_RESERVE and facts.file_identity is None:
        raise NtError(
            st.INVALID_PARAMETER_9,
            name=handle.obj.display_name(),
            detail="MEM_RESERVE is for sections of files",
        )
    if facts is not None and commit_size > p.page_up(view_size or max(facts.size - offset, 0)):
        raise NtError(
            st.INVALID_PARAMETER_5,
            name=handle.obj.display_name(),
            detail=f"{commit_size} bytes to commit are more than the view has",
        )
    region = _map_handle(handle, base, zero_bits, offset, view_size, protection, numa_node)
    if commit_size and region.bitmap:
        commit_pages.commit_view(region, commit_size)
    return st.SUCCESS, region.base, region.size


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
    if not view_size and facts is not None and handle.access & a.SECTION_QUERY:
        length = min(facts.size - offset, length)  # of a file: its last page is part of a page
    meant = _PROTECTIONS[region.protection]
    # It releases the region, not the address: whoever unmaps the view otherwise makes room for
    # another one there (M2).
    buffer: Any = kind.__new__(kind)  # type: ignore[call-overload]  # its own constructor is closed to everybody else
    View.__init__(
        buffer,
        region.base,
        length,
        readonly=not (meant.writable or meant.copies),
        release=region,
        check=region.guard.check if region.guard is not None else None,
    )
    return buffer


def _map_handle(
    handle: Handle,
    base: int,
    zero_bits: int,
    offset: int,
    view_size: int,
    protection: int,
    numa_node: int | None,
) -> regions.Region:
    obj = handle.obj
    meant = _PROTECTIONS.get(protection)
    if meant is None:
        meant = _checked_protection(protection)
    if meant.needed & ~handle.access:
        handle.require(meant.needed)
    facts = obj.facts
    assert facts is not None
    if facts.file_identity is not None:  # it may have been extended
        facts = obj.facts = control_page.read(handle.fd, facts.body_size)
    if facts.protection != meant.value and (facts.protection, meant.value) not in _ALLOWED:
        _require_allowed(handle, facts.protection, meant.value)
    if (base | offset) % p.ALLOCATION_GRANULARITY:
        wrong = base if base % p.ALLOCATION_GRANULARITY else offset
        raise NtError(
            st.MAPPED_ALIGNMENT,
            name=obj.display_name(),
            detail=f"{'address' if wrong is base else 'offset'} {wrong:#x} is not a "
            "multiple of 65536",
        )
    if offset < 0 or view_size < 0 or offset + view_size > facts.size or offset >= facts.size:
        raise NtError(
            st.INVALID_VIEW_SIZE,
            name=obj.display_name(),
            detail=f"asked for {view_size} bytes at {offset}, the section has {facts.size}",
        )
    size = p.page_up(view_size or facts.size - offset)
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


def _checked_protection(protection: int) -> _Protection:
    if protection & ~p.PAGE_BASE_MASK:
        raise NtError(
            st.INVALID_PAGE_PROTECTION, detail="a view's modifiers are those of its section"
        )
    return _PROTECTIONS[protect.valid_protection(protection)]


def _require_allowed(handle: Handle, section: int, view: int) -> None:
    if not p.allows(section, view):
        raise NtError(
            st.SECTION_PROTECTION,
            name=handle.obj.display_name(),
            detail=f"asked for a {p.words(view)} view of a {p.words(section)} section",
        )


_MODIFYING = p.SEC_NOCACHE | p.SEC_WRITECOMBINE


def _modifiers(attributes: int) -> int:
    return (p.PAGE_NOCACHE if attributes & p.SEC_NOCACHE else 0) | (
        p.PAGE_WRITECOMBINE if attributes & p.SEC_WRITECOMBINE else 0
    )


def _map(
    handle: Handle, facts: control_page.Facts, base: int, offset: int, size: int, meant: _Protection
) -> regions.Region:
    obj = handle.obj
    fd = obj.view_rw if meant.writable else obj.view_ro
    if fd < 0 or handle.data_fd >= 0:
        fd = table.view_descriptor(handle, writable=meant.writable)
    # Every body is sealed but a Global one, which is a file (M3, found out when its facts were
    # read); and the data of a section of a file are not its body.
    is_sealed = facts.file_identity is None and obj.directory != "global"
    is_reserved = facts.bitmap_pages > 0
    large = facts.attributes & p.SEC_LARGE_PAGES
    if large and not _is_whole(fd, offset + size):
        raise control_page.corrupt("its large pages are not sealed against being cut")
    prot = system.PROT_NONE if is_reserved else meant.prot
    try:
        if base:
            address = sys_.mmap(
                base, size, prot, meant.flags | system.MAP_FIXED_NOREPLACE, fd, offset
            )
        elif large:
            address = sys_.mmap(0, size, prot, meant.flags, fd, offset)
        else:
            populates = (
                obj.fresh
                and meant.writable
                and not is_reserved
                and _POPULATE_FROM <= size <= _POPULATE_TO
            )
            address = sys_.map_view(fd, size, prot, meant.flags, offset, populates)
    except OSError as error:
        raise _map_refused(error, handle, meant.writable, base, size) from None
    obj.fresh = False
    region = regions.Region(
        address, size, meant.value, obj, offset, meant.writable, not meant.copies
    )
    if is_sealed and not is_reserved:
        return region
    try:
        if is_reserved:
            _guard_reserved(region, handle, facts, meant.prot)
        elif not large and not _is_whole(fd, offset + size):
            # What is missing of the last page was never there.
            region.guard = regions.new_guard(
                address, min(size, facts.size - offset), meant.prot, fd, offset
            )
    except BaseException:
        if region.bitmap:
            sys_.munmap(region.bitmap, region.bitmap_size)
        sys_.munmap(address, size)
        raise
    return region


def _is_whole(fd: int, end: int) -> bool:
    """Whether all bytes up to this one are there, and nobody can take them away; else a view has to
    be guarded."""
    return seals.is_sealed(fd) and sys_.fstat(fd).st_size >= end


def _map_below(
    zero_bits: int,
    handle: Handle,
    facts: control_page.Facts,
    offset: int,
    size: int,
    meant: _Protection,
) -> regions.Region:
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


def _map_refused(error: OSError, handle: Handle, writable: bool, base: int, size: int) -> NtError:
    name = handle.obj.display_name()
    if error.errno == errno.EEXIST:
        return NtError(
            st.CONFLICTING_ADDRESSES, name=name, detail=f"{base:#x}+{size:#x} is not free"
        )
    if error.errno == errno.EPERM and writable and _sealed(handle.fd):
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
    region: regions.Region, handle: Handle, facts: control_page.Facts, prot: int
) -> None:
    """Map the bitmap of committed pages beside the view, and have first touches of committed pages
    served (C2)."""
    from memsection._native import guard

    region.bitmap_size = facts.bitmap_pages * p.PAGE_SIZE
    body = table.view_descriptor(handle, writable=False)
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
    if region is None or region.obj is None or not regions.remove(region):
        raise NtError(st.NOT_MAPPED_VIEW, detail=f"there is no view at {address:#x}")


def _sealed(fd: int) -> bool:
    try:
        return bool(sys_.fcntl(fd, sys_.F_GET_SEALS) & sys_.F_SEAL_FUTURE_WRITE)
    except OSError:
        return False
