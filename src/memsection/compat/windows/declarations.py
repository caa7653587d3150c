# SPDX-License-Identifier: MIT
"""The functions of kernel32, advapi32, psapi, shell32 and ntdll that this library has, as C
declares them.

A declaration is one line: the result, the name, the parameters.  ``out T`` is a pointer through
which the result goes, ``opt out T`` one that may be NULL, ``inout T`` and ``ref T`` pointers to a
value.  A name that ends with W and has text stands for its A form too.  Behind each is the function
of ``memsection.win32`` or ``memsection.nt`` of that name, or one of ``kernel32``, ``ntdll``,
``security``, ``access_lists``, ``buffers`` and ``tokens``, where C has buffers and we have values.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from memsection import nt
from memsection import win32 as w
from memsection.compat.windows import (
    access_lists,
    buffers,
    directories,
    kernel32,
    memory,
    ntdll,
    security,
    tokens,
)
from memsection.compat.windows.structures import KINDS

#: Result: its C type, and what it is when the function fails.
_RESULTS: dict[str, tuple[Any, Any]] = {
    "BOOL": (ctypes.c_int32, 0),
    "HANDLE": (ctypes.c_ssize_t, 0),
    "FILE_HANDLE": (ctypes.c_ssize_t, -1),
    "PVOID": (ctypes.c_size_t, 0),
    "SIZE_T": (ctypes.c_size_t, 0),
    "DWORD": (ctypes.c_uint32, 0xFFFFFFFF),
    "LENGTH": (ctypes.c_uint32, 0),
    "ERROR": (ctypes.c_uint32, 31),
    "NTSTATUS": (ctypes.c_uint32, 0xC0000001),
    "ULONGLONG": (ctypes.c_uint64, 0),
    "VOID": (None, None),
    "WORD": (ctypes.c_uint16, 0),
}
_READERS: dict[str, Callable[[int], Any]] = {
    "ATTRIBUTES": memory.attributes,
    "OVERLAPPED": memory.overlapped_at,
    "STARTUPINFO": memory.startup_info,
    "DESCRIPTOR": memory.descriptor,
    "SID": memory.sid_bytes,
    "CLIENT_ID": memory.client_id,
}
_WITH_UNIT: dict[str, Callable[[int, int], Any]] = {
    "LPCWSTR": memory.text,
    "OBJECT_ATTRIBUTES": memory.object_attributes,
    "ENVIRONMENT": memory.environment,
}


@dataclass(frozen=True)
class Declaration:
    """One function: how C calls it, and what it does."""

    name: str
    result: str
    parameters: tuple[tuple[str, str], ...]  #: mode and kind
    function: Callable[..., Any]
    text_unit: int = 0  #: 1 for the A form; 0 for whatever wide text has

    @property
    def kind(self) -> Any:
        """The C type of the result."""
        return _RESULTS[self.result][0]

    @property
    def failure(self) -> Any:
        """The result of a call that failed."""
        return _RESULTS[self.result][1]

    def parameter_kinds(self) -> list[Any]:
        """The C types of the parameters."""
        return [
            ctypes.c_size_t if mode or kind not in KINDS else KINDS[kind]
            for mode, kind in self.parameters
        ]

    def call(self, values: tuple[Any, ...], unit: int) -> Any:
        """Call the function with C's arguments; its result as C has it."""
        unit = self.text_unit or unit
        given: list[Any] = []
        places: list[tuple[str, int]] = []
        for (mode, kind), value in zip(self.parameters, values, strict=True):
            if mode in ("out", "opt out", "inout"):
                if not value and mode != "opt out":
                    raise memory.refusal(self.name, f"a pointer to {kind} is needed")
                places.append((kind, value))
            if mode in ("ref", "inout"):
                given.append(memory.load(kind, value))
            elif not mode:
                given.append(self._argument(kind, value, unit))
        if getattr(self.function, "takes_unit", False):
            given.append(unit)
        return self._finish(self.function(*given), places)

    def _argument(self, kind: str, value: Any, unit: int) -> Any:
        if kind in _READERS:
            return _READERS[kind](value)
        return _WITH_UNIT[kind](value, unit) if kind in _WITH_UNIT else value

    def _finish(self, found: Any, places: list[tuple[str, int]]) -> Any:
        status = 1
        if self.result == "NTSTATUS":
            status, *results = found if isinstance(found, tuple) else (found,)
            if status & 0x80000000:
                return status
        elif not places:
            return int(found is None or bool(found)) if self.result == "BOOL" else found or 0
        else:
            results = list(found) if len(places) > 1 else [found]
        for (kind, address), value in zip(places, results, strict=False):
            if address:
                memory.store(kind, address, value)
        return status


_LINE = re.compile(r"(\w+) (\w+)\(([^()]*)\)")


def _parse_declarations(lines: str, homes: tuple[Any, ...]) -> dict[str, Declaration]:
    table: dict[str, Declaration] = {}
    for found in _LINE.finditer(" ".join(lines.split())):
        result, name, inside = found.groups()
        words = [one.strip().rpartition(" ") for one in inside.split(",")] if inside else []
        parameters = tuple((mode, kind) for mode, _, kind in words)
        wide = name.endswith("W") and name[-2].islower() or name.endswith("ExW")
        plain = name[:-1] if wide else name
        function = next(getattr(home, plain) for home in homes if hasattr(home, plain))
        table[name] = Declaration(name, result, parameters, function)
        if wide:
            table[plain + "A"] = Declaration(plain + "A", result, parameters, function, 1)
    return table


_BUFFERS = """
    VOID RtlMoveMemory(PVOID, PVOID, SIZE_T)
    VOID RtlCopyMemory(PVOID, PVOID, SIZE_T)
    VOID RtlFillMemory(PVOID, SIZE_T, BYTE)
    VOID RtlZeroMemory(PVOID, SIZE_T)
    SIZE_T RtlCompareMemory(PVOID, PVOID, SIZE_T)
"""

KERNEL32 = _parse_declarations(
    _BUFFERS
    + """
    HANDLE CreateFileMappingW(HANDLE, ATTRIBUTES, DWORD, DWORD, DWORD, LPCWSTR)
    HANDLE CreateFileMappingNumaW(HANDLE, ATTRIBUTES, DWORD, DWORD, DWORD, LPCWSTR, DWORD)
    HANDLE OpenFileMappingW(DWORD, BOOL, LPCWSTR)
    PVOID MapViewOfFile(HANDLE, DWORD, DWORD, DWORD, SIZE_T)
    PVOID MapViewOfFileEx(HANDLE, DWORD, DWORD, DWORD, SIZE_T, PVOID)
    PVOID MapViewOfFileExNuma(HANDLE, DWORD, DWORD, DWORD, SIZE_T, PVOID, DWORD)
    BOOL UnmapViewOfFile(PVOID)
    BOOL FlushViewOfFile(PVOID, SIZE_T)
    SIZE_T VirtualQuery(PVOID, PVOID, SIZE_T)
    PVOID VirtualAlloc(PVOID, SIZE_T, DWORD, DWORD)
    BOOL VirtualFree(PVOID, SIZE_T, DWORD)
    BOOL VirtualProtect(PVOID, SIZE_T, DWORD, out DWORD)
    SIZE_T VirtualQueryEx(HANDLE, PVOID, PVOID, SIZE_T)
    PVOID VirtualAllocEx(HANDLE, PVOID, SIZE_T, DWORD, DWORD)
    BOOL VirtualFreeEx(HANDLE, PVOID, SIZE_T, DWORD)
    BOOL VirtualProtectEx(HANDLE, PVOID, SIZE_T, DWORD, out DWORD)
    BOOL PrefetchVirtualMemory(HANDLE, SIZE_T, PVOID, ULONG)
    BOOL ReadProcessMemory(HANDLE, PVOID, PVOID, SIZE_T, PVOID)
    BOOL WriteProcessMemory(HANDLE, PVOID, PVOID, SIZE_T, opt out SIZE_T)
    BOOL CloseHandle(HANDLE)
    BOOL CompareObjectHandles(HANDLE, HANDLE)
    BOOL DuplicateHandle(HANDLE, HANDLE, HANDLE, PVOID, DWORD, BOOL, DWORD)
    BOOL GetHandleInformation(HANDLE, out DWORD)
    BOOL SetHandleInformation(HANDLE, DWORD, DWORD)
    HANDLE CreateEventW(ATTRIBUTES, BOOL, BOOL, LPCWSTR)
    HANDLE CreateEventExW(ATTRIBUTES, LPCWSTR, DWORD, DWORD)
    HANDLE OpenEventW(DWORD, BOOL, LPCWSTR)
    BOOL SetEvent(HANDLE)
    BOOL ResetEvent(HANDLE)
    BOOL PulseEvent(HANDLE)
    HANDLE CreateMutexW(ATTRIBUTES, BOOL, LPCWSTR)
    HANDLE CreateMutexExW(ATTRIBUTES, LPCWSTR, DWORD, DWORD)
    HANDLE OpenMutexW(DWORD, BOOL, LPCWSTR)
    BOOL ReleaseMutex(HANDLE)
    HANDLE CreateSemaphoreW(ATTRIBUTES, LONG, LONG, LPCWSTR)
    HANDLE CreateSemaphoreExW(ATTRIBUTES, LONG, LONG, LPCWSTR, DWORD, DWORD)
    HANDLE OpenSemaphoreW(DWORD, BOOL, LPCWSTR)
    BOOL ReleaseSemaphore(HANDLE, LONG, opt out LONG)
    HANDLE CreateWaitableTimerW(ATTRIBUTES, BOOL, LPCWSTR)
    HANDLE CreateWaitableTimerExW(ATTRIBUTES, LPCWSTR, DWORD, DWORD)
    HANDLE OpenWaitableTimerW(DWORD, BOOL, LPCWSTR)
    BOOL SetWaitableTimer(HANDLE, ref LARGE_INTEGER, LONG, PVOID, PVOID, BOOL)
    BOOL SetWaitableTimerEx(HANDLE, ref LARGE_INTEGER, LONG, PVOID, PVOID, PVOID, DWORD)
    BOOL CancelWaitableTimer(HANDLE)
    DWORD WaitForSingleObject(HANDLE, DWORD)
    DWORD WaitForSingleObjectEx(HANDLE, DWORD, BOOL)
    DWORD WaitForMultipleObjects(DWORD, PVOID, BOOL, DWORD)
    DWORD WaitForMultipleObjectsEx(DWORD, PVOID, BOOL, DWORD, BOOL)
    DWORD SignalObjectAndWait(HANDLE, HANDLE, DWORD, BOOL)
    LENGTH GetLastError()
    VOID SetLastError(DWORD)
    LENGTH FormatMessageW(DWORD, PVOID, DWORD, DWORD, PVOID, DWORD, PVOID)
    HANDLE GetCurrentProcess()
    LENGTH GetCurrentProcessId()
    HANDLE GetCurrentThread()
    LENGTH GetCurrentThreadId()
    HANDLE OpenProcess(DWORD, BOOL, DWORD)
    LENGTH GetProcessId(HANDLE)
    BOOL GetExitCodeProcess(HANDLE, out DWORD)
    HANDLE OpenThread(DWORD, BOOL, DWORD)
    LENGTH GetThreadId(HANDLE)
    LENGTH GetProcessIdOfThread(HANDLE)
    BOOL GetExitCodeThread(HANDLE, out DWORD)
    BOOL TerminateProcess(HANDLE, DWORD)
    BOOL CreateProcessW(LPCWSTR, LPCWSTR, ATTRIBUTES, ATTRIBUTES, BOOL, DWORD, ENVIRONMENT, LPCWSTR, STARTUPINFO,
                        out PROCESS_INFORMATION)
    BOOL ProcessIdToSessionId(DWORD, out DWORD)
    FILE_HANDLE CreateFileW(LPCWSTR, DWORD, DWORD, ATTRIBUTES, DWORD, DWORD, HANDLE)
    BOOL ReadFile(HANDLE, PVOID, DWORD, PVOID, OVERLAPPED)
    BOOL WriteFile(HANDLE, PVOID, DWORD, opt out DWORD, OVERLAPPED)
    BOOL FlushFileBuffers(HANDLE)
    BOOL SetEndOfFile(HANDLE)
    DWORD GetFileSize(HANDLE, PVOID)
    BOOL GetFileSizeEx(HANDLE, out LARGE_INTEGER)
    LENGTH GetFileType(HANDLE)
    BOOL DeleteFileW(LPCWSTR)
    DWORD SetFilePointer(HANDLE, LONG, PVOID, DWORD)
    BOOL SetFilePointerEx(HANDLE, LARGE_INTEGER, opt out LARGE_INTEGER, DWORD)
    BOOL LockFile(HANDLE, DWORD, DWORD, DWORD, DWORD)
    BOOL LockFileEx(HANDLE, DWORD, DWORD, DWORD, DWORD, OVERLAPPED)
    BOOL UnlockFile(HANDLE, DWORD, DWORD, DWORD, DWORD)
    BOOL UnlockFileEx(HANDLE, DWORD, DWORD, DWORD, OVERLAPPED)
    FILE_HANDLE ReOpenFile(HANDLE, DWORD, DWORD, DWORD)
    BOOL GetFileInformationByHandle(HANDLE, out BY_HANDLE_FILE_INFORMATION)
    LENGTH K32GetMappedFileNameW(HANDLE, PVOID, PVOID, DWORD)
    HANDLE GetStdHandle(DWORD)
    BOOL SetStdHandle(DWORD, HANDLE)
    VOID GetSystemInfo(out SYSTEM_INFO)
    VOID GetNativeSystemInfo(out SYSTEM_INFO)
    PVOID LocalFree(PVOID)
    VOID Sleep(DWORD)
    LENGTH SleepEx(DWORD, BOOL)
    LENGTH GetTickCount()
    ULONGLONG GetTickCount64()
    BOOL QueryPerformanceCounter(out LARGE_INTEGER)
    BOOL QueryPerformanceFrequency(out LARGE_INTEGER)
""",
    (buffers, kernel32, w),
)

ADVAPI32 = _parse_declarations(
    """
    BOOL ConvertStringSecurityDescriptorToSecurityDescriptorW(LPCWSTR, DWORD, PVOID, PVOID)
    BOOL ConvertSecurityDescriptorToStringSecurityDescriptorW(DESCRIPTOR, DWORD, DWORD, PVOID, PVOID)
    BOOL ConvertStringSidToSidW(LPCWSTR, PVOID)
    BOOL ConvertSidToStringSidW(SID, PVOID)
    BOOL InitializeSecurityDescriptor(PVOID, DWORD)
    BOOL SetSecurityDescriptorDacl(PVOID, BOOL, PVOID, BOOL)
    BOOL GetSecurityDescriptorDacl(PVOID, out BOOL, out PVOID, out BOOL)
    BOOL SetSecurityDescriptorOwner(PVOID, PVOID, BOOL)
    BOOL GetSecurityDescriptorOwner(PVOID, out PVOID, out BOOL)
    BOOL SetSecurityDescriptorGroup(PVOID, PVOID, BOOL)
    BOOL GetSecurityDescriptorGroup(PVOID, out PVOID, out BOOL)
    LENGTH GetSecurityDescriptorLength(DESCRIPTOR)
    BOOL IsValidSecurityDescriptor(PVOID)
    BOOL InitializeAcl(PVOID, DWORD, DWORD)
    BOOL AddAccessAllowedAce(PVOID, DWORD, DWORD, SID)
    BOOL AddAccessDeniedAce(PVOID, DWORD, DWORD, SID)
    BOOL EqualSid(SID, SID)
    LENGTH GetLengthSid(SID)
    BOOL IsValidSid(SID)
    BOOL GetKernelObjectSecurity(HANDLE, DWORD, PVOID, DWORD, PVOID)
    BOOL SetKernelObjectSecurity(HANDLE, DWORD, DESCRIPTOR)
    ERROR GetSecurityInfo(HANDLE, DWORD, DWORD, PVOID, PVOID, PVOID, PVOID, PVOID)
    ERROR SetSecurityInfo(HANDLE, DWORD, DWORD, SID, SID, PVOID, PVOID)
    BOOL OpenProcessToken(HANDLE, DWORD, out HANDLE)
    BOOL LookupPrivilegeValueW(LPCWSTR, LPCWSTR, out ULONGLONG)
    BOOL AdjustTokenPrivileges(HANDLE, BOOL, PVOID, DWORD, PVOID, PVOID)
    BOOL AddAccessAllowedAceEx(PVOID, DWORD, DWORD, DWORD, SID)
    BOOL AddAccessDeniedAceEx(PVOID, DWORD, DWORD, DWORD, SID)
    BOOL AddAuditAccessAceEx(PVOID, DWORD, DWORD, DWORD, SID, BOOL, BOOL)
    BOOL GetAce(PVOID, DWORD, out PVOID)
    BOOL GetAclInformation(PVOID, PVOID, DWORD, DWORD)
    BOOL IsValidAcl(PVOID)
    BOOL GetSecurityDescriptorControl(PVOID, out WORD, out DWORD)
    BOOL SetSecurityDescriptorControl(PVOID, WORD, WORD)
    BOOL GetSecurityDescriptorSacl(PVOID, out BOOL, out PVOID, out BOOL)
    BOOL SetSecurityDescriptorSacl(PVOID, BOOL, PVOID, BOOL)
    BOOL MakeAbsoluteSD(PVOID, PVOID, PVOID, PVOID, PVOID, PVOID, PVOID, PVOID, PVOID, PVOID, PVOID)
    BOOL MakeSelfRelativeSD(PVOID, PVOID, PVOID)
    BOOL AllocateAndInitializeSid(PVOID, BYTE, DWORD, DWORD, DWORD, DWORD, DWORD, DWORD, DWORD, DWORD, out PVOID)
    PVOID FreeSid(PVOID)
    BOOL CreateWellKnownSid(DWORD, SID, PVOID, PVOID)
    BOOL IsWellKnownSid(SID, DWORD)
    PVOID GetSidIdentifierAuthority(PVOID)
    PVOID GetSidSubAuthority(PVOID, DWORD)
    PVOID GetSidSubAuthorityCount(PVOID)
    BOOL LookupAccountNameW(LPCWSTR, LPCWSTR, PVOID, PVOID, PVOID, PVOID, out DWORD)
    BOOL LookupAccountSidW(LPCWSTR, SID, PVOID, PVOID, PVOID, PVOID, out DWORD)
    BOOL LookupPrivilegeNameW(LPCWSTR, PVOID, PVOID, PVOID)
    ERROR GetNamedSecurityInfoW(LPCWSTR, DWORD, DWORD, PVOID, PVOID, PVOID, PVOID, PVOID)
    ERROR SetNamedSecurityInfoW(LPCWSTR, DWORD, DWORD, SID, SID, PVOID, PVOID)
    ERROR SetEntriesInAclW(DWORD, PVOID, PVOID, PVOID)
    BOOL AccessCheck(DESCRIPTOR, HANDLE, DWORD, PVOID, PVOID, PVOID, out DWORD, out BOOL)
    VOID MapGenericMask(PVOID, PVOID)
    BOOL CheckTokenMembership(HANDLE, SID, out BOOL)
    BOOL DuplicateToken(HANDLE, DWORD, out HANDLE)
    BOOL DuplicateTokenEx(HANDLE, DWORD, ATTRIBUTES, DWORD, DWORD, out HANDLE)
    BOOL GetTokenInformation(HANDLE, DWORD, PVOID, DWORD, PVOID)
""",
    (security, access_lists, tokens, w),
)

PSAPI = _parse_declarations(
    """
    LENGTH GetMappedFileNameW(HANDLE, PVOID, PVOID, DWORD)
""",
    (kernel32, w),
)

SHELL32 = _parse_declarations(
    """
    PVOID CommandLineToArgvW(LPCWSTR, PVOID)
""",
    (kernel32, w),
)
del SHELL32["CommandLineToArgvA"]  # Windows has none

_NT = _parse_declarations(
    _BUFFERS
    + """
    NTSTATUS NtClose(HANDLE)
    NTSTATUS NtDuplicateObject(HANDLE, HANDLE, HANDLE, DWORD, ULONG, ULONG, opt out HANDLE)
    NTSTATUS NtCompareObjects(HANDLE, HANDLE)
    NTSTATUS NtMakeTemporaryObject(HANDLE)
    NTSTATUS NtMakePermanentObject(HANDLE)
    NTSTATUS NtOpenDirectoryObject(out HANDLE, DWORD, OBJECT_ATTRIBUTES)
    NTSTATUS NtCreateDirectoryObject(out HANDLE, DWORD, OBJECT_ATTRIBUTES)
    NTSTATUS NtQueryDirectoryObject(HANDLE, PVOID, ULONG, BOOLEAN, BOOLEAN, PVOID, PVOID)
    NTSTATUS NtOpenSymbolicLinkObject(out HANDLE, DWORD, OBJECT_ATTRIBUTES)
    NTSTATUS NtSetInformationObject(HANDLE, ULONG, PVOID, ULONG)
    NTSTATUS NtQueryObject(HANDLE, ULONG, PVOID, ULONG, PVOID)
    NTSTATUS NtQuerySecurityObject(HANDLE, ULONG, PVOID, ULONG, PVOID)
    NTSTATUS NtSetSecurityObject(HANDLE, ULONG, DESCRIPTOR)
    NTSTATUS NtCreateSection(out HANDLE, DWORD, OBJECT_ATTRIBUTES, ref LARGE_INTEGER, ULONG, ULONG, HANDLE)
    NTSTATUS NtOpenSection(out HANDLE, DWORD, OBJECT_ATTRIBUTES)
    NTSTATUS NtMapViewOfSection(HANDLE, HANDLE, inout PVOID, SIZE_T, SIZE_T, ref LARGE_INTEGER, inout SIZE_T, ULONG, ULONG,
                                ULONG)
    NTSTATUS NtMapViewOfSectionEx(HANDLE, HANDLE, inout PVOID, ref LARGE_INTEGER, inout SIZE_T, ULONG, ULONG, PVOID, ULONG)
    NTSTATUS NtUnmapViewOfSection(HANDLE, PVOID)
    NTSTATUS NtExtendSection(HANDLE, inout LARGE_INTEGER)
    NTSTATUS NtQuerySection(HANDLE, ULONG, PVOID, SIZE_T, PVOID)
    NTSTATUS NtQueryVirtualMemory(HANDLE, PVOID, ULONG, PVOID, SIZE_T, PVOID)
    NTSTATUS NtProtectVirtualMemory(HANDLE, inout PVOID, inout SIZE_T, ULONG, out ULONG)
    NTSTATUS NtAllocateVirtualMemory(HANDLE, inout PVOID, SIZE_T, inout SIZE_T, ULONG, ULONG)
    NTSTATUS NtFreeVirtualMemory(HANDLE, inout PVOID, inout SIZE_T, ULONG)
    NTSTATUS NtFlushVirtualMemory(HANDLE, inout PVOID, inout SIZE_T, PVOID)
    NTSTATUS NtReadVirtualMemory(HANDLE, PVOID, PVOID, SIZE_T, PVOID)
    NTSTATUS NtWriteVirtualMemory(HANDLE, PVOID, PVOID, SIZE_T, opt out SIZE_T)
    NTSTATUS NtCreateMutant(out HANDLE, DWORD, OBJECT_ATTRIBUTES, BOOLEAN)
    NTSTATUS NtOpenMutant(out HANDLE, DWORD, OBJECT_ATTRIBUTES)
    NTSTATUS NtReleaseMutant(HANDLE, opt out LONG)
    NTSTATUS NtQueryMutant(HANDLE, ULONG, PVOID, ULONG, PVOID)
    NTSTATUS NtCreateEvent(out HANDLE, DWORD, OBJECT_ATTRIBUTES, ULONG, BOOLEAN)
    NTSTATUS NtOpenEvent(out HANDLE, DWORD, OBJECT_ATTRIBUTES)
    NTSTATUS NtSetEvent(HANDLE, opt out LONG)
    NTSTATUS NtResetEvent(HANDLE, opt out LONG)
    NTSTATUS NtClearEvent(HANDLE)
    NTSTATUS NtPulseEvent(HANDLE, opt out LONG)
    NTSTATUS NtQueryEvent(HANDLE, ULONG, PVOID, ULONG, PVOID)
    NTSTATUS NtCreateSemaphore(out HANDLE, DWORD, OBJECT_ATTRIBUTES, LONG, LONG)
    NTSTATUS NtOpenSemaphore(out HANDLE, DWORD, OBJECT_ATTRIBUTES)
    NTSTATUS NtReleaseSemaphore(HANDLE, ULONG, opt out LONG)
    NTSTATUS NtQuerySemaphore(HANDLE, ULONG, PVOID, ULONG, PVOID)
    NTSTATUS NtCreateTimer(out HANDLE, DWORD, OBJECT_ATTRIBUTES, ULONG)
    NTSTATUS NtOpenTimer(out HANDLE, DWORD, OBJECT_ATTRIBUTES)
    NTSTATUS NtSetTimer(HANDLE, ref LARGE_INTEGER, PVOID, PVOID, BOOLEAN, LONG, opt out BOOLEAN)
    NTSTATUS NtCancelTimer(HANDLE, opt out BOOLEAN)
    NTSTATUS NtQueryTimer(HANDLE, ULONG, PVOID, ULONG, PVOID)
    NTSTATUS NtWaitForSingleObject(HANDLE, BOOLEAN, ref LARGE_INTEGER)
    NTSTATUS NtWaitForMultipleObjects(ULONG, PVOID, ULONG, BOOLEAN, ref LARGE_INTEGER)
    NTSTATUS NtSignalAndWaitForSingleObject(HANDLE, HANDLE, BOOLEAN, ref LARGE_INTEGER)
    NTSTATUS NtOpenProcess(out HANDLE, DWORD, OBJECT_ATTRIBUTES, ref SIZE_T)
    NTSTATUS NtTerminateProcess(HANDLE, ULONG)
    NTSTATUS NtQueryInformationProcess(HANDLE, ULONG, PVOID, ULONG, PVOID)
    NTSTATUS NtOpenThread(out HANDLE, DWORD, OBJECT_ATTRIBUTES, CLIENT_ID)
    NTSTATUS NtQueryInformationThread(HANDLE, ULONG, PVOID, ULONG, PVOID)
    NTSTATUS NtOpenProcessToken(HANDLE, DWORD, out HANDLE)
    NTSTATUS NtAdjustPrivilegesToken(HANDLE, BOOLEAN, PVOID, ULONG, PVOID, PVOID)
    NTSTATUS NtQueryInformationToken(HANDLE, ULONG, PVOID, ULONG, PVOID)
    NTSTATUS NtDuplicateToken(HANDLE, DWORD, PVOID, BOOLEAN, ULONG, out HANDLE)
    NTSTATUS NtAccessCheck(DESCRIPTOR, HANDLE, DWORD, PVOID, PVOID, PVOID, out DWORD, out NTSTATUS)
    NTSTATUS NtCreateFile(out HANDLE, DWORD, PVOID, PVOID, PVOID, ULONG, ULONG, ULONG, ULONG, PVOID, ULONG)
    ULONGLONG RtlNtStatusToDosError(ULONG)
""",
    (buffers, ntdll, directories, tokens, nt),
)
NTDLL = {**_NT, **{"Zw" + name[2:]: one for name, one in _NT.items() if name.startswith("Nt")}}

LIBRARIES: dict[str, dict[str, Declaration]] = {
    "kernel32": KERNEL32,
    "kernelbase": {**KERNEL32, **ADVAPI32},
    "advapi32": ADVAPI32,
    "ntdll": NTDLL,
    "shell32": SHELL32,
    "psapi": PSAPI,
}
