# SPDX-License-Identifier: MIT
"""What handles and sections say about a file to each other: advisory byte-range locks far beyond
its end.

Open-file-description locks (fcntl(2), F_OFD_SETLK) on bytes that no file has, so that the kernel
drops them when the description goes, at SIGKILL too, and a mapping keeps them as long as it keeps
the description.  They bind users of this library only: share modes, and "a section of this file is
in use" (STATUS_USER_MAPPED_FILE).
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import struct
import time

from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

_BASE = 1 << 62
#: bytes for each statement: the first for read locks, the others for descriptions that cannot read
_WIDTH = 64
_READS, _WRITES, _DELETES, _DENIES_READ, _DENIES_WRITE, _DENIES_DELETE, _SECTION = range(7)
_F_RDLCK, _F_WRLCK, _F_UNLCK = 0, 1, 2
_FLOCK = struct.Struct("hhqqi4x")  # struct flock on 64-bit Linux: type, whence, start, length, pid
_TRIES = 4


def _set(fd: int, kind: int, start: int, length: int = 1) -> None:
    sys_.fcntl(fd, sys_.F_OFD_SETLK, _FLOCK.pack(kind, 0, _BASE + start, length, 0))


def _hold_lock(fd: int, statement: int, *, readable: bool) -> None:
    if readable:
        _set(fd, _F_RDLCK, statement * _WIDTH)
        return
    for slot in range(1, _WIDTH):
        try:
            _set(fd, _F_WRLCK, statement * _WIDTH + slot)
            return
        except BlockingIOError:
            continue
    raise NtError(
        st.INSUFFICIENT_RESOURCES,
        detail=f"{_WIDTH - 1} write-only handles to the file exist already",
    )


def _is_held(fd: int, statement: int) -> bool:
    """Whether another description says this of the file."""
    answer = sys_.fcntl(
        fd, sys_.F_OFD_GETLK, _FLOCK.pack(_F_WRLCK, 0, _BASE + statement * _WIDTH, _WIDTH, 0)
    )
    return bool(_FLOCK.unpack(answer)[0] != _F_UNLCK)


def enforce_share_mode(fd: int, access: int, sharing: int, *, readable: bool) -> None:
    """Take part in the share modes of CreateFile for one description.

    Raises:
        NtError: SHARING_VIOLATION; nothing is held then.
    """
    uses = [
        use
        for use, rights in (
            (_READS, a.FILE_READ_DATA | a.FILE_EXECUTE),
            (_WRITES, a.FILE_WRITE_DATA | a.FILE_APPEND_DATA),
            (_DELETES, a.DELETE),
        )
        if access & rights
    ]
    if not uses:
        return  # a handle for attributes alone neither uses nor denies
    denies = [
        deny
        for deny, bit in (
            (_DENIES_READ, s.FILE_SHARE_READ),
            (_DENIES_WRITE, s.FILE_SHARE_WRITE),
            (_DENIES_DELETE, s.FILE_SHARE_DELETE),
        )
        if not sharing & bit
    ]
    conflicts = [use + 3 for use in uses] + [deny - 3 for deny in denies]
    # Look first: who is refused by those that have the file open is told at once.  Then say it, and
    # look again: of two that come at once both may find the other and step back, but never both go
    # on.
    for attempt in range(_TRIES):
        if any(_is_held(fd, conflict) for conflict in conflicts):
            break
        for statement in (*uses, *denies):
            _hold_lock(fd, statement, readable=readable)
        if not any(_is_held(fd, conflict) for conflict in conflicts):
            return
        _set(fd, _F_UNLCK, 0, _SECTION * _WIDTH)
        if attempt + 1 < _TRIES:
            time.sleep(0.0005 * (1 + id(fd) % 3) * attempt)
    raise NtError(st.SHARING_VIOLATION)


def hold_section(fd: int) -> None:
    """Say that a section of the file is in use, as long as this description or a mapping of it
    lives."""
    _set(fd, _F_RDLCK, _SECTION * _WIDTH)


def section_in_use(fd: int) -> bool:
    """Whether a section of the file, or a view of one, exists in any process."""
    return _is_held(fd, _SECTION)
