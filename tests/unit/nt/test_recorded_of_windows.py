# SPDX-License-Identifier: MIT
"""Single facts that the tests of Wine and ReactOS record of Windows, each with its source."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memsection import nt, win32

ME = nt.CURRENT_PROCESS


def refused(call: Callable[..., Any], *arguments: Any) -> int:
    with pytest.raises(OSError) as caught:
        call(*arguments)
    return int(caught.value.winerror)


def granted(handle: int) -> int:
    status, facts = nt.NtQueryObject(handle, nt.ObjectBasicInformation)
    assert status == nt.STATUS_SUCCESS
    access: int = facts.GrantedAccess
    return access


@pytest.mark.linux_only("Wine 8 maps it")
def test_a_section_for_executing_is_neither_read_nor_written() -> None:
    """ReactOS, kmtests/ntos_mm/ZwCreateSection.c."""
    status, section = nt.NtCreateSection(
        nt.SECTION_ALL_ACCESS, None, 0x1000, nt.PAGE_EXECUTE, nt.SEC_COMMIT
    )
    assert status == nt.STATUS_SUCCESS
    for protection in (nt.PAGE_READONLY, nt.PAGE_READWRITE, nt.PAGE_WRITECOPY):
        assert (
            nt.NtMapViewOfSection(section, ME, Win32Protect=protection)[0]
            == nt.STATUS_SECTION_PROTECTION
        )
    status, view, _ = nt.NtMapViewOfSection(section, ME, Win32Protect=nt.PAGE_EXECUTE)
    assert status == nt.NtUnmapViewOfSection(ME, view) == nt.STATUS_SUCCESS
    nt.NtClose(section)


def test_the_attributes_of_a_pseudo_handle_are_none() -> None:
    """DUPLICATE_SAME_ATTRIBUTES (4) from the pseudo handle: what it has not is not copied."""
    options = nt.DUPLICATE_SAME_ACCESS | 4
    status, handle = nt.NtDuplicateObject(ME, ME, ME, 0, 0, options)
    assert status == nt.STATUS_SUCCESS
    assert nt.NtQueryObject(handle, nt.ObjectHandleFlagInformation)[1] == (False, False)
    nt.NtClose(handle)


def test_the_most_of_a_new_event_is_all_of_it() -> None:
    """Wine, advapi32/tests/security.c, test_maximum_allowed: also with a right that it has not."""
    event = win32.CreateEventEx(None, None, 0, win32.MAXIMUM_ALLOWED | 4)
    assert granted(event) == win32.EVENT_ALL_ACCESS
    win32.CloseHandle(event)


@pytest.mark.linux_only("Wine 8 has those of an older Windows")
def test_generic_rights_of_a_process_are_these() -> None:
    """Wine, ntdll/tests/om.c, test_object_types."""
    suspending, others = 0x0800, 0x20000 | 0x2 | 0x8 | 0x20 | 0x40 | 0x80 | 0x100 | 0x200
    for wanted, rights in (
        (win32.GENERIC_WRITE, suspending | others),
        # who may ask everything may ask the little, which the type's table does not say
        (win32.GENERIC_READ, 0x20000 | 0x10 | 0x400 | 0x1000),
        (win32.GENERIC_EXECUTE, 0x20000 | 0x100000 | 0x1000 | 0x1),
        (win32.GENERIC_ALL, win32.PROCESS_ALL_ACCESS),
    ):
        process = win32.OpenProcess(wanted, False, os.getpid())
        assert granted(process) == rights
        win32.CloseHandle(process)


def test_a_directory_exists_for_who_would_make_a_new_file(tmp_path: Path) -> None:
    new = (tmp_path, win32.GENERIC_WRITE, 3, None, win32.CREATE_NEW)
    assert refused(win32.CreateFile, *new) == win32.ERROR_FILE_EXISTS
    for disposition in (win32.CREATE_ALWAYS, win32.OPEN_EXISTING, win32.OPEN_ALWAYS):
        again = (tmp_path, win32.GENERIC_WRITE, 3, None, disposition)
        assert refused(win32.CreateFile, *again) == win32.ERROR_ACCESS_DENIED


def test_addresses_are_not_rounded_for_private_memory() -> None:
    """Wine, kernel32/tests/virtual.c: AT_ROUND_TO_PAGE (0x40000000) is no flag of VirtualAlloc."""
    kind = win32.MEM_RESERVE | win32.MEM_COMMIT | 0x40000000
    assert refused(win32.VirtualAlloc, 0, 0x1000, kind, win32.PAGE_READWRITE) == 87


@pytest.mark.linux_only("the disk of Wine is another")
@pytest.mark.parametrize("size", [1 << 44, 1 << 62, (1 << 63) - 1])
def test_a_file_does_not_become_larger_than_its_disk(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    file = win32.CreateFile(path, win32.GENERIC_READ | win32.GENERIC_WRITE)
    made = nt.NtCreateSection(
        nt.SECTION_ALL_ACCESS, None, size, nt.PAGE_READWRITE, nt.SEC_COMMIT, file
    )
    assert made == (nt.STATUS_DISK_FULL, 0)
    assert path.read_bytes() == b"content"
    win32.CloseHandle(file)


@pytest.mark.linux_only("the disk of Wine is another")
@pytest.mark.parametrize("high", [0x80000000, 0xFFFFFFFF])
def test_a_size_that_no_file_has_is_refused(tmp_path: Path, high: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    file = win32.CreateFile(path, win32.GENERIC_READ | win32.GENERIC_WRITE)
    refused(win32.CreateFileMapping, file, None, win32.PAGE_READWRITE, high, 0, None)
    assert (
        nt.NtCreateSection(
            nt.SECTION_ALL_ACCESS, None, high << 32, nt.PAGE_READWRITE, nt.SEC_COMMIT, file
        )[0]
        == nt.STATUS_SECTION_TOO_BIG
    )
    assert path.read_bytes() == b"content"
    win32.CloseHandle(file)


def test_the_pseudo_handles_mean_what_they_mean() -> None:
    assert nt.NtCompareObjects(-2, -2) == nt.NtCompareObjects(-1, -1) == nt.STATUS_SUCCESS
    assert nt.NtCompareObjects(-1, -2) == nt.STATUS_NOT_SAME_OBJECT


def test_memory_that_is_not_there_has_a_status_too() -> None:
    assert nt.NtReadVirtualMemory(ME, -2, 2)[0] in (
        nt.STATUS_ACCESS_VIOLATION,
        nt.STATUS_PARTIAL_COPY,
    )


@pytest.mark.parametrize(
    ("program", "line", "code"),
    [
        ("", None, win32.ERROR_PATH_NOT_FOUND),
        ("", "", win32.ERROR_PATH_NOT_FOUND),
        (None, "", win32.ERROR_INVALID_PARAMETER),
        (None, " ", win32.ERROR_INVALID_PARAMETER),
        (None, " program", win32.ERROR_INVALID_PARAMETER),
        (None, "\tprogram", win32.ERROR_INVALID_PARAMETER),
        (None, '""', win32.ERROR_INVALID_PARAMETER),
        (None, '" "', win32.ERROR_INVALID_PARAMETER),
        (None, '"\t"', win32.ERROR_FILE_NOT_FOUND),
        (None, '" program"', win32.ERROR_FILE_NOT_FOUND),
        (None, '"\tprogram"', win32.ERROR_FILE_NOT_FOUND),
        (None, "does not exist", win32.ERROR_FILE_NOT_FOUND),
        ("does not exist", None, win32.ERROR_FILE_NOT_FOUND),
    ],
)
def test_odd_command_lines_start_nothing(program: str | None, line: str | None, code: int) -> None:
    """Wine, kernel32/tests/process.c, test_CommandLine."""
    assert refused(win32.CreateProcess, program, line) == code


def test_a_command_line_may_lack_its_last_quote() -> None:
    made = win32.CreateProcess(None, f'"{sys.executable}" -c "raise SystemExit(3)')
    assert win32.WaitForSingleObject(made.hProcess, 60_000) == win32.WAIT_OBJECT_0
    assert win32.GetExitCodeProcess(made.hProcess) == 3
    win32.CloseHandle(made.hProcess)
    win32.CloseHandle(made.hThread)
