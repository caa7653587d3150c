# SPDX-License-Identifier: MIT
"""File handles: NtCreateFile and its relatives, as far as sections need them, with share modes
among this library's users.

What handles tell each other about a file is ``file_locks``'s.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import stat as stat_

from memsection._native import records
from memsection.nt.linux.bodies import file_locks, permissions, set_permissions
from memsection.nt.linux.handles import table
from memsection.nt.linux.handles.record import Handle, invalid
from memsection.nt.linux.system import accounts
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types import byte_ranges
from memsection.vocabulary import access as a
from memsection.vocabulary import security
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import FILE

_FLAGS = sys_.O_CLOEXEC | sys_.O_NONBLOCK | sys_.O_NOCTTY
_READS = a.FILE_READ_DATA | a.FILE_EXECUTE
_WRITES = a.FILE_WRITE_DATA | a.FILE_APPEND_DATA
_serial = 0


class File(byte_ranges.LockableFile):
    """One open of a file: handles duplicated from each other share it, and the file pointer."""

    __slots__ = ("delete_path",)

    def __init__(self, path: str) -> None:
        global _serial
        _serial += 1
        super().__init__(FILE, (-1, _serial))
        self.name = path
        self.delete_path = ""

    def display_name(self) -> str | None:
        return self.name or None

    def last_handle_closed(self) -> None:
        if self.delete_path:  # FILE_DELETE_ON_CLOSE
            try:
                sys_.unlink(self.delete_path)
            except OSError:
                pass  # removed, moved or forbidden meanwhile: closing does not fail for it


def create(
    access: int,
    path: str,
    attributes: int,
    share: int,
    disposition: int,
    options: int,
    descriptor: bytes | None,
) -> tuple[int, int]:
    """NtCreateFile; (handle, what was done)."""
    granted = FILE.specific(access)
    if granted & a.MAXIMUM_ALLOWED:
        granted = a.FILE_GENERIC_READ | a.FILE_GENERIC_WRITE
    require_path(path)
    try:
        fd, done = _open(granted, path, disposition)
    except OSError as error:
        raise refusal(error, path) from None
    try:
        if descriptor is not None and done == s.FILE_CREATED:
            full = security.assign_descriptor(descriptor, accounts.current_token(), FILE)
            set_permissions.apply(fd, permissions.permissions_for(full, FILE))
        _check_and_cut(fd, granted, path, share, done)
        obj = File(os.path.abspath(path))
        obj.opener = os.getpid()
        if options & s.FILE_DELETE_ON_CLOSE:
            obj.delete_path = obj.name
        handle = table.register(
            fd, FILE, granted, obj, inherit=bool(attributes & s.OBJ_INHERIT), tag=False
        )
    except BaseException:
        records.give_back(fd, False)
        raise
    return handle.value, done


def reopen(file: int, access: int, share: int, options: int) -> int:
    """ReOpenFile: another open of the same file, by what this process may do with it and not by
    what the handle may."""
    first = table.lookup(file, FILE)
    granted = FILE.specific(access)
    if granted & a.MAXIMUM_ALLOWED:
        granted = a.FILE_GENERIC_READ | a.FILE_GENERIC_WRITE
    path = first.obj.name
    if not stat_.S_ISREG(sys_.fstat(first.fd).st_mode):
        raise NtError(st.INVALID_DEVICE_REQUEST, name=path, detail="it is no file on a disk")
    try:
        fd = _first(f"/proc/self/fd/{first.fd}", _modes(granted))
    except OSError as error:
        raise NtError(
            st.from_errno(error.errno), name=path, detail=os.strerror(error.errno or errno.EIO)
        ) from None
    try:
        _check_and_cut(fd, granted, path, share, s.FILE_OPENED)
        obj = File(path)
        obj.opener = os.getpid()
        if options & s.FILE_DELETE_ON_CLOSE:
            obj.delete_path = path
        return table.register(fd, FILE, granted, obj, tag=False).value
    except BaseException:
        records.give_back(fd, False)
        raise


def _check_and_cut(fd: int, granted: int, path: str, share: int, done: int) -> None:
    found = sys_.fstat(fd)
    if stat_.S_ISDIR(found.st_mode):
        raise NtError(st.FILE_IS_A_DIRECTORY, name=path)
    mode = sys_.fcntl(fd, 3)  # F_GETFL
    if not stat_.S_ISREG(found.st_mode) or mode & sys_.O_PATH:
        return
    try:
        file_locks.enforce_share_mode(
            fd, granted, share, readable=mode & os.O_ACCMODE != os.O_WRONLY
        )
    except NtError as failure:
        failure.name = path
        raise
    if done == s.FILE_OVERWRITTEN:
        if found.st_size and file_locks.section_in_use(fd):
            raise NtError(
                st.USER_MAPPED_FILE,
                name=path,
                detail="a section of the file is in use: it cannot be cut",
            )
        sys_.ftruncate(fd, 0)


def _open(granted: int, path: str, disposition: int) -> tuple[int, int]:
    cuts = disposition in (s.FILE_OVERWRITE, s.FILE_OVERWRITE_IF, s.FILE_SUPERSEDE)
    modes = _modes(granted | (a.FILE_WRITE_DATA if cuts else 0))
    may_create = disposition in (
        s.FILE_CREATE,
        s.FILE_OPEN_IF,
        s.FILE_OVERWRITE_IF,
        s.FILE_SUPERSEDE,
    )
    while True:
        if disposition != s.FILE_CREATE:
            try:
                return _first(path, modes), s.FILE_OVERWRITTEN if cuts else s.FILE_OPENED
            except FileNotFoundError:
                if not may_create:
                    raise
        try:
            return sys_.open(
                path, sys_.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666
            ), s.FILE_CREATED
        except FileExistsError:
            if disposition == s.FILE_CREATE or os.path.islink(path) and not os.path.exists(path):
                raise


def _modes(granted: int) -> tuple[int, ...]:
    """Open modes to try.  Locks want a readable description even for a handle that may only
    write."""
    if granted & _WRITES:
        return (sys_.O_RDWR,) if granted & _READS else (sys_.O_RDWR, os.O_WRONLY)
    return (sys_.O_RDONLY,) if granted & _READS else (sys_.O_RDONLY, sys_.O_PATH)


def _first(path: str, modes: tuple[int, ...]) -> int:
    for mode in modes[:-1]:
        try:
            return sys_.open(path, mode | _FLAGS)
        except PermissionError:
            continue
    return sys_.open(path, modes[-1] | _FLAGS)


def require_path(path: str) -> None:
    """Raise for what no path can be.

    Raises:
        NtError: OBJECT_NAME_INVALID.
    """
    try:
        if b"\0" not in os.fsencode(path):
            return
        detail = "it has a 0 in it, where system calls would take it to end"
    except UnicodeEncodeError:
        detail = "it has half a character in it"
    raise NtError(st.OBJECT_NAME_INVALID, name=path, detail=detail)


def refusal(error: OSError, path: str) -> NtError:
    """The failure for a path that the system refused."""
    number = error.errno or errno.EIO
    if number == errno.ENOENT and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        return NtError(st.OBJECT_PATH_NOT_FOUND, name=path, detail="there is no such directory")
    if number == errno.ENOENT:
        return NtError(st.OBJECT_NAME_NOT_FOUND, name=path, detail="there is no such file")
    if number == errno.EEXIST:
        return NtError(st.OBJECT_NAME_COLLISION, name=path, detail="the file exists")
    return NtError(st.from_errno(number), name=path, detail=os.strerror(number))


def from_descriptor(fd: int, access: int) -> int:
    """A file handle over a descriptor that stays the caller's."""
    granted = FILE.specific(access)
    if not 0 <= fd < 1 << 31:
        raise NtError(st.INVALID_HANDLE, name=f"descriptor {fd}", detail="it can be none")
    flags = sys_.fcntl(fd, 3)
    # opening it again would be by this process's rights, not by the giver's
    if flags & sys_.O_PATH:
        raise NtError(
            st.INVALID_HANDLE,
            name=f"descriptor {fd}",
            detail="it was opened with O_PATH: for no data at all",
        )
    mode = flags & os.O_ACCMODE
    allowed = {
        os.O_RDONLY: a.FILE_GENERIC_READ | a.FILE_EXECUTE,
        os.O_WRONLY: a.FILE_GENERIC_WRITE,
    }.get(mode, a.FILE_ALL_ACCESS)
    if granted & (_READS | _WRITES) & ~allowed:
        raise NtError(
            st.ACCESS_DENIED,
            name=f"descriptor {fd}",
            detail=f"asked for {FILE.words(granted)}, the descriptor is open for "
            f"{FILE.words(allowed)}",
        )
    new = sys_.duplicate_from(fd, 3)
    try:
        return table.register(
            new, FILE, granted & allowed, File(sys_.readlink(f"/proc/self/fd/{new}")), tag=False
        ).value
    except BaseException:
        records.give_back(new, False)
        raise


def adopt(fd: int, found: os.stat_result, value: int) -> Handle:
    """A file handle inherited through exec.  What is close-on-exec was opened here, by somebody
    else: no handle."""
    if not stat_.S_ISREG(found.st_mode) or not sys_.get_inheritable(fd):
        raise invalid(value)
    mode = sys_.fcntl(fd, 3) & os.O_ACCMODE
    access = {os.O_RDONLY: a.FILE_GENERIC_READ, os.O_WRONLY: a.FILE_GENERIC_WRITE}.get(
        mode, a.FILE_GENERIC_READ | a.FILE_GENERIC_WRITE
    )
    return table.register(
        fd, FILE, access, File(sys_.readlink(f"/proc/self/fd/{fd}")), inherit=True, tag=False
    )


def read(file: int, count: int, offset: int | None) -> bytes:
    """NtReadFile."""
    handle = table.lookup(file, FILE, a.FILE_READ_DATA)
    if count < 0 or offset is not None and offset < 0:
        raise NtError(st.INVALID_PARAMETER, name=handle.obj.name)
    byte_ranges.check(handle, offset, count, writes=False)
    return sys_.read(handle.fd, count) if offset is None else sys_.pread(handle.fd, count, offset)


def write(file: int, data: bytes, offset: int | None) -> int:
    """NtWriteFile.  A handle that may only append does so, wherever it is told to write."""
    handle = table.lookup(file, FILE)
    if not handle.access & _WRITES:
        handle.require(a.FILE_WRITE_DATA)
    appends = not handle.access & a.FILE_WRITE_DATA
    done = 0
    view = memoryview(data).cast("B")
    byte_ranges.check(
        handle, sys_.fstat(handle.fd).st_size if appends else offset, len(view), writes=True
    )
    while done < len(view):
        part = view[done:]
        if appends:
            # -1: the file position moves, as on Windows
            done += sys_.pwritev(handle.fd, [part], -1, os.RWF_APPEND)
        else:
            done += (
                sys_.write(handle.fd, part)
                if offset is None
                else sys_.pwrite(handle.fd, part, offset + done)
            )
    return done


def query(file: int) -> tuple[int, int]:
    """(size, position)."""
    handle = table.lookup(file, FILE)
    size = sys_.fstat(handle.fd).st_size
    try:
        return size, sys_.lseek(handle.fd, 0, 1)
    except OSError:
        return size, 0


def set_position(file: int, position: int) -> None:
    """FilePositionInformation."""
    handle = table.lookup(file, FILE)
    if position < 0:
        raise NtError(
            st.INVALID_PARAMETER, name=handle.obj.name, detail=f"a position of {position}"
        )
    sys_.lseek(handle.fd, position, 0)


def set_end(file: int, size: int) -> None:
    """FileEndOfFileInformation."""
    handle = table.lookup(file, FILE, a.FILE_WRITE_DATA)
    have = sys_.fstat(handle.fd).st_size
    if size < have and file_locks.section_in_use(handle.fd):
        raise NtError(
            st.USER_MAPPED_FILE,
            name=handle.obj.name,
            detail="a section of the file is in use: it cannot be cut",
        )
    sys_.ftruncate(handle.fd, size)


def flush(file: int) -> None:
    """NtFlushBuffersFile."""
    handle = table.lookup(file, FILE)
    if not handle.access & _WRITES:
        handle.require(a.FILE_WRITE_DATA)
    sys_.fsync(handle.fd)
