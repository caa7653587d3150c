# SPDX-License-Identifier: MIT
"""Files through the Win32-named face: positions, overlapped reads, flags, and the memory of this
process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from memsection import win32

BOTH = win32.GENERIC_READ | win32.GENERIC_WRITE
ALL_SHARE = win32.FILE_SHARE_READ | win32.FILE_SHARE_WRITE | win32.FILE_SHARE_DELETE


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A handle to a file of ten bytes."""
    path = tmp_path / "digits"
    path.write_bytes(b"0123456789")
    handle = win32.CreateFile(path, BOTH, ALL_SHARE)
    yield handle
    win32.CloseHandle(handle)


def test_reading_and_writing_move_the_position(file: int) -> None:
    assert win32.ReadFile(file, 3) == b"012"
    assert win32.WriteFile(file, b"ab") == 2
    assert win32.SetFilePointer(file, 0, win32.FILE_CURRENT) == 5
    assert win32.SetFilePointerEx(file, -5, win32.FILE_END) == 5
    assert win32.ReadFile(file, 100) == b"56789"
    assert win32.ReadFile(file, 100) == b""
    assert win32.GetFileSize(file) == win32.GetFileSizeEx(file) == 10


def test_a_position_before_the_beginning_is_refused_and_nothing_moves(file: int) -> None:
    win32.SetFilePointer(file, 4)
    with pytest.raises(OSError) as caught:
        win32.SetFilePointer(file, -5, win32.FILE_CURRENT)
    assert caught.value.winerror == win32.ERROR_NEGATIVE_SEEK
    with pytest.raises(ValueError, match="method"):
        win32.SetFilePointer(file, 0, 3)
    assert win32.SetFilePointer(file, 0, win32.FILE_CURRENT) == 4


def test_the_end_of_the_file_is_where_the_position_is(file: int) -> None:
    win32.SetFilePointer(file, 4)
    win32.SetEndOfFile(file)
    assert win32.GetFileSize(file) == 4
    win32.SetFilePointer(file, 6)
    win32.SetEndOfFile(file)
    win32.SetFilePointer(file, 0)
    assert win32.ReadFile(file, 100) == b"0123\0\0"


def test_overlapped_says_where_to_read_and_write(file: int) -> None:
    assert win32.ReadFile(file, 2, win32.OVERLAPPED(Offset=7)) == b"78"
    assert win32.WriteFile(file, b"X", win32.OVERLAPPED(Offset=1)) == 1
    with pytest.raises(OSError) as caught:
        win32.ReadFile(file, 1, win32.OVERLAPPED(Offset=10))
    assert caught.value.winerror == win32.ERROR_HANDLE_EOF
    win32.SetFilePointer(file, 0)
    assert win32.ReadFile(file, 3) == b"0X2"


def test_both_halves_of_an_overlapped_offset_count() -> None:
    assert win32.OVERLAPPED(Offset=5, OffsetHigh=1).position == 0x1_0000_0005


def test_a_handle_can_do_only_what_it_was_opened_for(tmp_path: Path) -> None:
    path = tmp_path / "rights"
    path.write_bytes(b"data")
    reader = win32.CreateFile(path, win32.GENERIC_READ, ALL_SHARE)
    writer = win32.CreateFile(path, win32.GENERIC_WRITE, ALL_SHARE)
    with pytest.raises(PermissionError):
        win32.WriteFile(reader, b"x")
    with pytest.raises(OSError) as caught:
        win32.SetEndOfFile(reader)
    # the latter in Wine
    assert caught.value.winerror in (win32.ERROR_ACCESS_DENIED, win32.ERROR_INVALID_PARAMETER)
    with pytest.raises(PermissionError):
        win32.ReadFile(writer, 1)
    win32.FlushFileBuffers(writer)
    win32.CloseHandle(reader)
    win32.CloseHandle(writer)


def test_a_file_that_is_not_shared_cannot_be_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    alone = win32.CreateFile(path, BOTH, 0, None, win32.CREATE_NEW)
    with pytest.raises(OSError) as caught:
        win32.CreateFile(path, win32.GENERIC_READ, ALL_SHARE)
    assert caught.value.winerror == win32.ERROR_SHARING_VIOLATION
    win32.CloseHandle(alone)
    win32.CloseHandle(win32.CreateFile(path, win32.GENERIC_READ, ALL_SHARE))


def test_a_file_that_is_deleted_on_close_is_gone_with_its_handle(tmp_path: Path) -> None:
    path = tmp_path / "short lived"
    handle = win32.CreateFile(
        path, BOTH, ALL_SHARE, None, win32.CREATE_NEW, win32.FILE_FLAG_DELETE_ON_CLOSE
    )
    assert path.exists()
    win32.CloseHandle(handle)
    assert not path.exists()


def test_a_disposition_must_be_one_and_cutting_needs_the_right_to_write(tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_bytes(b"kept")
    for disposition, access in (
        (0, BOTH),
        (6, BOTH),
        (win32.TRUNCATE_EXISTING, win32.GENERIC_READ),
    ):
        with pytest.raises(ValueError, match="disposition"):
            win32.CreateFile(path, access, 0, None, disposition)
    assert path.read_bytes() == b"kept"


def test_an_empty_path_leads_nowhere_and_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        win32.CreateFile("", win32.GENERIC_READ)
    with pytest.raises(OSError) as caught:
        win32.CreateFile(tmp_path, win32.GENERIC_READ, ALL_SHARE)
    assert caught.value.winerror == win32.ERROR_ACCESS_DENIED


def test_templates_are_refused_not_ignored(tmp_path: Path, file: int) -> None:
    with pytest.raises(OSError) as caught:
        win32.CreateFile(tmp_path / "copy", BOTH, 0, None, win32.CREATE_NEW, 0, file)
    assert caught.value.winerror == win32.ERROR_NOT_SUPPORTED
    assert not (tmp_path / "copy").exists()


def test_own_memory_is_read_and_written_and_what_is_not_there_is_an_error() -> None:
    me = win32.GetCurrentProcess()
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0x1000, None
    )
    view = win32.MapViewOfFile(section, win32.FILE_MAP_READ)
    writable = win32.MapViewOfFile(section, win32.FILE_MAP_WRITE)
    assert win32.WriteProcessMemory(me, writable + 5, b"hello") == 5
    assert win32.ReadProcessMemory(me, view + 5, 5) == b"hello"
    win32.UnmapViewOfFile(view)
    win32.UnmapViewOfFile(writable)
    for call, what in ((win32.ReadProcessMemory, 5), (win32.WriteProcessMemory, b"hello")):
        with pytest.raises(OSError) as caught:
            call(me, 0x1000, what)  # type: ignore[operator]  # the first pages are nobody's
        assert caught.value.winerror in (
            win32.ERROR_PARTIAL_COPY,
            win32.ERROR_NOACCESS,
            win32.ERROR_ACCESS_DENIED,
        )  # the last in Wine
    win32.CloseHandle(section)


def test_prefetching_wants_ranges_and_no_flags() -> None:
    me = win32.GetCurrentProcess()
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0x4000, None
    )
    view = win32.MapViewOfFile(section, win32.FILE_MAP_WRITE)
    for ranges, flags in (([], 0), ([(view, 0x1000)], 1)):
        with pytest.raises(ValueError, match="ranges"):
            win32.PrefetchVirtualMemory(me, ranges, flags)
    win32.PrefetchVirtualMemory(
        me, [win32.WIN32_MEMORY_RANGE_ENTRY(view, 0x1000), (view + 0x2000, 0x1000)]
    )
    assert win32.ReadProcessMemory(me, view, 4) == bytes(4)
    win32.UnmapViewOfFile(view)
    win32.CloseHandle(section)


def test_a_preferred_node_is_only_a_preference() -> None:
    section = win32.CreateFileMappingNuma(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0x1000, None, 0
    )
    view = win32.MapViewOfFileExNuma(
        section, win32.FILE_MAP_WRITE, 0, 0, 0, 0, win32.NUMA_NO_PREFERRED_NODE
    )
    assert win32.WriteProcessMemory(win32.GetCurrentProcess(), view, b"node") == 4
    win32.UnmapViewOfFile(view)
    win32.CloseHandle(section)


def test_views_begin_where_the_system_says_they_do() -> None:
    system = win32.GetSystemInfo()
    assert (system.dwPageSize, system.dwAllocationGranularity) == (4096, 65536)
    assert system.dwNumberOfProcessors >= 1


@pytest.mark.linux_only("Wine 8 cuts files through handles that may only append")
def test_a_handle_that_may_only_append_appends(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first")
    share = win32.FILE_SHARE_READ | win32.FILE_SHARE_WRITE
    file = win32.CreateFile(path, win32.FILE_APPEND_DATA, share, None, win32.OPEN_EXISTING)
    assert win32.WriteFile(file, b" second") == 7
    win32.SetFilePointer(file, 0, win32.FILE_BEGIN)
    assert win32.WriteFile(file, b" third") == 6
    assert path.read_bytes() == b"first second third"
    with pytest.raises(OSError) as caught:
        win32.SetEndOfFile(file)
    assert caught.value.winerror == win32.ERROR_ACCESS_DENIED
    win32.CloseHandle(file)


@pytest.mark.linux_only("the file is opened a second time, which its share mode forbids")
def test_a_duplicate_that_may_only_append_appends(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = win32.CreateFile(path, win32.GENERIC_WRITE, 0, None, win32.CREATE_NEW)
    win32.WriteFile(file, b"abc")
    me = win32.GetCurrentProcess()
    appending = win32.DuplicateHandle(me, file, me, win32.FILE_APPEND_DATA, False, 0)
    win32.SetFilePointer(file, 0, win32.FILE_BEGIN)
    win32.WriteFile(appending, b"def")
    assert path.read_bytes() == b"abcdef"
    for handle in (file, appending):
        win32.CloseHandle(handle)
