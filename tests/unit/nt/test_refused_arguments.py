# SPDX-License-Identifier: MIT
"""Arguments that Windows refuses are refused, with its statuses; what is asked for and cannot be
had is no success.

The statuses are those that the tests of ReactOS and Wine record of Windows (NtMapViewOfSection,
NtDuplicateObject, om).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from memsection import nt, win32
from memsection.vocabulary.structs import ObjectAttributes

ME = nt.CURRENT_PROCESS
WINE = "Wine 8 differs from Windows here"


def made_section(size: int | None = 0x20000, kind: int = nt.SEC_COMMIT) -> int:
    status, handle = nt.NtCreateSection(nt.SECTION_ALL_ACCESS, None, size, nt.PAGE_READWRITE, kind)
    assert status == nt.STATUS_SUCCESS
    return handle


@pytest.fixture
def section() -> Iterator[int]:
    """A section of two times 64 KiB."""
    handle = made_section()
    yield handle
    nt.NtClose(handle)


def mapped(section: int, commit: int = 0, offset: int = 0, size: int = 0, kind: int = 0) -> int:
    """The status of mapping; nothing stays mapped."""
    status, address, _ = nt.NtMapViewOfSection(
        section, ME, 0, 0, commit, offset, size, nt.ViewShare, kind, nt.PAGE_READWRITE
    )
    if status == nt.STATUS_SUCCESS:
        assert nt.NtUnmapViewOfSection(ME, address) == nt.STATUS_SUCCESS
    return status


@pytest.mark.linux_only(WINE)
@pytest.mark.parametrize(
    "kind",
    [
        nt.MEM_COMMIT,
        nt.MEM_RESERVE,
        nt.MEM_RESERVE | nt.MEM_COMMIT,
        nt.MEM_RESET,
        nt.MEM_RELEASE,
        0x40000000,
        0x1,
    ],
)
def test_a_view_is_of_no_other_kind_of_allocation(section: int, kind: int) -> None:
    assert mapped(section, kind=kind) == nt.STATUS_INVALID_PARAMETER_9
    reserved = made_section(kind=nt.SEC_RESERVE)
    assert mapped(reserved, kind=kind) == nt.STATUS_INVALID_PARAMETER_9
    nt.NtClose(reserved)


@pytest.mark.linux_only(WINE)
def test_reserving_is_for_views_of_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(4096))
    file = win32.CreateFile(tmp_path / "file", win32.GENERIC_READ | win32.GENERIC_WRITE)
    status, section = nt.NtCreateSection(
        nt.SECTION_ALL_ACCESS, None, None, nt.PAGE_READWRITE, nt.SEC_COMMIT, file
    )
    assert status == nt.STATUS_SUCCESS
    assert mapped(section, size=4096, kind=nt.MEM_RESERVE) == nt.STATUS_SUCCESS
    # no room beyond the end here
    assert mapped(section, size=0x10000, kind=nt.MEM_RESERVE) == nt.STATUS_INVALID_VIEW_SIZE
    nt.NtClose(section)
    win32.CloseHandle(file)


@pytest.mark.linux_only(WINE)
def test_more_than_a_view_has_is_not_committed(section: int) -> None:
    reserved = made_section(kind=nt.SEC_RESERVE)
    for one in (section, reserved):
        assert mapped(one, commit=0x20000) == nt.STATUS_SUCCESS
        assert mapped(one, commit=0x20001) == nt.STATUS_INVALID_PARAMETER_5
        assert mapped(one, commit=0x2000, size=0x1000) == nt.STATUS_INVALID_PARAMETER_5
        assert mapped(one, commit=0x10001, offset=0x10000) == nt.STATUS_INVALID_PARAMETER_5
    nt.NtClose(reserved)


@pytest.mark.linux_only(WINE)
def test_a_view_larger_than_all_addresses_is_told_from_one_larger_than_the_section(
    section: int,
) -> None:
    assert mapped(section, size=0x20001) == nt.STATUS_INVALID_VIEW_SIZE
    for size in ((1 << 64) - 1, 1 << 47, -1):
        assert mapped(section, size=size) == nt.STATUS_INVALID_PARAMETER_3


@pytest.mark.linux_only(WINE)
def test_a_reserved_section_fits_into_the_addresses_of_a_process() -> None:
    assert (
        nt.NtCreateSection(nt.SECTION_ALL_ACCESS, None, 1 << 47, nt.PAGE_READWRITE, nt.SEC_RESERVE)[
            0
        ]
        == nt.STATUS_SECTION_TOO_BIG
    )
    nt.NtClose(made_section(1 << 33, nt.SEC_RESERVE))


@pytest.mark.linux_only(WINE)
def test_pages_of_a_view_are_neither_decommitted_nor_released(section: int) -> None:
    status, address, _ = nt.NtMapViewOfSection(section, ME)
    assert status == nt.STATUS_SUCCESS
    for kind in (nt.MEM_DECOMMIT, nt.MEM_RELEASE):
        assert (
            nt.NtFreeVirtualMemory(ME, address, 0x1000, kind)[0]
            == nt.STATUS_UNABLE_TO_DELETE_SECTION
        )
    assert nt.NtUnmapViewOfSection(ME, address) == nt.STATUS_SUCCESS


@pytest.mark.linux_only(WINE)
def test_an_allocation_is_released_by_its_whole_size() -> None:
    status, address, size = nt.NtAllocateVirtualMemory(
        ME, 0, 0, 0x1800, nt.MEM_RESERVE | nt.MEM_COMMIT, nt.PAGE_READWRITE
    )
    assert (status, size) == (nt.STATUS_SUCCESS, 0x2000)
    assert nt.NtFreeVirtualMemory(ME, address, 0x3000, nt.MEM_RELEASE)[0] & 0x80000000
    # The rest of an allocation cannot stay one here.
    assert (
        nt.NtFreeVirtualMemory(ME, address, 0x1000, nt.MEM_RELEASE)[0]
        == nt.STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM
    )
    with pytest.raises(OSError) as caught:
        win32.VirtualFree(address, 0x2000, win32.MEM_RELEASE)
    assert caught.value.winerror == win32.ERROR_INVALID_PARAMETER
    assert nt.NtFreeVirtualMemory(ME, address, 0x1800, nt.MEM_RELEASE) == (
        nt.STATUS_SUCCESS,
        address,
        0x2000,
    )


def test_a_taken_name_is_a_collision_whatever_has_it() -> None:
    name, root = f"taken {uuid.uuid4()}", nt.kernel.named_objects_directory()
    status, event = nt.NtCreateEvent(nt.EVENT_ALL_ACCESS, ObjectAttributes(name, root), 0, True)
    assert status == nt.STATUS_SUCCESS

    def creations(flags: int) -> list[int]:
        place = ObjectAttributes(name, root, flags)
        return [
            nt.NtCreateMutant(nt.MUTANT_ALL_ACCESS, place, False)[0],
            nt.NtCreateSemaphore(nt.SEMAPHORE_ALL_ACCESS, place, 1, 1)[0],
            nt.NtCreateSection(
                nt.SECTION_ALL_ACCESS, place, 0x1000, nt.PAGE_READWRITE, nt.SEC_COMMIT
            )[0],
        ]

    assert set(creations(0)) == {nt.STATUS_OBJECT_NAME_COLLISION}
    assert set(creations(nt.OBJ_OPENIF)) == {nt.STATUS_OBJECT_TYPE_MISMATCH}
    nt.NtClose(event)


@pytest.mark.linux_only(WINE)
def test_a_duplicate_is_protected_from_closing_where_that_is_asked_for(section: int) -> None:
    process = win32.OpenProcess(win32.PROCESS_ALL_ACCESS, False, os.getpid())
    for source, access in (
        (section, nt.SECTION_MAP_READ),
        (process, nt.SYNCHRONIZE),
        (ME, nt.GENERIC_ALL),
    ):
        status, handle = nt.NtDuplicateObject(ME, source, ME, access, nt.OBJ_PROTECT_CLOSE, 0)
        assert status == nt.STATUS_SUCCESS and handle != source
        assert nt.NtQueryObject(handle, nt.ObjectHandleFlagInformation) == (
            nt.STATUS_SUCCESS,
            (False, True),
        )
        assert nt.NtClose(handle) == nt.STATUS_HANDLE_NOT_CLOSABLE
        assert (
            nt.NtSetInformationObject(handle, nt.ObjectHandleFlagInformation, (False, False))
            == nt.STATUS_SUCCESS
        )
        assert nt.NtClose(handle) == nt.STATUS_SUCCESS
    win32.CloseHandle(process)


def test_a_duplicate_for_nobody_is_none(section: int) -> None:
    for options in (0, nt.DUPLICATE_SAME_ACCESS):
        assert nt.NtDuplicateObject(ME, section, 0, 0, 0, options) == (nt.STATUS_INVALID_HANDLE, 0)
    assert nt.NtQueryObject(section, nt.ObjectTypeInformation) == (nt.STATUS_SUCCESS, "Section")


@pytest.mark.linux_only(WINE)
def test_an_executable_section_needs_a_file_opened_for_executing(tmp_path: Path) -> None:
    (tmp_path / "code").write_bytes(bytes(4096))
    reading = win32.CreateFile(tmp_path / "code", win32.GENERIC_READ, win32.FILE_SHARE_READ)
    executing = win32.CreateFile(
        tmp_path / "code", win32.GENERIC_READ | win32.GENERIC_EXECUTE, win32.FILE_SHARE_READ
    )
    for protection in (nt.PAGE_EXECUTE_READ, nt.PAGE_EXECUTE_WRITECOPY):
        wanted = nt.SECTION_MAP_READ | nt.SECTION_MAP_EXECUTE
        assert (
            nt.NtCreateSection(wanted, None, None, protection, nt.SEC_COMMIT, reading)[0]
            == nt.STATUS_ACCESS_DENIED
        )
        status, section = nt.NtCreateSection(
            wanted, None, None, protection, nt.SEC_COMMIT, executing
        )
        assert status == nt.STATUS_SUCCESS
        nt.NtClose(section)
    for file in (reading, executing):
        win32.CloseHandle(file)
