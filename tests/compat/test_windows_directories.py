# SPDX-License-Identifier: MIT
"""Object directories through ntdll as C calls it."""

from __future__ import annotations

import ctypes
import struct
import uuid

import pytest

from memsection import nt, win32

pytestmark = pytest.mark.linux_only("on Windows the genuine functions do this")


def _attributes(name: str) -> tuple[bytes, object]:
    """OBJECT_ATTRIBUTES, and what has to live as long as they are used."""
    letters = ctypes.create_string_buffer(name.encode("utf-16-le"))
    size = len(letters) - 1
    held = ctypes.create_string_buffer(struct.pack("<HH4xQ", size, size, ctypes.addressof(letters)))
    return struct.pack("<I4xqQI4xQQ", 48, 0, ctypes.addressof(held), 0, 0, 0), (letters, held)


def _entries(buffer: ctypes.Array[ctypes.c_char]) -> list[tuple[str, str]]:
    """OBJECT_DIRECTORY_INFORMATION up to the one of zeros."""
    found = []
    for offset in range(0, len(buffer), 32):
        fields = struct.unpack_from("<HH4xQHH4xQ", buffer.raw, offset)
        if not any(fields):
            return found
        name, kind = (
            ctypes.string_at(place, length).decode("utf-16-le")
            for length, place in ((fields[0], fields[2]), (fields[3], fields[5]))
        )
        found.append((name, kind))
    raise AssertionError("no entry of zeros")


def test_a_directory_is_listed_into_a_buffer() -> None:
    from memsection.compat.windows.sizes import WinDLL

    ntdll = WinDLL("ntdll")
    name = f"listed {uuid.uuid4()}"
    event = win32.CreateEvent(None, False, False, "Global\\" + name)
    handle, context, done = ctypes.c_ssize_t(), ctypes.c_uint32(), ctypes.c_uint32()
    attributes, held = _attributes("\\BaseNamedObjects")
    assert ntdll.NtOpenDirectoryObject(ctypes.byref(handle), 3, attributes) == 0

    def query(size: int, *, single: bool = False, restart: bool = False) -> int:
        status: int = ntdll.NtQueryDirectoryObject(
            handle, buffer, size, single, restart, ctypes.byref(context), ctypes.byref(done)
        )
        return status & 0xFFFFFFFF

    buffer = ctypes.create_string_buffer(0x10000)
    whole = nt.NtQueryDirectoryObject(handle.value)[1]
    assert (name, "Event") in whole
    assert query(len(buffer)) == nt.STATUS_SUCCESS
    found = _entries(buffer)  # names of others come and go meanwhile
    assert found[:3] == whole[:3] and (name, "Event") in found and context.value == len(found)
    assert query(len(buffer)) == nt.STATUS_NO_MORE_ENTRIES
    # one after the other, and where the buffer is too small for more
    assert query(len(buffer), single=True, restart=True) == nt.STATUS_SUCCESS
    assert _entries(buffer) == whole[:1] and context.value == 1
    needed = done.value
    assert query(needed - 1, restart=True) == nt.STATUS_BUFFER_TOO_SMALL
    assert context.value == 1 and done.value == needed
    assert query(needed, restart=True) == nt.STATUS_MORE_ENTRIES
    assert _entries(buffer) == whole[:1] and context.value == 1
    assert ntdll.NtClose(handle) == 0
    assert query(len(buffer)) == nt.STATUS_INVALID_HANDLE
    assert held
    win32.CloseHandle(event)
