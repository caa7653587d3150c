# SPDX-License-Identifier: MIT
"""synchapi.h: waitable timers."""

from __future__ import annotations

from typing import Any

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.win32._base import (
    ATTRIBUTES,
    BOOL,
    DWORD,
    HANDLE,
    LONG,
    LPCWSTR,
    handle_of_create,
    large_integer,
    refuse,
    set_last_error,
    to_create,
    to_open,
    windows,
)
from memsection.win32.winnt import TIMER_ALL_ACCESS

__all__ = [
    "CREATE_WAITABLE_TIMER_HIGH_RESOLUTION",
    "CREATE_WAITABLE_TIMER_MANUAL_RESET",
    "CancelWaitableTimer",
    "CreateWaitableTimer",
    "CreateWaitableTimerEx",
    "OpenWaitableTimer",
    "SetWaitableTimer",
    "SetWaitableTimerEx",
]

CREATE_WAITABLE_TIMER_MANUAL_RESET = 0x1
CREATE_WAITABLE_TIMER_HIGH_RESOLUTION = 0x2


@windows
def CreateWaitableTimer(
    lpTimerAttributes: ATTRIBUTES = None, bManualReset: BOOL = False, lpTimerName: LPCWSTR = None
) -> int:
    """A timer, not set: one that stays signaled until it is set again, or one that lets one waiter
    through each time that it is due.

    An existing timer of this name is opened as it is, and the last error is 183.

    Rights:
        TIMER_ALL_ACCESS on an existing timer.

    Raises:
        OSError: 5: an existing timer does not grant that; 6: the name is of another type; 3, 123,
            161: a bad name.
    """
    return handle_of_create(
        kernel.create_timer(
            TIMER_ALL_ACCESS, to_create(lpTimerName, lpTimerAttributes), _type(bManualReset)
        )
    )


@windows
def CreateWaitableTimerEx(
    lpTimerAttributes: ATTRIBUTES = None,
    lpTimerName: LPCWSTR = None,
    dwFlags: DWORD = 0,
    dwDesiredAccess: DWORD = TIMER_ALL_ACCESS,
) -> int:
    """``CreateWaitableTimer`` that says which access the handle shall have.

    Every timer has a high resolution on Linux, so CREATE_WAITABLE_TIMER_HIGH_RESOLUTION changes
    nothing there; on Windows this library cannot ask for it.

    Rights:
        ``dwDesiredAccess`` on an existing timer.

    Raises:
        OSError: As ``CreateWaitableTimer``; 87: an unknown flag; 50: on Windows
            CREATE_WAITABLE_TIMER_HIGH_RESOLUTION.
    """
    known = CREATE_WAITABLE_TIMER_MANUAL_RESET | CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
    if dwFlags & ~known:
        refuse(st.INVALID_PARAMETER, "CreateWaitableTimerEx", f"flags {dwFlags:#x}", lpTimerName)
    if dwFlags & CREATE_WAITABLE_TIMER_HIGH_RESOLUTION and not kernel.timers_are_exact:
        refuse(
            st.NOT_SUPPORTED,
            "CreateWaitableTimerEx",
            "the service that makes timers of high resolution is not documented",
            lpTimerName,
        )
    return handle_of_create(
        kernel.create_timer(
            dwDesiredAccess,
            to_create(lpTimerName, lpTimerAttributes),
            _type(dwFlags & CREATE_WAITABLE_TIMER_MANUAL_RESET),
        )
    )


@windows
def OpenWaitableTimer(
    dwDesiredAccess: DWORD, bInheritHandle: BOOL = False, lpTimerName: LPCWSTR = None
) -> int:
    """A handle to an existing timer.

    Rights:
        ``dwDesiredAccess``.

    Raises:
        OSError: 2: no such name; 5: not granted; 6: of another type; 87: no name given.
    """
    return kernel.open_timer(
        dwDesiredAccess, to_open(lpTimerName, bInheritHandle, "OpenWaitableTimer")
    )


@windows
def SetWaitableTimer(
    hTimer: HANDLE,
    lpDueTime: int | None,
    lPeriod: LONG = 0,
    pfnCompletionRoutine: Any = None,
    lpArgToCompletionRoutine: Any = None,
    fResume: BOOL = False,
) -> None:
    """Set a timer; it is not signaled until it is due.

    ``lpDueTime`` is in 100 ns: since 1601 when it is above 0, from now otherwise (-10_000_000: in a
    second).  It is due again each ``lPeriod`` milliseconds, once for 0.  A time to come follows the
    clock when that is set; a span does not, and does not count while the system sleeps.

    With ``fResume`` a system that sleeps would be woken; Linux does not do that for it, and the
    last error is 50 then.

    Rights:
        TIMER_MODIFY_STATE.

    Raises:
        OSError: 87: a period below 0; 50: a completion routine is given, which nothing would call:
            there are no asynchronous procedure calls here; 5: the right is missing; 6: it is no
            timer; 998: no due time.
    """
    _set("SetWaitableTimer", hTimer, lpDueTime, lPeriod, pfnCompletionRoutine, fResume)


@windows
def SetWaitableTimerEx(
    hTimer: HANDLE,
    lpDueTime: int | None,
    lPeriod: LONG = 0,
    pfnCompletionRoutine: Any = None,
    lpArgToCompletionRoutine: Any = None,
    WakeContext: Any = None,
    TolerableDelay: DWORD = 0,
) -> None:
    """``SetWaitableTimer`` that may be late by ``TolerableDelay`` milliseconds, which it is not.

    A ``WakeContext`` says why the system shall be woken, as ``fResume`` asks for.

    Rights:
        TIMER_MODIFY_STATE.

    Raises:
        OSError: As ``SetWaitableTimer``.
    """
    _set("SetWaitableTimerEx", hTimer, lpDueTime, lPeriod, pfnCompletionRoutine, WakeContext)


@windows
def CancelWaitableTimer(hTimer: HANDLE) -> None:
    """A timer is due no more; if it is signaled, it stays that.

    Rights:
        TIMER_MODIFY_STATE.

    Raises:
        OSError: 5: the right is missing; 6: it is no timer.
    """
    kernel.cancel_timer(hTimer)


def _type(manual: object) -> int:
    return s.NOTIFICATION_TIMER if manual else s.SYNCHRONIZATION_TIMER


def _set(
    operation: str, handle: int, due: int | None, period: int, routine: Any, resume: object
) -> None:
    if period < 0:
        refuse(st.INVALID_PARAMETER, operation, f"a period of {period} ms")
    if due is None:
        refuse(st.ACCESS_VIOLATION, operation, "a due time is needed")
    if routine:
        refuse(
            st.NOT_SUPPORTED,
            operation,
            "there are no asynchronous procedure calls: wait for the timer",
        )
    status, _ = kernel.set_timer(handle, large_integer(due), period, bool(resume))
    if status:
        set_last_error(st.winerror(status))
