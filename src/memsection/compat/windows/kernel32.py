# SPDX-License-Identifier: MIT
"""The functions of kernel32, psapi and shell32 whose C form has buffers where ``memsection.win32``
has values.

Each is called as ``declarations`` says: without the pointers that its result goes through.
"""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import ctypes
import re
import threading
import time
from typing import Any

from memsection import win32 as w
from memsection.compat.windows import memory
from memsection.compat.windows.memory import load, refusal, store, with_unit
from memsection.compat.windows.structures import KINDS
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_SIZE_T = KINDS["SIZE_T"]
_ARGUMENT_ARRAY = 0x2000  # FORMAT_MESSAGE_ARGUMENT_ARRAY


def VirtualQuery(address: int, out: int, size: int) -> int:
    return VirtualQueryEx(w.GetCurrentProcess(), address, out, size)


def VirtualQueryEx(process: int, address: int, out: int, size: int) -> int:
    kind = KINDS["MEMORY_BASIC_INFORMATION"]
    if size < ctypes.sizeof(kind):
        raise NtError(
            st.INFO_LENGTH_MISMATCH, "VirtualQuery", None, f"{ctypes.sizeof(kind)} bytes are needed"
        )
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


def DuplicateHandle(
    source_process: int,
    source: int,
    target_process: int,
    out: int,
    access: int,
    inherit: int,
    options: int,
) -> None:
    found = w.DuplicateHandle(source_process, source, target_process, access, inherit, options)
    if out:
        store("HANDLE", out, found)
    else:
        w.CloseHandle(found)  # nobody will know it: only closing the source was wanted


def WaitForMultipleObjects(count: int, handles: int, wait_all: int, milliseconds: int) -> int:
    return WaitForMultipleObjectsEx(count, handles, wait_all, milliseconds, 0)


def WaitForMultipleObjectsEx(
    count: int, handles: int, wait_all: int, milliseconds: int, alertable: int
) -> int:
    return w.WaitForMultipleObjectsEx(
        memory.handles(count, handles, "WaitForMultipleObjects"), wait_all, milliseconds, alertable
    )


def _insert_values(message: str, place: int, unit: int) -> str:
    """A message with the values of C's list in it, 8 bytes each: ``%1`` is text, ``%1!d!`` what
    printf makes of a number."""

    def value(match: re.Match[str]) -> str:
        number, form, other = match[1], match[2] or "s", match[3]
        if other is not None:
            return "\r\n" if other == "n" else other
        if not place:
            raise NtError(
                st.INVALID_PARAMETER, "FormatMessage", None, f"the text wants a value for %{number}"
            )
        found = load("PVOID", place + 8 * (int(number) - 1))
        shape = re.fullmatch(
            r"([-+ #0]*\d*(?:\.\d+)?)(hh|h|ll|l|I64|I32|w|z)?([diouxXcCsSp])", form
        )
        if shape is None:
            raise NtError(
                st.INVALID_PARAMETER,
                "FormatMessage",
                None,
                f"%{number}!{form}!: no format of a number or of text",
            )
        width, length, kind = shape.groups()
        if kind in "sS":
            narrow = length in ("h", "hh") or (kind == "S" and unit > 1 and length is None)
            return f"%{width}s" % (memory.text(found, 1 if narrow else unit) or "(null)")
        if kind in "cC":
            return f"%{width}c" % chr(found & 0xFFFF)
        if kind == "p":
            return f"{found:016X}"
        bits = 64 if length in ("ll", "I64", "z") else {"h": 16, "hh": 8}.get(length or "", 32)
        found &= (1 << bits) - 1
        if kind in "di" and found >> (bits - 1):
            found -= 1 << bits
        return str(f"%{width}{'d' if kind in 'diu' else kind}" % found)

    # there the message ends, without a line break
    end = re.match(r"((?:[^%]|%[^0])*)%0", message, re.DOTALL)
    message = message if end is None else end[1]
    return re.sub(r"%(?:([1-9]\d?)(?:!([^!]*)!)?|(.))", value, message)


@with_unit
def FormatMessage(
    flags: int,
    source: int,
    code: int,
    language: int,
    buffer: int,
    size: int,
    arguments: int,
    unit: int,
) -> int:
    text = memory.text(source, unit) if flags & w.FORMAT_MESSAGE_FROM_STRING else None
    found = w.FormatMessage(
        flags & ~w.FORMAT_MESSAGE_ALLOCATE_BUFFER | w.FORMAT_MESSAGE_IGNORE_INSERTS,
        text,
        code,
        language,
    )
    if not flags & w.FORMAT_MESSAGE_IGNORE_INSERTS:
        # An array; or a va_list, which is there a pointer to one.
        place = arguments if not arguments or flags & _ARGUMENT_ARRAY else load("PVOID", arguments)
        found = _insert_values(found, place, unit)
    data = memory.encode_text(found, unit)
    if not buffer:
        raise refusal("FormatMessage", "a buffer is needed")
    if flags & w.FORMAT_MESSAGE_ALLOCATE_BUFFER:
        store("PVOID", buffer, memory.allocate(data))
    elif len(data) > size * unit:
        raise NtError(
            st.BUFFER_TOO_SMALL,
            "FormatMessage",
            None,
            f"{len(data) // unit} characters are needed, not {size}",
        )
    else:
        ctypes.memmove(buffer, data, len(data))
    return len(data) // unit - 1


@with_unit
def GetMappedFileName(process: int, address: int, buffer: int, size: int, unit: int) -> int:
    data = memory.encode_text(w.GetMappedFileName(process, address), unit)
    if not buffer or not size:
        raise NtError(st.BUFFER_TOO_SMALL, "GetMappedFileName", None, "a buffer is needed")
    if len(data) > size * unit:
        w.SetLastError(122)  # ERROR_INSUFFICIENT_BUFFER, and as much as there is room for
        data = data[: (size - 1) * unit] + bytes(unit)
    ctypes.memmove(buffer, data, len(data))
    return len(data) // unit - 1


K32GetMappedFileName = GetMappedFileName


def GetCurrentThreadId() -> int:
    return threading.get_native_id()


def ProcessIdToSessionId(process: int) -> int:
    # PROCESS_QUERY_LIMITED_INFORMATION: there has to be one
    w.CloseHandle(w.OpenProcess(0x1000, False, process))
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
        raise NtError(
            st.INVALID_PARAMETER,
            "SetFilePointer",
            None,
            "the position needs a place for its upper half",
        )
    w.SetLastError(0)
    return position & 0xFFFFFFFF


class _System:
    """SYSTEM_INFO with what C programs find besides."""

    wProcessorArchitecture, dwProcessorType = 9, 8664
    lpMinimumApplicationAddress, lpMaximumApplicationAddress = 0x10000, 0x7FFFFFFEFFFF

    def __init__(self) -> None:
        found = w.GetSystemInfo()
        self.dwPageSize, self.dwAllocationGranularity = (
            found.dwPageSize,
            found.dwAllocationGranularity,
        )
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


@with_unit
def CommandLineToArgv(line: str | None, count: int, unit: int) -> int:
    words = w.CommandLineToArgv(line)
    texts = [memory.encode_text(word, unit) for word in words]
    table = 8 * (len(texts) + 1)
    address = memory.allocate(bytes(table) + b"".join(texts))
    place = address + table
    for number, text in enumerate(texts):
        store("PVOID", address + 8 * number, place)
        place += len(text)
    store("LONG", count, len(words))
    return address
