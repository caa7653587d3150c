# SPDX-License-Identifier: MIT
"""This process's views and private regions: the table of them, and what guards their pages."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import bisect

from memsection._native import guard as guard_
from memsection._native import records, system
from memsection.nt.linux.handles import record
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.addresses import PAGE
from memsection.nt.linux.system.tables_lock import lock
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.forks import run_in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Region(records.RegionRecord):
    """One view, or one private allocation."""

    __slots__ = ()

    # Of the native record: base, size in whole pages, protection (AllocationProtect), offset,
    # whether writing reaches the section (writable) and others see it (shared); the bitmap of
    # committed pages, where not all are, and modifiers (PAGE_NOCACHE, PAGE_WRITECOMBINE).
    obj: record.LocalObject | None  #: None for private memory
    #: (first page, protection) runs, once VirtualProtect came
    changed: list[tuple[int, int]] | None
    #: a weak reference to the buffer over a view, None for a view without one
    buffer: Any

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
        return self.changed is not None and (
            self.page_protection(first) == 0
            or any(
                protection == 0 for page, protection in self.changed if first < page < first + count
            )
        )

    def part(self, first: int, count: int) -> Region:
        """Some pages of private memory as an allocation of their own."""
        start = self.base + first * PAGE
        part = Region(start, count * PAGE, self.protection, None, 0, self.writable, False)
        part.modifiers = self.modifiers
        if self.changed is not None:
            part.changed = [(0, self.page_protection(first))] + [
                (page - first, protection)
                for page, protection in self.changed
                if first < page < first + count
            ]
        return part

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


bases = records.bases
regions_by_base: dict[int, Region] = records.regions_by_base


add = records.add


def find(address: int) -> Region | None:
    """The region that contains an address."""
    region = regions_by_base.get(address)
    if region is None:
        with lock:
            position = bisect.bisect_right(bases, address) - 1
            if position < 0:
                return None
            region = regions_by_base[bases[position]]
        if address >= region.base + region.size:
            return None
    return region


remove = records.remove
unmap = records.unmap
release_part = records.release_part


def region_of(buffer: Any) -> Region:
    """The region that a buffer over a view releases: never what is at its address by now (M2)."""
    region = buffer._mapping
    if not isinstance(region, Region):
        raise NtError(st.NOT_MAPPED_VIEW, detail="the view was unmapped")
    return region


def require_mapped(region: Region) -> None:
    if regions_by_base.get(region.base) is not region:
        raise NtError(st.NOT_MAPPED_VIEW, detail=f"the view at {region.base:#x} was unmapped")


class UserfaultGuard(records.UserfaultRecord):
    """Reserved pages that are not there until somebody commits them, as the kernel itself sees it
    (C2).

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
        """In a forked child, whose copies of the mappings the parent's descriptor does not
        watch."""
        self.remove()
        self.fd = sys_.userfault(self._start, self._length)


class CutReserved:
    """Guards of a view of reserved pages whose body can be cut (M3): of the view, and of its bitmap
    of committed pages.

    Committed pages are opened at first touch, and not made absent: a page that is missing then was
    cut.
    """

    __slots__ = ("_bitmap", "_reserved", "_view")

    def __init__(self, region: Region, prot: int, fd: int) -> None:
        assert region.obj is not None and region.obj.facts is not None
        self._bitmap = guard_.add(
            region.bitmap, region.bitmap_size, system.PROT_READ, fd, region.obj.facts.bitmap_offset
        )
        self._view = guard_.add(region.base, region.size, prot, fd, region.offset)
        self._reserved = guard_.add_reserved(
            region.base, region.size, prot, region.bitmap, region.offset // PAGE
        )

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


@run_in_child
def _after_fork_in_child() -> None:
    """A guard that another thread had made for a view that is not in the table would keep its file
    open for ever."""
    guards: list[guard_.Guard] = []
    for region in regions_by_base.values():
        if isinstance(region.guard, UserfaultGuard):
            region.guard.renew()
        elif isinstance(region.guard, CutReserved):
            guards += region.guard.parts
        elif region.guard is not None:
            guards.append(region.guard)
    guard_.keep_only(guards)


def new_guard(address: int, size: int, prot: int, fd: int, offset: int) -> Any:
    """Guard a view whose file may be cut short."""
    return guard_.add(address, size, prot, fd, offset)
