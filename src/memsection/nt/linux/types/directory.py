# SPDX-License-Identifier: MIT
"""Object directories: the few that there are, opened and listed.

They are names, not files: a handle to one means its full name, and belongs to this process.  What
is in the two directories of named objects is what ``inspect.search`` finds.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection._native import records
from memsection.nt.linux.handles import create_open, object_attributes, record, state, table
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.tables_lock import lock
from memsection.vocabulary import access as a
from memsection.vocabulary import names
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: what everybody may do with a directory that is not the user's own
_EVERYBODYS = a.READ_CONTROL | a.DIRECTORY_QUERY | a.DIRECTORY_TRAVERSE | a.DIRECTORY_CREATE_OBJECT


class Directory(record.LocalObject):
    """One object directory, as long as this process has handles to it."""

    __slots__ = ("found",)

    #: what a scan that has not come to its end goes through
    found: list[tuple[str, str]] | None

    def __init__(self, path: str, identity: tuple[int, ...]) -> None:
        super().__init__(DIRECTORY, identity)
        self.name = path
        self.found = None

    def display_name(self) -> str | None:
        return self.name or None


def path_of(handle: record.Handle) -> str:
    """The full name of the directory; of the one that Win32 names are relative to, as it is now."""
    if handle.fd < 0:
        return names.local_directory(os.geteuid())
    name: str = handle.obj.name
    return name


def identity_of(path: str) -> tuple[int, ...]:
    """Equal for equal directories, and for nothing else."""
    return -5, *path.encode()


def stays_here(path: str) -> NtError:
    """The failure for a handle that another process, or another value, should have."""
    return NtError(
        st.NOT_ON_THIS_SYSTEM,
        name=path,
        detail="a handle to an object directory belongs to the process that opened it, and is "
        "neither duplicated, inherited nor passed; open the directory again",
    )


def _full_path(attributes: Any) -> str:
    if attributes is None:
        raise NtError(st.INVALID_PARAMETER, detail="opening needs a name")
    name, root = attributes.ObjectName, attributes.RootDirectory
    if not root:
        if not name:
            raise NtError(st.OBJECT_PATH_SYNTAX_BAD, detail="opening needs a name")
        return str(name)
    base = path_of(table.lookup(root, DIRECTORY))
    if name is None:
        raise NtError(st.OBJECT_NAME_INVALID, detail="a directory is given, but no name in it")
    return object_attributes.below(base, name) if name else base


def _find(attributes: Any) -> str:
    """The full name of the directory that OBJECT_ATTRIBUTES lead to."""
    path = _full_path(attributes)
    ignore_case = bool(attributes.Attributes & s.OBJ_CASE_INSENSITIVE)
    try:
        return names.directory_of_path(path, os.geteuid(), ignore_case=ignore_case)
    except NtError as failure:
        if failure.status == st.OBJECT_NAME_NOT_FOUND and _is_an_object(path, ignore_case):
            raise NtError(
                st.OBJECT_TYPE_MISMATCH,
                name=path,
                detail="asked for a directory, the name means another object",
            ) from None
        if failure.status == st.OBJECT_PATH_NOT_FOUND:
            object_attributes.refuse_what_is_no_directory(path, rooted=False)
        raise


def _is_an_object(path: str, ignore_case: bool) -> bool:
    place = None if "\0" in path else namespace.place_of_name(path)
    if place is not None and ignore_case:
        place = namespace.regardless_of_case(place)
    return place is not None and create_open.is_taken(DIRECTORY, place)


def _grant(path: str, access: int) -> int:
    """The rights that are given: in a directory that others use, nothing that would change it."""
    euid = os.geteuid()
    is_own = path == names.local_directory(euid) or euid == 0
    allowed = DIRECTORY.valid if is_own else _EVERYBODYS
    wanted = DIRECTORY.specific(access)
    if wanted & a.MAXIMUM_ALLOWED:
        wanted = wanted & ~a.MAXIMUM_ALLOWED | allowed
    if not wanted or wanted & ~allowed:
        raise NtError(
            st.ACCESS_DENIED,
            name=path,
            detail=f"asked for {DIRECTORY.words(access)}, the directory gives this user "
            f"{DIRECTORY.words(allowed)}"
            if access
            else "no right was asked for",
        )
    return wanted


def open_(access: int, attributes: Any) -> int:
    """NtOpenDirectoryObject."""
    path = _find(attributes)
    granted = _grant(path, access)
    if attributes.Attributes & s.OBJ_INHERIT:
        raise stays_here(path)
    return _new_handle(path, granted)


def _new_handle(path: str, granted: int) -> int:
    identity = identity_of(path)
    # The descriptor only keeps the value from meaning anything else.
    fd = sys_.open("/", sys_.O_PATH | sys_.O_DIRECTORY | sys_.O_CLOEXEC)
    try:
        with lock:
            obj = state.find_identity(identity) or Directory(path, identity)
            return table.register(fd, DIRECTORY, granted, obj, tag=False).value
    except BaseException:
        records.give_back(fd, False)
        raise


def create(access: int, attributes: Any) -> tuple[int, int]:
    """NtCreateDirectoryObject: OBJ_OPENIF opens what is there; others cannot be made."""
    if (
        attributes is None
        or attributes.ObjectName == ""
        or attributes.ObjectName is None
        and not attributes.RootDirectory
    ):
        raise _cannot_be_made(None)  # it would have no name
    try:
        path = _find(attributes)
    except NtError as failure:
        if failure.status == st.OBJECT_NAME_NOT_FOUND:
            raise _cannot_be_made(attributes.ObjectName) from None
        if failure.status == st.OBJECT_TYPE_MISMATCH and not attributes.Attributes & s.OBJ_OPENIF:
            raise NtError(st.OBJECT_NAME_COLLISION, name=attributes.ObjectName) from None
        raise
    if not attributes.Attributes & s.OBJ_OPENIF:
        raise NtError(st.OBJECT_NAME_COLLISION, name=path)
    return st.OBJECT_NAME_EXISTS, open_(access, attributes)


def _cannot_be_made(name: str | None) -> NtError:
    return NtError(
        st.NOT_ON_THIS_SYSTEM,
        name=name,
        detail="the object directories are those of the session and the global one; a new one has "
        "nowhere to be kept",
    )


def open_link(access: int, attributes: Any) -> int:
    """NtOpenSymbolicLinkObject: a link is followed, and not there as an object."""
    _find(attributes)  # a path that leads nowhere, or to another object, says so
    path = _full_path(attributes)
    parent = names.directory_of_path(
        path.rpartition("\\")[0] or "\\",
        os.geteuid(),
        ignore_case=bool(attributes.Attributes & s.OBJ_CASE_INSENSITIVE),
    )
    if path == "\\" or not names.has_links(parent):
        raise NtError(st.OBJECT_TYPE_MISMATCH, name=path, detail="it is no symbolic link")
    raise NtError(
        st.NOT_ON_THIS_SYSTEM,
        name=path,
        detail="the links of a directory are followed, and cannot be opened themselves",
    )


def query(value: int, single: bool, context: int) -> tuple[list[tuple[str, str]], int]:
    """NtQueryDirectoryObject: a scan goes through what was there when it began."""
    handle = table.lookup(value, DIRECTORY, a.DIRECTORY_QUERY)
    if context < 0:
        raise NtError(st.INVALID_PARAMETER, detail=f"context {context}")
    directory = handle.obj
    assert isinstance(directory, Directory)
    found = directory.found if context else None
    if found is None:
        found = directory.found = _list(path_of(handle))
    entries = found[context : context + 1] if single else found[context:]
    if not entries:
        directory.found = None
        raise NtError(st.NO_MORE_ENTRIES, name=directory.display_name())
    return entries, context + len(entries)


def _list(path: str) -> list[tuple[str, str]]:
    """(name, type) of everything in a directory, links and directories first."""
    euid = os.geteuid()
    kind = "SymbolicLink" if names.has_links(path) else "Directory"
    found = [(name, kind) for name in names.directories_in(path, euid)]
    if path not in (names.GLOBAL_DIRECTORY, names.local_directory(euid)):
        return found
    from memsection.nt.linux.inspect import search

    prefix = "Global\\"
    for item in search.list_directory():
        is_global = item.name.startswith(prefix)
        # What is damaged has no type; of a Global name with a problem nobody knows what it leads
        # to.
        if not item.type_name or is_global and item.problem:
            continue
        if is_global == (path == names.GLOBAL_DIRECTORY):
            found.append((item.name.removeprefix(prefix), item.type_name))
    return found
