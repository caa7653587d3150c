# SPDX-License-Identifier: MIT
"""Addresses at the allocation granularity, and page protections as mmap(2) has them."""

from __future__ import annotations

import errno
import os

import pytest

from memsection._native import system
from memsection.nt.linux.system import addresses
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import protection as p

READ, WRITE, EXECUTE = system.PROT_READ, system.PROT_WRITE, system.PROT_EXEC


@pytest.mark.parametrize("size", [1, 4096, addresses.GRANULARITY, 3 * addresses.GRANULARITY + 1])
def test_every_mapping_begins_at_the_granularity(size: int) -> None:
    fd = os.memfd_create("mapped")
    os.ftruncate(fd, size)
    made = [addresses.place(size, READ, system.MAP_SHARED, fd, 0) for _ in range(5)]
    for address in made:
        sys_.munmap(address, size)
    os.close(fd)
    assert all(address % addresses.GRANULARITY == 0 for address in made)
    assert len(set(made)) == 5


def test_a_mapping_that_cannot_be_is_the_kernels_error() -> None:
    fd = os.open("/dev/null", os.O_WRONLY)
    with pytest.raises(OSError) as caught:
        addresses.place(4096, READ, system.MAP_SHARED, fd, 0)
    os.close(fd)
    assert caught.value.errno in (errno.EACCES, errno.ENODEV)


@pytest.mark.parametrize(
    ("protection", "prot"),
    [
        (p.PAGE_NOACCESS, 0),
        (p.PAGE_READONLY, READ),
        (p.PAGE_READWRITE, READ | WRITE),
        (p.PAGE_WRITECOPY, READ | WRITE),
        (p.PAGE_EXECUTE_READ, READ | EXECUTE),
        (p.PAGE_EXECUTE_READWRITE, READ | WRITE | EXECUTE),
        (p.PAGE_EXECUTE_WRITECOPY, READ | WRITE | EXECUTE),
        (p.PAGE_READONLY | p.PAGE_NOCACHE, READ),
    ],
)
def test_a_page_protection_allows_the_kernel_no_more(protection: int, prot: int) -> None:
    assert addresses.prot_of(protection) == prot


@pytest.mark.parametrize(
    ("zero_bits", "limit"),
    [
        (0, 1 << 32),
        (1, 1 << 31),
        (21, 1 << 11),
        (0x3FFFFFFF, 1 << 30),
        (0x7FFFFFFFFFFF, addresses.HIGHEST),
        ((1 << 64) - 1, addresses.HIGHEST),
    ],
)
def test_zero_bits_are_a_count_or_a_mask(zero_bits: int, limit: int) -> None:
    assert addresses.address_limit(zero_bits) == limit
