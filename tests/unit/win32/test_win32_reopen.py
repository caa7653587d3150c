# SPDX-License-Identifier: MIT
"""Files opened again by a handle, and files that are told from where they are mapped."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memsection import nt, win32
from memsection.vocabulary import status

READ, WRITE = win32.GENERIC_READ, win32.GENERIC_WRITE
SHARE = win32.FILE_SHARE_READ | win32.FILE_SHARE_WRITE
ALL_SHARE = SHARE | win32.FILE_SHARE_DELETE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of ten bytes."""
    path = tmp_path / "digits"
    path.write_bytes(b"0123456789")
    return path


@pytest.fixture
def reader(path: Path) -> Iterator[int]:
    """An open of the file that reads, and shares everything."""
    handle = win32.CreateFile(path, READ, ALL_SHARE)
    yield handle
    win32.CloseHandle(handle)


def refused(code: int, call: Callable[[], object]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.winerror == code == win32.GetLastError()


def test_a_second_open_has_rights_and_a_position_of_its_own(path: Path, reader: int) -> None:
    assert win32.ReadFile(reader, 4) == b"0123"
    writer = win32.ReOpenFile(reader, READ | WRITE, SHARE, 0)
    assert win32.WriteFile(writer, b"ab") == 2
    assert win32.ReadFile(writer, 2) == b"23"
    assert win32.ReadFile(reader, 2) == b"45"
    refused(win32.ERROR_ACCESS_DENIED, lambda: win32.WriteFile(reader, b"x"))
    first, second = (win32.GetFileInformationByHandle(one) for one in (reader, writer))
    assert (first.nFileIndexHigh, first.nFileIndexLow) == (
        second.nFileIndexHigh,
        second.nFileIndexLow,
    )
    win32.CloseHandle(writer)
    assert path.read_bytes() == b"ab23456789"


def test_both_share_modes_have_to_agree(path: Path, reader: int) -> None:
    refused(
        win32.ERROR_SHARING_VIOLATION,
        lambda: win32.ReOpenFile(reader, WRITE, win32.FILE_SHARE_WRITE, 0),
    )
    alone = win32.ReOpenFile(reader, READ, win32.FILE_SHARE_READ, 0)
    refused(win32.ERROR_SHARING_VIOLATION, lambda: win32.ReOpenFile(alone, WRITE, SHARE, 0))
    win32.CloseHandle(alone)


def test_a_file_opened_for_asking_is_opened_again_for_reading(path: Path) -> None:
    asking = win32.CreateFile(path, 0, ALL_SHARE)
    reading = win32.ReOpenFile(asking, READ, ALL_SHARE, 0)
    win32.CloseHandle(asking)
    assert win32.ReadFile(reading, 20) == b"0123456789"
    win32.CloseHandle(reading)


@pytest.mark.linux_only("root, which Wine is not, may write every file")
def test_the_file_is_asked_and_not_the_handle(path: Path, reader: int) -> None:
    path.chmod(0o400)
    if os.geteuid():
        refused(win32.ERROR_ACCESS_DENIED, lambda: win32.ReOpenFile(reader, WRITE, ALL_SHARE, 0))
    else:
        win32.CloseHandle(win32.ReOpenFile(reader, WRITE, ALL_SHARE, 0))


def test_a_file_is_removed_with_the_handle_that_was_to_remove_it(path: Path, reader: int) -> None:
    last = win32.ReOpenFile(reader, READ, ALL_SHARE, win32.FILE_FLAG_DELETE_ON_CLOSE)
    assert path.exists()
    win32.CloseHandle(last)
    if sys.platform == "linux":
        assert not path.exists()


def test_what_cannot_be_opened_again_is_refused(reader: int) -> None:
    refused(
        win32.ERROR_INVALID_PARAMETER,
        lambda: win32.ReOpenFile(reader, READ, ALL_SHARE, win32.FILE_ATTRIBUTE_NORMAL),
    )
    refused(win32.ERROR_INVALID_HANDLE, lambda: win32.ReOpenFile(0x7FFFFFF0, READ, ALL_SHARE, 0))
    event = win32.CreateEvent(None, True, False, None)
    refused(win32.ERROR_INVALID_HANDLE, lambda: win32.ReOpenFile(event, READ, ALL_SHARE, 0))
    win32.CloseHandle(event)


def _mapped(path: Path, name: str | None = None) -> tuple[int, int, int]:
    file = win32.CreateFile(path, READ, ALL_SHARE)
    section = win32.CreateFileMapping(file, None, win32.PAGE_READONLY, 0, 0, name)
    return file, section, win32.MapViewOfFile(section, win32.FILE_MAP_READ, 0, 0, 0)


def test_a_view_of_a_file_tells_which(path: Path) -> None:
    file, section, view = _mapped(path)
    me = win32.GetCurrentProcess()
    found = win32.GetMappedFileName(me, view + 5)
    assert os.path.basename(found.replace("\\", "/")) == "digits"
    assert sys.platform != "linux" or found == str(path)
    assert nt.NtQueryVirtualMemory(me, view, nt.MemoryMappedFilenameInformation) == (
        status.SUCCESS,
        found,
    )
    win32.UnmapViewOfFile(view)
    win32.CloseHandle(section)
    win32.CloseHandle(file)


@pytest.mark.linux_only("names of files that the kernel shows changed")
@pytest.mark.parametrize("name", ["two\nlines", "back\\040slash", "gone (deleted)", "blank  s"])
def test_names_are_told_as_they_are(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    file, section, view = _mapped(path)
    me = win32.GetCurrentProcess()
    assert win32.GetMappedFileName(me, view) == str(path)
    path.unlink()
    assert win32.GetMappedFileName(me, view) == str(path)
    win32.UnmapViewOfFile(view)
    win32.CloseHandle(section)
    win32.CloseHandle(file)


@pytest.mark.linux_only("Wine 8 tells names of sections without a file")
@pytest.mark.parametrize("prefix", [None, "", "Global\\"])
def test_a_view_without_a_file_has_no_name_of_one(prefix: str | None) -> None:
    name = None if prefix is None else f"{prefix}mapped-{os.getpid()}"
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 4096, name
    )
    view = win32.MapViewOfFile(section, win32.FILE_MAP_READ, 0, 0, 0)
    refused(
        win32.ERROR_FILE_INVALID, lambda: win32.GetMappedFileName(win32.GetCurrentProcess(), view)
    )
    win32.UnmapViewOfFile(view)
    win32.CloseHandle(section)


def test_private_memory_and_wrong_handles_are_refused() -> None:
    me = win32.GetCurrentProcess()
    memory = win32.VirtualAlloc(0, 4096, win32.MEM_COMMIT | win32.MEM_RESERVE, win32.PAGE_READWRITE)
    if sys.platform == "linux":  # Wine 8 has other codes for them
        refused(win32.ERROR_UNEXP_NET_ERR, lambda: win32.GetMappedFileName(me, memory))
        refused(win32.ERROR_UNEXP_NET_ERR, lambda: win32.GetMappedFileName(me, 0))
    win32.VirtualFree(memory, 0, win32.MEM_RELEASE)
    refused(win32.ERROR_INVALID_HANDLE, lambda: win32.GetMappedFileName(0, memory))
    limited = win32.OpenProcess(win32.PROCESS_QUERY_LIMITED_INFORMATION, False, os.getpid())
    refused(win32.ERROR_ACCESS_DENIED, lambda: win32.GetMappedFileName(limited, memory))
    win32.CloseHandle(limited)
    assert nt.NtQueryVirtualMemory(me, 0, 77)[0] == status.INVALID_INFO_CLASS


@pytest.mark.linux_only("programs of Linux")
def test_the_program_of_another_process_is_told_by_an_address_of_it() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "print('there', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stdout.readline()
    program = os.path.realpath(f"/proc/{child.pid}/exe")
    address = next(
        int(line.split("-")[0], 16)
        for line in Path(f"/proc/{child.pid}/maps").read_text().splitlines()
        if line.endswith(program)
    )
    process = win32.OpenProcess(win32.PROCESS_QUERY_INFORMATION, False, child.pid)
    assert win32.GetMappedFileName(process, address) == program
    child.communicate(b"")
    refused(win32.ERROR_ACCESS_DENIED, lambda: win32.GetMappedFileName(process, address))
    win32.CloseHandle(process)
