# SPDX-License-Identifier: MIT
"""Handles taken from another process by (process, value), and taken away from it.

The kernel checks who may look into whom (proc(5): /proc/PID/fd needs PTRACE_MODE_READ); what a
handle is, its own descriptor tells (H1).
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import stat as stat_

from memsection._native import ledger
from memsection.nt.linux.bodies.position import (
    PENDING,
    REVOKED,
    TAG,
    TRANSFERRED_VALUES_FROM,
    decode,
)
from memsection.nt.linux.handles import rights, table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.names import file_data, find, unlink, verify
from memsection.nt.linux.system import descriptions, proc
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.proc import descriptor_info
from memsection.nt.linux.system.tables_lock import lock
from memsection.nt.linux.transfer import transferred_values
from memsection.nt.linux.transfer.transferred_values import FD_MASK, INHERIT, PID_SHIFT
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import FILE, ObjectType

_CLOEXEC_FLAG = 0o2000000  # O_CLOEXEC in fdinfo's flags


class Source:
    """A handle of another process, as its descriptor was when this looked.

    Raises:
        NtError: ACCESS_DENIED, INVALID_HANDLE, PROCESS_IS_TERMINATING.
    """

    __slots__ = ("carried", "fd", "flags", "found", "pid", "position", "value")

    def __init__(self, pid: int, fd: int, value: int) -> None:
        self.pid, self.fd, self.value = pid, fd, value
        try:
            self.found = sys_.stat(f"/proc/{pid}/fd/{fd}")
            info = descriptor_info(pid, fd)
        except PermissionError:
            raise NtError(
                st.ACCESS_DENIED,
                name=f"process {pid}",
                detail="the kernel does not let this process look into its descriptors (another "
                "user's?)",
            ) from None
        except OSError:
            raise _no_such_handle(pid, value) from None
        if info is None:
            raise _no_such_handle(pid, value)
        self.position, self.flags = info
        self.carried = decode(self.position)  #: access, data descriptor, whether it is protected

    def open(self) -> int:
        """A description of the object's body."""
        return find.open_source((self.pid, self.fd), (self.found.st_dev, self.found.st_ino))


def duplicate_from(pid: int, value: int, access: int, attributes: int, options: int) -> Handle:
    """A handle of another process, into this one."""
    value &= ~3
    pid, fd = (pid, value // 4) if value < TRANSFERRED_VALUES_FROM else _whereabouts(pid, value)
    try:
        source = Source(pid, fd, value)
    except NtError as failure:
        if failure.status != st.ACCESS_DENIED:
            raise
        return _duplicate_privileged(pid, fd, access, attributes, options, failure)
    carried = source.carried
    if carried is None:
        return _file_from(source, access, attributes, options)
    try:
        body = source.open()
    except NtError:
        refusal = _no_such_handle(pid, value)
        return _duplicate_privileged(pid, fd, access, attributes, options, refusal)
    try:
        descriptions.hold(body)
        again = descriptor_info(pid, fd)
        if again is None or decode(again[0]) is None:
            raise _no_such_handle(pid, value)
        handle = handle_of_body(body, source, carried, access, attributes, options)
    finally:
        unlink.close_unused(body, None)
    if options & s.DUPLICATE_CLOSE_SOURCE and not carried[2]:
        try:
            revoke(pid, fd)
        except BaseException:
            table.close(handle.value)
            raise
    return handle


def _whereabouts(pid: int, value: int) -> tuple[int, int]:
    """Where the description of a handle is that a process was given: (process, descriptor).

    Until it is fetched it is the giver's.  Then it is the receiver's, under a descriptor that only
    the receiver knows: the giver finds it by the object that it gave.
    """
    giver, fd = (value & ~(TRANSFERRED_VALUES_FROM | INHERIT)) >> PID_SHIFT, (value & FD_MASK) // 4
    if _is_live(giver, fd, PENDING):
        return giver, fd
    identity = transferred_values.recent_transfers.get(value)
    for other in proc.descriptors(pid) if identity is not None else ():
        try:
            found = sys_.stat(f"/proc/{pid}/fd/{other}")
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == identity and _is_live(pid, other, 0):
            return pid, other
    raise _no_such_handle(pid, value)


def _is_live(pid: int, fd: int, given: int) -> bool:
    try:
        info = descriptor_info(pid, fd)
    except OSError:
        return False
    return info is not None and decode(info[0]) is not None and info[0] & PENDING == given


@ledger.whole
def _duplicate_privileged(
    pid: int, fd: int, access: int, attributes: int, options: int, refusal: NtError
) -> Handle:
    """A handle whose file the kernel does not let this user open: only the debug privilege reaches
    it.

    The duplicate shares the other process's description, and so cannot get more rights than that
    one carries.
    """
    try:
        body = proc.borrow(pid, fd)
    except OSError:
        raise refusal from None
    found, carried = sys_.fstat(body), decode(sys_.lseek(body, 0, 1))
    if not stat_.S_ISREG(found.st_mode) or carried is None or options & s.DUPLICATE_CLOSE_SOURCE:
        raise refusal
    facts = verify.read_body(body, found)
    kind = object_types.BY_NUMBER[facts.type]
    if facts.file_identity is not None:
        raise refusal  # the data is in a file of its own, which has its own rights
    has = carried[0] & kind.valid
    wanted = has if options & s.DUPLICATE_SAME_ACCESS else kind.specific(access)
    if wanted & ~has:
        raise NtError(
            st.ACCESS_DENIED,
            name=f"process {pid}",
            detail=f"asked for {kind.words(wanted)}, the handle grants {kind.words(has)}",
        )
    with lock:
        return table.register(
            body,
            kind,
            wanted,
            table.object_for_body(found, kind, facts, body),
            inherit=bool(attributes & s.OBJ_INHERIT),
            tag=False,
        )


def _no_such_handle(pid: int, value: int) -> NtError:
    alive = os.path.exists(f"/proc/{pid}/stat")
    return NtError(
        st.INVALID_HANDLE if alive else st.PROCESS_IS_TERMINATING,
        name=f"process {pid}",
        detail=f"it has no handle {value:#x}" if alive else "it has ended",
    )


@ledger.whole
def handle_of_body(
    body: int,
    source: Source,
    carried: tuple[int, int, bool],
    access: int,
    attributes: int,
    options: int,
) -> Handle:
    """A handle to the object with this body, which the source keeps alive meanwhile."""
    facts = verify.read_body(body, source.found)
    kind = object_types.BY_NUMBER[facts.type]
    has = carried[0] & kind.valid
    if rights.needs_write(kind, has, facts) and source.flags & os.O_ACCMODE == os.O_RDONLY:
        # a read-only descriptor carries no such right, whatever its holder wrote there
        has &= ~_writing_rights(kind)
    if options & s.DUPLICATE_SAME_ACCESS:
        wanted = has
    else:
        wanted = kind.specific(access)
        if wanted & ~has:
            wanted = rights.grant(facts.descriptor, wanted, kind)
    inherit = bool(attributes & s.OBJ_INHERIT)
    if options & s.DUPLICATE_SAME_ATTRIBUTES:
        inherit = not source.flags & _CLOEXEC_FLAG
    writable = rights.needs_write(kind, wanted)
    fd = descriptions.reopen(
        body, sys_.O_RDWR if rights.needs_write(kind, wanted, facts) else sys_.O_RDONLY
    )
    data_fd = -1
    descriptions.hold(fd)
    if facts.file_identity is not None:
        whole = find.Found(body, source=(source.pid, source.fd))
        data_fd = file_data.open_data(whole, facts, writable=writable)
    with lock:
        handle = table.register(
            fd,
            kind,
            wanted,
            table.object_for_body(source.found, kind, facts, fd),
            data_fd=data_fd,
            inherit=inherit,
        )
    if options & s.DUPLICATE_SAME_ATTRIBUTES and carried[2]:
        table.set_protected(handle, True)
    return handle


def _writing_rights(kind: ObjectType) -> int:
    return a.SECTION_MAP_WRITE if kind is object_types.SECTION else a.SYNCHRONIZE | 0x2


@ledger.whole
def _file_from(source: Source, access: int, attributes: int, options: int) -> Handle:
    """A descriptor that is no handle of this library's: a file shares the position, so the
    description must too."""
    pid = source.pid
    if not stat_.S_ISREG(source.found.st_mode) or source.position & TAG:
        raise _no_such_handle(pid, source.value)
    if options & s.DUPLICATE_CLOSE_SOURCE:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            name=f"process {pid}",
            detail="a file handle cannot be taken away",
        )
    from memsection.nt.linux.types import file

    new = _share_description(pid, source.fd)
    mode = source.flags & os.O_ACCMODE
    has = {os.O_RDONLY: a.FILE_GENERIC_READ, os.O_WRONLY: a.FILE_GENERIC_WRITE}.get(
        mode, a.FILE_GENERIC_READ | a.FILE_GENERIC_WRITE
    )
    wanted = has if options & s.DUPLICATE_SAME_ACCESS else FILE.specific(access)
    if wanted & ~(has | a.SYNCHRONIZE):
        raise NtError(
            st.ACCESS_DENIED,
            name=f"process {pid}",
            detail=f"the file handle grants {FILE.words(has)}",
        )
    return table.register(
        new,
        FILE,
        wanted,
        file.File(sys_.readlink(f"/proc/self/fd/{new}")),
        inherit=bool(attributes & s.OBJ_INHERIT),
        tag=False,
    )


def _share_description(pid: int, fd: int) -> int:
    """A descriptor that shares another process's description (pidfd_getfd(2); needs the right to
    trace it)."""
    try:
        return proc.borrow(pid, fd)
    except PermissionError:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            name=f"process {pid}",
            detail="this needs the right to trace the process (kernel.yama.ptrace_scope=0, a "
            "descendant, or "
            "CAP_SYS_PTRACE)",
        ) from None


def revoke(pid: int, fd: int) -> None:
    """Take a handle away from another process: through the shared description its lock goes, and
    its tag (H2)."""
    shared = _share_description(pid, fd)
    try:
        where = sys_.lseek(shared, 0, 1)
        if decode(where) is None:
            raise NtError(st.INVALID_HANDLE, name=f"process {pid}")
        sys_.lseek(shared, where | REVOKED, 0)
        sys_.flock(shared, sys_.LOCK_UN)
    finally:
        sys_.close(shared)
