# SPDX-License-Identifier: MIT
"""Commits of reserved pages of a section, for every view of it (C2)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import guard as guard_
from memsection._native import system
from memsection.nt.linux.bodies import commit, reserve
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.addresses import PAGE
from memsection.nt.linux.system.tables_lock import lock
from memsection.nt.linux.views import protect, regions
from memsection.nt.linux.views.regions import Region
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError


def commit_region(region: Region, offset: int, size: int, protection: int) -> None:
    """Commit the pages of a range of a view, for every view of its section (C2)."""
    base = protect.valid_protection(protection)
    with lock:  # so that the view is there until it is done
        regions.require_mapped(region)
        first = offset // PAGE
        commit_pages(region, first, -(-(offset + size) // PAGE) - first, base)


def commit_pages(region: Region, first: int, count: int, base: int) -> None:
    """Commit pages of a view, whose protection becomes ``base``.  The lock is held."""
    assert region.obj is not None
    if region.obj.facts is None or region.obj.facts.file_identity is not None:
        raise NtError(st.ALREADY_COMMITTED, detail="pages of a file need no commit")
    if p.copies(base):
        raise NtError(st.INVALID_PAGE_PROTECTION, detail="pages are not committed copy-on-write")
    protect.require_view_allows(region, base)
    if region.bitmap:
        _commit_section(region, first, count)
    # Pages that VirtualProtect, or an earlier commit, gave less get what is asked for now.
    if region.changed is not None or base != region.protection & p.PAGE_BASE_MASK:
        protect.apply(region, first, count, base)
        region.change(first, count, base)


def commit_view(region: Region, size: int) -> None:
    """Commit the beginning of a view (CommitSize of NtMapViewOfSection)."""
    with lock:
        _commit_section(region, 0, -(-min(size, region.size) // PAGE))


def _commit_section(region: Region, first: int, count: int) -> None:
    """Reserve memory for the pages, then say that they are there; other processes map them at first
    touch (C2)."""
    obj = region.obj
    assert obj is not None and obj.facts is not None
    offset = region.offset + first * PAGE
    fd, temporary = obj.view_rw, -1
    try:
        if fd < 0:
            source = obj.view_ro if obj.view_ro >= 0 else next(iter(obj.handles)).fd
            fd = temporary = descriptions.reopen(source, sys_.O_RDWR)
        where = namespace.path_of("global") if obj.directory == "global" else commit.MEMORY
        reserve.reserve(fd, offset, count * PAGE, where)
        page = offset // PAGE
        start = obj.facts.bitmap_offset + page // 8 // PAGE * PAGE
        length = obj.facts.bitmap_offset + -(-(page + count) // 8) - start
        _set_bits(
            fd,
            start,
            -(-length // PAGE) * PAGE,
            page - (start - obj.facts.bitmap_offset) * 8,
            count,
        )
    finally:
        if temporary >= 0:
            sys_.close(temporary)
    for other in regions.regions_by_base.values():
        if other.obj is obj and other.guard is not None:
            other.guard.sync()


def _set_bits(fd: int, start: int, size: int, first: int, count: int) -> None:
    """Set bits in pages of a body, which may be cut meanwhile (M3)."""
    prot = system.PROT_READ | system.PROT_WRITE
    bits = sys_.mmap(0, size, prot, system.MAP_SHARED, fd, start)
    guard = None
    try:
        guard = guard_.add(bits, size, prot, fd, start)
        system.set_bits(bits, first, count)
        guard.check()
    finally:
        if guard is not None:
            guard.remove()
        sys_.munmap(bits, size)
