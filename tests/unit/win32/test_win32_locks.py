# SPDX-License-Identifier: MIT
"""Byte ranges of files: who has locked them, who is kept out, and how they are unlocked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memsection import win32

BOTH = win32.GENERIC_READ | win32.GENERIC_WRITE
SHARE = win32.FILE_SHARE_READ | win32.FILE_SHARE_WRITE
NOW = win32.LOCKFILE_FAIL_IMMEDIATELY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of ten bytes."""
    path = tmp_path / "digits"
    path.write_bytes(b"0123456789")
    return path


@pytest.fixture
def two(path: Path) -> Iterator[tuple[int, int]]:
    """Two opens of one file."""
    one, other = win32.CreateFile(path, BOTH, SHARE), win32.CreateFile(path, BOTH, SHARE)
    yield one, other
    win32.CloseHandle(one)
    win32.CloseHandle(other)


def refused(code: int, call: Callable[[], object]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.winerror == code == win32.GetLastError()


def shared(file: int, start: int, length: int) -> None:
    win32.LockFileEx(file, NOW, 0, length, 0, win32.OVERLAPPED(Offset=start))


def test_a_range_is_locked_against_other_opens_and_against_itself(two: tuple[int, int]) -> None:
    one, other = two
    win32.LockFile(one, 2, 0, 4, 0)
    refused(win32.ERROR_LOCK_VIOLATION, lambda: win32.LockFile(other, 5, 0, 1, 0))
    refused(win32.ERROR_LOCK_VIOLATION, lambda: win32.LockFile(one, 5, 0, 1, 0))
    refused(win32.ERROR_LOCK_VIOLATION, lambda: shared(other, 0, 10))
    win32.LockFile(other, 6, 0, 4, 0)
    win32.UnlockFile(one, 2, 0, 4, 0)
    win32.LockFile(other, 2, 0, 4, 0)


@pytest.mark.linux_only("Wine 8 lets others of its processes read and write")
def test_a_locked_range_is_neither_read_nor_written_through_another_open(
    two: tuple[int, int],
) -> None:
    one, other = two
    win32.LockFile(one, 4, 0, 2, 0)
    assert win32.ReadFile(other, 4) == b"0123"
    refused(win32.ERROR_LOCK_VIOLATION, lambda: win32.ReadFile(other, 1))
    refused(
        win32.ERROR_LOCK_VIOLATION, lambda: win32.WriteFile(other, b"x", win32.OVERLAPPED(Offset=5))
    )
    assert win32.WriteFile(one, b"abcdef") == 6
    win32.UnlockFile(one, 4, 0, 2, 0)
    assert win32.ReadFile(other, 6) == b"ef6789"


@pytest.mark.linux_only("Wine 8 lets others write")
def test_a_shared_lock_lets_all_read_and_nobody_write(two: tuple[int, int]) -> None:
    one, other = two
    shared(one, 0, 5)
    shared(other, 3, 5)
    assert win32.ReadFile(other, 5) == b"01234"
    for file in two:
        refused(
            win32.ERROR_LOCK_VIOLATION,
            lambda file=file: win32.WriteFile(file, b"x", win32.OVERLAPPED(Offset=4)),
        )


@pytest.mark.linux_only("Wine 8 says 33 for a range that is not locked; Windows 158")
def test_a_range_is_unlocked_as_it_was_locked(two: tuple[int, int]) -> None:
    one, other = two
    win32.LockFile(one, 2, 0, 4, 0)
    for start, length in ((2, 3), (3, 3), (0, 10)):
        refused(
            win32.ERROR_NOT_LOCKED,
            lambda start=start, length=length: win32.UnlockFile(one, start, 0, length, 0),
        )
    refused(win32.ERROR_NOT_LOCKED, lambda: win32.UnlockFile(other, 2, 0, 4, 0))
    win32.UnlockFileEx(one, 0, 4, 0, win32.OVERLAPPED(Offset=2))
    refused(win32.ERROR_NOT_LOCKED, lambda: win32.UnlockFile(one, 2, 0, 4, 0))


@pytest.mark.linux_only("documented of Windows; Wine 8 differs in which of the two goes first")
def test_of_an_exclusive_and_a_shared_lock_the_exclusive_one_is_unlocked_first(
    two: tuple[int, int],
) -> None:
    one, other = two
    win32.LockFile(one, 0, 0, 4, 0)
    shared(one, 0, 4)
    refused(win32.ERROR_LOCK_VIOLATION, lambda: shared(other, 0, 4))
    win32.UnlockFile(one, 0, 0, 4, 0)
    shared(other, 0, 4)
    refused(win32.ERROR_LOCK_VIOLATION, lambda: win32.LockFile(other, 0, 0, 4, 0))
    win32.UnlockFile(one, 0, 0, 4, 0)


def test_unlocking_one_of_two_shared_ranges_leaves_the_other(two: tuple[int, int]) -> None:
    one, other = two
    shared(one, 0, 6)
    shared(one, 4, 6)
    win32.UnlockFile(one, 0, 0, 6, 0)
    win32.LockFile(other, 0, 0, 4, 0)
    refused(win32.ERROR_LOCK_VIOLATION, lambda: win32.LockFile(other, 4, 0, 1, 0))


def test_ranges_beyond_the_end_and_whole_files_are_locked(two: tuple[int, int]) -> None:
    one, other = two
    win32.LockFile(one, 0, 1, 1, 0)
    refused(win32.ERROR_LOCK_VIOLATION, lambda: win32.LockFile(other, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF))
    win32.UnlockFile(one, 0, 1, 1, 0)
    win32.LockFile(other, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF)
    refused(win32.ERROR_LOCK_VIOLATION, lambda: win32.LockFile(one, 0, 1, 1, 0))


def test_the_last_handle_unlocks_what_it_had_locked(path: Path, two: tuple[int, int]) -> None:
    me = win32.GetCurrentProcess()
    file = win32.CreateFile(path, BOTH, SHARE)
    copy = win32.DuplicateHandle(me, file, me, 0, False, win32.DUPLICATE_SAME_ACCESS)
    win32.LockFile(file, 0, 0, 5, 0)
    win32.CloseHandle(file)
    refused(win32.ERROR_LOCK_VIOLATION, lambda: win32.LockFile(two[0], 0, 0, 5, 0))
    win32.CloseHandle(copy)
    win32.LockFile(two[0], 0, 0, 5, 0)


def test_who_waits_for_a_range_has_it_when_it_is_unlocked(two: tuple[int, int]) -> None:
    one, other = two
    win32.LockFile(one, 0, 0, 5, 0)
    waiter = threading.Thread(
        target=win32.LockFileEx,
        args=(other, win32.LOCKFILE_EXCLUSIVE_LOCK, 0, 5, 0, win32.OVERLAPPED()),
    )
    waiter.start()
    win32.UnlockFile(one, 0, 0, 5, 0)
    waiter.join()
    refused(win32.ERROR_LOCK_VIOLATION, lambda: win32.LockFile(one, 0, 0, 5, 0))


def test_a_killed_process_has_nothing_locked_any_more(path: Path, two: tuple[int, int]) -> None:
    code = (
        "import sys; from memsection import win32 as w\n"
        "f = w.CreateFile(sys.argv[1], w.GENERIC_READ | w.GENERIC_WRITE, 3); w.LockFile(f, 0, 0, "
        "5, 0)\n"
        "print('locked', flush=True); input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdin is not None
    assert child.stdout.readline().strip() == b"locked"
    refused(win32.ERROR_LOCK_VIOLATION, lambda: win32.LockFile(two[0], 0, 0, 5, 0))
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    win32.LockFileEx(two[0], win32.LOCKFILE_EXCLUSIVE_LOCK, 0, 5, 0, win32.OVERLAPPED())


@pytest.mark.linux_only("a FIFO with a path is a thing of Unix")
def test_pipes_are_written_and_read_without_locks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe = win32.CreateFile(tmp_path / "pipe", BOTH, SHARE)
    assert win32.WriteFile(pipe, b"through") == 7
    assert win32.ReadFile(pipe, 7) == b"through"
    win32.CloseHandle(pipe)


@pytest.mark.linux_only("Wine 8 says 87 for a range beyond 2**64; Windows 307")
def test_what_cannot_be_locked_is_refused(path: Path, two: tuple[int, int]) -> None:
    refused(
        win32.ERROR_INVALID_LOCK_RANGE, lambda: win32.LockFile(two[0], 0xFFFFFFFF, 0xFFFFFFFF, 2, 0)
    )
    refused(win32.ERROR_INVALID_HANDLE, lambda: win32.LockFile(0x7FFFFFF0, 0, 0, 1, 0))
    refused(
        win32.ERROR_INVALID_PARAMETER,
        lambda: win32.LockFileEx(two[0], NOW, 1, 1, 0, win32.OVERLAPPED()),
    )
    blind = win32.CreateFile(path, 0, SHARE)
    refused(win32.ERROR_ACCESS_DENIED, lambda: win32.LockFile(blind, 0, 0, 1, 0))
    win32.CloseHandle(blind)
