# SPDX-License-Identifier: MIT
"""NtFreeVirtualMemory: parts of an allocation, what is left of it, and what is refused.

The statuses are those that Wine's and ReactOS's tests record of Windows.
"""

from __future__ import annotations

import errno
import sys

import pytest

from memsection import nt, win32

ME = nt.CURRENT_PROCESS
PAGE = 0x1000
WINE = "Wine 8 releases no parts and has other statuses"


def allocated(pages: int = 16, kind: int = nt.MEM_RESERVE | nt.MEM_COMMIT) -> int:
    status, address, size = nt.NtAllocateVirtualMemory(
        ME, 0, 0, pages * PAGE, kind, nt.PAGE_READWRITE
    )
    assert (status, size) == (nt.STATUS_SUCCESS, pages * PAGE)
    return address


def free(address: int, size: int, kind: int = nt.MEM_RELEASE) -> tuple[int, int, int]:
    return nt.NtFreeVirtualMemory(ME, address, size, kind)


def state(address: int) -> tuple[int, int, int, int]:
    """State, allocation base, size to the end of what is alike, protection."""
    found = win32.VirtualQuery(address)
    return found.State, found.AllocationBase, found.RegionSize, found.Protect


@pytest.mark.linux_only(WINE)
def test_what_is_left_before_and_after_a_part_are_allocations() -> None:
    base = allocated()
    middle, after = base + 4 * PAGE, base + 8 * PAGE
    win32.WriteProcessMemory(ME, base, b"first")
    win32.WriteProcessMemory(ME, after, b"last")
    assert free(middle + 5, 4 * PAGE - 5) == (0, middle, 4 * PAGE)
    assert state(base) == (win32.MEM_COMMIT, base, 4 * PAGE, win32.PAGE_READWRITE)
    assert state(after) == (win32.MEM_COMMIT, after, 8 * PAGE, win32.PAGE_READWRITE)
    assert win32.VirtualQuery(middle).State == win32.MEM_FREE
    assert win32.ReadProcessMemory(ME, base, 5) == b"first"
    assert win32.ReadProcessMemory(ME, after, 4) == b"last"
    assert free(middle, 4 * PAGE)[0] == nt.STATUS_MEMORY_NOT_ALLOCATED
    assert free(base, 0) == (0, base, 4 * PAGE)
    assert free(after, 0) == (0, after, 8 * PAGE)
    assert free(base, 0)[0] == free(after, PAGE)[0] == nt.STATUS_MEMORY_NOT_ALLOCATED


@pytest.mark.linux_only(WINE)
def test_parts_go_one_after_the_other_from_both_ends() -> None:
    base = allocated()
    assert free(base, 8 * PAGE) == (0, base, 8 * PAGE)
    assert free(base + 12 * PAGE, 16 * PAGE)[0] == nt.STATUS_UNABLE_TO_FREE_VM
    assert free(base, 16 * PAGE)[0] == nt.STATUS_MEMORY_NOT_ALLOCATED
    assert free(base + 12 * PAGE, 4 * PAGE) == (0, base + 12 * PAGE, 4 * PAGE)
    assert free(base + 12 * PAGE, 4 * PAGE)[0] == nt.STATUS_MEMORY_NOT_ALLOCATED
    assert free(base + 8 * PAGE, 4 * PAGE) == (0, base + 8 * PAGE, 4 * PAGE)


@pytest.mark.linux_only(WINE)
def test_what_is_left_keeps_its_protections() -> None:
    base = allocated(8, nt.MEM_RESERVE)
    for page, protection in ((1, win32.PAGE_READONLY), (5, win32.PAGE_READWRITE)):
        win32.VirtualAlloc(base + page * PAGE, 2 * PAGE, win32.MEM_COMMIT, protection)
    assert free(base + 3 * PAGE, PAGE)[0] == nt.STATUS_SUCCESS
    upper = base + 4 * PAGE
    assert state(base) == (win32.MEM_RESERVE, base, PAGE, 0)
    assert state(base + PAGE) == (win32.MEM_COMMIT, base, 2 * PAGE, win32.PAGE_READONLY)
    assert state(upper) == (win32.MEM_RESERVE, upper, PAGE, 0)
    assert state(upper + PAGE) == (win32.MEM_COMMIT, upper, 2 * PAGE, win32.PAGE_READWRITE)
    assert state(upper + 3 * PAGE) == (win32.MEM_RESERVE, upper, PAGE, 0)
    # and is an allocation as any other
    win32.VirtualAlloc(upper, PAGE, win32.MEM_COMMIT, win32.PAGE_READWRITE)
    assert state(upper) == (win32.MEM_COMMIT, upper, 3 * PAGE, win32.PAGE_READWRITE)
    assert free(base, 0)[0] == free(upper, 0)[0] == nt.STATUS_SUCCESS


@pytest.mark.linux_only(WINE)
def test_ranges_that_are_not_one_allocations_are_refused() -> None:
    base = allocated()
    for kind in (nt.MEM_DECOMMIT, nt.MEM_RELEASE):
        assert free(base, 17 * PAGE, kind)[0] == nt.STATUS_UNABLE_TO_FREE_VM
        assert free(base + 1, 16 * PAGE, kind)[0] == nt.STATUS_UNABLE_TO_FREE_VM
        assert free(base + PAGE + 1, 0, kind)[0] == nt.STATUS_FREE_VM_NOT_AT_BASE
        assert free(0, 0, kind)[0] == nt.STATUS_MEMORY_NOT_ALLOCATED
        assert free(0, PAGE, kind)[0] == nt.STATUS_MEMORY_NOT_ALLOCATED
        assert free(1 << 62, PAGE, kind)[0] == nt.STATUS_INVALID_PARAMETER_2
        assert free(base, (1 << 64) - 1, kind)[0] == nt.STATUS_INVALID_PARAMETER_3
    assert state(base)[0] == win32.MEM_COMMIT
    assert free(base, 0)[0] == nt.STATUS_SUCCESS


@pytest.mark.linux_only(WINE)
def test_pages_that_a_range_touches_are_decommitted() -> None:
    base = allocated()
    assert free(base + 0x1FFF, 2, nt.MEM_DECOMMIT) == (0, base + PAGE, 2 * PAGE)
    assert state(base + PAGE) == (win32.MEM_RESERVE, base, 2 * PAGE, 0)
    assert free(base + 0xFFE, 0, nt.MEM_DECOMMIT) == (0, base, 0)
    assert state(base) == (win32.MEM_RESERVE, base, 16 * PAGE, 0)
    assert free(base + 0xFFF, 0) == (0, base, 16 * PAGE)


def test_the_documented_function_releases_the_whole() -> None:
    base = allocated()
    with pytest.raises(OSError) as caught:
        win32.VirtualFree(base, PAGE, win32.MEM_RELEASE)
    assert caught.value.winerror == win32.ERROR_INVALID_PARAMETER
    win32.VirtualFree(base, 0, win32.MEM_RELEASE)


@pytest.mark.skipif(sys.platform != "linux", reason="the system call is Linux's")
def test_a_part_that_the_kernel_does_not_unmap_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    from memsection.nt.linux.views import regions

    base = allocated()

    def refused(*_: object) -> bool:
        raise OSError(errno.ENOMEM, "too many mappings")

    with monkeypatch.context() as patch:
        patch.setattr(regions, "release_part", refused)
        assert free(base + PAGE, PAGE)[0] == nt.STATUS_NO_MEMORY
    assert state(base) == (win32.MEM_COMMIT, base, 16 * PAGE, win32.PAGE_READWRITE)
    assert free(base, 0)[0] == nt.STATUS_SUCCESS
