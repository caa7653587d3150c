# SPDX-License-Identifier: MIT
"""pywin32's win32event: mutexes, events, semaphores, timers, and waiting."""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pywintypes import attributes, call, error, make_handle, message, number

from memsection import win32 as w

INFINITE, WAIT_OBJECT_0, WAIT_ABANDONED, WAIT_ABANDONED_0, WAIT_TIMEOUT = -1, 0, 0x80, 0x80, 0x102
WAIT_FAILED, WAIT_IO_COMPLETION, MAXIMUM_WAIT_OBJECTS = -1, 0xC0, 64
SYNCHRONIZE, EVENT_ALL_ACCESS, EVENT_MODIFY_STATE = 0x100000, 0x1F0003, 2
MUTEX_ALL_ACCESS, MUTEX_MODIFY_STATE = 0x1F0001, 1
SEMAPHORE_ALL_ACCESS, SEMAPHORE_MODIFY_STATE = 0x1F0003, 2
TIMER_ALL_ACCESS, TIMER_MODIFY_STATE, TIMER_QUERY_STATE = 0x1F0003, 2, 1
CREATE_WAITABLE_TIMER_MANUAL_RESET, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION = 1, 2
QS_ALLINPUT, QS_ALLEVENTS, MWMO_WAITALL, MWMO_ALERTABLE = 0x4FF, 0x4BF, 1, 2


def CreateEvent(
    EventAttributes: Any, bManualReset: Any, bInitialState: Any, Name: str | None
) -> Any:
    return make_handle(
        "CreateEvent", w.CreateEvent, attributes(EventAttributes), bManualReset, bInitialState, Name
    )


def OpenEvent(desiredAccess: int, bInheritHandle: Any, name: str) -> Any:
    return make_handle("OpenEvent", w.OpenEvent, desiredAccess, bInheritHandle, name)


def SetEvent(hEvent: Any) -> None:
    call("SetEvent", w.SetEvent, number(hEvent))


def ResetEvent(hEvent: Any) -> None:
    call("ResetEvent", w.ResetEvent, number(hEvent))


def PulseEvent(hEvent: Any) -> None:
    call("PulseEvent", w.PulseEvent, number(hEvent))


def CreateMutex(MutexAttributes: Any, InitialOwner: Any, Name: str | None) -> Any:
    return make_handle(
        "CreateMutex", w.CreateMutex, attributes(MutexAttributes), InitialOwner, Name
    )


def OpenMutex(desiredAccess: int, bInheritHandle: Any, name: str) -> Any:
    return make_handle("OpenMutex", w.OpenMutex, desiredAccess, bInheritHandle, name)


def ReleaseMutex(hEvent: Any) -> None:
    call("ReleaseMutex", w.ReleaseMutex, number(hEvent))


def CreateSemaphore(
    SemaphoreAttributes: Any, InitialCount: int, MaximumCount: int, SemaphoreName: str | None
) -> Any:
    return make_handle(
        "CreateSemaphore",
        w.CreateSemaphore,
        attributes(SemaphoreAttributes),
        InitialCount,
        MaximumCount,
        SemaphoreName,
    )


def OpenSemaphore(desiredAccess: int, bInheritHandle: Any, name: str) -> Any:
    return make_handle("OpenSemaphore", w.OpenSemaphore, desiredAccess, bInheritHandle, name)


def ReleaseSemaphore(hEvent: Any, lReleaseCount: int) -> int:
    return int(call("ReleaseSemaphore", w.ReleaseSemaphore, number(hEvent), lReleaseCount))


# ------------------------------------------------------------------ waiting


def WaitForSingleObject(hHandle: Any, milliseconds: int) -> int:
    return int(call("WaitForSingleObject", w.WaitForSingleObject, number(hHandle), milliseconds))


def WaitForSingleObjectEx(hHandle: Any, milliseconds: int, bAlertable: Any) -> int:
    return int(
        call(
            "WaitForSingleObjectEx",
            w.WaitForSingleObjectEx,
            number(hHandle),
            milliseconds,
            bAlertable,
        )
    )


def WaitForMultipleObjects(handles: Sequence[Any], bWaitAll: Any, milliseconds: int) -> int:
    return int(
        call(
            "WaitForMultipleObjects",
            w.WaitForMultipleObjects,
            [number(one) for one in handles],
            bWaitAll,
            milliseconds,
        )
    )


def WaitForMultipleObjectsEx(
    handles: Sequence[Any], bWaitAll: Any, milliseconds: int, bAlertable: Any
) -> int:
    return int(
        call(
            "WaitForMultipleObjectsEx",
            w.WaitForMultipleObjectsEx,
            [number(one) for one in handles],
            bWaitAll,
            milliseconds,
            bAlertable,
        )
    )


def MsgWaitForMultipleObjects(
    handles: Sequence[Any], bWaitAll: Any, milliseconds: int, wakeMask: int
) -> int:
    """Wait for objects; there is no queue of messages that could end the wait."""
    if handles:
        return WaitForMultipleObjects(handles, bWaitAll, milliseconds)
    if milliseconds & 0xFFFFFFFF == 0xFFFFFFFF:
        raise error(87, "MsgWaitForMultipleObjects", message(87))  # nothing would ever end it
    time.sleep(milliseconds / 1000)
    return WAIT_TIMEOUT


def MsgWaitForMultipleObjectsEx(
    handles: Sequence[Any], milliseconds: int, wakeMask: int, waitFlags: int
) -> int:
    return MsgWaitForMultipleObjects(handles, waitFlags & MWMO_WAITALL, milliseconds, wakeMask)


def SignalObjectAndWait(
    hObjectToSignal: Any, hObjectToWaitOn: Any, dwMilliseconds: int, bAlertable: Any
) -> int:
    return int(
        call(
            "SignalObjectAndWait",
            w.SignalObjectAndWait,
            number(hObjectToSignal),
            number(hObjectToWaitOn),
            dwMilliseconds,
            bAlertable,
        )
    )


def WaitForInputIdle(hProcess: Any, milliseconds: int) -> int:
    """Wait until a process with windows waits for input: none has any here."""
    raise error(50, "WaitForInputIdle", message(50))


# ------------------------------------------------------------------ timers


def CreateWaitableTimer(TimerAttributes: Any, bManualReset: Any, TimerName: str | None) -> Any:
    return make_handle(
        "CreateWaitableTimer",
        w.CreateWaitableTimer,
        attributes(TimerAttributes),
        bManualReset,
        TimerName,
    )


def CreateWaitableTimerEx(
    timerAttributes: Any, timerName: str | None, flags: int, desiredAccess: int
) -> Any:
    return make_handle(
        "CreateWaitableTimerEx",
        w.CreateWaitableTimerEx,
        attributes(timerAttributes),
        timerName,
        flags,
        desiredAccess,
    )


def OpenWaitableTimer(desiredAccess: int, bInheritHandle: Any, timerName: str) -> Any:
    return make_handle(
        "OpenWaitableTimer", w.OpenWaitableTimer, desiredAccess, bInheritHandle, timerName
    )


def SetWaitableTimer(
    handle: Any, dueTime: int, period: int, func: Any, param: Any, resume_state: Any
) -> None:
    """Set a timer: in so many units of 100 ns when negative, at that time since 1601 otherwise;
    then each ``period`` ms."""
    if func is not None:
        raise TypeError(
            "SetWaitableTimer: there are no asynchronous procedure calls: func has to be None"
        )
    call(
        "SetWaitableTimer",
        w.SetWaitableTimer,
        number(handle),
        dueTime,
        period,
        None,
        param,
        resume_state,
    )


def CancelWaitableTimer(handle: Any) -> None:
    call("CancelWaitableTimer", w.CancelWaitableTimer, number(handle))
