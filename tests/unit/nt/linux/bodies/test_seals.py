# SPDX-License-Identifier: MIT
"""Seals: which files nobody can cut."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from memsection import Section
from memsection.nt.linux.bodies import seals
from memsection.nt.linux.system import syscalls as sys_


@pytest.fixture
def memory() -> Iterator[int]:
    fd = os.memfd_create("seals", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, 4096)
    yield fd
    os.close(fd)


@pytest.mark.invariant("M3")
def test_a_section_is_sealed_and_cannot_be_cut() -> None:
    with Section.create(size=4096) as section:
        assert seals.is_sealed(section.fileno())
        for size in (0, 4096, 1 << 20):
            with pytest.raises(PermissionError):
                os.ftruncate(section.fileno(), size)


@pytest.mark.parametrize(
    "some", [0, sys_.F_SEAL_SHRINK, sys_.F_SEAL_GROW, sys_.F_SEAL_FUTURE_WRITE]
)
def test_part_of_the_seals_is_not_enough(memory: int, some: int) -> None:
    if some:
        fcntl.fcntl(memory, sys_.F_ADD_SEALS, some)
    assert seals.seals(memory) == some
    assert not seals.is_sealed(memory)
    fcntl.fcntl(memory, sys_.F_ADD_SEALS, seals.SEALS)
    assert seals.is_sealed(memory)


def test_what_is_no_memory_has_none(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        assert not seals.is_sealed(reader)
        assert not seals.is_sealed(file)
        assert seals.seals(reader) == -1
    finally:
        for fd in (reader, writer, file):
            os.close(fd)


def test_every_memfd_is_on_one_device(memory: int) -> None:
    assert os.fstat(memory).st_dev == seals.memory_device() == seals.memory_device()
