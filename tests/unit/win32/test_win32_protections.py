# SPDX-License-Identifier: MIT
"""Protections of pages: of a view of a file with every other, and of private memory one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memsection import win32


def refused(call: Callable[..., Any], *arguments: Any) -> int:
    with pytest.raises(OSError) as caught:
        call(*arguments)
    return int(caught.value.winerror)


# What Wine's test (kernel32/tests/virtual.c) records of Windows for every protection of a view of a
# file: which others it can have, and that none is had by a commit.
BASE_PROTECTIONS = {
    win32.PAGE_NOACCESS: "",
    win32.PAGE_READONLY: "r",
    win32.PAGE_READWRITE: "rw",
    win32.PAGE_WRITECOPY: "r",
    win32.PAGE_EXECUTE_READ: "rx",
    win32.PAGE_EXECUTE_READWRITE: "rwcx",
    win32.PAGE_EXECUTE_WRITECOPY: "rcx",
}
VIEWS = {
    0: win32.PAGE_NOACCESS,
    win32.FILE_MAP_READ: win32.PAGE_READONLY,
    win32.FILE_MAP_WRITE: win32.PAGE_READWRITE,
    win32.FILE_MAP_COPY: win32.PAGE_WRITECOPY,
    win32.FILE_MAP_READ | win32.FILE_MAP_EXECUTE: win32.PAGE_EXECUTE_READ,
    win32.FILE_MAP_WRITE | win32.FILE_MAP_EXECUTE: win32.PAGE_EXECUTE_READWRITE,
    win32.FILE_MAP_COPY | win32.FILE_MAP_EXECUTE: win32.PAGE_EXECUTE_WRITECOPY,
}


@pytest.mark.linux_only("Wine 8 takes PAGE_WRITECOPY for a wrong protection")
@pytest.mark.parametrize("whole", list(BASE_PROTECTIONS)[1:])
def test_pages_of_a_file_have_what_their_view_and_section_have(tmp_path: Path, whole: int) -> None:
    (tmp_path / "file").write_bytes(bytes(0x1000))
    every = win32.GENERIC_READ | win32.GENERIC_WRITE | win32.GENERIC_EXECUTE
    file = win32.CreateFile(tmp_path / "file", every)
    section = win32.CreateFileMapping(file, None, whole, 0, 0x1000, None)
    for access, protection in VIEWS.items():
        try:
            view = win32.MapViewOfFile(section, access)
        except PermissionError:
            continue
        assert win32.VirtualQuery(view).Protect == protection
        for wanted, rights in BASE_PROTECTIONS.items():
            had = set(BASE_PROTECTIONS[protection])
            if had == set(rights) or had and set(rights) <= had & set(BASE_PROTECTIONS[whole]):
                before = win32.VirtualQuery(view).Protect
                assert win32.VirtualProtect(view, 0x1000, wanted) == before
            else:
                assert refused(win32.VirtualProtect, view, 0x1000, wanted) == 87, (
                    protection,
                    wanted,
                )
            arguments = (view, 0x1000, win32.MEM_COMMIT, wanted)
            assert refused(win32.VirtualAlloc, *arguments) == win32.ERROR_ACCESS_DENIED
        win32.UnmapViewOfFile(view)
    win32.CloseHandle(section)
    win32.CloseHandle(file)


@pytest.fixture
def page() -> Iterator[int]:
    """A page of private memory without access."""
    address = win32.VirtualAlloc(0, 0x1000, win32.MEM_COMMIT, win32.PAGE_NOACCESS)
    yield address
    win32.VirtualFree(address, 0, win32.MEM_RELEASE)


COMBINATIONS = [read | execute for execute in (0, 16, 32, 64, 128) for read in (0, 1, 2, 4, 8)]


@pytest.mark.parametrize("protection", [*range(16), *COMBINATIONS])
def test_private_memory_has_one_protection_and_copies_nothing(page: int, protection: int) -> None:
    for call, arguments in (
        (win32.VirtualProtect, (page, 0x1000, protection)),
        (win32.VirtualAlloc, (page, 0x1000, win32.MEM_COMMIT, protection)),
    ):
        if protection in (1, 2, 4, 16, 32, 64):
            call(*arguments)
            found = win32.VirtualQuery(page)
            assert (found.Protect, found.AllocationProtect) == (protection, win32.PAGE_NOACCESS)
        else:
            assert refused(call, *arguments) == win32.ERROR_INVALID_PARAMETER
            assert win32.VirtualQuery(page).Protect == win32.PAGE_NOACCESS
