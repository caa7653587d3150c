# SPDX-License-Identifier: MIT
"""LockFile: byte ranges of files that one open of a file has for itself, or shares for reading.

Each open of a file keeps the list of its ranges, because Windows counts them (a range is unlocked
as it was locked), and has the kernel keep for the others what follows from it, byte by byte: locks
of the open file description (fcntl(2), F_OFD_SETLK), which go with the description, at SIGKILL
too.  ``file`` asks before it reads and writes.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import struct
import time
from typing import NamedTuple

from memsection._native import ledger
from memsection.nt.linux.handles import state, table
from memsection.nt.linux.handles.record import Handle, LocalObject
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.tables_lock import lock as tables_lock
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import FILE, ObjectType

_LARGEST = 1 << 62  #: beyond it stand the statements of ``bodies.file_locks``; no file is so large
_F_RDLCK, _F_WRLCK, _F_UNLCK = 0, 1, 2
_FLOCK = struct.Struct("hhqqi4x")  # struct flock on 64-bit Linux: type, whence, start, length, pid
_CONTENT = a.FILE_READ_DATA | a.FILE_WRITE_DATA
_PAUSES = (0.0005, 0.002, 0.01, 0.02)  #: between tries of who waits for a range


class Range(NamedTuple):
    """One range that an open of a file has locked."""

    start: int
    end: int
    exclusive: bool

    def overlaps(self, start: int, end: int) -> bool:
        """Whether they have a byte in common."""
        return self.start < end and start < self.end


class LockableFile(LocalObject):
    """One open of a file, as far as its ranges go."""

    __slots__ = ("opener", "ranges")

    def __init__(self, kind: ObjectType, identity: tuple[int, ...]) -> None:
        super().__init__(kind, identity)
        #: the process whose CreateFile this is; 0 for a description that may be somebody else's too
        self.opener = 0
        self.ranges: list[Range] = []  #: that were locked


def _ranges(handle: Handle) -> list[Range]:
    assert isinstance(handle.obj, LockableFile)
    return handle.obj.ranges


def lock(file: int, offset: int, length: int, exclusive: bool, wait: bool) -> None:
    """NtLockFile."""
    tries = 0
    while True:
        handle = _usable(file)
        start, end = _check_range(handle, offset, length)
        try:
            with tables_lock:
                _take(handle, Range(start, end, exclusive))
            return
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            raise NtError(
                st.NOT_SUPPORTED,
                name=handle.obj.name,
                detail="Linux locks exclusively what is open for writing, and shared what is open "
                "for reading",
            ) from None
        if not wait:
            raise NtError(
                st.LOCK_NOT_GRANTED, name=handle.obj.name, detail=f"bytes {start:#x} to {end:#x}"
            )
        time.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
        tries += 1


def unlock(file: int, offset: int, length: int) -> None:
    """NtUnlockFile: of an exclusive and a shared lock of one range, the exclusive one."""
    handle = _usable(file)
    start, end = _check_range(handle, offset, length)
    with tables_lock:
        held = _ranges(handle)
        for exclusive in (True, False):
            wanted = Range(start, end, exclusive)
            if wanted in held:
                problem = ledger.finish(_drop, handle, held[held.index(wanted)])
                if problem is not None:
                    raise problem
                return
    raise NtError(st.RANGE_NOT_LOCKED, name=handle.obj.name, detail=f"bytes {start:#x} to {end:#x}")


def check(handle: Handle, offset: int | None, count: int, writes: bool) -> None:
    """Raise unless nobody has locked the range against this transfer."""
    try:
        start = sys_.lseek(handle.fd, 0, 1) if offset is None else offset
        end = min(start + count, _LARGEST)
        if start >= end:
            return
        kind = _F_WRLCK if writes else _F_RDLCK
        answer = sys_.fcntl(
            handle.fd, sys_.F_OFD_GETLK, _FLOCK.pack(kind, 0, start, end - start, 0)
        )
    except OSError:
        return  # a pipe, or a file system without locks: nobody can have locked anything
    own = writes and any(one.overlaps(start, end) and not one.exclusive for one in _ranges(handle))
    if own or _FLOCK.unpack(answer)[0] != _F_UNLCK:
        raise NtError(
            st.FILE_LOCK_CONFLICT, name=handle.obj.name, detail=f"bytes {start:#x} to {end:#x}"
        )


def _usable(file: int) -> Handle:
    handle = table.lookup(file, FILE)
    if not handle.access & _CONTENT:
        handle.require(a.FILE_READ_DATA)
    assert isinstance(handle.obj, LockableFile)
    if handle.obj.opener != os.getpid():
        raise NtError(
            st.NOT_SUPPORTED,
            name=handle.obj.name,
            detail="the handle came from another process or from a descriptor: Linux cannot tell "
            "its locks from "
            "those of who opened the file; open the file again",
        )
    return handle


def _check_range(handle: Handle, offset: int, length: int) -> tuple[int, int]:
    """The range's begin and end, where it is one that can be locked here."""
    if length < 0 or offset < 0 or offset + length > 1 << 64:
        raise NtError(
            st.INVALID_LOCK_RANGE,
            name=handle.obj.name,
            detail=f"{length} bytes from {offset:#x} on",
        )
    if not length or offset >= _LARGEST:
        raise NtError(
            st.NOT_SUPPORTED,
            name=handle.obj.name,
            detail=f"{length} bytes from {offset:#x} on: Linux locks at least one byte, before "
            f"2**62",
        )
    return offset, min(offset + length, _LARGEST)


@ledger.whole
def _take(handle: Handle, wanted: Range) -> None:
    """Lock a range, or raise and leave the ranges as they were."""
    held = _ranges(handle)
    if wanted.exclusive and any(one.overlaps(wanted.start, wanted.end) for one in held):
        raise BlockingIOError
    ledger.done(lambda *_: _drop(handle, wanted), held.append, wanted)
    _say(handle, wanted.start, wanted.end)


def _drop(handle: Handle, gone: Range) -> OSError | None:
    """Take this very range off the list, and have the kernel keep what follows; it may begin
    anew."""
    with tables_lock:
        held = _ranges(handle)
        held[:] = [one for one in held if one is not gone]
        try:
            if state.handles.get(handle.value) is handle:  # else the lock went with the description
                _say(handle, gone.start, gone.end)
        except OSError as problem:
            return problem
    return None


def _say(handle: Handle, start: int, end: int) -> None:
    """Have the kernel keep of these bytes what the list says."""
    near = [one for one in _ranges(handle) if one.overlaps(start, end)]
    edges = sorted({start, end, *(edge for one in near for edge in one[:2] if start < edge < end)})
    for begin, stop in zip(edges, edges[1:], strict=False):
        kinds = {one.exclusive for one in near if one.overlaps(begin, stop)}
        kind = _F_WRLCK if True in kinds else _F_RDLCK if kinds else _F_UNLCK
        sys_.fcntl(handle.fd, sys_.F_OFD_SETLK, _FLOCK.pack(kind, 0, begin, stop - begin, 0))
