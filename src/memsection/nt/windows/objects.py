# SPDX-License-Identifier: MIT
"""The services for any object: handles, queries, security, directories, and the search of handle
tables."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import os
import threading
from collections.abc import Iterator
from ctypes import wintypes as w

from memsection._native.handles import own, settled
from memsection.nt.windows import arguments, ntdll
from memsection.nt.windows import structs as n
from memsection.vocabulary import access as a
from memsection.vocabulary import names
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import BY_NAME, LISTED

_BASIC, NAME, TYPE, _HANDLE_FLAGS = 0, 1, 2, 4  #: OBJECT_INFORMATION_CLASS
_EXTENDED_HANDLES = 64  #: SystemExtendedHandleInformation
#: What is listed and found.  The names of files and pipes are never asked for: that can wait for
#: ever.
_OURS = LISTED


def session() -> int:
    """The caller's session number, 0 when it cannot be told."""
    number = w.DWORD()
    if not ntdll.ProcessIdToSessionId(os.getpid(), ctypes.byref(number)):
        return 0
    return number.value


def open_directory(path: str) -> int:
    """A handle to an object directory."""
    handle = n.HANDLE()
    wanted = a.DIRECTORY_QUERY | a.DIRECTORY_TRAVERSE | a.DIRECTORY_CREATE_OBJECT
    attributes = arguments.object_attributes(s.ObjectAttributes(path))
    ntdll.call("NtOpenDirectoryObject", ctypes.byref(handle), wanted, attributes, name=path)
    return handle.value


def close(handle: int) -> None:
    """NtClose, for handles of this module's own."""
    ntdll.call("NtClose", handle)


def text_of(handle: int, information: int) -> str:
    """The UNICODE_STRING with which a query of this class begins."""
    buffer = ctypes.create_string_buffer(0x10000 + 1024)
    ntdll.call("NtQueryObject", handle, information, buffer, len(buffer), None)
    return n.UnicodeString.from_buffer(buffer).text()


def object_name(handle: int) -> str:
    """The full name of an object, "" for none."""
    name = text_of(handle, NAME)
    # Wine calls a section of a file by the file's name, where Windows has no name for it.
    return "" if name.startswith("\\??\\") and text_of(handle, TYPE) == "Section" else name


def basic(handle: int) -> n.ObjectBasicInformation:
    """ObjectBasicInformation."""
    info = n.ObjectBasicInformation()
    ntdll.call("NtQueryObject", handle, _BASIC, ctypes.byref(info), ctypes.sizeof(info), None)
    return info


def failure(status: int, function: str, handle: int, needed: int, asked: str = "") -> NtError:
    """A failed service of one handle, in words: what was asked for, and, when that is why, what the
    handle grants."""
    detail = asked and f"{asked}: {st.row(status).text}"
    name = None
    try:
        granted, kind = basic(handle).GrantedAccess, BY_NAME.get(text_of(handle, TYPE))
        if kind is not None and kind.name in _OURS:
            name = names.win32_name(object_name(handle)) or None
    except NtError:
        pass  # no handle: the status says so
    else:
        if status == st.ACCESS_DENIED and kind is not None and granted & needed != needed:
            wanted, has = kind.words(needed), kind.words(granted)
            detail = f"{asked and asked + ': '}asked for {wanted}, the handle grants {has}"
    return NtError(status, ntdll.operation(function), name, detail)


def handle_flags(handle: int) -> n.HandleFlagInformation:
    """ObjectHandleFlagInformation."""
    info = n.HandleFlagInformation()
    ntdll.call(
        "NtQueryObject", handle, _HANDLE_FLAGS, ctypes.byref(info), ctypes.sizeof(info), None
    )
    return info


def duplicate(
    source_process: int,
    source: int,
    target_process: int,
    access: int,
    attributes: int,
    options: int,
) -> int:
    """NtDuplicateObject."""
    handle = n.HANDLE()
    ntdll.call(
        "NtDuplicateObject",
        source_process,
        source,
        target_process,
        ctypes.byref(handle) if target_process else None,
        access,
        attributes,
        options,
    )
    return handle.value


def section_size(handle: int) -> int:
    """The size of a section, 0 when the handle does not tell."""
    info = n.SectionBasicInformation()
    if (
        ntdll.status_of("NtQuerySection", handle, 0, ctypes.byref(info), ctypes.sizeof(info), None)
        & 0x80000000
    ):
        return 0
    return int(info.Size)


def _handle_table() -> list[n.HandleTableEntry]:
    """Every handle of every process (SystemExtendedHandleInformation)."""
    size = 1 << 20
    while True:
        buffer = ctypes.create_string_buffer(size)
        status = ntdll.status_of("NtQuerySystemInformation", _EXTENDED_HANDLES, buffer, size, None)
        if status != st.INFO_LENGTH_MISMATCH:
            break
        size *= 2
    if status & 0x80000000:
        raise NtError(status, ntdll.operation("NtQuerySystemInformation"))
    count = ctypes.c_size_t.from_buffer(buffer).value
    return list(
        (n.HandleTableEntry * count).from_buffer(buffer, 2 * ctypes.sizeof(ctypes.c_size_t))
    )


def _handle_entry(process: int, entry: n.HandleTableEntry) -> s.HandleEntry | None:
    """What one handle of another process is; None when it is gone, or of a type that is not looked
    into."""
    pid, value = entry.UniqueProcessId, entry.HandleValue
    try:
        # A duplicate with the same access answers for its original; a section is asked for its size
        # through one that may be queried, which its access list can refuse.
        copy = duplicate(process, value, s.CURRENT_PROCESS, 0, 0, s.DUPLICATE_SAME_ACCESS)
    except NtError:
        return None
    try:
        kind = text_of(copy, TYPE)
        size, name = 0, ""
        if kind in _OURS:
            name = object_name(copy)
            if kind == "Section":
                size = section_size(copy)
        return s.HandleEntry(
            pid=pid,
            handle=value,
            type_name=kind,
            granted_access=entry.GrantedAccess,
            attributes=entry.HandleAttributes & (s.OBJ_INHERIT | s.OBJ_PROTECT_CLOSE),
            name=name,
            size=size,
            identity=(entry.Object,) if entry.Object else None,
        )
    except NtError:
        return None
    finally:
        close(copy)


def _entries(table: list[n.HandleTableEntry], pid: int) -> list[s.HandleEntry]:
    """The handles of one process out of the whole table."""
    handle = n.HANDLE()
    client = n.ClientId(pid, 0)
    empty = arguments.object_attributes(s.ObjectAttributes())
    ntdll.call(
        "NtOpenProcess",
        ctypes.byref(handle),
        a.PROCESS_DUP_HANDLE,
        empty,
        ctypes.byref(client),
        name=f"process {pid}",
    )
    try:
        found = [
            _handle_entry(handle.value, entry) for entry in table if entry.UniqueProcessId == pid
        ]
    finally:
        close(handle.value)
    return [entry for entry in found if entry is not None and entry.handle != 0]


def _members(path: str) -> Iterator[tuple[str, str]]:
    """(name, type) of everything in an object directory."""
    directory = open_directory(path)
    try:
        context = w.ULONG(0)
        buffer = ctypes.create_string_buffer(0x20000)
        while True:
            status = ntdll.status_of(
                "NtQueryDirectoryObject",
                directory,
                buffer,
                len(buffer),
                True,
                False,
                ctypes.byref(context),
                None,
            )
            if status & 0x80000000:
                return
            entry = n.DirectoryEntry.from_buffer(buffer)
            yield entry.Name.text(), entry.TypeName.text()
    finally:
        close(directory)


class _Kept:
    """The one thing that is kept: the directory that Win32 names are relative to, opened once for
    the process."""

    _handle = 0


_named_objects, _opening = _Kept(), threading.Lock()


@settled
def _open_named_objects() -> None:
    number = session()
    try:
        handle = open_directory(names.local_directory(number) if number else names.GLOBAL_DIRECTORY)
    except NtError:
        handle = open_directory(names.GLOBAL_DIRECTORY)
    own(_named_objects, handle)


class Objects:
    """The part of the kernel that is about any object."""

    def close(self, handle: int) -> None:
        ntdll.call("NtClose", handle)

    def duplicate_object(
        self,
        source_process: int,
        source: int,
        target_process: int,
        access: int,
        attributes: int,
        options: int,
    ) -> int:
        return duplicate(source_process, source, target_process, access, attributes, options)

    def query_object(self, handle: int) -> s.ObjectBasicInformation:
        info, flags = basic(handle), handle_flags(handle)
        # Both queries tell the two flags on Windows; Wine leaves them out of this one.
        attributes = info.Attributes | (s.OBJ_INHERIT if flags.Inherit else 0)
        attributes |= s.OBJ_PROTECT_CLOSE if flags.ProtectFromClose else 0
        return s.ObjectBasicInformation(
            attributes, info.GrantedAccess, info.HandleCount, info.PointerCount
        )

    def query_handle(self, handle: int) -> tuple[int, int]:
        info = self.query_object(handle)
        return info.Attributes, info.GrantedAccess

    def query_object_name(self, handle: int) -> str:
        return object_name(handle)

    def query_object_type(self, handle: int) -> str:
        return text_of(handle, TYPE)

    def set_handle_flags(
        self, handle: int, *, inherit: bool | None = None, protect: bool | None = None
    ) -> None:
        info = handle_flags(handle)
        if inherit is not None:
            info.Inherit = inherit
        if protect is not None:
            info.ProtectFromClose = protect
        ntdll.call(
            "NtSetInformationObject", handle, _HANDLE_FLAGS, ctypes.byref(info), ctypes.sizeof(info)
        )

    def compare_objects(self, first: int, second: int) -> bool:
        status = ntdll.status_of("NtCompareObjects", first, second)
        if status == st.NOT_SAME_OBJECT:
            return False
        if status & 0x80000000:
            raise NtError(status, ntdll.operation("NtCompareObjects"))
        return True

    def make_temporary_object(self, handle: int) -> None:
        ntdll.call("NtMakeTemporaryObject", handle)

    def make_permanent_object(self, handle: int) -> None:
        ntdll.call("NtMakePermanentObject", handle)

    def query_security_object(self, handle: int, information: int) -> bytes:
        size = w.ULONG(1024)
        while True:
            buffer = ctypes.create_string_buffer(size.value)
            status = ntdll.status_of(
                "NtQuerySecurityObject",
                handle,
                information,
                buffer,
                len(buffer),
                ctypes.byref(size),
            )
            if status != st.BUFFER_TOO_SMALL:
                break
        if status & 0x80000000:
            raise NtError(status, ntdll.operation("NtQuerySecurityObject"))
        return buffer.raw[: size.value]

    def read_security(self, handle: int, information: int) -> bytes:
        if basic(handle).GrantedAccess & a.READ_CONTROL:
            return self.query_security_object(handle, information)
        readable = duplicate(s.CURRENT_PROCESS, handle, s.CURRENT_PROCESS, a.READ_CONTROL, 0, 0)
        try:
            return self.query_security_object(readable, information)
        finally:
            self.close(readable)

    def set_security_object(self, handle: int, information: int, descriptor: bytes) -> None:
        ntdll.call(
            "NtSetSecurityObject",
            handle,
            information,
            ctypes.create_string_buffer(descriptor, len(descriptor)),
        )

    def named_objects_directory(self) -> int:
        if not _named_objects._handle:
            # Around the step, not in it: nobody sees a handle that may yet be undone.
            with _opening:
                if not _named_objects._handle:
                    _open_named_objects()
        return _named_objects._handle

    def process_handles(self, pid: int) -> list[s.HandleEntry]:
        return _entries(_handle_table(), pid)

    def list_directory(self) -> list[s.NamedObject]:
        table = _handle_table()
        holders: dict[str, list[s.HandleEntry]] = {}
        for pid in {entry.UniqueProcessId for entry in table}:
            try:
                entries = _entries(table, pid)
            except NtError:
                # somebody else's process: its handles stay unknown, the objects are listed all the
                # same
                continue
            for entry in entries:
                if entry.name:
                    holders.setdefault(entry.name, []).append(entry)
        number = session()
        result: list[s.NamedObject] = []
        for directory in dict.fromkeys(
            (
                names.local_directory(number) if number else names.GLOBAL_DIRECTORY,
                names.GLOBAL_DIRECTORY,
            )
        ):
            for leaf, kind in _members(directory):
                if kind in _OURS:
                    full = f"{directory}\\{leaf}"
                    who = tuple(holders.get(full, ()))
                    result.append(
                        s.NamedObject(
                            name=names.win32_name(full),
                            type_name=kind,
                            holders=who,
                            size=max((entry.size for entry in who), default=0),
                        )
                    )
        return result
