# SPDX-License-Identifier: MIT
"""Byte ranges of files: wherever a signal handler raises, the list and the kernel say the same."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.interruptions import at_call
from support.objects import leaves_nothing

from memsection import win32
from memsection.nt.linux.handles import state
from memsection.nt.linux.types import byte_ranges

_left = pytest.fixture(autouse=True)(leaves_nothing)
BOTH = win32.GENERIC_READ | win32.GENERIC_WRITE
SHARE = win32.FILE_SHARE_READ | win32.FILE_SHARE_WRITE


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Two opens of one file."""
    path = tmp_path / "digits"
    path.write_bytes(b"0123456789")
    one, other = (win32.CreateFile(path, BOTH, SHARE) for _ in range(2))
    yield one, other
    win32.CloseHandle(one)
    win32.CloseHandle(other)


def _listed(file: int) -> list[byte_ranges.Range]:
    found = state.handles[file].obj
    assert isinstance(found, byte_ranges.LockableFile)
    return found.ranges


def _locked_for(other: int) -> bool:
    """Whether the kernel keeps the range from another open."""
    try:
        win32.LockFile(other, 2, 0, 4, 0)
    except OSError as problem:
        assert problem.winerror == win32.ERROR_LOCK_VIOLATION
        return True
    win32.UnlockFile(other, 2, 0, 4, 0)
    return False


def test_an_interrupted_lock_is_there_or_not(two: tuple[int, int]) -> None:
    one, other = two
    number = 1
    while at_call(number, lambda: win32.LockFile(one, 2, 0, 4, 0)):
        assert bool(_listed(one)) == _locked_for(other)
        if _listed(one):
            win32.UnlockFile(one, 2, 0, 4, 0)
        number += 1
    assert number > 5
    win32.UnlockFile(one, 2, 0, 4, 0)


def test_an_interrupted_unlock_leaves_no_lock_that_nobody_can_undo(two: tuple[int, int]) -> None:
    one, other = two
    number = 1
    win32.LockFile(one, 2, 0, 4, 0)
    while at_call(number, lambda: win32.UnlockFile(one, 2, 0, 4, 0)):
        assert bool(_listed(one)) == _locked_for(other)
        if not _listed(one):
            win32.LockFile(one, 2, 0, 4, 0)
        number += 1
    assert number > 5 and not _listed(one) and not _locked_for(other)


def test_of_two_equal_shared_locks_an_interrupted_third_takes_none_away(
    two: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = two
    for _ in range(2):
        byte_ranges.lock(one, 2, 4, False, False)
    genuine, calls = byte_ranges._say, []

    def fails_once(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError(errno.ENOLCK, "no locks left")
        genuine(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(byte_ranges, "_say", fails_once)
    with pytest.raises(OSError):
        byte_ranges.lock(one, 2, 4, False, False)
    assert len(_listed(one)) == 2 and len(calls) == 2
    for _ in range(2):
        byte_ranges.unlock(one, 2, 4)
    assert not _listed(one)
