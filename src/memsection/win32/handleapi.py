# SPDX-License-Identifier: MIT
"""handleapi.h: what can be done with any handle."""

from __future__ import annotations

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.win32 import processenv
from memsection.win32._base import BOOL, DWORD, HANDLE, inherit_flag, set_last_error, windows
from memsection.win32.winbase import HANDLE_FLAG_INHERIT, HANDLE_FLAG_PROTECT_FROM_CLOSE

__all__ = [
    "CloseHandle",
    "CompareObjectHandles",
    "DuplicateHandle",
    "GetHandleInformation",
    "SetHandleInformation",
]


@windows
def CloseHandle(hObject: HANDLE) -> None:
    """Close a handle; the last one of an object takes its name away, never the bytes under a view.

    STD_INPUT_HANDLE, STD_OUTPUT_HANDLE and STD_ERROR_HANDLE, which are no handles, close the
    standard handle, and ``GetStdHandle`` gives 0 until another one is set; the descriptors of the
    process stay as they are.

    Rights:
        None.

    Raises:
        OSError: 6: it is no handle, or is protected from close.
    """
    kernel.close(processenv.take_standard(hObject) if hObject in processenv.STANDARD else hObject)


@windows
def GetHandleInformation(hObject: HANDLE) -> int:
    """HANDLE_FLAG_INHERIT and HANDLE_FLAG_PROTECT_FROM_CLOSE, as far as the handle has them.

    Rights:
        None.

    Raises:
        OSError: 6: it is no handle.
    """
    attributes, _ = kernel.query_handle(hObject)
    return (HANDLE_FLAG_INHERIT if attributes & s.OBJ_INHERIT else 0) | (
        HANDLE_FLAG_PROTECT_FROM_CLOSE if attributes & s.OBJ_PROTECT_CLOSE else 0
    )


@windows
def SetHandleInformation(hObject: HANDLE, dwMask: DWORD, dwFlags: DWORD) -> None:
    """Set those flags that ``dwMask`` names to what ``dwFlags`` says.

    Rights:
        None.

    Raises:
        OSError: 6: it is no handle.
    """
    kernel.set_handle_flags(
        hObject,
        inherit=bool(dwFlags & HANDLE_FLAG_INHERIT) if dwMask & HANDLE_FLAG_INHERIT else None,
        protect=(
            bool(dwFlags & HANDLE_FLAG_PROTECT_FROM_CLOSE)
            if dwMask & HANDLE_FLAG_PROTECT_FROM_CLOSE
            else None
        ),
    )


@windows
def DuplicateHandle(
    hSourceProcessHandle: HANDLE,
    hSourceHandle: HANDLE,
    hTargetProcessHandle: HANDLE,
    dwDesiredAccess: DWORD = 0,
    bInheritHandle: BOOL = False,
    dwOptions: DWORD = s.DUPLICATE_SAME_ACCESS,
) -> int:
    """Another handle to the same object, from one process's table into another's.

    Returns:
        The new handle's value in the target process.

    Rights:
        PROCESS_DUP_HANDLE on both processes.  More access than the source handle has is checked
        against the object's security descriptor.

    Raises:
        OSError: 6: a process handle or the source is none; 5: a right is missing.
    """
    return kernel.duplicate_object(
        hSourceProcessHandle,
        hSourceHandle,
        hTargetProcessHandle,
        dwDesiredAccess,
        inherit_flag(bInheritHandle),
        dwOptions,
    )


@windows
def CompareObjectHandles(hFirstObjectHandle: HANDLE, hSecondObjectHandle: HANDLE) -> bool:
    """Whether two handles mean the same object.

    As on Windows False is not a failure of the call: the last error tells whether the objects
    differ (1656) or a handle is none (6).

    Rights:
        None.

    Raises:
        Nothing.
    """
    try:
        same = kernel.compare_objects(hFirstObjectHandle, hSecondObjectHandle)
    except NtError as failure:
        set_last_error(st.winerror(failure.status))
        return False
    if not same:
        set_last_error(st.winerror(st.NOT_SAME_OBJECT))
    return same
