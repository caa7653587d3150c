# SPDX-License-Identifier: MIT
"""The services for object directories."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from ctypes import wintypes as w
from typing import Any

from memsection.nt.windows import named, ntdll, objects
from memsection.nt.windows import structs as n
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_BUFFER = 0x20000 + 1024  #: bytes: two of the longest names, and what goes with them


class Directories:
    """The part of the kernel that is about object directories."""

    def open_directory_object(self, access: int, attributes: Any) -> int:
        return named.open_("NtOpenDirectoryObject", access, attributes)

    def create_directory_object(self, access: int, attributes: Any) -> tuple[int, int]:
        return named.create("NtCreateDirectoryObject", access, attributes)

    def open_symbolic_link_object(self, access: int, attributes: Any) -> int:
        return named.open_("NtOpenSymbolicLinkObject", access, attributes)

    def query_directory_object(
        self, handle: int, single: bool, context: int
    ) -> tuple[list[tuple[str, str]], int]:
        if not 0 <= context < 1 << 32:
            raise NtError(st.INVALID_PARAMETER, "query directory object", None, f"{context}")
        position = w.ULONG(context)
        buffer = ctypes.create_string_buffer(_BUFFER)
        entries: list[tuple[str, str]] = []
        # One at a time: how many a buffer has is told by no version of this in the same way.
        while not (single and entries):
            status = ntdll.status_of(
                "NtQueryDirectoryObject",
                handle,
                buffer,
                len(buffer),
                True,
                False,
                ctypes.byref(position),
                None,
            )
            if status == st.NO_MORE_ENTRIES and entries:
                break
            if status & 0x80000000:
                raise objects.failure(status, "NtQueryDirectoryObject", handle, a.DIRECTORY_QUERY)
            entry = n.DirectoryEntry.from_buffer(buffer)
            entries.append((entry.Name.text(), entry.TypeName.text()))
        return entries, len(entries) + context
