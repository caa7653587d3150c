# SPDX-License-Identifier: MIT
"""synchapi.h: mutexes, events and semaphores."""

from __future__ import annotations

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
    refuse,
    to_create,
    to_open,
    windows,
)
from memsection.win32.winbase import (
    CREATE_EVENT_INITIAL_SET,
    CREATE_EVENT_MANUAL_RESET,
    CREATE_MUTEX_INITIAL_OWNER,
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
    return handle_of_create(
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
        refuse(st.INVALID_PARAMETER, "CreateMutexEx", f"flags {dwFlags:#x}", lpName)
    return handle_of_create(
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
    return handle_of_create(
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
        refuse(st.INVALID_PARAMETER, "CreateEventEx", f"flags {dwFlags:#x}", lpName)
    kind = s.NOTIFICATION_EVENT if dwFlags & CREATE_EVENT_MANUAL_RESET else s.SYNCHRONIZATION_EVENT
    return handle_of_create(
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
    return handle_of_create(
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
        refuse(st.INVALID_PARAMETER, "CreateSemaphoreEx", f"flags {dwFlags:#x}", lpName)
    return handle_of_create(
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
        refuse(
            st.INVALID_PARAMETER, "ReleaseSemaphore", f"{lReleaseCount} units cannot be released"
        )
    return kernel.release_semaphore(hSemaphore, lReleaseCount)
