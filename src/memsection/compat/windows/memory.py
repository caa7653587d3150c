# SPDX-License-Identifier: MIT
"""What C programs have in memory: numbers through pointers, text, structures, security descriptors
and access lists.

It reads and writes them at addresses that a foreign function was given.  Safety: such an address is
the caller's word, as it is for every function of a C library; what has a length is read no further
than that length.
"""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

from memsection.compat.windows.structures import (
    KINDS,
    RawAcl,
    RawDescriptor,
    RawObjectAttributes,
    RawOverlapped,
    RawSecurityAttributes,
    RawStartupInfo,
    RawUnicodeString,
)
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.descriptor import SecurityDescriptor
from memsection.vocabulary.errors import NtError
from memsection.win32 import MAXIMUM_WAIT_OBJECTS
from memsection.win32.minwinbase import OVERLAPPED, SECURITY_ATTRIBUTES
from memsection.win32.processthreadsapi import STARTUPINFO

_SELF_RELATIVE, _DACL_PRESENT, _SACL_PRESENT = 0x8000, 0x0004, 0x0010
INHERITANCE = 0x3F00  #: the control bits that programs may set by themselves


def refusal(operation: str, detail: str, status: int = st.ACCESS_VIOLATION) -> NtError:
    """The failure of a function that was given memory it cannot use."""
    return NtError(status, operation, None, detail)


def load(kind: str, address: int) -> Any:
    """The number at an address; None at NULL."""
    return KINDS[kind].from_address(address).value if address else None


def store(kind: str, address: int, value: Any) -> None:
    """Write a number, or the fields of a record, to an address."""
    place = KINDS[kind].from_address(address)
    if not isinstance(place, ctypes.Structure):
        place.value = value or 0
        return
    for field, *_ in place._fields_:
        setattr(place, field, getattr(value, field, 0) or 0)


def with_unit(function: Any) -> Any:
    """A function that has to know how wide text is: it comes last."""
    function.takes_unit = True
    return function


def handles(count: int, address: int, operation: str) -> list[int]:
    """The handles at an address, as many as can be waited for."""
    if not address or not 0 < count <= MAXIMUM_WAIT_OBJECTS:
        raise NtError(st.INVALID_PARAMETER, operation, None, f"{count} handles at {address:#x}")
    return list((KINDS["HANDLE"] * count).from_address(address))


def fill(address: int, size: int, needed: int, data: bytes, operation: str) -> None:
    """Write bytes into a buffer that has to have room."""
    if needed:
        store("DWORD", needed, len(data))
    if size < len(data) or not address:
        raise NtError(
            st.BUFFER_TOO_SMALL,
            operation,
            None,
            f"{len(data)} bytes are needed, the buffer has {size}",
        )
    ctypes.memmove(address, data, len(data))


def fill_all(parts: list[tuple[int, int, bytes]], operation: str, unit: int = 0) -> None:
    """Fill buffers whose sizes stand at addresses, in bytes or units of text; where one is too
    small, say how large each has to be."""
    is_small = False
    for buffer, size, data in parts:
        needed = len(data) // (unit or 1)
        if not size:
            raise refusal(operation, "a pointer to the size is needed")
        is_small = is_small or load("DWORD", size) < needed or not buffer and bool(data)
        store("DWORD", size, needed)
    if is_small:
        raise NtError(st.BUFFER_TOO_SMALL, operation, None, "a buffer is too small")
    for buffer, size, data in parts:
        if data:
            ctypes.memmove(buffer, data, len(data))
        if unit:
            store("DWORD", size, len(data) // unit - 1)  # now without the zero


# ------------------------------------------------------------------ text

_ENCODINGS = {2: "utf-16-le", 4: "utf-32-le"}


def text(address: int, unit: int, length: int | None = None) -> str | None:
    """Text at an address, of units of 1, 2 or 4 bytes, up to a zero or of a length in units; None
    at NULL."""
    if not address:
        return None
    if unit == 1:
        return (
            ctypes.string_at(address) if length is None else ctypes.string_at(address, length)
        ).decode("utf-8", "surrogateescape")
    if length is None:
        kind = ctypes.c_uint16 if unit == 2 else ctypes.c_uint32
        length = next(
            count
            for count in itertools.count()
            if not kind.from_address(address + count * unit).value
        )
    return ctypes.string_at(address, length * unit).decode(_ENCODINGS[unit], "surrogatepass")


def encode_text(value: str, unit: int) -> bytes:
    """Text as units with a zero behind."""
    return (
        (value + "\0").encode(_ENCODINGS[unit], "surrogatepass")
        if unit > 1
        else value.encode() + b"\0"
    )


_blocks: dict[int, Any] = {}


def allocate(data: bytes) -> int:
    """The address of a block with these bytes, until ``free``."""
    block = ctypes.create_string_buffer(data, len(data))
    _blocks[ctypes.addressof(block)] = block
    return ctypes.addressof(block)


def free(address: int) -> int:
    """Free a block: 0, or its address if there is none (LocalFree)."""
    return 0 if not address or _blocks.pop(address, None) else address


# ------------------------------------------------------------------ security


def sid_bytes(address: int) -> bytes | None:
    """A SID at an address; None at NULL."""
    return (
        ctypes.string_at(address, 8 + 4 * ctypes.c_uint8.from_address(address + 1).value)
        if address
        else None
    )


def acl_bytes(address: int) -> bytes | None:
    """An access list at an address; None at NULL."""
    return ctypes.string_at(address, RawAcl.from_address(address).AclSize) if address else None


def descriptor(address: int) -> bytes | None:
    """A descriptor at an address, in self-relative form whichever it has there; None at NULL."""
    if not address:
        return None
    raw = RawDescriptor.from_address(address)
    if raw.Revision != 1:
        raise NtError(
            st.UNKNOWN_REVISION,
            "security descriptor",
            None,
            f"revision {raw.Revision}: not initialized",
        )
    if raw.Control & _SELF_RELATIVE:
        return ctypes.string_at(address, _length(address))
    value = SecurityDescriptor()
    from memsection.vocabulary.sid import Sid

    owner, group = sid_bytes(raw.Owner), sid_bytes(raw.Group)
    if owner:
        value = value.with_owner(Sid.from_bytes(owner), raw.Control & 1)
    if group:
        value = value.with_group(Sid.from_bytes(group), raw.Control & 2)
    if raw.Control & _DACL_PRESENT:
        value = value.with_dacl(access_list(raw.Dacl), _DACL_PRESENT | raw.Control & 8)
    if raw.Control & _SACL_PRESENT:
        value = value.with_sacl(audit_list(raw.Sacl), _SACL_PRESENT | raw.Control & 0x20)
    return SecurityDescriptor(
        value.owner, value.group, value.dacl, value.sacl, value.control | raw.Control & INHERITANCE
    ).to_bytes()


def access_list(address: int) -> Any:
    """An access list at an address as this library has it; None at NULL."""
    data = acl_bytes(address)
    if data is None:
        return None
    # A descriptor of the list alone: what reads descriptors checks it.
    alone = (
        b"\1\0"
        + (_SELF_RELATIVE | _DACL_PRESENT).to_bytes(2, "little")
        + bytes(12)
        + (20).to_bytes(4, "little")
    )
    return SecurityDescriptor.from_bytes(alone + data).dacl


def audit_list(address: int) -> Any:
    """The same for a list that says what is recorded."""
    data = acl_bytes(address)
    if data is None:
        return None
    alone = (
        b"\1\0"
        + (_SELF_RELATIVE | _SACL_PRESENT).to_bytes(2, "little")
        + bytes(8)
        + (20).to_bytes(4, "little")
        + bytes(4)
    )
    return SecurityDescriptor.from_bytes(alone + data).sacl


def _length(address: int) -> int:
    """The bytes of a self-relative descriptor: to the end of the part that is last."""
    end = 20
    for number, place in enumerate((4, 8, 12, 16)):
        offset = ctypes.c_uint32.from_address(address + place).value
        if offset:
            part = sid_bytes(address + offset) if number < 2 else acl_bytes(address + offset)
            end = max(end, offset + len(part or b""))
    return end


# ------------------------------------------------------------------ structures that functions take


def attributes(address: int) -> SECURITY_ATTRIBUTES | None:
    """SECURITY_ATTRIBUTES at an address; None at NULL."""
    if not address:
        return None
    raw = RawSecurityAttributes.from_address(address)
    return SECURITY_ATTRIBUTES(24, descriptor(raw.lpSecurityDescriptor), bool(raw.bInheritHandle))


def object_attributes(address: int, unit: int) -> s.ObjectAttributes | None:
    """OBJECT_ATTRIBUTES at an address; None at NULL."""
    if not address:
        return None
    raw = RawObjectAttributes.from_address(address)
    name = None
    if raw.ObjectName:
        string = RawUnicodeString.from_address(raw.ObjectName)
        name = text(string.Buffer, unit, string.Length // unit) or ""
    return s.ObjectAttributes(
        name, raw.RootDirectory, raw.Attributes, descriptor(raw.SecurityDescriptor)
    )


def client_id(address: int) -> tuple[int, int] | None:
    """CLIENT_ID at an address, a process and a thread; None at NULL."""
    if not address:
        return None
    process, thread = (ctypes.c_size_t * 2).from_address(address)
    return process, thread


def overlapped_at(address: int) -> OVERLAPPED | None:
    """OVERLAPPED at an address; None at NULL."""
    if not address:
        return None
    raw = RawOverlapped.from_address(address)
    return OVERLAPPED(raw.Internal, raw.InternalHigh, raw.Offset, raw.OffsetHigh, raw.hEvent)


def startup_info(address: int) -> STARTUPINFO | None:
    """STARTUPINFO at an address; None at NULL."""
    if not address:
        return None
    raw = RawStartupInfo.from_address(address)
    return STARTUPINFO(
        dwFlags=raw.dwFlags,
        hStdInput=raw.hStdInput,
        hStdOutput=raw.hStdOutput,
        hStdError=raw.hStdError,
    )


def environment(address: int, unit: int) -> dict[str, str] | None:
    """A block of variables at an address; None at NULL."""
    if not address:
        return None
    found = {}
    while line := text(address, unit):
        name, _, value = line[1:].partition("=")  # a name may begin with "="
        found[line[0] + name] = value
        address += len(encode_text(line, unit))
    return found
