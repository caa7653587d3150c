# SPDX-License-Identifier: MIT
"""Typed prototypes of the functions of ntdll, and the few of kernel32 and advapi32 that ntdll has
no word for.

``call`` turns a failed status into ``NtError``; a function that this version of Windows (or Wine)
does not export gives STATUS_NOT_IMPLEMENTED.  What the functions are used for stands in the modules
beside this one.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import re
from collections.abc import Callable
from ctypes import wintypes as w
from typing import Any

from memsection._native import handles
from memsection.nt.windows import structs as n
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_nt = ctypes.WinDLL("ntdll")
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)

_P, _H, _D, _S, _B = ctypes.c_void_p, n.HANDLE, w.ULONG, n.SIZE, w.BOOLEAN
_OA = ctypes.POINTER(n.ObjectAttributes)

_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    # any object
    "NtClose": (_H,),
    "NtDuplicateObject": (_H, _H, _H, _P, _D, _D, _D),
    "NtQueryObject": (_H, _D, _P, _D, _P),
    "NtSetInformationObject": (_H, _D, _P, _D),
    "NtCompareObjects": (_H, _H),
    "NtMakeTemporaryObject": (_H,),
    "NtMakePermanentObject": (_H,),
    "NtQuerySecurityObject": (_H, _D, _P, _D, _P),
    "NtSetSecurityObject": (_H, _D, _P),
    "NtOpenDirectoryObject": (_P, _D, _OA),
    "NtCreateDirectoryObject": (_P, _D, _OA),
    "NtOpenSymbolicLinkObject": (_P, _D, _OA),
    "NtQueryDirectoryObject": (_H, _P, _D, _B, _B, _P, _P),
    "NtQuerySystemInformation": (_D, _P, _D, _P),
    # sections and memory
    "NtCreateSection": (_P, _D, _OA, _P, _D, _D, _H),
    "NtCreateSectionEx": (_P, _D, _OA, _P, _D, _D, _H, _P, _D),
    "NtOpenSection": (_P, _D, _OA),
    "NtMapViewOfSection": (_H, _H, _P, _S, _S, _P, _P, _D, _D, _D),
    "NtUnmapViewOfSection": (_H, n.ADDRESS),
    "NtExtendSection": (_H, _P),
    "NtQuerySection": (_H, _D, _P, _S, _P),
    "NtQueryVirtualMemory": (_H, n.ADDRESS, _D, _P, _S, _P),
    "NtProtectVirtualMemory": (_H, _P, _P, _D, _P),
    "NtAllocateVirtualMemory": (_H, _P, _S, _P, _D, _D),
    "NtFreeVirtualMemory": (_H, _P, _P, _D),
    "NtFlushVirtualMemory": (_H, _P, _P, _P),
    "NtSetInformationVirtualMemory": (_H, _D, _S, _P, _P, _D),
    "NtReadVirtualMemory": (_H, n.ADDRESS, _P, _S, _P),
    "NtWriteVirtualMemory": (_H, n.ADDRESS, _P, _S, _P),
    # files
    "NtCreateFile": (_P, _D, _OA, _P, _P, _D, _D, _D, _D, _P, _D),
    "NtReadFile": (_H, _H, _P, _P, _P, _P, _D, _P, _P),
    "NtWriteFile": (_H, _H, _P, _P, _P, _P, _D, _P, _P),
    "NtQueryInformationFile": (_H, _P, _P, _D, _D),
    "NtSetInformationFile": (_H, _P, _P, _D, _D),
    "NtFlushBuffersFile": (_H, _P),
    # synchronisation
    "NtCreateMutant": (_P, _D, _OA, _B),
    "NtOpenMutant": (_P, _D, _OA),
    "NtReleaseMutant": (_H, _P),
    "NtQueryMutant": (_H, _D, _P, _D, _P),
    "NtCreateEvent": (_P, _D, _OA, _D, _B),
    "NtOpenEvent": (_P, _D, _OA),
    "NtSetEvent": (_H, _P),
    "NtResetEvent": (_H, _P),
    "NtPulseEvent": (_H, _P),
    "NtQueryEvent": (_H, _D, _P, _D, _P),
    "NtCreateSemaphore": (_P, _D, _OA, w.LONG, w.LONG),
    "NtOpenSemaphore": (_P, _D, _OA),
    "NtReleaseSemaphore": (_H, w.LONG, _P),
    "NtQuerySemaphore": (_H, _D, _P, _D, _P),
    "NtCreateTimer": (_P, _D, _OA, _D),
    "NtOpenTimer": (_P, _D, _OA),
    "NtSetTimer": (_H, _P, _P, _P, _B, w.LONG, _P),
    "NtCancelTimer": (_H, _P),
    "NtQueryTimer": (_H, _D, _P, _D, _P),
    "NtWaitForSingleObject": (_H, _B, _P),
    "NtWaitForMultipleObjects": (_D, _P, _D, _B, _P),
    "NtSignalAndWaitForSingleObject": (_H, _H, _B, _P),
    # processes and tokens
    "NtOpenProcess": (_P, _D, _OA, _P),
    "NtOpenThread": (_P, _D, _OA, _P),
    "NtTerminateProcess": (_H, _D),
    "NtQueryInformationProcess": (_H, _D, _P, _D, _P),
    "NtQueryInformationThread": (_H, _D, _P, _D, _P),
    "NtOpenProcessToken": (_H, _D, _P),
    "NtQueryInformationToken": (_H, _D, _P, _D, _P),
    "NtDuplicateToken": (_H, _D, _OA, _B, ctypes.c_int, _P),
    "NtAccessCheck": (_P, _H, _D, _P, _P, _P, _P, _P),
    "NtAdjustPrivilegesToken": (_H, _B, _P, _D, _P, _P),
}


def _load(name: str, parameters: tuple[Any, ...]) -> Callable[..., int]:
    try:
        function = getattr(_nt, name)
    except AttributeError:
        return lambda *_: st.NOT_IMPLEMENTED
    function.restype = ctypes.c_uint32
    function.argtypes = parameters
    return function  # type: ignore[no-any-return]


#: What an operation is called in messages, where that is not its function's name in words.
_WORDS = {
    "NtMapViewOfSection": "map",
    "NtUnmapViewOfSection": "unmap",
    "NtDuplicateObject": "duplicate",
    "NtCompareObjects": "compare objects",
    "NtMakeTemporaryObject": "make temporary",
    "NtMakePermanentObject": "make permanent",
    "NtSetInformationObject": "set handle flags",
    "NtQuerySecurityObject": "query security",
    "NtSetSecurityObject": "set security",
    "NtCreateFile": "open file",
    "NtQueryInformationFile": "query file",
    "NtSetInformationFile": "set file",
    "NtFlushBuffersFile": "flush file",
    "NtQueryVirtualMemory": "query memory",
    "NtProtectVirtualMemory": "protect memory",
    "NtAllocateVirtualMemory": "allocate memory",
    "NtFreeVirtualMemory": "free memory",
    "NtFlushVirtualMemory": "flush",
    "NtSetInformationVirtualMemory": "prefetch",
    "NtReadVirtualMemory": "read memory",
    "NtWriteVirtualMemory": "write memory",
    "NtQueryInformationProcess": "query process",
    "NtQueryInformationThread": "query thread",
    "NtOpenProcessToken": "open token",
    "NtQueryInformationToken": "query token",
    "NtAccessCheck": "check access",
    "NtAdjustPrivilegesToken": "adjust privileges",
    "NtWaitForSingleObject": "wait",
    "NtWaitForMultipleObjects": "wait",
    "NtSignalAndWaitForSingleObject": "signal and wait",
    "GetFileType": "query file type",
    "GetFileInformationByHandle": "query file",
    "DeleteFile": "delete file",
    "LockFileEx": "lock file",
    "UnlockFileEx": "unlock file",
    "LookupPrivilegeValue": "look up privilege",
    "LookupAccountName": "look up account",
}


def operation(function: str) -> str:
    """What a function does, in words: "open section" for NtOpenSection, the same as on Linux."""
    words = _WORDS.get(function)
    return words or re.sub(r"(?<!^)([A-Z])", r" \1", function.removeprefix("Nt")).lower().replace(
        "mutant", "mutex"
    )


# What they acquire is noted before any bytecode runs, so that an operation can be undone (O1).
_functions = handles.connect(
    {name: _load(name, parameters) for name, parameters in _PROTOTYPES.items()},
    lambda status, function: NtError(status, operation(function)),
)


def status_of(function: str, *arguments: Any) -> int:
    """Call a service and give its status, whatever it is."""
    return _functions[function](*arguments)


def call(function: str, *arguments: Any, name: str | None = None, detail: str = "") -> int:
    """Call a service; its status, unless that is a failure.

    Raises:
        NtError: With the status; ``name`` tells which object, ``detail`` what was asked, when it
            was denied.
    """
    return check(_functions[function](*arguments), function, name, detail)


def check(status: int, function: str, name: str | None = None, detail: str = "") -> int:
    """The status of a service, unless it is a failure, which is raised as ``call`` does."""
    if status & 0x80000000:
        told = detail if status == st.ACCESS_DENIED else ""
        raise NtError(status, operation(function), name, told and f"{told}: {st.row(status).text}")
    return status


def _outside(
    library: ctypes.WinDLL, name: str, result: Any, *parameters: Any
) -> Callable[..., Any]:
    function = getattr(library, name)
    function.restype = result
    function.argtypes = parameters
    return function  # type: ignore[no-any-return]


# A path becomes an object name by rules (drives, current directory, devices) that only this
# function knows.
RtlDosPathNameToNtPathName = _outside(
    _nt,
    "RtlDosPathNameToNtPathName_U",
    w.BOOLEAN,
    w.LPCWSTR,
    ctypes.POINTER(n.UnicodeString),
    _P,
    _P,
)
RtlFreeUnicodeString = _outside(_nt, "RtlFreeUnicodeString", None, ctypes.POINTER(n.UnicodeString))
# The session number is in the process environment block; this is the documented way to read it.
ProcessIdToSessionId = _outside(_kernel32, "ProcessIdToSessionId", w.BOOL, w.DWORD, _P)
# A process that the console and the loader know of is made by kernel32 alone.
CreateProcess = _outside(
    _kernel32,
    "CreateProcessW",
    w.BOOL,
    w.LPCWSTR,
    _P,
    _P,
    _P,
    w.BOOL,
    w.DWORD,
    _P,
    w.LPCWSTR,
    ctypes.POINTER(n.StartupInfo),
    ctypes.POINTER(n.ProcessInformation),
)
# Files as kernel32 puts them together: four queries in one, and the removal of a name as this
# Windows does it.
GetFileType = _outside(_kernel32, "GetFileType", w.DWORD, _H)
GetFileInformationByHandle = _outside(_kernel32, "GetFileInformationByHandle", w.BOOL, _H, _P)
LockFileEx = _outside(_kernel32, "LockFileEx", w.BOOL, _H, w.DWORD, w.DWORD, w.DWORD, w.DWORD, _P)
UnlockFileEx = _outside(_kernel32, "UnlockFileEx", w.BOOL, _H, w.DWORD, w.DWORD, w.DWORD, _P)
DeleteFile = _outside(_kernel32, "DeleteFileW", w.BOOL, w.LPCWSTR)
# Names of accounts and privileges are kept by the local security authority, not by the kernel.
LookupAccountName = _outside(
    _advapi32, "LookupAccountNameW", w.BOOL, w.LPCWSTR, w.LPCWSTR, _P, _P, _P, _P, _P
)
LookupAccountSid = _outside(
    _advapi32, "LookupAccountSidW", w.BOOL, w.LPCWSTR, _P, _P, _P, _P, _P, _P
)
LookupPrivilegeValue = _outside(
    _advapi32, "LookupPrivilegeValueW", w.BOOL, w.LPCWSTR, w.LPCWSTR, _P
)

#: Win32 errors that the functions above give, back to statuses (the inverse of
#: RtlNtStatusToDosError where it matters).
_STATUSES = {
    1: st.INVALID_DEVICE_REQUEST,
    2: st.OBJECT_NAME_NOT_FOUND,
    3: st.OBJECT_PATH_NOT_FOUND,
    5: st.ACCESS_DENIED,
    6: st.INVALID_HANDLE,
    8: st.NO_MEMORY,
    32: st.SHARING_VIOLATION,
    33: st.LOCK_NOT_GRANTED,
    158: st.RANGE_NOT_LOCKED,
    307: st.INVALID_LOCK_RANGE,
    87: st.INVALID_PARAMETER,
    123: st.OBJECT_NAME_INVALID,
    193: st.INVALID_IMAGE_FORMAT,
    206: st.NAME_TOO_LONG,
    267: st.NOT_A_DIRECTORY,
    1313: st.NO_SUCH_PRIVILEGE,
    1332: st.NONE_MAPPED,
    1455: st.COMMITMENT_LIMIT,
}


def last_error(function: str, name: str | None = None) -> NtError:
    """The failure of a function that tells it by GetLastError."""
    code = ctypes.get_last_error()
    return NtError(
        _STATUSES.get(code, st.UNSUCCESSFUL),
        operation(function),
        name,
        "" if code in _STATUSES else f"Windows error {code}",
    )
