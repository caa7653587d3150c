# SPDX-License-Identifier: MIT
"""Addresses: mapping at the allocation granularity, and what a page protection is for mmap(2)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import system
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

PAGE, GRANULARITY = p.PAGE_SIZE, p.ALLOCATION_GRANULARITY
HUGE_PAGE = 2 << 20  #: what transparent huge pages have on x86-64, and on arm64 with pages of 4 KiB
#: the last address that a process can use on Windows (MM_HIGHEST_USER_ADDRESS)
HIGHEST = 0x7FFF_FFFE_FFFF


def place(size: int, prot: int, flags: int, fd: int, offset: int) -> int:
    """mmap at a multiple of the allocation granularity."""
    return sys_.map_view(fd, size, prot, flags, offset, False)


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


def address_limit(zero_bits: int) -> int:
    """The first address that a mapping may not reach: so many of the lowest 32 bits are zero, or
    all outside of a mask."""
    limit = 1 << 32 - zero_bits if zero_bits <= 21 else 1 << zero_bits.bit_length()
    return min(limit, HIGHEST)


def large_page_size() -> int:
    """Bytes of a large page (GetLargePageMinimum): the default huge page, 0 where the kernel has
    none."""
    fd = sys_.open("/proc/meminfo", sys_.O_RDONLY | sys_.O_CLOEXEC)
    try:
        for line in sys_.read(fd, 16384).splitlines():
            if line.startswith(b"Hugepagesize:"):
                return int(line.split()[1]) * 1024
    finally:
        sys_.close(fd)
    raise NtError(st.NOT_SUPPORTED, detail="this kernel has no large pages")
