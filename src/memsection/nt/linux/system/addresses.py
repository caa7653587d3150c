# SPDX-License-Identifier: MIT
"""Addresses: mapping at the allocation granularity, and what a page protection is for mmap(2)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import system
from memsection.nt.linux import _fast
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.tables_lock import lock
from memsection.vocabulary import protection as p

PAGE, GRANULARITY = p.PAGE_SIZE, p.ALLOCATION_GRANULARITY
HUGE_PAGE = 2 << 20  #: what transparent huge pages have on x86-64, and on arm64 with pages of 4 KiB
HIGHEST = 0x7FFF_FFFE_FFFF  #: the last address that a process can use on Windows (MM_HIGHEST_USER_ADDRESS)


def _rounded(size: int) -> int:
    return -(-size // GRANULARITY) * GRANULARITY


def place(size: int, prot: int, flags: int, fd: int, offset: int) -> int:
    """mmap at a multiple of the allocation granularity.

    A hint that worked before costs one call; where the kernel will not have it, room is made and trimmed.
    """
    with lock:
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


def address_limit(zero_bits: int) -> int:
    """The first address that a mapping may not reach: so many of the lowest 32 bits are zero, or all outside of a mask."""
    limit = 1 << 32 - zero_bits if zero_bits <= 21 else 1 << zero_bits.bit_length()
    return min(limit, HIGHEST)
