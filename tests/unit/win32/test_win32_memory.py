# SPDX-License-Identifier: MIT
"""Pages and addresses: reserving, committing, protecting and releasing, and what else can be asked
of views."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memsection import nt, win32
from memsection.vocabulary.structs import OBJ_CASE_INSENSITIVE, ObjectAttributes

SIZE = 0x20000


def _code(call: Callable[..., Any], *arguments: Any) -> int:
    with pytest.raises(OSError) as caught:
        call(*arguments)
    return int(caught.value.winerror)


@pytest.fixture
def reserved() -> Iterator[int]:
    """The address of private memory that is reserved only."""
    address = win32.VirtualAlloc(0, SIZE, win32.MEM_RESERVE, win32.PAGE_READWRITE)
    yield address
    win32.VirtualFree(address, 0, win32.MEM_RELEASE)


@pytest.fixture
def section() -> Iterator[int]:
    """A committed section of memory."""
    handle = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, SIZE, None
    )
    yield handle
    win32.CloseHandle(handle)


def test_reserved_pages_have_no_protection_to_change(reserved: int) -> None:
    assert (
        _code(win32.VirtualProtect, reserved, 0x1000, win32.PAGE_READONLY)
        == win32.ERROR_INVALID_ADDRESS
    )
    win32.VirtualAlloc(reserved, 0x1000, win32.MEM_COMMIT, win32.PAGE_READWRITE)
    assert (
        _code(win32.VirtualProtect, reserved, 0x2000, win32.PAGE_READONLY)
        == win32.ERROR_INVALID_ADDRESS
    )
    assert win32.VirtualProtect(reserved, 0x1000, win32.PAGE_READONLY) == win32.PAGE_READWRITE
    assert win32.VirtualQuery(reserved + 0x1000).State == win32.MEM_RESERVE


def test_pages_are_committed_decommitted_and_zero_when_committed_again(reserved: int) -> None:
    me = win32.GetCurrentProcess()
    win32.VirtualAlloc(reserved + 0x3000, 0x2000, win32.MEM_COMMIT, win32.PAGE_READWRITE)
    win32.WriteProcessMemory(me, reserved + 0x3000, b"data")
    win32.VirtualFree(reserved + 0x3000, 0x1000, win32.MEM_DECOMMIT)
    assert win32.VirtualQuery(reserved + 0x3000).State == win32.MEM_RESERVE
    assert win32.VirtualQuery(reserved + 0x4000).State == win32.MEM_COMMIT
    win32.VirtualAlloc(reserved + 0x3000, 0x1000, win32.MEM_COMMIT, win32.PAGE_READWRITE)
    assert win32.ReadProcessMemory(me, reserved + 0x3000, 4) == bytes(4)


def test_an_allocation_is_released_by_its_beginning(reserved: int) -> None:
    assert (
        _code(win32.VirtualFree, reserved + 0x1000, 0, win32.MEM_RELEASE)
        == win32.ERROR_INVALID_ADDRESS
    )
    assert _code(win32.VirtualFree, reserved, 0, 0) == win32.ERROR_INVALID_PARAMETER
    assert win32.VirtualQuery(reserved).RegionSize == SIZE


def test_what_cannot_be_allocated_is_refused() -> None:
    both = win32.MEM_RESERVE | win32.MEM_COMMIT
    for arguments in (
        (0, 0, both, win32.PAGE_READWRITE),
        (0, 0x1000, 0, win32.PAGE_READWRITE),
        (0, 0x1000, both, 0),
        (0, 0x1000, both, win32.PAGE_WRITECOPY),
        (16, 0x1000, win32.MEM_COMMIT, win32.PAGE_READWRITE),
    ):
        assert _code(win32.VirtualAlloc, *arguments) == win32.ERROR_INVALID_PARAMETER, arguments


def test_committing_what_is_committed_changes_the_protection_alone(section: int) -> None:
    view = win32.MapViewOfFile(section, win32.FILE_MAP_WRITE)
    win32.WriteProcessMemory(win32.GetCurrentProcess(), view, b"kept")
    assert win32.VirtualAlloc(view, 0x1000, win32.MEM_COMMIT, win32.PAGE_READONLY) == view
    found = win32.VirtualQuery(view)
    assert (found.Protect, found.RegionSize) == (win32.PAGE_READONLY, 0x1000)
    assert win32.ReadProcessMemory(win32.GetCurrentProcess(), view, 4) == b"kept"
    win32.UnmapViewOfFile(view)


def test_pages_of_a_file_need_no_commit(tmp_path: Path) -> None:
    path = tmp_path / "pages"
    path.write_bytes(b"x" * 0x1000)
    file = win32.CreateFile(path, win32.GENERIC_READ | win32.GENERIC_WRITE)
    section = win32.CreateFileMapping(file, None, win32.PAGE_READWRITE, 0, 0, None)
    view = win32.MapViewOfFile(section, win32.FILE_MAP_WRITE)
    assert (
        _code(win32.VirtualAlloc, view, 0x1000, win32.MEM_COMMIT, win32.PAGE_READWRITE)
        == win32.ERROR_ACCESS_DENIED
    )
    win32.UnmapViewOfFile(view)
    win32.CloseHandle(section)
    win32.CloseHandle(file)


@pytest.mark.linux_only("Windows has guard pages")
def test_guard_pages_are_refused_not_forgotten(section: int) -> None:
    view = win32.MapViewOfFile(section, win32.FILE_MAP_WRITE)
    guarded = win32.PAGE_READWRITE | win32.PAGE_GUARD
    assert _code(win32.VirtualProtect, view, 0x1000, guarded) == win32.ERROR_NOT_SUPPORTED
    assert (
        _code(win32.VirtualAlloc, 0, 0x1000, win32.MEM_RESERVE | win32.MEM_COMMIT, guarded)
        == win32.ERROR_NOT_SUPPORTED
    )
    assert win32.VirtualQuery(view).Protect == win32.PAGE_READWRITE
    win32.UnmapViewOfFile(view)


MAP_BELOW = """
import sys
from memsection import nt
status, section = nt.NtCreateSection(
    nt.SECTION_ALL_ACCESS, None, 0x1000, nt.PAGE_READWRITE, nt.SEC_COMMIT, 0
)
assert status == nt.STATUS_SUCCESS, hex(status)
zero_bits = int(sys.argv[1])
status, address, size = nt.NtMapViewOfSection(section, nt.CURRENT_PROCESS, 0, zero_bits)
assert status == nt.STATUS_SUCCESS, hex(status)
limit = 1 << 32 - zero_bits if zero_bits <= 21 else zero_bits
assert address + size <= limit + 1, hex(address)
assert nt.NtUnmapViewOfSection(nt.CURRENT_PROCESS, address) == nt.STATUS_SUCCESS
"""


@pytest.mark.parametrize("zero_bits", [1, 4, 0x7FFFFFFF])
def test_a_view_can_be_asked_for_below_a_limit(zero_bits: int) -> None:
    # A program of its own: one that has run many tests may have no room left there in Wine.
    subprocess.run([sys.executable, "-c", MAP_BELOW, str(zero_bits)], check=True, timeout=120)


def test_a_view_cannot_be_asked_for_with_half_a_mask_of_zero_bits(section: int) -> None:
    assert (
        nt.NtMapViewOfSection(section, nt.CURRENT_PROCESS, 0, 22)[0]
        == nt.STATUS_INVALID_PARAMETER_4
    )


def test_a_view_has_the_modifiers_of_its_section_and_no_others(section: int) -> None:
    for modifier in (win32.PAGE_NOCACHE, win32.PAGE_GUARD):
        status, _, _ = nt.NtMapViewOfSection(
            section,
            nt.CURRENT_PROCESS,
            0,
            0,
            0,
            0,
            0,
            nt.ViewShare,
            0,
            win32.PAGE_READWRITE | modifier,
        )
        assert status == nt.STATUS_INVALID_PAGE_PROTECTION


def test_the_pseudo_handle_of_the_process_is_no_section_and_has_no_name() -> None:
    assert nt.NtQuerySection(nt.CURRENT_PROCESS)[0] == nt.STATUS_OBJECT_TYPE_MISMATCH
    assert nt.NtQueryObject(nt.CURRENT_PROCESS, nt.ObjectNameInformation) == (nt.STATUS_SUCCESS, "")


def test_an_object_in_the_root_directory_is_not_found() -> None:
    status, _ = nt.NtOpenSection(nt.SECTION_MAP_READ, ObjectAttributes(f"\\{uuid.uuid4()}"))
    assert status == nt.STATUS_OBJECT_NAME_NOT_FOUND


@pytest.mark.parametrize("leaf", ["Plain", "mit Ümläuten", "长Name", "percent%25"])
def test_a_name_can_be_looked_up_regardless_of_case(leaf: str) -> None:
    name = f"{leaf} {uuid.uuid4()}"
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0x1000, name
    )
    root = nt.kernel.named_objects_directory()
    for flags, expected in (
        (0, nt.STATUS_OBJECT_NAME_NOT_FOUND),
        (OBJ_CASE_INSENSITIVE, nt.STATUS_SUCCESS),
    ):
        status, found = nt.NtOpenSection(
            nt.SECTION_MAP_READ, ObjectAttributes(name.swapcase(), root, flags)
        )
        assert status == expected
        if found:
            assert win32.CompareObjectHandles(section, found)
            win32.CloseHandle(found)
    win32.CloseHandle(section)


def test_a_file_is_signaled_when_nothing_is_under_way(tmp_path: Path) -> None:
    file = win32.CreateFile(tmp_path / "file", win32.GENERIC_WRITE, 0, None, win32.CREATE_NEW)
    win32.WriteFile(file, b"done")
    assert win32.WaitForSingleObject(file, 0) == win32.WAIT_OBJECT_0
    event = win32.CreateEvent(None, True, True, None)
    assert win32.WaitForMultipleObjects([event, file], True, 0) == win32.WAIT_OBJECT_0
    win32.CloseHandle(event)
    win32.CloseHandle(file)


@pytest.mark.linux_only("Wine reserves what nobody can have")
def test_more_than_there_are_addresses_is_an_invalid_size() -> None:
    assert _code(win32.VirtualAlloc, 0, 1 << 62, win32.MEM_RESERVE, win32.PAGE_READWRITE) == 87


@pytest.mark.linux_only("Wine takes such an address for any address")
@pytest.mark.parametrize("base", [1 << 47, (1 << 64) - 0x10000])
def test_a_view_cannot_be_at_an_address_of_the_system(section: int, base: int) -> None:
    assert (
        _code(win32.MapViewOfFileEx, section, win32.FILE_MAP_READ, 0, 0, 0, base)
        == win32.ERROR_INVALID_PARAMETER
    )


@pytest.fixture
def pages() -> Iterator[int]:
    """The address of committed private memory."""
    address = win32.VirtualAlloc(
        0, SIZE, win32.MEM_RESERVE | win32.MEM_COMMIT, win32.PAGE_READWRITE
    )
    yield address
    win32.VirtualFree(address, 0, win32.MEM_RELEASE)


def test_private_memory_cannot_be_copy_on_write(pages: int) -> None:
    for protection in (win32.PAGE_WRITECOPY, win32.PAGE_EXECUTE_WRITECOPY):
        assert (
            _code(win32.VirtualProtect, pages, 0x1000, protection) == win32.ERROR_INVALID_PARAMETER
        )
        assert (
            _code(win32.VirtualAlloc, 0, 0x1000, win32.MEM_RESERVE, protection)
            == win32.ERROR_INVALID_PARAMETER
        )
    assert win32.VirtualQuery(pages).Protect == win32.PAGE_READWRITE


@pytest.mark.linux_only("Wine 8 does not know MEM_RESET_UNDO")
def test_pages_that_are_not_needed_for_now_are_there_again_when_that_is_undone(pages: int) -> None:
    me = win32.GetCurrentProcess()
    win32.WriteProcessMemory(me, pages, b"kept")
    assert win32.VirtualAlloc(pages, 0x1000, win32.MEM_RESET, win32.PAGE_NOACCESS) == pages
    assert win32.VirtualQuery(pages).State == win32.MEM_COMMIT
    assert win32.VirtualAlloc(pages, 0x1000, win32.MEM_RESET_UNDO, win32.PAGE_NOACCESS) == pages
    assert win32.ReadProcessMemory(me, pages, 4) == b"kept"
    mixed = win32.MEM_RESET | win32.MEM_COMMIT
    assert (
        _code(win32.VirtualAlloc, pages, 0x1000, mixed, win32.PAGE_READWRITE)
        == win32.ERROR_INVALID_PARAMETER
    )


@pytest.mark.linux_only("Wine 8 has modifiers for single pages")
def test_a_modifier_of_private_memory_is_kept_and_shown() -> None:
    uncached = win32.PAGE_READWRITE | win32.PAGE_NOCACHE
    address = win32.VirtualAlloc(0, SIZE, win32.MEM_RESERVE | win32.MEM_COMMIT, uncached)
    shown = win32.VirtualQuery(address)
    assert (shown.Protect, shown.AllocationProtect) == (uncached, uncached)
    # as Wine's test (kernel32/tests/virtual.c) records it of recent Windows: single pages have none
    assert win32.VirtualProtect(address, 0x1000, win32.PAGE_READWRITE) == uncached
    assert win32.VirtualQuery(address).Protect == uncached
    assert win32.VirtualQuery(address).RegionSize == SIZE
    assert win32.VirtualProtect(address, 0x1000, win32.PAGE_READONLY) == uncached
    shown = win32.VirtualQuery(address)
    assert (shown.Protect, shown.RegionSize) == (win32.PAGE_READONLY | win32.PAGE_NOCACHE, 0x1000)
    win32.VirtualFree(address, 0, win32.MEM_RELEASE)
    address = win32.VirtualAlloc(0, SIZE, win32.MEM_COMMIT, win32.PAGE_READWRITE)
    plain = win32.PAGE_READONLY | win32.PAGE_NOCACHE
    assert win32.VirtualProtect(address, 0x1000, plain) == win32.PAGE_READWRITE
    assert win32.VirtualQuery(address).Protect == win32.PAGE_READONLY
    win32.VirtualFree(address, 0, win32.MEM_RELEASE)
    for wrong in (
        win32.PAGE_NOACCESS | win32.PAGE_NOCACHE,
        win32.PAGE_READWRITE | win32.PAGE_NOCACHE | win32.PAGE_WRITECOMBINE,
    ):
        assert (
            _code(win32.VirtualAlloc, 0, 0x1000, win32.MEM_RESERVE, wrong)
            == win32.ERROR_INVALID_PARAMETER
        )


def test_reserved_pages_are_not_needed_for_now_either(reserved: int) -> None:
    win32.VirtualAlloc(reserved, 0x1000, win32.MEM_COMMIT, win32.PAGE_READWRITE)
    for page in (reserved, reserved + 0x1000):
        assert win32.VirtualAlloc(page, 0x1000, win32.MEM_RESET, win32.PAGE_NOACCESS) == page
    assert win32.VirtualQuery(reserved).Protect == win32.PAGE_READWRITE
    assert win32.VirtualQuery(reserved + 0x1000).State == win32.MEM_RESERVE
    beyond = (reserved + SIZE - 0x1000, 0x2000, win32.MEM_RESET, win32.PAGE_NOACCESS)
    assert _code(win32.VirtualAlloc, *beyond) == win32.ERROR_INVALID_ADDRESS
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE | win32.SEC_RESERVE, 0, SIZE, None
    )
    view = win32.MapViewOfFile(section, win32.FILE_MAP_WRITE)
    assert win32.VirtualAlloc(view, SIZE, win32.MEM_RESET, win32.PAGE_READONLY) == view
    win32.UnmapViewOfFile(view)
    win32.CloseHandle(section)


@pytest.mark.parametrize("kind", [win32.SEC_COMMIT, win32.SEC_RESERVE])
def test_committing_pages_of_a_view_gives_them_the_protection_that_is_asked_for(kind: int) -> None:
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE | kind, 0, SIZE, None
    )
    view = win32.MapViewOfFile(section, win32.FILE_MAP_WRITE)
    me = win32.GetCurrentProcess()
    for protection in (
        win32.PAGE_READONLY,
        win32.PAGE_READWRITE,
        win32.PAGE_NOACCESS,
        win32.PAGE_READWRITE,
    ):
        win32.VirtualAlloc(view, 0x1000, win32.MEM_COMMIT, protection)
        assert win32.VirtualQuery(view).Protect == protection
    assert win32.WriteProcessMemory(me, view, b"written") == 7
    win32.UnmapViewOfFile(view)
    win32.CloseHandle(section)


@pytest.mark.parametrize("kind", [win32.SEC_COMMIT, win32.SEC_RESERVE])
def test_committing_pages_gives_no_more_than_the_view_was_mapped_with(kind: int) -> None:
    section = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE | kind, 0, SIZE, None
    )
    for access, refused in ((win32.FILE_MAP_READ, win32.PAGE_READWRITE), (0, win32.PAGE_READONLY)):
        view = win32.MapViewOfFile(section, access)
        assert (
            _code(win32.VirtualAlloc, view, 0x1000, win32.MEM_COMMIT, refused)
            == win32.ERROR_INVALID_PARAMETER
        )
        win32.UnmapViewOfFile(view)
    win32.CloseHandle(section)


@pytest.mark.linux_only("Wine 8 writes to pages that can only be read, and refuses pages of code")
def test_pages_of_code_are_written_and_read_only_pages_are_not(pages: int) -> None:
    me = win32.GetCurrentProcess()
    for protection in (win32.PAGE_EXECUTE_READ, win32.PAGE_EXECUTE):
        win32.VirtualProtect(pages, 0x2000, protection)
        assert win32.WriteProcessMemory(me, pages + 0xFFE, b"code") == 4
        assert win32.VirtualQuery(pages).Protect == protection
    win32.VirtualProtect(pages, 0x2000, win32.PAGE_READONLY)
    assert win32.ReadProcessMemory(me, pages + 0xFFE, 4) == b"code"
    assert _code(win32.WriteProcessMemory, me, pages, b"data") == win32.ERROR_NOACCESS
    win32.VirtualProtect(pages, 0x2000, win32.PAGE_NOACCESS)
    assert _code(win32.WriteProcessMemory, me, pages, b"data") == win32.ERROR_PARTIAL_COPY


@pytest.mark.parametrize("zero_bits", [1, 4, 8, 0x7FFFFFFF])
@pytest.mark.linux_only("Wine 8 finds no memory below 16 MiB")
def test_private_memory_can_be_asked_for_below_a_limit(zero_bits: int) -> None:
    status, address, size = nt.NtAllocateVirtualMemory(
        nt.CURRENT_PROCESS, 0, zero_bits, 0x1000, win32.MEM_RESERVE, win32.PAGE_READWRITE
    )
    assert status == nt.STATUS_SUCCESS
    assert address + size <= (1 << 32 - zero_bits if zero_bits <= 21 else zero_bits + 1)
    assert (
        nt.NtFreeVirtualMemory(nt.CURRENT_PROCESS, address, 0, win32.MEM_RELEASE)[0]
        == nt.STATUS_SUCCESS
    )


def test_half_a_mask_of_zero_bits_is_refused_for_private_memory() -> None:
    status = nt.NtAllocateVirtualMemory(
        nt.CURRENT_PROCESS, 0, 22, 0x1000, win32.MEM_RESERVE, win32.PAGE_READWRITE
    )[0]
    assert status == nt.STATUS_INVALID_PARAMETER_3


def test_the_functions_for_a_process_do_for_this_one_what_the_plain_ones_do() -> None:
    me = win32.OpenProcess(win32.PROCESS_ALL_ACCESS, False, win32.GetCurrentProcessId())
    address = win32.VirtualAllocEx(me, 0, SIZE, win32.MEM_RESERVE, win32.PAGE_READWRITE)
    assert (
        win32.VirtualAllocEx(me, address, 0x1000, win32.MEM_COMMIT, win32.PAGE_READWRITE) == address
    )
    assert win32.VirtualProtectEx(me, address, 0x1000, win32.PAGE_READONLY) == win32.PAGE_READWRITE
    assert win32.VirtualQueryEx(me, address) == win32.VirtualQuery(address)
    assert (
        _code(win32.VirtualFreeEx, me, address, 1, win32.MEM_RELEASE)
        == win32.ERROR_INVALID_PARAMETER
    )
    win32.VirtualFreeEx(me, address, 0, win32.MEM_RELEASE)
    win32.CloseHandle(me)


@pytest.mark.linux_only("Windows changes the memory of other processes")
def test_the_memory_of_another_process_can_be_looked_at_and_not_changed(pages: int) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        other = win32.OpenProcess(win32.PROCESS_ALL_ACCESS, False, child.pid)
        first = win32.VirtualQueryEx(other, 0)
        assert first.State == win32.MEM_FREE
        found = win32.VirtualQueryEx(other, first.RegionSize)
        assert found.State == win32.MEM_COMMIT and found.BaseAddress == first.RegionSize
        for call, *arguments in (
            (win32.VirtualAllocEx, 0, 0x1000, win32.MEM_RESERVE, win32.PAGE_READWRITE),
            (win32.VirtualProtectEx, found.BaseAddress, 0x1000, win32.PAGE_READONLY),
            (win32.VirtualFreeEx, found.BaseAddress, 0, win32.MEM_RELEASE),
        ):
            assert _code(call, other, *arguments) == win32.ERROR_NOT_SUPPORTED
        win32.CloseHandle(other)
        child.communicate(b"\n", timeout=60)


def test_a_range_of_nothing_is_not_prefetched(pages: int) -> None:
    me = win32.GetCurrentProcess()
    for ranges in ([], [(pages, 0)], [(pages, 0x1000), (pages, 0)]):
        assert _code(win32.PrefetchVirtualMemory, me, ranges) == win32.ERROR_INVALID_PARAMETER


def test_sleeping_ends() -> None:
    assert win32.SleepEx(1, True) == win32.SleepEx(0) == 0
    before = time.monotonic()
    win32.Sleep(20)
    assert time.monotonic() - before >= 0.019
