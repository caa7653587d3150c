# SPDX-License-Identifier: MIT
"""What a file is, asked by handle, and its removal by path; reading and writing stand in
``file``."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import stat as stat_

from memsection._native import records
from memsection.nt.linux.bodies import file_locks
from memsection.nt.linux.handles import table
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types import file as files
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.descriptor import (
    ACCESS_ALLOWED,
    ACCESS_DENIED,
    Ace,
    Acl,
    SecurityDescriptor,
)
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import FILE
from memsection.vocabulary.sid import EVERYONE, Sid

_EPOCH = 116444736000000000  #: of POSIX, in 100 ns since 1601
_WRITE_BITS = 0o222
#: For each bit of a mode, what it allows, and what is denied to who lacks it.
_RIGHTS = (
    (4, a.FILE_GENERIC_READ, a.FILE_READ_DATA),
    (2, a.FILE_GENERIC_WRITE, a.FILE_WRITE_DATA | a.FILE_APPEND_DATA),
    (1, a.FILE_GENERIC_EXECUTE, a.FILE_EXECUTE),
)
_ALL_SHARE = s.FILE_SHARE_READ | s.FILE_SHARE_WRITE | s.FILE_SHARE_DELETE


def query_type(file: int) -> int:
    """GetFileType."""
    mode = sys_.fstat(table.lookup(file, FILE).fd).st_mode
    if stat_.S_ISFIFO(mode) or stat_.S_ISSOCK(mode):
        return s.FILE_TYPE_PIPE
    return s.FILE_TYPE_CHAR if stat_.S_ISCHR(mode) else s.FILE_TYPE_DISK


def query_information(file: int) -> s.FileInformation:
    """GetFileInformationByHandle.

    The creation time is 0, as for file systems of Windows that keep none: stat(2) does not tell it.
    """
    handle = table.lookup(file, FILE)
    handle.require(a.FILE_READ_ATTRIBUTES)
    found = sys_.fstat(handle.fd)
    if not stat_.S_ISREG(found.st_mode):
        raise NtError(
            st.INVALID_DEVICE_REQUEST, name=handle.obj.name, detail="it is no file on a disk"
        )
    attributes = (
        s.FILE_ATTRIBUTE_NORMAL if found.st_mode & _WRITE_BITS else s.FILE_ATTRIBUTE_READONLY
    )
    return s.FileInformation(
        attributes,
        0,
        _filetime(found.st_atime_ns),
        _filetime(found.st_mtime_ns),
        found.st_dev & 0xFFFFFFFF,
        found.st_size,
        found.st_nlink,
        found.st_ino,
    )


def descriptor(fd: int) -> bytes:
    """The security descriptor of a file, which says what its mode says.

    The mode's first class that fits decides (path_resolution(7)): what a later class has more than
    an earlier one is denied to that one first.  Entries of a POSIX list are not told apart: the
    mode then has its mask in the place of the group.
    """
    found = sys_.fstat(fd)
    owner, group = Sid.unix_user(found.st_uid), Sid.unix_group(found.st_gid)
    mine, groups, others = (found.st_mode >> shift & 7 for shift in (6, 3, 0))
    entries = tuple(
        Ace(kind, 0, _mask(bits, kind), sid)
        for kind, bits, sid in (
            (ACCESS_DENIED, (groups | others) & ~mine, owner),
            (ACCESS_ALLOWED, mine, owner),
            (ACCESS_DENIED, others & ~groups, group),
            (ACCESS_ALLOWED, groups, group),
            (ACCESS_ALLOWED, others, EVERYONE),
        )
        if bits
    )
    return SecurityDescriptor(owner, group).with_dacl(Acl(entries)).to_bytes()


def _mask(bits: int, kind: int) -> int:
    """Three bits of a mode as rights; denied are only those that no other bit has too."""
    mask = 0
    for bit, allowed, denied in _RIGHTS:
        if bits & bit:
            mask |= allowed if kind == ACCESS_ALLOWED else denied
    return mask


def _filetime(nanoseconds: int) -> int:
    return max(0, nanoseconds // 100 + _EPOCH)


def delete(path: str) -> None:
    """DeleteFile: the name is gone at once; the content stays as long as somebody has the file
    open."""
    files.require_path(path)
    try:
        found = sys_.stat(path, follow_symlinks=False)
        if stat_.S_ISDIR(found.st_mode):
            raise NtError(st.FILE_IS_A_DIRECTORY, name=path)
        if stat_.S_ISREG(found.st_mode):
            _check(path, found)
        sys_.unlink(path)
    except OSError as error:
        raise files.refusal(error, path) from None


def _check(path: str, found: os.stat_result) -> None:
    """Raise unless nobody who uses this library keeps the file from being deleted."""
    if not found.st_mode & _WRITE_BITS:
        raise NtError(st.CANNOT_DELETE, name=path, detail="the file is read-only")
    fd = _open_to_look(path)
    try:
        if file_locks.section_in_use(fd):
            raise NtError(st.CANNOT_DELETE, name=path, detail="a section of the file is in use")
        mode = sys_.fcntl(fd, 3) & os.O_ACCMODE  # F_GETFL
        file_locks.enforce_share_mode(fd, a.DELETE, _ALL_SHARE, readable=mode != os.O_WRONLY)
    except NtError as failure:
        failure.name = path
        raise
    finally:
        records.give_back(fd, False)


def _open_to_look(path: str) -> int:
    """A description whose locks can be compared; a file that this process may neither read nor
    write is not deleted."""
    flags = sys_.O_CLOEXEC | sys_.O_NONBLOCK | sys_.O_NOFOLLOW
    try:
        return sys_.open(path, sys_.O_RDONLY | flags)
    except PermissionError:
        return sys_.open(path, os.O_WRONLY | flags)
