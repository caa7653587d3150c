# SPDX-License-Identifier: MIT
"""This process's views and private regions: addresses, page protections, what a query shows, commits of reserved pages.

It owns the table of regions.  Where a view's bytes come from is decided in ``section``.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import bisect
import errno
import os
import time

from memsection._native import guard as guard_
from memsection._native import system
from memsection.nt.linux import _fast, commit, objects
from memsection.nt.linux import syscalls as sys_
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.structs import MemoryBasicInformation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PAGE, GRANULARITY = p.PAGE_SIZE, p.ALLOCATION_GRANULARITY
HUGE_PAGE = 2 << 20  #: what transparent huge pages have on x86-64, and on arm64 with pages of 4 KiB
_AT_ONCE = 32 * HUGE_PAGE  # each such call waits for all processors once
_MODIFIERS = p.PAGE_NOCACHE | p.PAGE_WRITECOMBINE
HIGHEST = 0x7FFF_FFFE_FFFF  #: the last address that a process can use on Windows (MM_HIGHEST_USER_ADDRESS)


class Region(_fast.RegionRecord):
    """One view, or one private allocation."""

    __slots__ = ()

    def __init__(self, base: int, size: int, protection: int, obj: objects.LocalObject | None, offset: int) -> None:
        self.base = base
        self.size = size  #: whole pages
        self.protection = protection  #: AllocationProtect
        self.modifiers = 0  #: PAGE_NOCACHE, PAGE_WRITECOMBINE
        self.obj = obj  #: None for private memory
        self.offset = offset
        self.writable = p.writable(protection)
        self.shared = obj is not None and not p.copies(protection)
        self.changed: list[tuple[int, int]] | None = None  #: (first page, protection) runs, once VirtualProtect came
        self.bitmap = 0  #: address of the bitmap of committed pages, where not all are; for private memory 0
        self.bitmap_size = 0
        self.guard: Any = None

    def page_protection(self, page: int) -> int:
        """What VirtualProtect, or else the mapping, gave a page."""
        if self.changed is None:
            return self.protection
        return self.changed[bisect.bisect_right(self.changed, (page, 1 << 30)) - 1][1]

    def run_end(self, page: int) -> int:
        """The page after the run of equal protection that this page is in."""
        last = self.size // PAGE
        if self.changed is None:
            return last
        position = bisect.bisect_right(self.changed, (page, 1 << 30))
        mine = self.changed[position - 1][1]
        while position < len(self.changed) and self.changed[position][1] == mine:
            position += 1
        return self.changed[position][0] if position < len(self.changed) else last

    def any_reserved(self, first: int, count: int) -> bool:
        """Whether some of these pages of private memory are reserved only."""
        return self.changed is not None and (self.page_protection(first) == 0 or any(
            protection == 0 for page, protection in self.changed if first < page < first + count))

    def change(self, first: int, count: int, protection: int) -> None:
        """Note a new protection for some pages."""
        runs = self.changed or [(0, self.protection)]
        end = first + count
        after = self.page_protection(end) if end < self.size // PAGE else None
        kept = [run for run in runs if run[0] < first] + [(first, protection)]
        if after is not None:
            kept.append((end, after))
        kept += [run for run in runs if run[0] > end]
        self.changed = kept


_bases: list[int] = []
_regions: dict[int, Region] = {}


add = _fast.add


def find(address: int) -> Region | None:
    """The region that contains an address."""
    region = _regions.get(address)
    if region is None:
        with objects.lock:
            position = bisect.bisect_right(_bases, address) - 1
            if position < 0:
                return None
            region = _regions[_bases[position]]
        if address >= region.base + region.size:
            return None
    return region


remove = _fast.remove


def _rounded(size: int) -> int:
    return -(-size // GRANULARITY) * GRANULARITY


def place(size: int, prot: int, flags: int, fd: int, offset: int) -> int:
    """mmap at a multiple of the allocation granularity.

    A hint that worked before costs one call; where the kernel will not have it, room is made and trimmed.
    """
    with objects.lock:
        address = sys_.mmap(_fast.next_address(size), size, prot, flags, fd, offset)
        if address % GRANULARITY == 0:
            return address
        sys_.munmap(address, size)
        room = sys_.mmap(0, size + GRANULARITY, 0,
                         system.MAP_PRIVATE | system.MAP_ANONYMOUS | system.MAP_NORESERVE, -1, 0)
        aligned = _rounded(room)
        try:
            return sys_.mmap(aligned, size, prot, flags | system.MAP_FIXED, fd, offset)
        finally:
            if aligned > room:
                sys_.munmap(room, aligned - room)
            end = aligned + -(-size // PAGE) * PAGE
            if room + size + GRANULARITY > end:
                sys_.munmap(end, room + size + GRANULARITY - end)


def prot_of(protection: int) -> int:
    """mmap(2)'s protection for a page protection."""
    base = protection & p.PAGE_BASE_MASK
    prot = 0
    if p.readable(base):
        prot |= system.PROT_READ
    if p.writable(base) or p.copies(base):
        prot |= system.PROT_WRITE
    if p.executable(base):
        prot |= system.PROT_EXEC
    return prot


# ---------------------------------------------------------------------- queries


def query(address: int) -> MemoryBasicInformation:
    """NtQueryVirtualMemory for an address of this process."""
    page_address = address // PAGE * PAGE
    region = find(address)
    if region is None:
        return _query_outside(page_address)
    if region.guard is not None and region.bitmap:
        region.guard.sync()
    page = (page_address - region.base) // PAGE
    committed, end = _committed_run(region, page)
    protection = 0
    if committed:
        end = min(end, region.run_end(page))
        protection = region.page_protection(page)
        committed = protection != 0  # private memory that is reserved only
        if p.copies(protection):
            written, end = _copied_run(region, page, end)
            if written:
                protection = p.PAGE_EXECUTE_READWRITE if p.executable(protection) else p.PAGE_READWRITE
        protection |= region.modifiers
    return MemoryBasicInformation(page_address, region.base, region.protection | region.modifiers,
                                  (end - page) * PAGE, p.MEM_COMMIT if committed else p.MEM_RESERVE, protection,
                                  p.MEM_PRIVATE if region.obj is None else p.MEM_MAPPED)


def _committed_run(region: Region, page: int) -> tuple[bool, int]:
    last = region.size // PAGE
    if not region.bitmap:
        return True, last
    first = region.offset // PAGE
    bit, count = system.bit_run(region.bitmap, first + page, first + last)
    return bit, page + count


_PAGEMAP_FILE, _PAGEMAP_THERE = 1 << 61, 3 << 62


def _copied_run(region: Region, page: int, end: int) -> tuple[bool, int]:
    """Whether a copy-on-write page was copied, and up to where its neighbours are like it (proc(5), pagemap)."""
    fd = sys_.open("/proc/self/pagemap", sys_.O_RDONLY | sys_.O_CLOEXEC)
    try:
        found: bool | None = None
        while page < end:
            data = sys_.pread(fd, 8 * min(end - page, 512), (region.base // PAGE + page) * 8)
            for position in range(0, len(data), 8):
                entry = int.from_bytes(data[position:position + 8], "little")
                copied = bool(entry & _PAGEMAP_THERE) and not entry & _PAGEMAP_FILE
                if found is None:
                    found = copied
                elif copied != found:
                    return found, page
                page += 1
            if not data:
                break
        return bool(found), end
    finally:
        sys_.close(fd)


def query_of(pid: int, address: int) -> MemoryBasicInformation:
    """NtQueryVirtualMemory for an address of another process: what the kernel shows of its mappings.

    Which of them are one allocation, and what they were mapped with, only that process knows: each counts as one.
    """
    return _query_outside(address // PAGE * PAGE, str(pid))


def _query_outside(address: int, process: str = "self") -> MemoryBasicInformation:
    """An address that is no region of ours: what /proc/PID/maps shows there."""
    fd = sys_.open(f"/proc/{process}/maps", sys_.O_RDONLY | sys_.O_CLOEXEC)
    try:
        text = b"".join(iter(lambda: sys_.read(fd, 65536), b""))
    finally:
        sys_.close(fd)
    end = 0
    for line in text.splitlines():
        span, rights, *_ = line.split(maxsplit=2)
        start, end = (int(part, 16) for part in span.split(b"-"))
        if address < start:
            return MemoryBasicInformation(address, 0, 0, start - address, p.MEM_FREE, p.PAGE_NOACCESS, 0)
        if address < end:
            protection = _protection_of(rights)
            kind = p.MEM_MAPPED if rights[3:4] == b"s" else p.MEM_PRIVATE
            return MemoryBasicInformation(address, start, protection, end - address, p.MEM_COMMIT, protection, kind)
    if address >= 1 << 47:
        raise NtError(st.INVALID_PARAMETER, detail=f"{address:#x} is no user address")
    return MemoryBasicInformation(address, 0, 0, (1 << 47) - address, p.MEM_FREE, p.PAGE_NOACCESS, 0)


def _protection_of(rights: bytes) -> int:
    execute = rights[2:3] == b"x"
    if rights[1:2] == b"w":
        return p.PAGE_EXECUTE_READWRITE if execute else p.PAGE_READWRITE
    if rights[:1] == b"r":
        return p.PAGE_EXECUTE_READ if execute else p.PAGE_READONLY
    return p.PAGE_EXECUTE if execute else p.PAGE_NOACCESS


# ---------------------------------------------------------------------- changes


def _inside(address: int, size: int) -> tuple[Region, int, int]:
    """The region of a range, its first page and its page count.  CONFLICTING_ADDRESSES if it leaves the region."""
    region = find(address)
    if region is None:
        raise NtError(st.CONFLICTING_ADDRESSES, detail=f"nothing of this process's is at {address:#x}")
    first = (address - region.base) // PAGE
    end = -(-(address + size - region.base) // PAGE)
    if end * PAGE > region.size:
        raise NtError(st.CONFLICTING_ADDRESSES, detail=f"{address:#x}+{size:#x} reaches beyond the region at "
                                                       f"{region.base:#x}+{region.size:#x}")
    return region, first, end - first


def valid_protection(protection: int) -> int:
    """The base protection; INVALID_PAGE_PROTECTION unless it is exactly one."""
    base = protection & p.PAGE_BASE_MASK
    if base not in p.PAGE_PROTECTIONS or protection & ~(p.PAGE_BASE_MASK | p.PAGE_GUARD | _MODIFIERS):
        raise NtError(st.INVALID_PAGE_PROTECTION, detail=f"{p.words(protection)} is no page protection")
    if protection & _MODIFIERS and (base == p.PAGE_NOACCESS or protection & _MODIFIERS == _MODIFIERS):
        raise NtError(st.INVALID_PAGE_PROTECTION, detail=f"{p.words(protection)}: modifiers that do not go together")
    if protection & p.PAGE_GUARD:
        if base == p.PAGE_NOACCESS:
            raise NtError(st.INVALID_PAGE_PROTECTION, detail="PAGE_GUARD does not go with PAGE_NOACCESS")
        raise NtError(st.NOT_ON_THIS_SYSTEM, detail="PAGE_GUARD: there are no pages here that tell of their first touch")
    return base


def protect(address: int, size: int, protection: int) -> tuple[int, int, int]:
    """NtProtectVirtualMemory."""
    base = valid_protection(protection)
    if size <= 0:
        raise NtError(st.INVALID_PARAMETER, detail="a range has at least one byte")
    with objects.lock:
        region, first, count = _inside(address, size)
        if region.obj is None and p.copies(base):
            raise NtError(st.INVALID_PAGE_PROTECTION, detail="private memory cannot be copy-on-write")
        if region.obj is not None:
            if protection & _MODIFIERS & ~region.modifiers:
                raise NtError(st.INVALID_PAGE_PROTECTION, detail="a view's modifiers are those of its section")
            _require_view_allows(region, base)
        committed, end = _committed_run(region, first)
        if not committed or end < first + count or region.any_reserved(first, count):
            raise NtError(st.NOT_COMMITTED)
        old = query(region.base + first * PAGE).Protect
        _apply(region, first, count, base)
        region.change(first, count, protection if region.obj is None else base)
        return region.base + first * PAGE, count * PAGE, old


def _require_view_allows(region: Region, protection: int) -> None:
    """SECTION_PROTECTION unless pages of a view may have this protection: not more than the view was mapped with."""
    mapped = region.protection & p.PAGE_BASE_MASK
    if not p.allows(mapped, protection) or mapped == p.PAGE_NOACCESS != protection:
        raise NtError(st.SECTION_PROTECTION,
                      detail=f"{p.words(protection)} is more than the view's {p.words(region.protection)}")


def _apply(region: Region, first: int, count: int, protection: int) -> None:
    start, size = region.base + first * PAGE, count * PAGE
    if region.obj is not None and not p.copies(region.protection):
        # In a shared view copy-on-write means another kind of mapping, and back again where nothing was copied.
        if p.copies(protection):
            _remap(region, first, count, protection, system.MAP_PRIVATE)
            return
        page = first
        while page < first + count:
            run = min(region.run_end(page), first + count)
            if p.copies(region.page_protection(page)):
                copied, run = _copied_run(region, page, run)
                if not copied:
                    _remap(region, page, run - page, protection, system.MAP_SHARED)
            page = run
    sys_.mprotect(start, size, prot_of(protection))


def _remap(region: Region, first: int, count: int, protection: int, kind: int) -> None:
    assert region.obj is not None
    fd = _view_fd(region)
    sys_.mmap(region.base + first * PAGE, count * PAGE, prot_of(protection), kind | system.MAP_FIXED, fd,
              region.offset + first * PAGE)


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
            raise NtError(st.NOT_SUPPORTED, detail="the file behind this view has no open handle in this process any more")
    return fd


_ALLOCATION_TYPES = p.MEM_COMMIT | p.MEM_RESERVE | p.MEM_TOP_DOWN | p.MEM_LARGE_PAGES


def allocate(address: int, zero_bits: int, size: int, kind: int, protection: int) -> tuple[int, int]:
    """NtAllocateVirtualMemory: private memory, or pages of a reserved section for everybody."""
    if 21 < zero_bits < 32:
        raise NtError(st.INVALID_PARAMETER_3, detail=f"{zero_bits} zero bits: a number up to 21, or a mask")
    if not 0 < size <= HIGHEST:
        raise NtError(st.INVALID_PARAMETER_4, detail=f"{size} bytes cannot be allocated")
    if kind & (p.MEM_RESET | p.MEM_RESET_UNDO):
        return _reset(address, size, kind, protection)
    if not kind & (p.MEM_COMMIT | p.MEM_RESERVE) or kind & ~_ALLOCATION_TYPES:
        raise NtError(st.INVALID_PARAMETER_5, detail=f"allocation type {kind:#x}")
    base = valid_protection(protection)
    if p.copies(base):
        raise NtError(st.INVALID_PAGE_PROTECTION, detail="private memory cannot be copy-on-write")
    if address == 0 or kind & p.MEM_RESERVE:
        return _allocate_private(address, zero_bits, size, kind, protection)
    with objects.lock:
        region, first, count = _inside(address, size)
        if region.obj is None:
            _commit_private(region, first, count, protection)
        else:
            _commit_pages(region, first, count, base)
        return region.base + first * PAGE, count * PAGE


def commit_region(region: Region, offset: int, size: int, protection: int) -> None:
    """Commit the pages of a range of a view, for every view of its section (C2)."""
    base = valid_protection(protection)
    with objects.lock:  # so that the view is there until it is done
        _require_mapped(region)
        first = offset // PAGE
        _commit_pages(region, first, -(-(offset + size) // PAGE) - first, base)


def _commit_pages(region: Region, first: int, count: int, base: int) -> None:
    """Commit pages of a view, whose protection becomes ``base``.  The lock is held."""
    assert region.obj is not None
    if region.obj.facts is None or region.obj.facts.file_identity is not None:
        raise NtError(st.ALREADY_COMMITTED, detail="pages of a file need no commit")
    _require_view_allows(region, base)
    if region.bitmap:
        _commit_section(region, first, count)
    # Pages that VirtualProtect, or an earlier commit, gave less get what is asked for now.
    if region.changed is not None or base != region.protection & p.PAGE_BASE_MASK:
        _apply(region, first, count, base)
        region.change(first, count, base)


def _reset(address: int, size: int, kind: int, protection: int) -> tuple[int, int]:
    """MEM_RESET: the pages are not needed for now; MEM_RESET_UNDO: they are needed again, as they were.

    The kernel puts such pages first among those that it writes out (MADV_COLD, madvise(2)) and loses none, so undoing
    always finds them as they were.
    """
    if kind not in (p.MEM_RESET, p.MEM_RESET_UNDO):
        raise NtError(st.INVALID_PARAMETER_5, detail="MEM_RESET and MEM_RESET_UNDO go with no other allocation type")
    valid_protection(protection)  # it means nothing, and has to be one
    with objects.lock:
        region, first, count = _inside(address, size)
        committed, end = _committed_run(region, first)
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


def commit_view(region: Region, size: int) -> None:
    """Commit the beginning of a view (CommitSize of NtMapViewOfSection)."""
    with objects.lock:
        _commit_section(region, 0, -(-min(size, region.size) // PAGE))


def _commit_section(region: Region, first: int, count: int) -> None:
    """Reserve memory for the pages, then say that they are there; other processes map them at first touch (C2)."""
    obj = region.obj
    assert obj is not None and obj.facts is not None
    offset = region.offset + first * PAGE
    fd, temporary = obj.view_rw, -1
    try:
        if fd < 0:
            source = obj.view_ro if obj.view_ro >= 0 else next(iter(obj.handles)).fd
            from memsection.nt.linux import lifetime

            fd = temporary = lifetime.reopen(source, sys_.O_RDWR)
        reserve(fd, offset, count * PAGE)
        page = offset // PAGE
        start = obj.facts.bitmap_offset + page // 8 // PAGE * PAGE
        length = obj.facts.bitmap_offset + -(-(page + count) // 8) - start
        _set_bits(fd, start, -(-length // PAGE) * PAGE, page - (start - obj.facts.bitmap_offset) * 8, count)
    finally:
        if temporary >= 0:
            sys_.close(temporary)
    for other in _regions.values():
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


def reserve(fd: int, offset: int, size: int, where: str = commit.MEMORY, *, whole: bool = False) -> None:
    """Charge memory for a part of a body now, so that touching it later cannot fail (C1).

    For the whole of a body that is made here and now, huge pages are taken where the kernel has them at hand.

    Raises:
        NtError: COMMITMENT_LIMIT, naming what was asked, the limit and the remedy.
    """
    commit.check(size, where)
    if whole and size >= commit.SMALL and where == commit.MEMORY:
        _take_huge_pages(fd, size)
    try:
        sys_.fallocate(fd, offset, size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.ENOMEM):
            raise
        commit.require(size, where)
        raise NtError(st.COMMITMENT_LIMIT, detail=f"asked for {commit.amount(size)}, which could not be had from {where} "
                                                  "although it seemed to be free: somebody else was faster") from None


def _take_huge_pages(fd: int, size: int) -> None:
    """Have an empty body in huge pages as far as that goes at once: they are reserved faster, and read and written faster.

    By MADV_COLLAPSE, which needs one page there to begin with, and takes the mount's word against huge pages for
    advice only (madvise(2)).  Where the kernel would have to make room first, ordinary pages do.
    """
    size = size // HUGE_PAGE * HUGE_PAGE
    with objects.lock:
        address = place(size, system.PROT_READ | system.PROT_WRITE, system.MAP_SHARED, fd, 0)
    try:
        if address % HUGE_PAGE:
            return
        began = time.thread_time()
        for offset in range(0, size, _AT_ONCE):
            part = min(size - offset, _AT_ONCE)
            for first in range(offset, offset + part, HUGE_PAGE):
                sys_.fallocate(fd, first, PAGE)
            sys_.madvise(address + offset, part, sys_.MADV_COLLAPSE)
            if time.thread_time() - began > 0.05 + offset / HUGE_PAGE * 0.003:  # clearing one takes a tenth of that
                return
    except OSError:
        pass  # no such advice, no huge page left, no memory: what the caller does next tells which
    finally:
        sys_.munmap(address, size)
        with objects.lock:
            _fast.free_address(address, size)


def _allocate_private(address: int, zero_bits: int, size: int, kind: int, protection: int) -> tuple[int, int]:
    start = address // GRANULARITY * GRANULARITY
    length = -(-(address + size - start) // PAGE) * PAGE
    prot = prot_of(protection) if kind & p.MEM_COMMIT else 0
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
            start = place(length, prot, flags, -1, 0)
    except FileExistsError:
        raise NtError(st.CONFLICTING_ADDRESSES) from None
    region = Region(start, length, protection, None, 0)
    if not kind & p.MEM_COMMIT:
        region.change(0, length // PAGE, 0)  # protection 0: reserved only
    add(region)
    return start, length


def address_limit(zero_bits: int) -> int:
    """The first address that a mapping may not reach: so many of the lowest 32 bits are zero, or all outside of a mask."""
    limit = 1 << 32 - zero_bits if zero_bits <= 21 else 1 << zero_bits.bit_length()
    return min(limit, HIGHEST)


def _mapped_below(zero_bits: int, size: int, prot: int, flags: int) -> int:
    """Map private memory at the highest free address below the limit of ``zero_bits``."""
    limit = address_limit(zero_bits)
    start = (limit - size) // GRANULARITY * GRANULARITY
    while start > 0:
        try:
            return sys_.mmap(start, size, prot, flags | system.MAP_FIXED_NOREPLACE, -1, 0)
        except FileExistsError:
            start -= GRANULARITY
    raise NtError(st.NO_MEMORY, detail=f"no room for {size} bytes below {limit:#x}")


def _commit_private(region: Region, first: int, count: int, protection: int) -> None:
    sys_.mprotect(region.base + first * PAGE, count * PAGE, prot_of(protection))
    region.change(first, count, protection)


def free(address: int, size: int, kind: int) -> tuple[int, int]:
    """NtFreeVirtualMemory."""
    if kind not in (p.MEM_DECOMMIT, p.MEM_RELEASE):
        raise NtError(st.INVALID_PARAMETER_4)
    region = find(address)
    if region is None:
        raise NtError(st.INVALID_PARAMETER if kind == p.MEM_RELEASE else st.CONFLICTING_ADDRESSES,
                      detail=f"no allocated memory at {address:#x}")
    if region.obj is not None:
        raise NtError(st.UNABLE_TO_DELETE_SECTION if kind == p.MEM_RELEASE else st.UNABLE_TO_FREE_VM)
    if kind == p.MEM_RELEASE:
        if address // PAGE * PAGE != region.base:
            raise NtError(st.FREE_VM_NOT_AT_BASE, detail=f"{address:#x} is inside the allocation at {region.base:#x}")
        if size:
            raise NtError(st.INVALID_PARAMETER, detail="MEM_RELEASE frees a whole allocation, with size 0")
        if not remove(region):
            raise NtError(st.INVALID_PARAMETER, detail=f"no allocated memory at {address:#x}")
        return region.base, region.size
    with objects.lock:
        region, first, count = _inside(address, size or region.base + region.size - address)
        start = region.base + first * PAGE
        sys_.mmap(start, count * PAGE, 0, system.MAP_PRIVATE | system.MAP_ANONYMOUS | system.MAP_NORESERVE
                  | system.MAP_FIXED, -1, 0)
        region.change(first, count, 0)
        return start, count * PAGE


def flush(address: int, size: int) -> None:
    """NtFlushVirtualMemory: when it returns, the written pages of a file's view are on disk."""
    region = find(address)
    if region is None or region.obj is None:
        raise NtError(st.NOT_MAPPED_VIEW, detail=f"there is no view at {address:#x}")
    flush_region(region, address - region.base, size)


def flush_region(region: Region, offset: int, size: int) -> None:
    """Write pages of a file's view to disk; to the view's end with size 0."""
    _require_mapped(region)
    first = offset // PAGE * PAGE
    end = min(-(-(offset + size) // PAGE) * PAGE, region.size) if size else region.size
    obj = region.obj
    if region.shared and region.writable and obj is not None and obj.facts is not None and obj.facts.file_identity:
        # The disk may take long, so it is done without the lock.  Who unmaps the view meanwhile can have another one's
        # pages written to disk earlier than they would be, and no more; what is said about this one is asked afterwards.
        try:
            sys_.msync(region.base + first, end - first)
        except OSError:
            _require_mapped(region)
            raise
        _require_mapped(region)


def region_of(buffer: Any) -> Region:
    """The region that a buffer over a view releases: never what is at its address by now (M2)."""
    region = buffer._mapping
    if not isinstance(region, Region):
        raise NtError(st.NOT_MAPPED_VIEW, detail="the view was unmapped")
    return region


def _require_mapped(region: Region) -> None:
    if _regions.get(region.base) is not region:
        raise NtError(st.NOT_MAPPED_VIEW, detail=f"the view at {region.base:#x} was unmapped")


def prefetch(ranges: Any) -> None:
    """Advice that pages will be needed (madvise(2), MADV_WILLNEED)."""
    for address, size in ranges:
        start = address // PAGE * PAGE
        try:
            sys_.madvise(start, -(-(address + size - start) // PAGE) * PAGE, system.MADV_WILLNEED)
        except OSError as error:
            raise NtError(st.ACCESS_VIOLATION if error.errno == errno.ENOMEM else st.from_errno(error.errno)) from None


_AT_ONCE = 1 << 26  #: bytes of another process's memory that are copied in one go
_ADDRESSES = 1 << 64


def _check_range(address: int, size: int) -> None:
    """Addresses and sizes that a processor has; others would be cut, or be no number for a system call."""
    if not (0 <= address < _ADDRESSES and 0 <= size <= _ADDRESSES - address):
        raise NtError(st.ACCESS_VIOLATION, detail=f"there are no {size} bytes at {address:#x}")


def read(pid: int, address: int, size: int) -> bytes:
    """NtReadVirtualMemory."""
    _check_range(address, size)
    _sync(pid, address)
    found: list[bytes] = []
    data, count = b"", 0
    try:
        while count < size:
            # In parts: a size that nobody could have is found out before there is a buffer for it.
            part = sys_.copy_from(pid, address + count, min(size - count, _AT_ONCE))
            found.append(part)
            count += len(part)
            if len(part) < min(size - count + len(part), _AT_ONCE):
                break
        data = found[0] if len(found) == 1 else b"".join(found)
    except MemoryError:
        raise NtError(st.NO_MEMORY, detail=f"a copy of {size} bytes is more than this process can have") from None
    except OSError as error:
        if error.errno != errno.EFAULT or not count:
            raise NtError(st.PARTIAL_COPY if error.errno == errno.EFAULT else st.from_errno(error.errno),
                          detail=f"{size} bytes at {address:#x} cannot be read") from None
    if count != size:
        raise NtError(st.PARTIAL_COPY, detail=f"only {count} of {size} bytes at {address:#x} can be read")
    return bytes(data)


def write(pid: int, address: int, data: bytes) -> int:
    """NtWriteVirtualMemory.

    As on Windows pages that can be executed and not written are written all the same, which is what debuggers and
    patches need; pages that can only be read are not.
    """
    _check_range(address, len(data))
    _sync(pid, address)
    try:
        written = sys_.copy_to(pid, address, data)
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise NtError(st.from_errno(error.errno), detail=f"{len(data)} bytes at {address:#x} cannot be written") from None
        written = 0
    if written != len(data) and pid == os.getpid():
        written += _write_executable(address + written, data[written:])
    if written != len(data):
        readable = not written and _is_readable(pid, address)
        raise NtError(st.ACCESS_VIOLATION if readable else st.PARTIAL_COPY,
                      detail=f"only {written} of {len(data)} bytes at {address:#x} can be written")
    return written


def _is_readable(pid: int, address: int) -> bool:
    try:
        return bool(sys_.copy_from(pid, address, 1))
    except OSError:
        return False


def _write_executable(address: int, data: bytes) -> int:
    """Write into pages of this process that can be executed, and for the moment be written; the bytes that were."""
    written = 0
    with objects.lock:
        while written < len(data):
            position = address + written
            region = find(position)
            if region is None:
                break
            page = (position - region.base) // PAGE
            protection = region.page_protection(page)
            if not p.executable(protection) or region.obj is not None and not p.copies(protection):
                break
            part = data[written:written + (page + 1) * PAGE - (position - region.base)]
            start = region.base + page * PAGE
            sys_.mprotect(start, PAGE, system.PROT_READ | system.PROT_WRITE | system.PROT_EXEC)
            try:
                sys_.copy_to(os.getpid(), position, part)
            finally:
                sys_.mprotect(start, PAGE, prot_of(protection))
            written += len(part)
    return written


def _sync(pid: int, address: int) -> None:
    if pid == os.getpid():
        region = find(address)
        if region is not None and region.bitmap and region.guard is not None:
            region.guard.sync()


class Absent(_fast.AbsentRecord):
    """Reserved pages that are not there until somebody commits them, as the kernel itself sees it (C2).

    A page that any process committed is then there in every view at once, for system calls too.
    """

    __slots__ = ("_length", "_start")

    fault = None

    def __init__(self, start: int, length: int) -> None:
        self._start, self._length = start, length
        self.fd = sys_.userfault(start, length)

    def sync(self) -> None:
        """Nothing has to be brought up to date."""

    def check(self) -> None:
        """Nothing can be cut: the body is sealed."""

    def renew(self) -> None:
        """In a forked child, whose copies of the mappings the parent's descriptor does not watch."""
        self.remove()
        self.fd = sys_.userfault(self._start, self._length)


class CutReserved:
    """Guards of a view of reserved pages whose body can be cut (M3): of the view, and of its bitmap of committed pages.

    Committed pages are opened at first touch, and not made absent: a page that is missing then was cut.
    """

    __slots__ = ("_bitmap", "_reserved", "_view")

    def __init__(self, region: Region, prot: int, fd: int) -> None:
        assert region.obj is not None and region.obj.facts is not None
        self._bitmap = guard_.add(region.bitmap, region.bitmap_size, system.PROT_READ, fd, region.obj.facts.bitmap_offset)
        self._view = guard_.add(region.base, region.size, prot, fd, region.offset)
        self._reserved = guard_.add_reserved(region.base, region.size, prot, region.bitmap, region.offset // PAGE)

    @property
    def fault(self) -> int | None:
        """The offset of the first page that was touched and found missing."""
        found: int | None = self._view.fault
        return found

    def sync(self) -> None:
        """Open the pages that are committed by now."""
        self._reserved.sync()

    def check(self) -> None:
        """Raise InPageError when something was cut."""
        self._view.check()
        self._bitmap.check()
        self._reserved.check()

    def remove(self) -> None:
        """Before the view is unmapped."""
        for guard in self.parts:
            guard.remove()

    @property
    def parts(self) -> tuple[guard_.Guard, ...]:
        """The guards that this consists of."""
        return self._reserved, self._view, self._bitmap


def _after_fork_in_child() -> None:
    """A guard that another thread had made for a view that is not in the table would keep its file open for ever."""
    guards: list[guard_.Guard] = []
    for region in _regions.values():
        if isinstance(region.guard, Absent):
            region.guard.renew()
        elif isinstance(region.guard, CutReserved):
            guards += region.guard.parts
        elif region.guard is not None:
            guards.append(region.guard)
    guard_.keep_only(guards)


os.register_at_fork(after_in_child=_after_fork_in_child)


def guard_fault(address: int) -> int | None:
    """The offset of the first page of a view that was found missing."""
    region = find(address)
    if region is None or region.guard is None:
        return None
    fault = region.guard.fault
    return None if fault is None else int(fault)


def new_guard(address: int, size: int, prot: int, fd: int, offset: int) -> Any:
    """Guard a view whose file may be cut short."""
    return guard_.add(address, size, prot, fd, offset)
