# SPDX-License-Identifier: MIT
"""OBJECT_ATTRIBUTES: where the name in them leads."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection.nt.linux.handles import table
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import names, object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

_root = 0  # the value of the directory's handle, which is never closed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def place_of(attributes: Any) -> namespace.Place | None:
    """Where the name in OBJECT_ATTRIBUTES leads; None for none, a Place with an empty leaf for the
    directory."""
    global _root
    name, root = attributes.ObjectName, attributes.RootDirectory
    has_case = not attributes.Attributes & s.OBJ_CASE_INSENSITIVE
    if root and root == _root and has_case and type(name) is str:
        known = namespace.known_places.get(name)
        if known is not None and namespace.is_current(known):
            return known
    if name is None and root:
        raise NtError(st.OBJECT_NAME_INVALID, detail="a directory is given, but no name in it")
    if name is None or not name and not root:
        return None
    # Without a descriptor: the directory of the session, whoever the user is by now.
    base = table.lookup(root, object_types.DIRECTORY) if root else None
    path, rooted = name, bool(root)
    if base is not None and base.fd >= 0 and name:
        path, rooted = below(base.obj.name, name), False
    if not has_case:
        path = names.spell(path, os.geteuid(), rooted=rooted)
    try:
        directory, leaf = names.split(path, os.geteuid(), rooted=rooted)
    except NtError as failure:
        if failure.status == st.OBJECT_PATH_NOT_FOUND:
            refuse_what_is_no_directory(path, rooted=rooted)
        raise
    if leaf in names.LINKS:
        raise NtError(
            st.OBJECT_TYPE_MISMATCH,
            name=leaf,
            detail="the name is taken by a prefix, which is a link",
        )
    if not leaf:
        if root:
            return None
        raise NtError(st.OBJECT_TYPE_MISMATCH, name=name, detail="the path leads to a directory")
    if "\0" in leaf:
        raise NtError(
            st.OBJECT_NAME_INVALID,
            name=leaf.replace("\0", "\\0"),
            detail="a name cannot contain NUL",
        )
    place = namespace.Place(directory, leaf)
    if not has_case:
        return place if has_file(place) else namespace.regardless_of_case(place)
    if base is not None and base.fd < 0 and type(name) is str:
        _root = root
        namespace.remember(name, place)
    return place


def below(directory: str, name: str) -> str:
    """The full path of a name that is relative to an object directory."""
    if name.startswith("\\"):
        raise NtError(st.OBJECT_PATH_SYNTAX_BAD, detail="a name may not begin with a backslash")
    return f"{directory}{name}" if directory == "\\" else f"{directory}\\{name}"


def refuse_what_is_no_directory(path: str, *, rooted: bool) -> None:
    """Refuse a path that leads through an object that is no directory: on Windows that is another
    mistake than a path that leads nowhere."""
    found = names.first_object(path, os.geteuid(), rooted=rooted)
    if found is not None and has_file(namespace.Place(*found)):
        raise NtError(
            st.OBJECT_TYPE_MISMATCH,
            name=path,
            detail=f"the path leads through '{found[1]}', which is an object and no directory",
        )


def has_file(place: namespace.Place) -> bool:
    """Whether anything is under the name of a place."""
    return sys_.exists(place.dirfd, place.path)
