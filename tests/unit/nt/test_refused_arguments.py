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
    assert mapped(section, size=100, commit=500, kind=nt.MEM_RESERVE) == nt.STATUS_SUCCESS
    # no room beyond the end here
    assert mapped(section, size=0x10000, kind=nt.MEM_RESERVE) == nt.STATUS_INVALID_VIEW_SIZE
    nt.NtClose(section)
    win32.CloseHandle(file)


@pytest.mark.linux_only(WINE)
def test_what_cannot_be_extended_has_no_reserved_view(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(0x123))
    file = win32.CreateFile(tmp_path / "file", win32.GENERIC_READ)
    status, section = nt.NtCreateSection(
        nt.SECTION_ALL_ACCESS, None, None, nt.PAGE_READONLY, nt.SEC_COMMIT, file
    )
    assert status == nt.STATUS_SUCCESS

    def view(kind: int, commit: int = 0) -> int:
        status, address, _ = nt.NtMapViewOfSection(
            section, ME, 0, 0, commit, 0, 0, nt.ViewUnmap, kind, nt.PAGE_READONLY
        )
        return status or nt.NtUnmapViewOfSection(ME, address)

    assert view(nt.MEM_RESERVE) == nt.STATUS_SECTION_PROTECTION
    # the view has as many bytes to commit as the file has
    assert view(0, 0x124) == nt.STATUS_INVALID_PARAMETER_5
    assert view(0, 0x123) == nt.STATUS_SUCCESS
    nt.NtClose(section)
    win32.CloseHandle(file)


def test_an_address_is_below_the_limit_that_is_asked_for_with_it(section: int) -> None:
    def view(address: int, zero_bits: int) -> int:
        status, found, _ = nt.NtMapViewOfSection(section, ME, address, zero_bits, 0, 0, 0x1000)
        if status == nt.STATUS_SUCCESS:
            assert (found, nt.NtUnmapViewOfSection(ME, found)) == (address, nt.STATUS_SUCCESS)
        return status

    assert view(0x30000000, 2) == nt.STATUS_SUCCESS
    assert view(0x30000000, 3) == nt.STATUS_INVALID_PARAMETER_4
    assert view(0x30001000, 3) == nt.STATUS_INVALID_PARAMETER_4
    assert view(0x30001000, 2) == nt.STATUS_MAPPED_ALIGNMENT
    assert view(0x30000000, 0x1FFFFFFF) == nt.STATUS_INVALID_PARAMETER_4
    assert view(0x30000000, 0x3FFFFFFF) == nt.STATUS_SUCCESS


def test_an_offset_that_is_not_aligned_is_told_first(section: int) -> None:
    for offset in (0x40211, 0x1F000, -1):
        assert mapped(section, commit=500, offset=offset) == nt.STATUS_MAPPED_ALIGNMENT


@pytest.mark.linux_only("Wine 8 maps ordinary pages")
def test_large_pages_are_had_or_refused(section: int) -> None:
    # of a view documented with FILE_MAP_LARGE_PAGES, from Windows 10 (1703) on
    assert mapped(section, kind=0x20000000) == nt.STATUS_INVALID_PARAMETER_9
    with pytest.raises(OSError) as caught:
        win32.MapViewOfFile(section, win32.FILE_MAP_WRITE | win32.FILE_MAP_LARGE_PAGES)
    assert caught.value.winerror == win32.ERROR_INVALID_PARAMETER
    both = nt.MEM_RESERVE | nt.MEM_COMMIT
    large = win32.MEM_LARGE_PAGES

    def allocated(size: int, kind: int) -> int:
        status, address, _ = nt.NtAllocateVirtualMemory(ME, 0, 0, size, kind, nt.PAGE_READWRITE)
        if status == nt.STATUS_SUCCESS:
            assert address % 0x200000 == 0
            assert win32.WriteProcessMemory(ME, address, b"large") == 5
            assert nt.NtFreeVirtualMemory(ME, address, 0, nt.MEM_RELEASE)[0] == nt.STATUS_SUCCESS
        return status

    for kind in (large | nt.MEM_RESERVE, large | nt.MEM_COMMIT):
        assert allocated(1 << 30, kind) == nt.STATUS_INVALID_PARAMETER_5
    assert allocated(0x1000, large | both) == nt.STATUS_INVALID_PARAMETER_4
    # as many as the administrator has reserved
    assert allocated(1 << 30, large | both) in (nt.STATUS_SUCCESS, nt.STATUS_INSUFFICIENT_RESOURCES)


@pytest.mark.linux_only("Wine 8 reserves what nobody can have")
def test_memory_is_within_the_addresses_of_a_program() -> None:
    def reserved(address: int, size: int = 0x1000) -> int:
        return nt.NtAllocateVirtualMemory(ME, address, 0, size, nt.MEM_RESERVE, nt.PAGE_READWRITE)[
            0
        ]

    for address in (1, 0x1000, 0xF000, 0xFFFF, 1 << 47, (1 << 64) - 0x10000):
        assert reserved(address) == nt.STATUS_INVALID_PARAMETER_2
    assert reserved(0x7FFFFFF00000, 0x200000) == nt.STATUS_INVALID_PARAMETER_4


@pytest.mark.linux_only("Wine 8 makes them")
def test_more_than_can_be_committed_is_refused() -> None:
    huge = 1 << 46  # 64 TiB
    assert (
        nt.NtCreateSection(nt.SECTION_ALL_ACCESS, None, huge, nt.PAGE_READWRITE, nt.SEC_COMMIT)[0]
        == nt.STATUS_COMMITMENT_LIMIT
    )


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


@pytest.mark.linux_only(WINE)
def test_a_section_of_a_size_below_zero_is_too_big() -> None:
    for kind in (nt.SEC_COMMIT, nt.SEC_RESERVE):
        made = nt.NtCreateSection(nt.SECTION_ALL_ACCESS, None, -1, nt.PAGE_READWRITE, kind)
        # (ReactOS's ZwCreateSection test, recorded on Windows)
        assert made == (nt.STATUS_SECTION_TOO_BIG, 0)


def test_a_file_is_neither_permanent_nor_exclusive(tmp_path: Path) -> None:
    for flag in (nt.OBJ_PERMANENT, nt.OBJ_EXCLUSIVE):
        name = ObjectAttributes(str(tmp_path / "file"), 0, flag, None)
        made = nt.NtCreateFile(nt.FILE_GENERIC_WRITE, name, 0, 0, 2)  # FILE_CREATE
        assert made == (nt.STATUS_MEMSECTION_NOT_ON_THIS_SYSTEM, 0, 0)
    assert not (tmp_path / "file").exists()
