# SPDX-License-Identifier: MIT
"""Queries: what is at an address of this or another process (NtQueryVirtualMemory)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import system
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.addresses import PAGE
from memsection.nt.linux.views import regions
from memsection.nt.linux.views.regions import Region
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.structs import MemoryBasicInformation


def query(address: int) -> MemoryBasicInformation:
    """NtQueryVirtualMemory for an address of this process."""
    page_address = address // PAGE * PAGE
    region = regions.find(address)
    if region is None:
        return _query_outside(page_address)
    if region.guard is not None and region.bitmap:
        region.guard.sync()
    page = (page_address - region.base) // PAGE
    committed, end = committed_run(region, page)
    protection = 0
    if committed:
        end = min(end, region.run_end(page))
        protection = region.page_protection(page)
        committed = protection != 0  # private memory that is reserved only
        if p.copies(protection):
            written, end = copied_run(region, page, end)
            if written:
                protection = (
                    p.PAGE_EXECUTE_READWRITE if p.executable(protection) else p.PAGE_READWRITE
                )
        protection |= region.modifiers
    return MemoryBasicInformation(
        page_address,
        region.base,
        region.protection | region.modifiers,
        (end - page) * PAGE,
        p.MEM_COMMIT if committed else p.MEM_RESERVE,
        protection,
        p.MEM_PRIVATE if region.obj is None else p.MEM_MAPPED,
    )


def committed_run(region: Region, page: int) -> tuple[bool, int]:
    last = region.size // PAGE
    if not region.bitmap:
        return True, last
    first = region.offset // PAGE
    bit, count = system.bit_run(region.bitmap, first + page, first + last)
    return bit, page + count


_KERNEL = 1 << 63  #: from here on addresses are the kernel's
_PAGEMAP_FILE, _PAGEMAP_THERE = 1 << 61, 3 << 62


def copied_run(region: Region, page: int, end: int) -> tuple[bool, int]:
    """Whether a copy-on-write page was copied, and up to where its neighbours are like it (proc(5),
    pagemap)."""
    fd = sys_.open("/proc/self/pagemap", sys_.O_RDONLY | sys_.O_CLOEXEC)
    try:
        found: bool | None = None
        while page < end:
            data = sys_.pread(fd, 8 * min(end - page, 512), (region.base // PAGE + page) * 8)
            for position in range(0, len(data), 8):
                entry = int.from_bytes(data[position : position + 8], "little")
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
    """NtQueryVirtualMemory for an address of another process: what the kernel shows of its
    mappings.

    Which of them are one allocation, and what they were mapped with, only that process knows: each
    counts as one.
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
        if start >= _KERNEL:
            break  # [vsyscall], which is in no program's half
        if address < start:
            return MemoryBasicInformation(
                address, 0, 0, start - address, p.MEM_FREE, p.PAGE_NOACCESS, 0
            )
        if address < end:
            protection = _protection_of(rights)
            kind = p.MEM_MAPPED if rights[3:4] == b"s" else p.MEM_PRIVATE
            return MemoryBasicInformation(
                address, start, protection, end - address, p.MEM_COMMIT, protection, kind
            )
    if address >= 1 << 47:
        raise NtError(st.INVALID_PARAMETER, detail=f"{address:#x} is no user address")
    return MemoryBasicInformation(
        address, 0, 0, (1 << 47) - address, p.MEM_FREE, p.PAGE_NOACCESS, 0
    )


def _protection_of(rights: bytes) -> int:
    execute = rights[2:3] == b"x"
    if rights[1:2] == b"w":
        return p.PAGE_EXECUTE_READWRITE if execute else p.PAGE_READWRITE
    if rights[:1] == b"r":
        return p.PAGE_EXECUTE_READ if execute else p.PAGE_READONLY
    return p.PAGE_EXECUTE if execute else p.PAGE_NOACCESS
