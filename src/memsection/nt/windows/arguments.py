# SPDX-License-Identifier: MIT
"""What callers pass, as the C structures that ntdll takes: names, object attributes, security
descriptors, timeouts.

Every function here builds and owns; none calls the kernel.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from typing import Any

from memsection.nt.windows import structs as n
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_LONGEST_NAME = 0xFFFC  #: bytes: what a UNICODE_STRING can say and still end with a zero


def unicode_string(text: str) -> n.UnicodeString:
    """A UNICODE_STRING that keeps its own text alive.

    Raises:
        NtError: OBJECT_NAME_INVALID, for a text that no UNICODE_STRING can hold.
    """
    encoded = text.encode("utf-16-le", "surrogatepass")
    if len(encoded) > _LONGEST_NAME:
        raise NtError(
            st.OBJECT_NAME_INVALID, "object name", None, f"a name of {len(encoded) // 2} characters"
        )
    buffer = ctypes.create_string_buffer(encoded, len(encoded) + 2)
    string = n.UnicodeString(len(encoded), len(encoded) + 2, ctypes.addressof(buffer))
    string.owned = buffer
    return string


def object_attributes(attributes: Any) -> n.ObjectAttributes | None:
    """OBJECT_ATTRIBUTES for any object with these fields; it keeps everything it points to
    alive."""
    if attributes is None:
        return None
    native = n.ObjectAttributes(
        ctypes.sizeof(n.ObjectAttributes),
        attributes.RootDirectory,
        None,
        attributes.Attributes,
        None,
        None,
    )
    if attributes.ObjectName is not None:
        native.name = unicode_string(attributes.ObjectName)
        native.ObjectName = ctypes.pointer(native.name)
    if attributes.SecurityDescriptor is not None:
        raw = bytes(attributes.SecurityDescriptor)
        native.descriptor = ctypes.create_string_buffer(raw, len(raw))
        native.SecurityDescriptor = ctypes.addressof(native.descriptor)
    return native


def name_of(attributes: Any) -> str | None:
    """The object's name, for messages."""
    return None if attributes is None else attributes.ObjectName


def require_bits(bits: int, status: int, operation: str, *values: int) -> None:
    """Raise for what no C integer of so many bits holds, signed or not: ctypes would cut it."""
    for value in values:
        if not -(1 << bits - 1) <= value < 1 << bits:
            raise NtError(status, operation, None, f"{value} is not of {bits} bits")


def large(value: int | None) -> Any:
    """A pointer to a LARGE_INTEGER, NULL for None."""
    return None if value is None else ctypes.byref(n.LARGE(value))
