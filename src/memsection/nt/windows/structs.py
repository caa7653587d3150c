# SPDX-License-Identifier: MIT
"""The C structures that cross ntdll, as ctypes sees them (64-bit layouts of winternl.h, ntifs.h and
winbase.h).

Layouts only.  Records that leave the kernel interface are those of ``vocabulary.structs``.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from ctypes import wintypes as w

HANDLE = ctypes.c_ssize_t  #: signed, so that pseudo handles stay -1, -2, ...
ADDRESS = ctypes.c_size_t
SIZE = ctypes.c_size_t
LARGE = ctypes.c_longlong


class UnicodeString(ctypes.Structure):
    """UNICODE_STRING; lengths are bytes."""

    _fields_ = [("Length", w.USHORT), ("MaximumLength", w.USHORT), ("Buffer", ctypes.c_void_p)]

    def text(self) -> str:
        """What it says."""
        if not self.Buffer or not self.Length:
            return ""
        return ctypes.string_at(self.Buffer, self.Length).decode("utf-16-le", "surrogatepass")


class ObjectAttributes(ctypes.Structure):
    """OBJECT_ATTRIBUTES."""

    _fields_ = [
        ("Length", w.ULONG),
        ("RootDirectory", HANDLE),
        ("ObjectName", ctypes.POINTER(UnicodeString)),
        ("Attributes", w.ULONG),
        ("SecurityDescriptor", ctypes.c_void_p),
        ("SecurityQualityOfService", ctypes.c_void_p),
    ]


class SecurityQualityOfService(ctypes.Structure):
    """SECURITY_QUALITY_OF_SERVICE."""

    _fields_ = [
        ("Length", w.ULONG),
        ("ImpersonationLevel", ctypes.c_int),
        ("ContextTrackingMode", w.BOOLEAN),
        ("EffectiveOnly", w.BOOLEAN),
    ]


class ClientId(ctypes.Structure):
    """CLIENT_ID."""

    _fields_ = [("UniqueProcess", HANDLE), ("UniqueThread", HANDLE)]


class IoStatusBlock(ctypes.Structure):
    """IO_STATUS_BLOCK."""

    _fields_ = [("Status", ctypes.c_void_p), ("Information", ctypes.c_size_t)]


class ObjectBasicInformation(ctypes.Structure):
    """PUBLIC_OBJECT_BASIC_INFORMATION."""

    _fields_ = [
        ("Attributes", w.ULONG),
        ("GrantedAccess", w.ULONG),
        ("HandleCount", w.ULONG),
        ("PointerCount", w.ULONG),
        ("Reserved", w.ULONG * 10),
    ]


class HandleFlagInformation(ctypes.Structure):
    """OBJECT_HANDLE_FLAG_INFORMATION."""

    _fields_ = [("Inherit", w.BOOLEAN), ("ProtectFromClose", w.BOOLEAN)]


class DirectoryEntry(ctypes.Structure):
    """OBJECT_DIRECTORY_INFORMATION."""

    _fields_ = [("Name", UnicodeString), ("TypeName", UnicodeString)]


class HandleTableEntry(ctypes.Structure):
    """SYSTEM_HANDLE_TABLE_ENTRY_INFO_EX."""

    _fields_ = [
        ("Object", ctypes.c_size_t),
        ("UniqueProcessId", ctypes.c_size_t),
        ("HandleValue", ctypes.c_size_t),
        ("GrantedAccess", w.ULONG),
        ("CreatorBackTraceIndex", w.USHORT),
        ("ObjectTypeIndex", w.USHORT),
        ("HandleAttributes", w.ULONG),
        ("Reserved", w.ULONG),
    ]


class SectionBasicInformation(ctypes.Structure):
    """SECTION_BASIC_INFORMATION."""

    _fields_ = [("BaseAddress", ADDRESS), ("Attributes", w.ULONG), ("Size", LARGE)]


class MemoryBasicInformation(ctypes.Structure):
    """MEMORY_BASIC_INFORMATION."""

    _fields_ = [
        ("BaseAddress", ADDRESS),
        ("AllocationBase", ADDRESS),
        ("AllocationProtect", w.DWORD),
        ("PartitionId", w.WORD),
        ("RegionSize", SIZE),
        ("State", w.DWORD),
        ("Protect", w.DWORD),
        ("Type", w.DWORD),
    ]


class MemoryRange(ctypes.Structure):
    """MEMORY_RANGE_ENTRY."""

    _fields_ = [("VirtualAddress", ADDRESS), ("NumberOfBytes", SIZE)]


class SectionParameter(ctypes.Structure):
    """MEM_EXTENDED_PARAMETER with a number as its value; ``Type`` is in the low eight bits."""

    _fields_ = [("Type", ctypes.c_uint64), ("ULong64", ctypes.c_uint64)]


class FileStandardInformation(ctypes.Structure):
    """FILE_STANDARD_INFORMATION."""

    _fields_ = [
        ("AllocationSize", LARGE),
        ("EndOfFile", LARGE),
        ("NumberOfLinks", w.ULONG),
        ("DeletePending", w.BOOLEAN),
        ("Directory", w.BOOLEAN),
    ]


class ByHandleFileInformation(ctypes.Structure):
    """BY_HANDLE_FILE_INFORMATION; FILETIMEs as two halves, which begin at a multiple of four
    bytes."""

    _pack_ = 4
    _fields_ = [
        ("FileAttributes", w.DWORD),
        ("CreationTime", ctypes.c_uint64),
        ("LastAccessTime", ctypes.c_uint64),
        ("LastWriteTime", ctypes.c_uint64),
        ("VolumeSerialNumber", w.DWORD),
        ("FileSizeHigh", w.DWORD),
        ("FileSizeLow", w.DWORD),
        ("NumberOfLinks", w.DWORD),
        ("FileIndexHigh", w.DWORD),
        ("FileIndexLow", w.DWORD),
    ]


class EventBasicInformation(ctypes.Structure):
    """EVENT_BASIC_INFORMATION."""

    _fields_ = [("EventType", w.ULONG), ("EventState", w.LONG)]


class MutantBasicInformation(ctypes.Structure):
    """MUTANT_BASIC_INFORMATION."""

    _fields_ = [
        ("CurrentCount", w.LONG),
        ("OwnedByCaller", w.BOOLEAN),
        ("AbandonedState", w.BOOLEAN),
    ]


class SemaphoreBasicInformation(ctypes.Structure):
    """SEMAPHORE_BASIC_INFORMATION."""

    _fields_ = [("CurrentCount", w.ULONG), ("MaximumCount", w.ULONG)]


class TimerBasicInformation(ctypes.Structure):
    """TIMER_BASIC_INFORMATION."""

    _fields_ = [("RemainingTime", ctypes.c_int64), ("TimerState", w.BOOLEAN)]


class ProcessBasicInformation(ctypes.Structure):
    """PROCESS_BASIC_INFORMATION."""

    _fields_ = [
        ("ExitStatus", ctypes.c_ssize_t),
        ("PebBaseAddress", ADDRESS),
        ("AffinityMask", ctypes.c_size_t),
        ("BasePriority", ctypes.c_ssize_t),
        ("UniqueProcessId", ctypes.c_size_t),
        ("InheritedFromUniqueProcessId", ctypes.c_size_t),
    ]


class ThreadBasicInformation(ctypes.Structure):
    """THREAD_BASIC_INFORMATION."""

    _fields_ = [
        ("ExitStatus", ctypes.c_int32),
        ("TebBaseAddress", ADDRESS),
        ("UniqueProcess", ctypes.c_size_t),
        ("UniqueThread", ctypes.c_size_t),
        ("AffinityMask", ctypes.c_size_t),
        ("Priority", ctypes.c_int32),
        ("BasePriority", ctypes.c_int32),
    ]


class LuidAndAttributes(ctypes.Structure):
    """LUID_AND_ATTRIBUTES, the LUID as one number."""

    _pack_ = 4
    _fields_ = [("Luid", ctypes.c_uint64), ("Attributes", w.DWORD)]


class SecurityAttributes(ctypes.Structure):
    """SECURITY_ATTRIBUTES."""

    _fields_ = [
        ("nLength", w.DWORD),
        ("lpSecurityDescriptor", ctypes.c_void_p),
        ("bInheritHandle", w.BOOL),
    ]


class StartupInfo(ctypes.Structure):
    """STARTUPINFOW."""

    _fields_ = [
        ("cb", w.DWORD),
        ("lpReserved", w.LPWSTR),
        ("lpDesktop", w.LPWSTR),
        ("lpTitle", w.LPWSTR),
        ("dwX", w.DWORD),
        ("dwY", w.DWORD),
        ("dwXSize", w.DWORD),
        ("dwYSize", w.DWORD),
        ("dwXCountChars", w.DWORD),
        ("dwYCountChars", w.DWORD),
        ("dwFillAttribute", w.DWORD),
        ("dwFlags", w.DWORD),
        ("wShowWindow", w.WORD),
        ("cbReserved2", w.WORD),
        ("lpReserved2", ctypes.c_void_p),
        ("hStdInput", HANDLE),
        ("hStdOutput", HANDLE),
        ("hStdError", HANDLE),
    ]


class ProcessInformation(ctypes.Structure):
    """PROCESS_INFORMATION."""

    _fields_ = [
        ("hProcess", HANDLE),
        ("hThread", HANDLE),
        ("dwProcessId", w.DWORD),
        ("dwThreadId", w.DWORD),
    ]
