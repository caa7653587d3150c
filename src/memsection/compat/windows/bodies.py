# SPDX-License-Identifier: MIT
"""Functions whose C form has buffers where ``memsection.win32`` and ``memsection.nt`` have values.

Each is called as ``declarations`` says: without the pointers that its result goes through.
"""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import ctypes
import threading
import time
from typing import Any

from memsection import nt
from memsection import win32 as w
from memsection.compat.windows import memory
from memsection.compat.windows.memory import KINDS, RawAcl, RawDescriptor, load, refused, store
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.sid import Sid

_HANDLE, _DWORD, _SIZE_T = KINDS["HANDLE"], KINDS["DWORD"], KINDS["SIZE_T"]


def _with_unit(function: Any) -> Any:
    """A function that has to know how wide text is: it comes last."""
    function.takes_unit = True
    return function


def _handles(count: int, address: int, operation: str) -> list[int]:
    if not address or not 0 < count <= w.MAXIMUM_WAIT_OBJECTS:
        raise NtError(st.INVALID_PARAMETER, operation, None, f"{count} handles at {address:#x}")
    return list((_HANDLE * count).from_address(address))


def _fill(address: int, size: int, needed: int, data: bytes, operation: str) -> None:
    """Write bytes into a buffer that has to have room."""
    if needed:
        store("DWORD", needed, len(data))
    if size < len(data) or not address:
        raise NtError(st.BUFFER_TOO_SMALL, operation, None, f"{len(data)} bytes are needed, the buffer has {size}")
    ctypes.memmove(address, data, len(data))


# ------------------------------------------------------------------ kernel32


def VirtualQuery(address: int, out: int, size: int) -> int:
    return VirtualQueryEx(w.GetCurrentProcess(), address, out, size)


def VirtualQueryEx(process: int, address: int, out: int, size: int) -> int:
    kind = KINDS["MEMORY_BASIC_INFORMATION"]
    if size < ctypes.sizeof(kind):
        raise NtError(st.INFO_LENGTH_MISMATCH, "VirtualQuery", None, f"{ctypes.sizeof(kind)} bytes are needed")
    store("MEMORY_BASIC_INFORMATION", out, w.VirtualQueryEx(process, address))
    return ctypes.sizeof(kind)


def PrefetchVirtualMemory(process: int, count: int, ranges: int, flags: int) -> None:
    found = (_SIZE_T * (2 * count)).from_address(ranges) if ranges and count else ()
    w.PrefetchVirtualMemory(process, list(zip(found[::2], found[1::2], strict=True)), flags)


def ReadProcessMemory(process: int, base: int, buffer: int, size: int, done: int) -> None:
    data = w.ReadProcessMemory(process, base, size)
    ctypes.memmove(buffer, data, len(data))
    if done:
        store("SIZE_T", done, len(data))


def WriteProcessMemory(process: int, base: int, buffer: int, size: int) -> int:
    return w.WriteProcessMemory(process, base, ctypes.string_at(buffer, size))


def DuplicateHandle(source_process: int, source: int, target_process: int, out: int, access: int, inherit: int,
                    options: int) -> None:
    found = w.DuplicateHandle(source_process, source, target_process, access, inherit, options)
    if out:
        store("HANDLE", out, found)
    else:
        w.CloseHandle(found)  # nobody will know it: only closing the source was wanted


def WaitForMultipleObjects(count: int, handles: int, wait_all: int, milliseconds: int) -> int:
    return WaitForMultipleObjectsEx(count, handles, wait_all, milliseconds, 0)


def WaitForMultipleObjectsEx(count: int, handles: int, wait_all: int, milliseconds: int, alertable: int) -> int:
    return w.WaitForMultipleObjectsEx(_handles(count, handles, "WaitForMultipleObjects"), wait_all, milliseconds, alertable)


@_with_unit
def FormatMessage(flags: int, source: int, code: int, language: int, buffer: int, size: int, arguments: int,
                  unit: int) -> int:
    if arguments and not flags & w.FORMAT_MESSAGE_IGNORE_INSERTS:
        raise NtError(st.NOT_SUPPORTED, "FormatMessage", None, "values to be inserted are not read from C's lists here")
    text = memory.text(source, unit) if flags & w.FORMAT_MESSAGE_FROM_STRING else None
    found = w.FormatMessage(flags & ~w.FORMAT_MESSAGE_ALLOCATE_BUFFER, text, code, language)
    data = memory.encoded(found, unit)
    if not buffer:
        raise refused("FormatMessage", "a buffer is needed")
    if flags & w.FORMAT_MESSAGE_ALLOCATE_BUFFER:
        store("PVOID", buffer, memory.allocate(data))
    elif len(data) > size * unit:
        raise NtError(st.BUFFER_TOO_SMALL, "FormatMessage", None, f"{len(data) // unit} characters are needed, not {size}")
    else:
        ctypes.memmove(buffer, data, len(data))
    return len(data) // unit - 1


def GetCurrentThreadId() -> int:
    return threading.get_native_id()


def ProcessIdToSessionId(process: int) -> int:
    w.CloseHandle(w.OpenProcess(0x1000, False, process))  # PROCESS_QUERY_LIMITED_INFORMATION: there has to be one
    return 0


def ReadFile(file: int, buffer: int, size: int, done: int, overlapped: Any) -> None:
    if done:
        store("DWORD", done, 0)
    data = w.ReadFile(file, size, overlapped)
    ctypes.memmove(buffer, data, len(data))
    if done:
        store("DWORD", done, len(data))


def WriteFile(file: int, buffer: int, size: int, overlapped: Any) -> int:
    return w.WriteFile(file, ctypes.string_at(buffer, size) if size else b"", overlapped)


def GetFileSize(file: int, high: int) -> int:
    size = w.GetFileSize(file)
    if high:
        store("DWORD", high, size >> 32)
    w.SetLastError(0)  # the size may look like a failure
    return size & 0xFFFFFFFF


def SetFilePointer(file: int, low: int, high: int, method: int) -> int:
    distance = low if not high else load("LONG", high) << 32 | low & 0xFFFFFFFF
    position = w.SetFilePointer(file, distance, method)
    if high:
        store("LONG", high, position >> 32)
    elif position > 0xFFFFFFFF:
        raise NtError(st.INVALID_PARAMETER, "SetFilePointer", None, "the position needs a place for its upper half")
    w.SetLastError(0)
    return position & 0xFFFFFFFF


class _System:
    """SYSTEM_INFO with what C programs find besides."""

    wProcessorArchitecture, dwProcessorType = 9, 8664
    lpMinimumApplicationAddress, lpMaximumApplicationAddress = 0x10000, 0x7FFFFFFEFFFF

    def __init__(self) -> None:
        found = w.GetSystemInfo()
        self.dwPageSize, self.dwAllocationGranularity = found.dwPageSize, found.dwAllocationGranularity
        self.dwNumberOfProcessors = found.dwNumberOfProcessors
        self.dwActiveProcessorMask = (1 << min(found.dwNumberOfProcessors, 64)) - 1


GetSystemInfo = GetNativeSystemInfo = _System
LocalFree = memory.free


def Sleep(milliseconds: int) -> None:
    if milliseconds == w.INFINITE:
        while True:
            time.sleep(3600)
    time.sleep(milliseconds / 1000)


def SleepEx(milliseconds: int, alertable: int) -> int:
    Sleep(milliseconds)
    return 0


def GetTickCount64() -> int:
    return time.monotonic_ns() // 1_000_000


def GetTickCount() -> int:
    return GetTickCount64() & 0xFFFFFFFF


def QueryPerformanceCounter() -> int:
    return time.monotonic_ns() // 100


def QueryPerformanceFrequency() -> int:
    return 10_000_000


@_with_unit
def CommandLineToArgv(line: str | None, count: int, unit: int) -> int:
    words = w.CommandLineToArgv(line)
    texts = [memory.encoded(word, unit) for word in words]
    table = 8 * (len(texts) + 1)
    address = memory.allocate(bytes(table) + b"".join(texts))
    place = address + table
    for number, text in enumerate(texts):
        store("PVOID", address + 8 * number, place)
        place += len(text)
    store("LONG", count, len(words))
    return address


# ------------------------------------------------------------------ advapi32


def ConvertStringSecurityDescriptorToSecurityDescriptor(text: str, revision: int, out: int, size: int) -> None:
    data = bytes(w.ConvertStringSecurityDescriptorToSecurityDescriptor(text, revision))
    if not out:
        raise refused("ConvertStringSecurityDescriptorToSecurityDescriptor", "a place for the descriptor is needed")
    store("PVOID", out, memory.allocate(data))
    if size:
        store("DWORD", size, len(data))


@_with_unit
def ConvertSecurityDescriptorToStringSecurityDescriptor(descriptor: bytes, revision: int, parts: int, out: int, size: int,
                                                        unit: int) -> None:
    text = w.ConvertSecurityDescriptorToStringSecurityDescriptor(descriptor, revision, parts)
    store("PVOID", out, memory.allocate(memory.encoded(text, unit)))
    if size:
        store("DWORD", size, len(text) + 1)


def ConvertStringSidToSid(text: str, out: int) -> None:
    store("PVOID", out, memory.allocate(w.ConvertStringSidToSid(text).to_bytes()))


@_with_unit
def ConvertSidToStringSid(sid: bytes, out: int, unit: int) -> None:
    store("PVOID", out, memory.allocate(memory.encoded(w.ConvertSidToStringSid(sid), unit)))


def _absolute(address: int, operation: str) -> RawDescriptor:
    raw = RawDescriptor.from_address(address) if address else None
    if raw is None or raw.Revision != 1:
        raise NtError(st.UNKNOWN_REVISION, operation, None, "the descriptor is not initialized")
    if raw.Control & 0x8000:
        raise NtError(st.INVALID_SECURITY_DESCR, operation, None, "a self-relative descriptor cannot be changed")
    return raw


def InitializeSecurityDescriptor(address: int, revision: int) -> None:
    if revision != 1:
        raise NtError(st.UNKNOWN_REVISION, "InitializeSecurityDescriptor", None, f"revision {revision}")
    ctypes.memset(address, 0, ctypes.sizeof(RawDescriptor))
    RawDescriptor.from_address(address).Revision = 1


def SetSecurityDescriptorDacl(address: int, present: int, acl: int, defaulted: int) -> None:
    raw = _absolute(address, "SetSecurityDescriptorDacl")
    raw.Control = raw.Control & ~12 | (4 | (8 if defaulted else 0) if present else 0)
    raw.Dacl = acl if present else 0


def GetSecurityDescriptorDacl(address: int) -> tuple[int, int, int]:
    raw = RawDescriptor.from_address(address)
    place = raw.Dacl
    if raw.Control & 0x8000:
        offset = _DWORD.from_address(address + 16).value
        place = address + offset if offset else 0
    return raw.Control >> 2 & 1, place if raw.Control & 4 else 0, raw.Control >> 3 & 1


def _set_sid(address: int, field: str, sid: int, bit: int, defaulted: int) -> None:
    raw = _absolute(address, f"SetSecurityDescriptor{field}")
    setattr(raw, field, sid)
    raw.Control = raw.Control & ~bit | (bit if defaulted else 0)


def _get_sid(address: int, field: str, place: int, bit: int) -> tuple[int, int]:
    raw = RawDescriptor.from_address(address)
    found = getattr(raw, field)
    if raw.Control & 0x8000:
        offset = _DWORD.from_address(address + place).value
        found = address + offset if offset else 0
    return found, int(bool(raw.Control & bit))


def SetSecurityDescriptorOwner(address: int, sid: int, defaulted: int) -> None:
    _set_sid(address, "Owner", sid, 1, defaulted)


def SetSecurityDescriptorGroup(address: int, sid: int, defaulted: int) -> None:
    _set_sid(address, "Group", sid, 2, defaulted)


def GetSecurityDescriptorOwner(address: int) -> tuple[int, int]:
    return _get_sid(address, "Owner", 4, 1)


def GetSecurityDescriptorGroup(address: int) -> tuple[int, int]:
    return _get_sid(address, "Group", 8, 2)


def GetSecurityDescriptorLength(descriptor: bytes | None) -> int:
    return len(descriptor or b"")


def IsValidSecurityDescriptor(address: int) -> bool:
    try:
        return bool(memory.descriptor(address))
    except NtError:
        return False


def InitializeAcl(address: int, size: int, revision: int) -> None:
    if size < ctypes.sizeof(RawAcl):
        raise NtError(st.BUFFER_TOO_SMALL, "InitializeAcl", None, f"{size} bytes are too few")
    if not 2 <= revision <= 4:
        raise NtError(st.INVALID_PARAMETER, "InitializeAcl", None, f"revision {revision}")
    raw = RawAcl.from_address(address)
    raw.AclRevision, raw.Sbz1, raw.AclSize, raw.AceCount, raw.Sbz2 = revision, 0, size, 0, 0


def _add_ace(address: int, kind: int, mask: int, sid: bytes | None) -> None:
    acl = RawAcl.from_address(address)
    sid = Sid.from_bytes(sid or b"").to_bytes()
    place = ctypes.sizeof(RawAcl)
    for _ in range(acl.AceCount):
        place += ctypes.c_uint16.from_address(address + place + 2).value
    ace = bytes([kind, 0]) + (8 + len(sid)).to_bytes(2, "little") + mask.to_bytes(4, "little") + sid
    if place + len(ace) > acl.AclSize:
        w.SetLastError(1344)  # ERROR_ALLOTTED_SPACE_EXCEEDED
        raise OSError(0, "the access list has no room for one more entry")
    ctypes.memmove(address + place, ace, len(ace))
    acl.AceCount += 1


def AddAccessAllowedAce(address: int, revision: int, mask: int, sid: bytes | None) -> None:
    _add_ace(address, 0, mask, sid)


def AddAccessDeniedAce(address: int, revision: int, mask: int, sid: bytes | None) -> None:
    _add_ace(address, 1, mask, sid)


def EqualSid(one: bytes | None, other: bytes | None) -> bool:
    return one == other


def GetLengthSid(sid: bytes | None) -> int:
    return len(sid or b"")


def IsValidSid(sid: bytes | None) -> bool:
    return sid is not None and sid[0] == 1 and sid[1] <= 15


def GetKernelObjectSecurity(handle: int, parts: int, buffer: int, size: int, needed: int) -> None:
    _fill(buffer, size, needed, w.GetKernelObjectSecurity(handle, parts), "GetKernelObjectSecurity")


def GetSecurityInfo(handle: int, kind: int, parts: int, owner: int, group: int, dacl: int, sacl: int, out: int) -> int:
    data = w.GetSecurityInfo(handle, kind, parts)
    address = memory.allocate(data)
    if out:
        store("PVOID", out, address)
    for place, found in ((owner, GetSecurityDescriptorOwner(address)[0]), (group, GetSecurityDescriptorGroup(address)[0]),
                         (dacl, GetSecurityDescriptorDacl(address)[1]), (sacl, 0)):
        if place:
            store("PVOID", place, found)
    return 0


def SetSecurityInfo(handle: int, kind: int, parts: int, owner: bytes | None, group: bytes | None, dacl: int,
                    sacl: int) -> int:
    acl = None
    if dacl:
        acl = w.ACL()
        acl.aces = list(memory.access_list(dacl).aces)
    w.SetSecurityInfo(handle, kind, parts, owner, group, acl)
    return 0


def AdjustTokenPrivileges(token: int, disable_all: int, new: int, size: int, before: int, needed: int) -> None:
    wanted = None
    if new:
        count = _DWORD.from_address(new).value
        wanted = w.TOKEN_PRIVILEGES(count, [w.LUID_AND_ATTRIBUTES(
            ctypes.c_uint64.from_buffer_copy(ctypes.string_at(new + 4 + 12 * number, 8)).value,
            ctypes.c_uint32.from_buffer_copy(ctypes.string_at(new + 12 + 12 * number, 4)).value) for number in range(count)])
    found = w.AdjustTokenPrivileges(token, disable_all, wanted)
    if before:
        data = found.PrivilegeCount.to_bytes(4, "little") + b"".join(
            one.Luid.to_bytes(8, "little") + one.Attributes.to_bytes(4, "little") for one in found.Privileges)
        _fill(before, size, needed, data, "AdjustTokenPrivileges")


# ------------------------------------------------------------------ ntdll


def RtlNtStatusToDosError(status: int) -> int:
    return st.winerror(status)


def _queried(kind: str, found: tuple[int, Any], buffer: int, size: int, done: int) -> int:
    """Write what a query found into a buffer of that very size."""
    status, value = found
    if status & 0x80000000:
        return status
    needed = ctypes.sizeof(KINDS[kind])
    if size < needed or not buffer:
        return st.INFO_LENGTH_MISMATCH
    store(kind, buffer, value)
    if done:
        store("DWORD", done, needed)
    return status


def NtQuerySection(handle: int, what: int, buffer: int, size: int, done: int) -> int:
    return _queried("SECTION_BASIC_INFORMATION", nt.NtQuerySection(handle, what), buffer, size, done)


def NtQueryVirtualMemory(process: int, address: int, what: int, buffer: int, size: int, done: int) -> int:
    if what:
        return st.INVALID_INFO_CLASS
    return _queried("MEMORY_BASIC_INFORMATION", nt.NtQueryVirtualMemory(process, address), buffer, size, done)


def _basic(query: Any, kind: str) -> Any:
    def body(handle: int, what: int, buffer: int, size: int, done: int) -> int:
        return st.INVALID_INFO_CLASS if what else _queried(kind, query(handle), buffer, size, done)

    return body


NtQueryEvent = _basic(nt.NtQueryEvent, "EVENT_BASIC_INFORMATION")
NtQueryMutant = _basic(nt.NtQueryMutant, "MUTANT_BASIC_INFORMATION")
NtQuerySemaphore = _basic(nt.NtQuerySemaphore, "SEMAPHORE_BASIC_INFORMATION")
NtQueryInformationProcess = _basic(nt.NtQueryInformationProcess, "PROCESS_BASIC_INFORMATION")


def NtSetInformationObject(handle: int, what: int, buffer: int, size: int) -> int:
    if what != 4 or size < 2 or not buffer:  # ObjectHandleFlagInformation
        return st.INVALID_INFO_CLASS if what != 4 else st.INFO_LENGTH_MISMATCH
    inherit, protect = ctypes.string_at(buffer, 2)
    return nt.NtSetInformationObject(handle, what, (bool(inherit), bool(protect)))


@_with_unit
def NtQueryObject(handle: int, what: int, buffer: int, size: int, done: int, unit: int) -> int:
    status, found = nt.NtQueryObject(handle, what)
    if status & 0x80000000 or not what:
        return _queried("OBJECT_BASIC_INFORMATION", (status, found), buffer, size, done)
    data = memory.encoded(found or "", unit)
    needed = 16 + len(data)
    if done:
        store("DWORD", done, needed)
    if size < needed or not buffer:
        return st.INFO_LENGTH_MISMATCH
    string = memory.RawUnicodeString.from_address(buffer)
    string.Length, string.MaximumLength, string.Buffer = len(data) - unit, len(data), buffer + 16
    ctypes.memmove(buffer + 16, data, len(data))
    return status


def NtQuerySecurityObject(handle: int, parts: int, buffer: int, size: int, needed: int) -> int:
    status, data = nt.NtQuerySecurityObject(handle, parts)
    if not status & 0x80000000:
        _fill(buffer, size, needed, data or b"", "NtQuerySecurityObject")
    return status


def NtMapViewOfSection(section: int, process: int, base: int | None, zero_bits: int, commit: int, offset: int | None,
                       size: int | None, inherit: int, kind: int, protect: int) -> tuple[int, int, int]:
    return nt.NtMapViewOfSection(section, process, base or 0, zero_bits, commit, offset or 0, size or 0, inherit, kind,
                                 protect)


def NtMapViewOfSectionEx(section: int, process: int, base: int | None, offset: int | None, size: int | None, kind: int,
                         protect: int, extended: int, count: int) -> tuple[int, int, int]:
    if count:
        return st.INVALID_PARAMETER, 0, 0  # there is no extended parameter that could be honoured
    return nt.NtMapViewOfSectionEx(section, process, base or 0, offset or 0, size or 0, kind, protect)


def NtFlushVirtualMemory(process: int, base: int | None, size: int | None, done: int) -> tuple[int, int, int]:
    return nt.NtFlushVirtualMemory(process, base or 0, size or 0), base or 0, size or 0


def NtReadVirtualMemory(process: int, base: int, buffer: int, size: int, done: int) -> int:
    status, data = nt.NtReadVirtualMemory(process, base, size)
    if not status & 0x80000000:
        ctypes.memmove(buffer, data, len(data))
        if done:
            store("SIZE_T", done, len(data))
    return status


def NtWriteVirtualMemory(process: int, base: int, buffer: int, size: int) -> tuple[int, int]:
    return nt.NtWriteVirtualMemory(process, base, ctypes.string_at(buffer, size))


def NtWaitForMultipleObjects(count: int, handles: int, kind: int, alertable: int, timeout: int | None) -> int:
    return nt.NtWaitForMultipleObjects(_handles(count, handles, "NtWaitForMultipleObjects"), kind, bool(alertable), timeout)
