# SPDX-License-Identifier: MIT
"""Waitable timers under their documented names, of both faces."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from memsection import nt, win32
from memsection.vocabulary import structs as s

SECOND = 10_000_000
EPOCH = 116444736000000000


@pytest.fixture
def timer() -> Iterator[int]:
    handle = win32.CreateWaitableTimer(None, False, None)
    yield handle
    win32.CloseHandle(handle)


def test_a_completion_routine_is_refused_and_nothing_is_set(timer: int) -> None:
    for set_ in (win32.SetWaitableTimer, win32.SetWaitableTimerEx):
        with pytest.raises(OSError, match="asynchronous procedure calls") as refused:
            set_(timer, 0, 0, lambda *_: None)
        assert refused.value.winerror == 50
    assert nt.NtSetTimer(timer, 0, lambda *_: None) == (nt.STATUS_NOT_SUPPORTED, 0)
    assert win32.WaitForSingleObject(timer, 0) == win32.WAIT_TIMEOUT


def test_a_period_below_zero_is_refused(timer: int) -> None:
    with pytest.raises(OSError) as refused:
        win32.SetWaitableTimer(timer, -SECOND, -1)
    assert refused.value.winerror == 87
    assert nt.NtSetTimer(timer, -1, None, None, False, -1) == (nt.STATUS_INVALID_PARAMETER_6, 0)


def test_flags_that_are_not_known_are_refused() -> None:
    with pytest.raises(OSError) as refused:
        win32.CreateWaitableTimerEx(None, None, 4)
    assert refused.value.winerror == 87
    assert nt.NtCreateTimer(nt.TIMER_ALL_ACCESS, None, 2) == (nt.STATUS_INVALID_PARAMETER_4, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="Windows wakes a system that sleeps")
def test_a_timer_that_cannot_wake_the_system_is_set_and_says_so(timer: int) -> None:
    win32.SetLastError(0)
    win32.SetWaitableTimer(timer, 0, fResume=True)
    assert win32.GetLastError() == 50
    assert win32.WaitForSingleObject(timer, 10_000) == win32.WAIT_OBJECT_0
    win32.SetLastError(0)
    win32.SetWaitableTimerEx(timer, 0, WakeContext=object())
    assert win32.GetLastError() == 50
    win32.SetLastError(7)
    win32.SetWaitableTimer(timer, -1)
    assert win32.GetLastError() == 7
    assert nt.NtSetTimer(timer, -1, None, None, True)[0] == nt.STATUS_TIMER_RESUME_IGNORED


def test_what_it_was_is_told() -> None:
    timer = win32.CreateWaitableTimer(None, True, None)
    assert nt.NtSetTimer(timer, 0) == (0, 0)
    while not nt.NtQueryTimer(timer)[1].TimerState:
        time.sleep(0.001)
    assert nt.NtSetTimer(timer, -3600 * SECOND, Period=5) == (0, 1)
    status, facts = nt.NtQueryTimer(timer)
    assert status == 0 and not facts.TimerState
    assert 3500 * SECOND < facts.RemainingTime <= 3600 * SECOND
    assert nt.NtCancelTimer(timer) == (0, 0)
    assert nt.NtSetTimer(timer, EPOCH)[0] == 0
    assert win32.WaitForSingleObject(timer, 10_000) == win32.WAIT_OBJECT_0
    win32.CloseHandle(timer)


@pytest.mark.skipif(
    sys.platform != "linux", reason="Wine 8 leaves it signaled; KeSetTimer does not"
)
def test_a_synchronization_timer_that_is_set_again_is_not_signaled(timer: int) -> None:
    assert nt.NtSetTimer(timer, 0) == (0, 0)
    assert nt.NtSetTimer(timer, -3600 * SECOND) == (0, 1)
    assert nt.NtQueryTimer(timer)[1].TimerState is False


def test_the_type_and_the_generic_rights_are_a_timers() -> None:
    for desired, granted in (
        (nt.GENERIC_READ, nt.READ_CONTROL | nt.TIMER_QUERY_STATE),
        (nt.GENERIC_WRITE, nt.READ_CONTROL | nt.TIMER_MODIFY_STATE),
        (nt.GENERIC_EXECUTE, nt.READ_CONTROL | nt.SYNCHRONIZE),
        (nt.GENERIC_ALL, nt.TIMER_ALL_ACCESS),
    ):
        status, handle = nt.NtCreateTimer(desired, None, s.NOTIFICATION_TIMER)
        assert status == 0
        assert nt.NtQueryObject(handle, nt.ObjectTypeInformation) == (0, "Timer")
        assert nt.NtQueryObject(handle, 0)[1].GrantedAccess == granted
        nt.NtClose(handle)


def test_operations_of_other_types_are_refused(timer: int) -> None:
    mismatch = nt.STATUS_OBJECT_TYPE_MISMATCH
    event = win32.CreateEvent()
    assert nt.NtSetTimer(event, 0)[0] == nt.NtCancelTimer(event)[0] == mismatch
    assert nt.NtQueryTimer(event)[0] == mismatch
    assert nt.NtSetEvent(timer)[0] == nt.NtQueryEvent(timer)[0] == mismatch
    win32.CloseHandle(event)
    assert nt.NtCancelTimer(0x7FFFFFF0)[0] == nt.STATUS_INVALID_HANDLE
