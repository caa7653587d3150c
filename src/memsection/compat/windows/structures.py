# SPDX-License-Identifier: MIT
"""The numbers and structures that C programs have in memory, laid out as Windows has them."""

from __future__ import annotations

import ctypes
from typing import Any

KINDS: dict[str, Any] = {
    "BOOL": ctypes.c_int32,
    "BOOLEAN": ctypes.c_uint8,
    "BYTE": ctypes.c_uint8,
    "WORD": ctypes.c_uint16,
    "DWORD": ctypes.c_uint32,
    "ULONG": ctypes.c_uint32,
    "LONG": ctypes.c_int32,
    "NTSTATUS": ctypes.c_uint32,
    "LARGE_INTEGER": ctypes.c_int64,
    "ULONGLONG": ctypes.c_uint64,
    "SIZE_T": ctypes.c_size_t,
    "HANDLE": ctypes.c_ssize_t,
    "PVOID": ctypes.c_size_t,
    "VOID": None,
}


class RawSecurityAttributes(ctypes.Structure):
    _fields_ = [
        ("nLength", ctypes.c_uint32),
        ("lpSecurityDescriptor", ctypes.c_size_t),
        ("bInheritHandle", ctypes.c_int32),
    ]


class RawDescriptor(ctypes.Structure):
    """SECURITY_DESCRIPTOR in its absolute form."""

    _fields_ = [
        ("Revision", ctypes.c_uint8),
        ("Sbz1", ctypes.c_uint8),
        ("Control", ctypes.c_uint16),
        ("Owner", ctypes.c_size_t),
        ("Group", ctypes.c_size_t),
        ("Sacl", ctypes.c_size_t),
        ("Dacl", ctypes.c_size_t),
    ]


class RawAcl(ctypes.Structure):
    _fields_ = [
        ("AclRevision", ctypes.c_uint8),
        ("Sbz1", ctypes.c_uint8),
        ("AclSize", ctypes.c_uint16),
        ("AceCount", ctypes.c_uint16),
        ("Sbz2", ctypes.c_uint16),
    ]


class RawExplicitAccess(ctypes.Structure):
    """EXPLICIT_ACCESS with its TRUSTEE."""

    _fields_ = [
        ("grfAccessPermissions", ctypes.c_uint32),
        ("grfAccessMode", ctypes.c_uint32),
        ("grfInheritance", ctypes.c_uint32),
        ("pMultipleTrustee", ctypes.c_size_t),
        ("MultipleTrusteeOperation", ctypes.c_uint32),
        ("TrusteeForm", ctypes.c_uint32),
        ("TrusteeType", ctypes.c_uint32),
        ("ptstrName", ctypes.c_size_t),
    ]


class RawOverlapped(ctypes.Structure):
    _fields_ = [
        ("Internal", ctypes.c_size_t),
        ("InternalHigh", ctypes.c_size_t),
        ("Offset", ctypes.c_uint32),
        ("OffsetHigh", ctypes.c_uint32),
        ("hEvent", ctypes.c_ssize_t),
    ]


class RawObjectAttributes(ctypes.Structure):
    _fields_ = [
        ("Length", ctypes.c_uint32),
        ("RootDirectory", ctypes.c_ssize_t),
        ("ObjectName", ctypes.c_size_t),
        ("Attributes", ctypes.c_uint32),
        ("SecurityDescriptor", ctypes.c_size_t),
        ("SecurityQualityOfService", ctypes.c_size_t),
    ]


class RawUnicodeString(ctypes.Structure):
    _fields_ = [
        ("Length", ctypes.c_uint16),
        ("MaximumLength", ctypes.c_uint16),
        ("Buffer", ctypes.c_size_t),
    ]


class RawStartupInfo(ctypes.Structure):
    _fields_ = [
        ("cb", ctypes.c_uint32),
        ("lpReserved", ctypes.c_size_t),
        ("lpDesktop", ctypes.c_size_t),
        ("lpTitle", ctypes.c_size_t),
        *(
            (name, ctypes.c_uint32)
            for name in (
                "dwX",
                "dwY",
                "dwXSize",
                "dwYSize",
                "dwXCountChars",
                "dwYCountChars",
                "dwFillAttribute",
                "dwFlags",
            )
        ),
        ("wShowWindow", ctypes.c_uint16),
        ("cbReserved2", ctypes.c_uint16),
        ("lpReserved2", ctypes.c_size_t),
        ("hStdInput", ctypes.c_ssize_t),
        ("hStdOutput", ctypes.c_ssize_t),
        ("hStdError", ctypes.c_ssize_t),
    ]


def _structure(name: str, pack: int | None = None, **fields: str) -> type[ctypes.Structure]:
    body: dict[str, Any] = {} if pack is None else {"_pack_": pack}
    return type(
        name,
        (ctypes.Structure,),
        {**body, "_fields_": [(field, KINDS[kind]) for field, kind in fields.items()]},
    )


KINDS.update(
    MEMORY_BASIC_INFORMATION=_structure(
        "MEMORY_BASIC_INFORMATION",
        BaseAddress="PVOID",
        AllocationBase="PVOID",
        AllocationProtect="DWORD",
        PartitionId="WORD",
        RegionSize="SIZE_T",
        State="DWORD",
        Protect="DWORD",
        Type="DWORD",
    ),
    PROCESS_INFORMATION=_structure(
        "PROCESS_INFORMATION",
        hProcess="HANDLE",
        hThread="HANDLE",
        dwProcessId="DWORD",
        dwThreadId="DWORD",
    ),
    SYSTEM_INFO=_structure(
        "SYSTEM_INFO",
        wProcessorArchitecture="WORD",
        wReserved="WORD",
        dwPageSize="DWORD",
        lpMinimumApplicationAddress="PVOID",
        lpMaximumApplicationAddress="PVOID",
        dwActiveProcessorMask="SIZE_T",
        dwNumberOfProcessors="DWORD",
        dwProcessorType="DWORD",
        dwAllocationGranularity="DWORD",
        wProcessorLevel="WORD",
        wProcessorRevision="WORD",
    ),
    SECTION_BASIC_INFORMATION=_structure(
        "SECTION_BASIC_INFORMATION", BaseAddress="PVOID", Attributes="ULONG", Size="LARGE_INTEGER"
    ),
    EVENT_BASIC_INFORMATION=_structure(
        "EVENT_BASIC_INFORMATION", EventType="LONG", EventState="LONG"
    ),
    MUTANT_BASIC_INFORMATION=_structure(
        "MUTANT_BASIC_INFORMATION",
        CurrentCount="LONG",
        OwnedByCaller="BOOLEAN",
        AbandonedState="BOOLEAN",
    ),
    SEMAPHORE_BASIC_INFORMATION=_structure(
        "SEMAPHORE_BASIC_INFORMATION", CurrentCount="ULONG", MaximumCount="ULONG"
    ),
    TIMER_BASIC_INFORMATION=_structure(
        "TIMER_BASIC_INFORMATION", RemainingTime="LARGE_INTEGER", TimerState="BOOLEAN"
    ),
    PROCESS_BASIC_INFORMATION=_structure(
        "PROCESS_BASIC_INFORMATION",
        ExitStatus="NTSTATUS",
        PebBaseAddress="PVOID",
        AffinityMask="SIZE_T",
        BasePriority="LONG",
        UniqueProcessId="SIZE_T",
        InheritedFromUniqueProcessId="SIZE_T",
    ),
    THREAD_BASIC_INFORMATION=_structure(
        "THREAD_BASIC_INFORMATION",
        ExitStatus="NTSTATUS",
        TebBaseAddress="PVOID",
        UniqueProcess="SIZE_T",
        UniqueThread="SIZE_T",
        AffinityMask="SIZE_T",
        Priority="LONG",
        BasePriority="LONG",
    ),
    BY_HANDLE_FILE_INFORMATION=_structure(
        "BY_HANDLE_FILE_INFORMATION",
        4,
        dwFileAttributes="DWORD",
        ftCreationTime="LARGE_INTEGER",
        ftLastAccessTime="LARGE_INTEGER",
        ftLastWriteTime="LARGE_INTEGER",
        dwVolumeSerialNumber="DWORD",
        nFileSizeHigh="DWORD",
        nFileSizeLow="DWORD",
        nNumberOfLinks="DWORD",
        nFileIndexHigh="DWORD",
        nFileIndexLow="DWORD",
    ),
    OBJECT_BASIC_INFORMATION=_structure(
        "OBJECT_BASIC_INFORMATION",
        Attributes="ULONG",
        GrantedAccess="ULONG",
        HandleCount="ULONG",
        PointerCount="ULONG",
    ),
)
