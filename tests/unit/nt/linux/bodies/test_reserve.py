# SPDX-License-Identifier: MIT
"""Large sections of memory are in huge pages where the kernel gives them, and whole in any case."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
from support.objects import leaves_nothing

from memsection import Section, View
from memsection._native import system
from memsection.nt.linux.bodies import reserve
from memsection.nt.linux.system import syscalls as sys_

_left = pytest.fixture(autouse=True)(leaves_nothing)
MIB = 1 << 20


def in_huge_pages(view: View) -> int:
    """Bytes of a view that are mapped by huge pages (proc(5), smaps)."""
    text = Path("/proc/self/smaps").read_text()
    here = text[text.index(f"{view.address:x}-") :]
    found = re.search(r"ShmemPmdMapped:\s*(\d+) kB", here)
    return int(found[1]) << 10 if found else 0


def kernel_gives_them() -> bool:
    """Whether MADV_COLLAPSE works for a memfd on this machine, tried without the library."""
    fd = os.memfd_create("probe")
    try:
        os.ftruncate(fd, 2 * MIB)
        os.posix_fallocate(fd, 0, 4096)
        room = system.mmap(
            0, 4 * MIB, system.PROT_NONE, system.MAP_PRIVATE | system.MAP_ANONYMOUS, -1, 0
        )
        start = -(-room // (2 * MIB)) * 2 * MIB
        system.mmap(
            start,
            2 * MIB,
            system.PROT_READ | system.PROT_WRITE,
            system.MAP_SHARED | system.MAP_FIXED,
            fd,
            0,
        )
        try:
            system.madvise(start, 2 * MIB, 25)
        except OSError:
            return False
        finally:
            system.munmap(room, 4 * MIB)
        return True
    finally:
        os.close(fd)


@pytest.mark.invariant("C1")
def test_a_large_section_is_whole_and_in_huge_pages_where_there_are_any() -> None:
    with Section.create(size=9 * MIB) as made, made.map() as view:
        assert os.fstat(made.fileno()).st_blocks * 512 >= 9 * MIB
        assert bytes(view) == bytes(9 * MIB)
        assert view.address % (2 * MIB) == 0
        view[::4096] = bytes(9 * MIB // 4096)
        assert (in_huge_pages(view) > 0) == kernel_gives_them()


@pytest.mark.invariant("C1")
@pytest.mark.parametrize("problem", [errno.EINVAL, errno.ENOMEM, errno.EAGAIN])
def test_without_huge_pages_a_large_section_is_whole_too(
    problem: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(address: int, length: int, advice: int) -> None:
        asked.append(advice)
        raise OSError(problem, os.strerror(problem))

    monkeypatch.setattr(sys_, "madvise", refuse)
    with Section.create(size=9 * MIB) as made, made.map() as view:
        assert asked == [sys_.MADV_COLLAPSE]
        assert os.fstat(made.fileno()).st_blocks * 512 >= 9 * MIB
        assert bytes(view) == bytes(9 * MIB)


def test_a_small_one_does_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        reserve, "_take_huge_pages", lambda fd, size: pytest.fail(f"asked for {size} bytes")
    )
    with Section.create(size=3 * MIB) as made:
        assert made.size == 3 * MIB
