# SPDX-License-Identifier: MIT
"""Failures: what is raised, what the last error is, and the checks that this face makes itself."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from memsection import win32


@pytest.fixture
def name() -> str:
    return f"errors {uuid.uuid4()}"


def _code(call: Callable[..., Any], *arguments: Any) -> int:
    """The error of a call that must fail; it has to be the thread's last error too."""
    win32.SetLastError(4242)
    with pytest.raises(OSError) as caught:
        call(*arguments)
    assert win32.GetLastError() == caught.value.winerror
    return int(caught.value.winerror)


def test_a_failure_is_also_the_error_a_python_programmer_would_catch(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=name):
        win32.OpenFileMapping(win32.FILE_MAP_READ, False, name)
    with pytest.raises(ValueError, match="protection"):
        win32.CreateFileMapping(win32.INVALID_HANDLE_VALUE, None, 0, 0, 1, name)


def test_a_failure_in_one_thread_is_not_the_last_error_of_another() -> None:
    win32.SetLastError(7)
    seen: list[int] = []

    def other() -> None:
        seen.append(win32.GetLastError())
        seen.append(_code(win32.CloseHandle, 0))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [0, win32.ERROR_INVALID_HANDLE]
    assert win32.GetLastError() == 7


def test_a_call_that_works_leaves_the_last_error_alone() -> None:
    handle = win32.CreateEvent(None, True, False, None)
    win32.SetLastError(7)
    win32.SetEvent(handle)
    win32.GetHandleInformation(handle)
    win32.CloseHandle(handle)
    assert win32.GetLastError() == 7


def test_comparing_tells_by_the_last_error_why_it_says_no() -> None:
    first, second = win32.CreateEvent(), win32.CreateEvent()
    assert win32.CompareObjectHandles(first, second) is False
    assert win32.GetLastError() == win32.ERROR_NOT_SAME_OBJECT
    assert win32.CompareObjectHandles(first, 0) is False
    assert win32.GetLastError() == win32.ERROR_INVALID_HANDLE
    win32.CloseHandle(first)
    win32.CloseHandle(second)


@pytest.mark.parametrize(
    "create", [win32.CreateMutex, win32.CreateEvent, win32.CreateMutexEx, win32.CreateEventEx]
)
def test_a_create_with_defaults_makes_an_unnamed_object_of_its_own(
    create: Callable[[], int],
) -> None:
    first, second = create(), create()
    assert win32.GetLastError() == 0
    assert not win32.CompareObjectHandles(first, second)
    win32.CloseHandle(first)
    win32.CloseHandle(second)


def test_create_functions_with_flags_refuse_flags_they_do_not_know() -> None:
    assert _code(win32.CreateMutexEx, None, None, 2) == win32.ERROR_INVALID_PARAMETER
    assert _code(win32.CreateEventEx, None, None, 4) == win32.ERROR_INVALID_PARAMETER
    assert _code(win32.CreateSemaphoreEx, None, 0, 1, None, 1) == win32.ERROR_INVALID_PARAMETER


def test_create_functions_with_flags_do_what_the_flags_say() -> None:
    event = win32.CreateEventEx(None, None, win32.CREATE_EVENT_INITIAL_SET)
    assert win32.WaitForSingleObject(event, 0) == win32.WAIT_OBJECT_0
    assert win32.WaitForSingleObject(event, 0) == win32.WAIT_TIMEOUT  # not manual reset
    mutex = win32.CreateMutexEx(None, None, win32.CREATE_MUTEX_INITIAL_OWNER)
    win32.ReleaseMutex(mutex)
    assert _code(win32.ReleaseMutex, mutex) == win32.ERROR_NOT_OWNER
    weak = win32.CreateSemaphoreEx(None, 1, 1, None, 0, win32.SYNCHRONIZE)
    assert _code(win32.ReleaseSemaphore, weak, 1) == win32.ERROR_ACCESS_DENIED
    for handle in (event, mutex, weak):
        win32.CloseHandle(handle)


def test_waits_of_every_kind_agree() -> None:
    event = win32.CreateEvent(None, True, True, None)
    assert win32.WaitForSingleObjectEx(event, 0, True) == win32.WAIT_OBJECT_0
    assert win32.WaitForMultipleObjects([event], False, 0) == win32.WAIT_OBJECT_0
    assert win32.WaitForMultipleObjectsEx([event], True, 0, False) == win32.WAIT_OBJECT_0
    win32.ResetEvent(event)
    done = win32.CreateEvent(None, True, True, None)
    assert win32.SignalObjectAndWait(event, done, 0) == win32.WAIT_OBJECT_0
    assert win32.WaitForSingleObject(event, 0) == win32.WAIT_OBJECT_0  # it was signaled
    # for ever, but there is nothing to wait for
    assert win32.WaitForSingleObject(event) == win32.WAIT_OBJECT_0
    win32.CloseHandle(event)
    win32.CloseHandle(done)


def test_a_wait_lasts_as_long_as_it_was_told() -> None:
    event = win32.CreateEvent()
    before = time.monotonic()
    assert win32.WaitForSingleObject(event, 50) == win32.WAIT_TIMEOUT
    # the clocks of two systems need not agree to the last bit
    assert time.monotonic() - before >= 0.045
    win32.CloseHandle(event)


@pytest.mark.parametrize("count", [0, -1, -(1 << 31)])
def test_releasing_a_semaphore_by_nothing_or_less_is_refused_whatever_the_handle(
    count: int,
) -> None:
    assert _code(win32.ReleaseSemaphore, 0, count) == win32.ERROR_INVALID_PARAMETER


def test_no_process_has_the_id_zero() -> None:
    assert _code(win32.OpenProcess, win32.SYNCHRONIZE, False, 0) == win32.ERROR_INVALID_PARAMETER


def test_opening_without_a_name_is_an_invalid_parameter() -> None:
    for open_ in (win32.OpenFileMapping, win32.OpenMutex, win32.OpenEvent, win32.OpenSemaphore):
        assert _code(open_, win32.SYNCHRONIZE, False, None) == win32.ERROR_INVALID_PARAMETER


def test_a_size_is_needed_before_the_name_is_looked_at() -> None:
    create = win32.CreateFileMapping
    assert (
        _code(create, win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 0, "\\bad") == 87
    )
    assert (
        _code(create, win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READWRITE, 0, 1, "\\bad") == 161
    )


def test_memory_is_released_as_a_whole() -> None:
    address = win32.VirtualAlloc(
        0, 0x10000, win32.MEM_RESERVE | win32.MEM_COMMIT, win32.PAGE_READWRITE
    )
    assert (
        _code(win32.VirtualFree, address, 0x1000, win32.MEM_RELEASE)
        == win32.ERROR_INVALID_PARAMETER
    )
    win32.VirtualFree(address, 0, win32.MEM_RELEASE)
    assert win32.VirtualQuery(address).State == win32.MEM_FREE


def test_a_message_names_operation_and_object(name: str) -> None:
    handle = win32.CreateFileMapping(
        win32.INVALID_HANDLE_VALUE, None, win32.PAGE_READONLY, 0, 0x1000, name
    )
    with pytest.raises(PermissionError) as caught:
        win32.MapViewOfFile(handle, win32.FILE_MAP_WRITE)
    win32.CloseHandle(handle)
    assert "map" in str(caught.value).lower()
    assert "WinError 5" in str(caught.value)
