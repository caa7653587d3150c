# SPDX-License-Identifier: MIT
"""What a file must be to be believed as the body of an object, whoever it came from.

Whoever holds a descriptor that may write can cut a file, and touching what was cut is a fault.  So a body is sealed
against that, as every one that this library makes in memory is; a Global one is a file, which no seal can be put on, and
all of its mappings are guarded.  What stands in the control page is ``control_page``'s, whether the object lives is
``lifetime``'s.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import stat as stat_

from memsection.nt.linux import control_page, namespace
from memsection.nt.linux import syscalls as sys_
from memsection.vocabulary import names
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

SEALS = sys_.F_SEAL_GROW | sys_.F_SEAL_SHRINK  #: that every body in memory has, and huge pages of a section have
_LAST_TYPE = 4  #: the object types that have a body

_memory_device = 0


def seals(fd: int) -> int:
    """The seals of a file; -1 for one that is no memory.  No file system is asked, so none can let it wait."""
    try:
        return sys_.fcntl(fd, sys_.F_GET_SEALS)
    except OSError:
        return -1


def is_sealed(fd: int) -> bool:
    """Whether nobody can ever cut this file."""
    found = seals(fd)
    return found >= 0 and found & SEALS == SEALS


def read(fd: int, found: os.stat_result | None = None, place: namespace.Place | None = None) -> control_page.Facts:
    """The facts of a body, once it is clear that it is one (M1, M3, N3).

    Args:
        fd: The body.
        found: Its status, where that is known.
        place: The name that it was found under, where that was the way to it.

    Raises:
        NtError: FILE_CORRUPT_ERROR or OBJECT_TYPE_MISMATCH with what is wrong; NAMESPACE_REFUSED for a Global body
            under a name that is not its own.
    """
    has = seals(fd)
    if has < 0:
        raise control_page.corrupt("it is no file in memory")
    found = found or sys_.fstat(fd)
    if not stat_.S_ISREG(found.st_mode):
        raise control_page.corrupt("it is no regular file")
    sealed = has & SEALS == SEALS
    if not sealed and found.st_dev == memory_device():
        raise control_page.corrupt("its memory is not sealed against being cut, as every object's is")
    facts = control_page.read(fd, found.st_size)
    if not 0 < facts.type <= _LAST_TYPE:
        raise control_page.corrupt(f"object type {facts.type}")
    if not sealed and (place is not None and place.directory == "local"
                       or not control_page.name(fd, facts).startswith(names.GLOBAL_DIRECTORY + "\\")):
        raise control_page.corrupt("it is not sealed against being cut, as every object without a Global name is")
    if place is not None and place.directory == "global":
        require_own_name(place, fd, facts, found)
    return facts


def require_own_name(place: namespace.Place, fd: int, facts: control_page.Facts, found: os.stat_result) -> None:
    """Refuse a Global body under another name than the one it was made with: a hard link that somebody made (N3)."""
    own = control_page.name(fd, facts)
    if own != place.full:
        raise planted(place, f"is the object {names.win32_name(own)!r} of user {found.st_uid} under a name that it was not "
                             "made with: a hard link")
    if found.st_nlink > 1:
        raise planted(place, f"has {found.st_nlink} hard links, and so other names than the one that it was made with")


def planted(place: namespace.Place, found: str) -> NtError:
    """The failure for what somebody put under a name."""
    return NtError(st.NAMESPACE_REFUSED, name=names.win32_name(place.full),
                   detail=f"the file of this name, {namespace.path_of(place.directory)}/{place.file}, {found}; "
                          "somebody put it there, and it is left alone until its owner or root removes it")


def memory_device() -> int:
    """The device number of every memfd; what has it and no seals could have had them."""
    global _memory_device
    if not _memory_device:
        fd = sys_.memfd_create("memsection", sys_.MFD_CLOEXEC)
        try:
            _memory_device = sys_.fstat(fd).st_dev
        finally:
            sys_.close(fd)
    return _memory_device
