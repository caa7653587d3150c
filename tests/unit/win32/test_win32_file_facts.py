# SPDX-License-Identifier: MIT
"""What files are, and their removal by path, through the Win32-named face."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from memsection import win32

READ = win32.GENERIC_READ
ALL_SHARE = win32.FILE_SHARE_READ | win32.FILE_SHARE_WRITE | win32.FILE_SHARE_DELETE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of ten bytes."""
    path = tmp_path / "digits"
    path.write_bytes(b"0123456789")
    return path


def _refused(path: Path) -> int:
    with pytest.raises(OSError) as caught:
        win32.DeleteFile(path)
    code = int(caught.value.winerror)
    assert win32.GetLastError() == code
    return code


def test_a_file_on_a_disk_is_one(path: Path) -> None:
    file = win32.CreateFile(path, READ, ALL_SHARE)
    assert win32.GetFileType(file) == win32.FILE_TYPE_DISK
    win32.CloseHandle(file)


def test_devices_and_pipes_are_no_disk_files() -> None:
    device = win32.CreateFile(os.devnull, READ, ALL_SHARE)
    assert win32.GetFileType(device) == win32.FILE_TYPE_CHAR
    with pytest.raises(OSError) as caught:
        win32.GetFileInformationByHandle(device)
    assert caught.value.winerror
    win32.CloseHandle(device)


@pytest.mark.linux_only("a FIFO with a path is a thing of Unix")
def test_a_pipe_is_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe = win32.CreateFile(tmp_path / "pipe", READ, ALL_SHARE)
    assert win32.GetFileType(pipe) == win32.FILE_TYPE_PIPE
    win32.CloseHandle(pipe)
    win32.DeleteFile(tmp_path / "pipe")
    assert not (tmp_path / "pipe").exists()


@pytest.mark.parametrize("function", [win32.GetFileType, win32.GetFileInformationByHandle])
def test_what_is_no_file_has_no_type_and_no_facts(function: object) -> None:
    assert callable(function)
    event = win32.CreateEvent(None, True, False, None)
    for handle in (0, 0x7FFFFFF0, event):
        with pytest.raises(OSError) as caught:
            function(handle)
        assert caught.value.winerror == win32.ERROR_INVALID_HANDLE
    win32.CloseHandle(event)


def test_the_facts_of_a_file_are_those_of_the_system(path: Path) -> None:
    found = path.stat()
    file = win32.CreateFile(path, READ, ALL_SHARE)
    facts = win32.GetFileInformationByHandle(file)
    win32.CloseHandle(file)
    assert (facts.nFileSizeHigh, facts.nFileSizeLow, facts.nNumberOfLinks) == (0, 10, 1)
    assert abs((facts.ftLastWriteTime - 116444736000000000) / 1e7 - found.st_mtime) < 1
    assert not facts.dwFileAttributes & win32.FILE_ATTRIBUTE_READONLY
    assert abs((facts.ftLastAccessTime - 116444736000000000) / 1e7 - time.time()) < 24 * 3600


def test_two_handles_of_one_file_have_the_same_volume_and_index(path: Path, tmp_path: Path) -> None:
    os.link(path, tmp_path / "other name")
    (tmp_path / "another").write_bytes(b"")
    seen = []
    for name in ("digits", "other name", "another"):
        file = win32.CreateFile(tmp_path / name, 0, ALL_SHARE)
        facts = win32.GetFileInformationByHandle(file)
        seen.append(
            (
                facts.dwVolumeSerialNumber,
                facts.nFileIndexHigh,
                facts.nFileIndexLow,
                facts.nNumberOfLinks,
            )
        )
        win32.CloseHandle(file)
    assert seen[0] == seen[1] != seen[2]
    assert seen[0][3] == 2


def test_a_file_that_nobody_may_write_is_read_only_and_not_deleted(path: Path) -> None:
    path.chmod(0o444)
    file = win32.CreateFile(path, READ, ALL_SHARE)
    assert win32.GetFileInformationByHandle(file).dwFileAttributes & win32.FILE_ATTRIBUTE_READONLY
    win32.CloseHandle(file)
    assert _refused(path) == win32.ERROR_ACCESS_DENIED
    assert path.exists()
    path.chmod(0o644)
    win32.DeleteFile(path)
    assert not path.exists()


def test_deleting_what_is_not_there_says_what_is_missing(tmp_path: Path) -> None:
    assert _refused(tmp_path / "none") == win32.ERROR_FILE_NOT_FOUND
    assert _refused(tmp_path / "none" / "none") == win32.ERROR_PATH_NOT_FOUND
    with pytest.raises(OSError) as caught:
        win32.DeleteFile("")
    assert caught.value.winerror == win32.ERROR_PATH_NOT_FOUND


def test_a_directory_is_not_deleted_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    assert _refused(tmp_path / "directory") == win32.ERROR_ACCESS_DENIED
    assert (tmp_path / "directory").is_dir()


def test_a_file_that_is_open_without_share_delete_is_not_deleted(path: Path) -> None:
    file = win32.CreateFile(path, READ, win32.FILE_SHARE_READ | win32.FILE_SHARE_WRITE)
    assert _refused(path) == win32.ERROR_SHARING_VIOLATION
    assert path.exists()
    win32.CloseHandle(file)
    win32.DeleteFile(path)
    assert not path.exists()


@pytest.mark.linux_only(
    "Wine 8 lets the name stay until the last handle closes, as Windows before 10 did"
)
def test_who_shares_deletion_goes_on_with_the_content(path: Path) -> None:
    file = win32.CreateFile(path, READ, ALL_SHARE)
    win32.DeleteFile(path)
    assert not path.exists()
    assert win32.ReadFile(file, 10) == b"0123456789"
    assert win32.GetFileInformationByHandle(file).nNumberOfLinks == 0
    win32.CloseHandle(file)


@pytest.mark.linux_only("Wine 8 deletes a file that has a view; Windows says STATUS_CANNOT_DELETE")
def test_a_file_with_a_view_is_not_deleted(path: Path) -> None:
    file = win32.CreateFile(path, READ, ALL_SHARE)
    section = win32.CreateFileMapping(file, None, win32.PAGE_READONLY, 0, 0, None)
    view = win32.MapViewOfFile(section, win32.FILE_MAP_READ, 0, 0, 0)
    win32.CloseHandle(section)
    win32.CloseHandle(file)
    assert _refused(path) == win32.ERROR_ACCESS_DENIED
    assert path.exists()
    win32.UnmapViewOfFile(view)
    win32.DeleteFile(path)
    assert not path.exists()


@pytest.mark.linux_only("making symbolic links needs a privilege on Windows")
def test_a_symbolic_link_is_deleted_itself(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    win32.DeleteFile(tmp_path / "link")
    assert path.exists()
    assert not (tmp_path / "link").is_symlink()


def test_threads_have_ids_of_their_own() -> None:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(win32.GetCurrentThreadId()))
    thread.start()
    thread.join()
    assert seen[0] not in (0, win32.GetCurrentThreadId())
    assert win32.GetCurrentThreadId() == threading.get_native_id()
