# SPDX-License-Identifier: MIT
"""synchapi.h: mutexes, events, semaphores, and waiting for one or several objects."""

from __future__ import annotations

import time

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.win32._base import (
    ATTRIBUTES,
    BOOL,
    DWORD,
    HANDLE,
    HANDLES,
    LONG,
    LPCWSTR,
    created,
    failed,
    timeout_of,
    to_create,
    to_open,
    windows,
)
from memsection.win32.winbase import (
    CREATE_EVENT_INITIAL_SET,
    CREATE_EVENT_MANUAL_RESET,
    CREATE_MUTEX_INITIAL_OWNER,
    INFINITE,
    MAXIMUM_WAIT_OBJECTS,
)
from memsection.win32.winnt import EVENT_ALL_ACCESS, MUTEX_ALL_ACCESS, SEMAPHORE_ALL_ACCESS

__all__ = [
    "CreateEvent",
    "CreateEventEx",
    "CreateMutex",
    "CreateMutexEx",
    "CreateSemaphore",
    "CreateSemaphoreEx",
    "OpenEvent",
    "OpenMutex",
    "OpenSemaphore",
    "PulseEvent",
    "ReleaseMutex",
    "ReleaseSemaphore",
    "ResetEvent",
    "SetEvent",
    "SignalObjectAndWait",
    "Sleep",
    "SleepEx",
    "WaitForMultipleObjects",
    "WaitForMultipleObjectsEx",
    "WaitForSingleObject",
    "WaitForSingleObjectEx",
]


# ------------------------------------------------------------------ mutexes


@windows
def CreateMutex(
    lpMutexAttributes: ATTRIBUTES = None, bInitialOwner: BOOL = False, lpName: LPCWSTR = None
) -> int:
    """A mutex: recursive, owned by a thread, abandoned when that ends.

    An existing mutex of this name is opened; ``bInitialOwner`` then means nothing, and the last
    error is 183.

    Rights:
        MUTEX_ALL_ACCESS on an existing mutex.

    Raises:
        OSError: 5: an existing mutex does not grant that; 6: the name is of another type; 3, 123,
            161: a bad name.
    """
    return created(
        kernel.create_mutant(
            MUTEX_ALL_ACCESS, to_create(lpName, lpMutexAttributes), bool(bInitialOwner)
        )
    )


@windows
def CreateMutexEx(
    lpMutexAttributes: ATTRIBUTES = None,
    lpName: LPCWSTR = None,
    dwFlags: DWORD = 0,
    dwDesiredAccess: DWORD = MUTEX_ALL_ACCESS,
) -> int:
    """``CreateMutex`` that says which access the handle shall have.

    Rights:
        ``dwDesiredAccess`` on an existing mutex.

    Raises:
        OSError: As ``CreateMutex``; 87: an unknown flag.
    """
    if dwFlags & ~CREATE_MUTEX_INITIAL_OWNER:
        failed(st.INVALID_PARAMETER, "CreateMutexEx", f"flags {dwFlags:#x}", lpName)
    return created(
        kernel.create_mutant(dwDesiredAccess, to_create(lpName, lpMutexAttributes), bool(dwFlags))
    )


@windows
def OpenMutex(dwDesiredAccess: DWORD, bInheritHandle: BOOL = False, lpName: LPCWSTR = None) -> int:
    """A handle to an existing mutex.

    Rights:
        ``dwDesiredAccess``.

    Raises:
        OSError: 2: no such name; 5: not granted; 6: of another type; 87: no name given.
    """
    return kernel.open_mutant(dwDesiredAccess, to_open(lpName, bInheritHandle, "OpenMutex"))


@windows
def ReleaseMutex(hMutex: HANDLE) -> None:
    """Give a mutex back, once for each time it was taken.

    Rights:
        None; the calling thread must own it.

    Raises:
        OSError: 288: this thread does not own it; 6: it is no mutex.
    """
    kernel.release_mutant(hMutex)


# ------------------------------------------------------------------ events


@windows
def CreateEvent(
    lpEventAttributes: ATTRIBUTES = None,
    bManualReset: BOOL = False,
    bInitialState: BOOL = False,
    lpName: LPCWSTR = None,
) -> int:
    """An event, which stays signaled until reset, or lets one waiter through.

    An existing event of this name is opened as it is, and the last error is 183.

    Rights:
        EVENT_ALL_ACCESS on an existing event.

    Raises:
        OSError: 5: an existing event does not grant that; 6: the name is of another type; 3, 123,
            161: a bad name.
    """
    return created(
        kernel.create_event(
            EVENT_ALL_ACCESS,
            to_create(lpName, lpEventAttributes),
            s.NOTIFICATION_EVENT if bManualReset else s.SYNCHRONIZATION_EVENT,
            bool(bInitialState),
        )
    )


@windows
def CreateEventEx(
    lpEventAttributes: ATTRIBUTES = None,
    lpName: LPCWSTR = None,
    dwFlags: DWORD = 0,
    dwDesiredAccess: DWORD = EVENT_ALL_ACCESS,
) -> int:
    """``CreateEvent`` that says which access the handle shall have.

    Rights:
        ``dwDesiredAccess`` on an existing event.

    Raises:
        OSError: As ``CreateEvent``; 87: an unknown flag.
    """
    if dwFlags & ~(CREATE_EVENT_MANUAL_RESET | CREATE_EVENT_INITIAL_SET):
        failed(st.INVALID_PARAMETER, "CreateEventEx", f"flags {dwFlags:#x}", lpName)
    kind = s.NOTIFICATION_EVENT if dwFlags & CREATE_EVENT_MANUAL_RESET else s.SYNCHRONIZATION_EVENT
    return created(
        kernel.create_event(
            dwDesiredAccess,
            to_create(lpName, lpEventAttributes),
            kind,
            bool(dwFlags & CREATE_EVENT_INITIAL_SET),
        )
    )


@windows
def OpenEvent(dwDesiredAccess: DWORD, bInheritHandle: BOOL = False, lpName: LPCWSTR = None) -> int:
    """A handle to an existing event.

    Rights:
        ``dwDesiredAccess``.

    Raises:
        OSError: 2: no such name; 5: not granted; 6: of another type; 87: no name given.
    """
    return kernel.open_event(dwDesiredAccess, to_open(lpName, bInheritHandle, "OpenEvent"))


@windows
def SetEvent(hEvent: HANDLE) -> None:
    """Signal an event.

    Rights:
        EVENT_MODIFY_STATE.

    Raises:
        OSError: 5: the right is missing; 6: it is no event.
    """
    kernel.set_event(hEvent)


@windows
def ResetEvent(hEvent: HANDLE) -> None:
    """Make an event not signaled.

    Rights:
        EVENT_MODIFY_STATE.

    Raises:
        OSError: 5: the right is missing; 6: it is no event.
    """
    kernel.reset_event(hEvent)


@windows
def PulseEvent(hEvent: HANDLE) -> None:
    """Let those through who wait at this moment, and reset the event.

    Rights:
        EVENT_MODIFY_STATE.

    Raises:
        OSError: 5: the right is missing; 6: it is no event.
    """
    kernel.pulse_event(hEvent)


# ------------------------------------------------------------------ semaphores


@windows
def CreateSemaphore(
    lpSemaphoreAttributes: ATTRIBUTES,
    lInitialCount: LONG,
    lMaximumCount: LONG,
    lpName: LPCWSTR = None,
) -> int:
    """A semaphore: a count between 0 and its maximum.

    An existing semaphore of this name is opened as it is, and the last error is 183.

    Rights:
        SEMAPHORE_ALL_ACCESS on an existing semaphore.

    Raises:
        OSError: 87: not 0 <= initial <= maximum, or maximum 0; 5: an existing one does not grant
            that access; 6: the name is of another type; 3, 123, 161: a bad name.
    """
    return created(
        kernel.create_semaphore(
            SEMAPHORE_ALL_ACCESS,
            to_create(lpName, lpSemaphoreAttributes),
            lInitialCount,
            lMaximumCount,
        )
    )


@windows
def CreateSemaphoreEx(
    lpSemaphoreAttributes: ATTRIBUTES,
    lInitialCount: LONG,
    lMaximumCount: LONG,
    lpName: LPCWSTR = None,
    dwFlags: DWORD = 0,
    dwDesiredAccess: DWORD = SEMAPHORE_ALL_ACCESS,
) -> int:
    """``CreateSemaphore`` that says which access the handle shall have; ``dwFlags`` must be 0.

    Rights:
        ``dwDesiredAccess`` on an existing semaphore.

    Raises:
        OSError: As ``CreateSemaphore``; 87: a flag.
    """
    if dwFlags:
        failed(st.INVALID_PARAMETER, "CreateSemaphoreEx", f"flags {dwFlags:#x}", lpName)
    return created(
        kernel.create_semaphore(
            dwDesiredAccess, to_create(lpName, lpSemaphoreAttributes), lInitialCount, lMaximumCount
        )
    )


@windows
def OpenSemaphore(
    dwDesiredAccess: DWORD, bInheritHandle: BOOL = False, lpName: LPCWSTR = None
) -> int:
    """A handle to an existing semaphore.

    Rights:
        ``dwDesiredAccess``.

    Raises:
        OSError: 2: no such name; 5: not granted; 6: of another type; 87: no name given.
    """
    return kernel.open_semaphore(dwDesiredAccess, to_open(lpName, bInheritHandle, "OpenSemaphore"))


@windows
def ReleaseSemaphore(hSemaphore: HANDLE, lReleaseCount: LONG = 1) -> int:
    """Add to a semaphore's count.

    Returns:
        The count before.

    Rights:
        SEMAPHORE_MODIFY_STATE.

    Raises:
        OSError: 298: beyond the maximum, and nothing is added; 87: a count that is not positive; 5:
            the right is missing; 6: it is no semaphore.
    """
    if lReleaseCount <= 0:  # checked first, whatever the handle is
        failed(
            st.INVALID_PARAMETER, "ReleaseSemaphore", f"{lReleaseCount} units cannot be released"
        )
    return kernel.release_semaphore(hSemaphore, lReleaseCount)


# ------------------------------------------------------------------ waiting


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
        failed(
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
