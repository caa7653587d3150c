# SPDX-License-Identifier: MIT
"""Page protections and their changes (NtProtectVirtualMemory)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import system
from memsection.nt.linux.system import addresses
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.addresses import PAGE
from memsection.nt.linux.system.tables_lock import lock
from memsection.nt.linux.views import query, regions
from memsection.nt.linux.views.regions import Region
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_MODIFIERS = p.PAGE_NOCACHE | p.PAGE_WRITECOMBINE


def inside(address: int, size: int) -> tuple[Region, int, int]:
    """The region of a range, its first page and its page count.  CONFLICTING_ADDRESSES if it leaves
    the region."""
    region = regions.find(address)
    if region is None:
        raise NtError(
            st.CONFLICTING_ADDRESSES, detail=f"nothing of this process's is at {address:#x}"
        )
    first = (address - region.base) // PAGE
    end = -(-(address + size - region.base) // PAGE)
    if end * PAGE > region.size:
        raise NtError(
            st.CONFLICTING_ADDRESSES,
            detail=f"{address:#x}+{size:#x} reaches beyond the region at "
            f"{region.base:#x}+{region.size:#x}",
        )
    return region, first, end - first


def valid_protection(protection: int) -> int:
    """The base protection; INVALID_PAGE_PROTECTION unless it is exactly one."""
    base = protection & p.PAGE_BASE_MASK
    if base not in p.PAGE_PROTECTIONS or protection & ~(
        p.PAGE_BASE_MASK | p.PAGE_GUARD | _MODIFIERS
    ):
        raise NtError(
            st.INVALID_PAGE_PROTECTION, detail=f"{p.words(protection)} is no page protection"
        )
    if protection & _MODIFIERS and (
        base == p.PAGE_NOACCESS or protection & _MODIFIERS == _MODIFIERS
    ):
        raise NtError(
            st.INVALID_PAGE_PROTECTION,
            detail=f"{p.words(protection)}: modifiers that do not go together",
        )
    if protection & p.PAGE_GUARD:
        if base == p.PAGE_NOACCESS:
            raise NtError(
                st.INVALID_PAGE_PROTECTION, detail="PAGE_GUARD does not go with PAGE_NOACCESS"
            )
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            detail="PAGE_GUARD: there are no pages here that tell of their first touch",
        )
    return base


def require_not_copied(protection: int) -> None:
    """INVALID_PAGE_PROTECTION for private memory that should be copied before it is written."""
    if p.copies(protection):
        raise NtError(st.INVALID_PAGE_PROTECTION, detail="private memory cannot be copy-on-write")


def as_allocated(region: Region, protection: int) -> int:
    """A protection for pages of private memory: its modifiers are those that the allocation was
    made with (Wine, kernel32/tests/virtual.c: recent Windows has none for single pages)."""
    if protection == p.PAGE_NOACCESS:
        return protection
    return protection | region.protection & _MODIFIERS


def protect(address: int, size: int, protection: int) -> tuple[int, int, int]:
    """NtProtectVirtualMemory."""
    base = valid_protection(protection)
    if size <= 0:
        raise NtError(st.INVALID_PARAMETER, detail="a range has at least one byte")
    with lock:
        region, first, count = inside(address, size)
        if region.obj is None:
            require_not_copied(base)
        else:
            if protection & _MODIFIERS & ~region.modifiers:
                raise NtError(
                    st.INVALID_PAGE_PROTECTION, detail="a view's modifiers are those of its section"
                )
            require_view_allows(region, base)
        committed, end = query.committed_run(region, first)
        if not committed or end < first + count or region.any_reserved(first, count):
            raise NtError(st.NOT_COMMITTED)
        old = query.query(region.base + first * PAGE).Protect
        apply(region, first, count, base)
        region.change(first, count, as_allocated(region, base) if region.obj is None else base)
        return region.base + first * PAGE, count * PAGE, old


def require_view_allows(region: Region, protection: int) -> None:
    """SECTION_PROTECTION unless pages of a view may have this protection: not more than the view
    was mapped with."""
    mapped = region.protection & p.PAGE_BASE_MASK
    if (
        not p.allows(mapped, protection)
        or mapped == p.PAGE_NOACCESS != protection
        or protection == p.PAGE_EXECUTE_WRITECOPY
        and mapped not in (p.PAGE_EXECUTE_WRITECOPY, p.PAGE_EXECUTE_READWRITE)
    ):
        raise NtError(
            st.SECTION_PROTECTION,
            detail=f"{p.words(protection)} is more than the view's {p.words(region.protection)}",
        )


def apply(region: Region, first: int, count: int, protection: int) -> None:
    start, size = region.base + first * PAGE, count * PAGE
    if region.obj is not None and not p.copies(region.protection):
        # In a shared view copy-on-write means another kind of mapping, and back again where nothing
        # was copied.
        if p.copies(protection):
            _remap(region, first, count, protection, system.MAP_PRIVATE)
            return
        page = first
        while page < first + count:
            run = min(region.run_end(page), first + count)
            if p.copies(region.page_protection(page)):
                copied, run = query.copied_run(region, page, run)
                if not copied:
                    _remap(region, page, run - page, protection, system.MAP_SHARED)
            page = run
    sys_.mprotect(start, size, addresses.prot_of(protection))


def _remap(region: Region, first: int, count: int, protection: int, kind: int) -> None:
    assert region.obj is not None
    fd = _view_fd(region)
    sys_.mmap(
        region.base + first * PAGE,
        count * PAGE,
        addresses.prot_of(protection),
        kind | system.MAP_FIXED,
        fd,
        region.offset + first * PAGE,
    )


def _view_fd(region: Region) -> int:
    """A descriptor of what the view maps; the object keeps one as long as it has views (L5)."""
    obj = region.obj
    assert obj is not None
    fd = obj.view_rw if region.writable else obj.view_ro
    if fd < 0:
        fd = max(obj.view_rw, obj.view_ro)
    if fd < 0 or obj.facts is not None and obj.facts.file_identity is not None:
        for handle in obj.handles:
            if handle.data_fd >= 0:
                return handle.data_fd
        if fd < 0 or obj.facts is not None and obj.facts.file_identity is not None:
            raise NtError(
                st.NOT_SUPPORTED,
                detail="the file behind this view has no open handle in this process any more",
            )
    return fd
