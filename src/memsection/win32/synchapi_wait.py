# SPDX-License-Identifier: MIT
"""synchapi.h: waiting for one object or for several, and for a time."""

from __future__ import annotations

import time

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.win32._base import BOOL, DWORD, HANDLE, HANDLES, refuse, timeout_of, windows
from memsection.win32.winbase import INFINITE, MAXIMUM_WAIT_OBJECTS

__all__ = [
    "SignalObjectAndWait",
    "Sleep",
    "SleepEx",
    "WaitForMultipleObjects",
    "WaitForMultipleObjectsEx",
    "WaitForSingleObject",
    "WaitForSingleObjectEx",
]


@windows
def WaitForSingleObject(hHandle: HANDLE, dwMilliseconds: DWORD = INFINITE) -> int:
    """Wait until an object is signaled.

    Returns:
        WAIT_OBJECT_0, WAIT_ABANDONED (a mutex is now owned whose owner ended), or WAIT_TIMEOUT.

    Rights:
        SYNCHRONIZE.

    Raises:
        OSError: 5: the right is missing; 6: it is no handle.
        KeyboardInterrupt: On Ctrl-C.
    """
    return kernel.wait_for_single_object(hHandle, timeout_of(dwMilliseconds))


@windows
def WaitForSingleObjectEx(
    hHandle: HANDLE, dwMilliseconds: DWORD = INFINITE, bAlertable: BOOL = False
) -> int:
    """``WaitForSingleObject``; there are no asynchronous procedure calls that could end an
    alertable wait.

    Rights:
        SYNCHRONIZE.

    Raises:
        OSError: As ``WaitForSingleObject``.
    """
    return kernel.wait_for_single_object(hHandle, timeout_of(dwMilliseconds))


def _wait_for_several(handles: tuple[int, ...], wait_all: object, milliseconds: int) -> int:
    if not 1 <= len(handles) <= MAXIMUM_WAIT_OBJECTS:
        refuse(
            st.INVALID_PARAMETER,
            "WaitForMultipleObjects",
            f"{len(handles)} handles given, 1 to {MAXIMUM_WAIT_OBJECTS} can be waited for",
        )
    return kernel.wait_for_multiple_objects(
        handles, s.WAIT_ALL if wait_all else s.WAIT_ANY, timeout_of(milliseconds)
    )


@windows
def WaitForMultipleObjects(
    lpHandles: HANDLES, bWaitAll: BOOL = False, dwMilliseconds: DWORD = INFINITE
) -> int:
    """Wait until one of up to 64 objects is signaled, or all of them at once.

    The list knows its length: there is no ``nCount``.

    Returns:
        WAIT_OBJECT_0 or WAIT_ABANDONED_0 plus the lowest index that is signaled, or WAIT_TIMEOUT.

    Rights:
        SYNCHRONIZE on each.

    Raises:
        OSError: 87: none, or more than 64; 5: a right is missing; 6: one of them is no handle.
        KeyboardInterrupt: On Ctrl-C.
    """
    return _wait_for_several(tuple(lpHandles), bWaitAll, dwMilliseconds)


@windows
def WaitForMultipleObjectsEx(
    lpHandles: HANDLES,
    bWaitAll: BOOL = False,
    dwMilliseconds: DWORD = INFINITE,
    bAlertable: BOOL = False,
) -> int:
    """``WaitForMultipleObjects``; there are no asynchronous procedure calls that could end an
    alertable wait.

    Rights:
        SYNCHRONIZE on each.

    Raises:
        OSError: As ``WaitForMultipleObjects``.
    """
    return _wait_for_several(tuple(lpHandles), bWaitAll, dwMilliseconds)


@windows
def SignalObjectAndWait(
    hObjectToSignal: HANDLE,
    hObjectToWaitOn: HANDLE,
    dwMilliseconds: DWORD = INFINITE,
    bAlertable: BOOL = False,
) -> int:
    """Set an event, release a mutex or a semaphore, and wait for another object.

    Returns:
        As ``WaitForSingleObject``.

    Rights:
        What signaling needs on the first, SYNCHRONIZE on the second.

    Raises:
        OSError: 5: a right is missing; 6: one is no handle, or cannot be signaled; 288, 298: as for
            releasing.
        KeyboardInterrupt: On Ctrl-C.
    """
    return kernel.signal_and_wait(hObjectToSignal, hObjectToWaitOn, timeout_of(dwMilliseconds))


@windows
def Sleep(dwMilliseconds: DWORD) -> None:
    """Do nothing for a time; 0 lets other threads run, INFINITE is for ever.  Ctrl-C raises as
    usual.

    Rights:
        None.

    Raises:
        Nothing.
    """
    if dwMilliseconds == INFINITE:
        while True:
            time.sleep(86_400)
    time.sleep(dwMilliseconds / 1000)


@windows
def SleepEx(dwMilliseconds: DWORD, bAlertable: BOOL = False) -> int:
    """``Sleep``; nothing is queued to threads here, so an alertable one is not cut short either.

    Returns:
        0: the time is over.

    Rights:
        None.

    Raises:
        Nothing.
    """
    Sleep(dwMilliseconds)
    return 0
