# SPDX-License-Identifier: MIT
"""The functions of ntdll whose C form has buffers where ``memsection.nt`` has values.

Each is called as ``declarations`` says: without the pointers that its result goes through.
"""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import ctypes
from typing import Any

from memsection import nt
from memsection.compat.windows import memory
from memsection.compat.windows.memory import fill, store, with_unit
from memsection.compat.windows.structures import KINDS, RawUnicodeString
from memsection.vocabulary import status as st


def RtlNtStatusToDosError(status: int) -> int:
    return st.winerror(status)


def _write_query(kind: str, found: tuple[int, Any], buffer: int, size: int, done: int) -> int:
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
    return _write_query(
        "SECTION_BASIC_INFORMATION", nt.NtQuerySection(handle, what), buffer, size, done
    )


def NtQueryVirtualMemory(
    process: int, address: int, what: int, buffer: int, size: int, done: int
) -> int:
    if what:
        return st.INVALID_INFO_CLASS
    return _write_query(
        "MEMORY_BASIC_INFORMATION", nt.NtQueryVirtualMemory(process, address), buffer, size, done
    )


def _basic(query: Any, kind: str) -> Any:
    def body(handle: int, what: int, buffer: int, size: int, done: int) -> int:
        return (
            st.INVALID_INFO_CLASS if what else _write_query(kind, query(handle), buffer, size, done)
        )

    return body


NtQueryEvent = _basic(nt.NtQueryEvent, "EVENT_BASIC_INFORMATION")
NtQueryMutant = _basic(nt.NtQueryMutant, "MUTANT_BASIC_INFORMATION")
NtQuerySemaphore = _basic(nt.NtQuerySemaphore, "SEMAPHORE_BASIC_INFORMATION")
NtQueryTimer = _basic(nt.NtQueryTimer, "TIMER_BASIC_INFORMATION")
NtQueryInformationProcess = _basic(nt.NtQueryInformationProcess, "PROCESS_BASIC_INFORMATION")
NtQueryInformationThread = _basic(nt.NtQueryInformationThread, "THREAD_BASIC_INFORMATION")


def NtSetInformationObject(handle: int, what: int, buffer: int, size: int) -> int:
    if what != 4 or size < 2 or not buffer:  # ObjectHandleFlagInformation
        return st.INVALID_INFO_CLASS if what != 4 else st.INFO_LENGTH_MISMATCH
    inherit, protect = ctypes.string_at(buffer, 2)
    return nt.NtSetInformationObject(handle, what, (bool(inherit), bool(protect)))


@with_unit
def NtQueryObject(handle: int, what: int, buffer: int, size: int, done: int, unit: int) -> int:
    status, found = nt.NtQueryObject(handle, what)
    if status & 0x80000000 or not what:
        return _write_query("OBJECT_BASIC_INFORMATION", (status, found), buffer, size, done)
    data = memory.encode_text(found or "", unit)
    needed = 16 + len(data)
    if done:
        store("DWORD", done, needed)
    if size < needed or not buffer:
        return st.INFO_LENGTH_MISMATCH
    string = RawUnicodeString.from_address(buffer)
    string.Length, string.MaximumLength, string.Buffer = len(data) - unit, len(data), buffer + 16
    ctypes.memmove(buffer + 16, data, len(data))
    return status


def NtQuerySecurityObject(handle: int, parts: int, buffer: int, size: int, needed: int) -> int:
    status, data = nt.NtQuerySecurityObject(handle, parts)
    if not status & 0x80000000:
        fill(buffer, size, needed, data or b"", "NtQuerySecurityObject")
    return status


def NtMapViewOfSection(
    section: int,
    process: int,
    base: int | None,
    zero_bits: int,
    commit: int,
    offset: int | None,
    size: int | None,
    inherit: int,
    kind: int,
    protect: int,
) -> tuple[int, int, int]:
    return nt.NtMapViewOfSection(
        section,
        process,
        base or 0,
        zero_bits,
        commit,
        offset or 0,
        size or 0,
        inherit,
        kind,
        protect,
    )


def NtMapViewOfSectionEx(
    section: int,
    process: int,
    base: int | None,
    offset: int | None,
    size: int | None,
    kind: int,
    protect: int,
    extended: int,
    count: int,
) -> tuple[int, int, int]:
    if count:
        return st.INVALID_PARAMETER, 0, 0  # there is no extended parameter that could be honoured
    return nt.NtMapViewOfSectionEx(
        section, process, base or 0, offset or 0, size or 0, kind, protect
    )


def NtFlushVirtualMemory(
    process: int, base: int | None, size: int | None, done: int
) -> tuple[int, int, int]:
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


def NtWaitForMultipleObjects(
    count: int, handles: int, kind: int, alertable: int, timeout: int | None
) -> int:
    return nt.NtWaitForMultipleObjects(
        memory.handles(count, handles, "NtWaitForMultipleObjects"), kind, bool(alertable), timeout
    )


@with_unit
def NtCreateFile(
    access: int,
    address: int,
    block: int,
    allocation: int,
    attributes: int,
    share: int,
    disposition: int,
    options: int,
    extended: int,
    length: int,
    unit: int,
) -> tuple[int, int]:
    if length:
        return st.NOT_SUPPORTED, 0  # files have no extended attributes here
    status, handle, done = nt.NtCreateFile(
        access, memory.object_attributes(address, unit), attributes, share, disposition, options
    )
    if block:
        store("PVOID", block, status)
        store("PVOID", block + 8, done)
    return status, handle
