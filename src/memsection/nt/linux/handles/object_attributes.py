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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def place_of(attributes: Any) -> namespace.Place | None:
    """Where the name in OBJECT_ATTRIBUTES leads; None for none, a Place with an empty leaf for the
    directory."""
    name = attributes.ObjectName
    root = attributes.RootDirectory
    if name is None and root:
        raise NtError(st.OBJECT_NAME_INVALID, detail="a directory is given, but no name in it")
    if name is None or not name and not root:
        return None
    if root:
        table.lookup(root, object_types.DIRECTORY)
    directory, leaf = names.split(name, os.geteuid(), rooted=bool(root))
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
    if attributes.Attributes & s.OBJ_CASE_INSENSITIVE and not has_file(place):
        return namespace.regardless_of_case(place)
    return place


def has_file(place: namespace.Place) -> bool:
    try:
        sys_.stat(place.file, dir_fd=place.dirfd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
