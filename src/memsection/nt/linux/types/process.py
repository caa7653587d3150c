# SPDX-License-Identifier: MIT
"""Processes as objects: opening, querying and ending them.

Starting them is ``new_process``'s.  A process handle is a pidfd: it never means another process
that got the same id later (pidfd_open(2)).  Handles that go from one process to another are
``transfer``'s.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import contextlib
import os
import struct

from memsection._native import records
from memsection.nt.linux.handles import record, state, table
from memsection.nt.linux.handles.record import CURRENT_PROCESS, Handle, invalid
from memsection.nt.linux.system import proc
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.descriptor import ACCESS_ALLOWED, Ace, Acl, SecurityDescriptor
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import PROCESS, ObjectType
from memsection.vocabulary.sid import ADMINISTRATORS, Sid

SIGKILL = 9  #: signal(7); the module of that name takes long to import

# Rights that need more than seeing that the process exists.
LOOK_INSIDE = (
    a.PROCESS_DUP_HANDLE
    | a.PROCESS_VM_OPERATION
    | a.PROCESS_VM_READ
    | a.PROCESS_VM_WRITE
    | a.PROCESS_QUERY_INFORMATION
)
CONTROL = (
    a.PROCESS_TERMINATE | a.PROCESS_SUSPEND_RESUME | a.PROCESS_SET_INFORMATION | a.PROCESS_SET_QUOTA
)


class Process(record.LocalObject):
    """A process that this one has a handle to."""

    __slots__ = ("pid", "reaps")

    def __init__(self, pid: int, identity: tuple[int, ...]) -> None:
        super().__init__(PROCESS, identity)
        self.pid = pid
        self.reaps = False  #: a child that create() started: the last handle collects its status

    def display_name(self) -> str | None:
        return f"process {self.pid}"

    def last_handle_closed(self) -> None:
        if self.reaps:
            _started.append(self.pid)
            collect()


# exit statuses that this process itself gave (TerminateProcess)
_ended: dict[tuple[int, ...], int] = {}
_started: list[int] = []  # children of create() that nobody has a handle to and that may still run


def collect() -> None:
    """Take the status of ended children whose handles are closed, so that none stays behind."""
    for pid in list(_started):
        try:
            has_ended = bool(os.waitpid(pid, os.WNOHANG)[0])
        except ChildProcessError:
            has_ended = True
        if has_ended:
            with contextlib.suppress(ValueError):  # another thread was faster
                _started.remove(pid)


def descriptor_of(handle: Handle, pid: int, whole: tuple[int, ...]) -> bytes:
    """The security descriptor of the process or thread of a handle; the process has this id and
    identity."""
    found = descriptor(pid, handle.kind)
    # If it is gone that may have been another process's; a thread may have gone before its process.
    is_whole = handle.obj.identity[1] == pid
    if is_gone(handle) and (is_whole or identity_of(pid) != whole):
        raise NtError(
            st.PROCESS_IS_TERMINATING,
            name=handle.obj.display_name(),
            detail="it has ended, and whose it was is known no more",
        )
    return found


def descriptor(pid: int, kind: ObjectType = PROCESS) -> bytes:
    """The security descriptor of a process, or of its threads: its user and the administrators may
    do everything.

    Linux has no list for a process: who may look into one or end it is decided by ids (ptrace(2),
    kill(2)), and this is the list that says the same.
    """
    try:
        found = sys_.stat(f"/proc/{pid}")
    except FileNotFoundError:
        raise NtError(st.PROCESS_IS_TERMINATING, name=f"process {pid}") from None
    owner, group = Sid.unix_user(found.st_uid), Sid.unix_group(found.st_gid)
    entries = tuple(Ace(ACCESS_ALLOWED, 0, kind.valid, sid) for sid in (owner, ADMINISTRATORS))
    return SecurityDescriptor(owner, group).with_dacl(Acl(entries)).to_bytes()


def open_(access: int, attributes: int, pid: int) -> int:
    """NtOpenProcess."""
    granted = _with_implied(PROCESS.specific(access & 0xFFFFFFFF))
    if not granted:
        raise NtError(st.ACCESS_DENIED, name=f"process {pid}", detail="no right was asked for")
    require_rights_of(PROCESS, granted, f"process {pid}")
    if granted & a.MAXIMUM_ALLOWED:
        all_of_it = is_allowed(pid, LOOK_INSIDE | CONTROL)
        granted = (
            PROCESS.valid if all_of_it else a.PROCESS_QUERY_LIMITED_INFORMATION | a.SYNCHRONIZE
        )
    if pid <= 0:
        raise NtError(st.INVALID_CID, name=f"process {pid}", detail="no process has this id")
    try:
        fd = sys_.pidfd_open(pid)
    except (ProcessLookupError, OverflowError):
        raise NtError(
            st.INVALID_CID, name=f"process {pid}", detail="there is no such process"
        ) from None
    try:
        if not is_allowed(pid, granted):
            raise NtError(
                st.ACCESS_DENIED,
                name=f"process {pid}",
                detail=f"asked for {PROCESS.words(granted)}; it runs as another user, or with more "
                f"rights than "
                "this process uses (the debug privilege, CAP_SYS_PTRACE, lifts that)",
            )
        return register(fd, pid, granted, bool(attributes & s.OBJ_INHERIT)).value
    except BaseException:
        records.give_back(fd, False)
        raise


def require_rights_of(kind: ObjectType, access: int, name: str) -> None:
    """Make sure that only rights are asked for that the type has."""
    if beyond := access & ~(kind.valid | a.MAXIMUM_ALLOWED):
        raise NtError(
            st.ACCESS_DENIED, name=name, detail=f"no {kind.noun} has the rights {beyond:#x}"
        )


def _with_implied(access: int) -> int:
    """The rights that an open grants: who may ask or set everything may ask or set the little
    too."""
    if access & a.PROCESS_QUERY_INFORMATION:
        access |= a.PROCESS_QUERY_LIMITED_INFORMATION
    return access


def identity_of(pid: int) -> tuple[int, ...]:
    """Equal for the same process, and for nothing else."""
    try:
        fd = sys_.pidfd_open(pid)
    except ProcessLookupError:
        raise NtError(
            st.INVALID_CID, name=f"process {pid}", detail="there is no such process"
        ) from None
    try:
        return _identity_behind(fd, pid)
    finally:
        sys_.close(fd)


def _identity_behind(fd: int, pid: int) -> tuple[int, ...]:
    """The identity of the process of a pidfd.

    Start times are told in ticks of 10 ms, in which another process can get the id. The inode of a
    pidfd is one process's for ever since Linux 6.9; before that all pidfds have the same.
    """
    return -2, pid, proc.start_time(pid), sys_.fstat(fd).st_ino


def register(fd: int, pid: int, granted: int, inherit: bool) -> Handle:
    """Make a pidfd a handle."""
    identity = _identity_behind(fd, pid)
    if proc.pid_of(fd) < 0:
        # it ended meanwhile: what was read of the id may have been another process's
        raise NtError(st.INVALID_CID, name=f"process {pid}", detail="there is no such process")
    obj = state.find_identity(identity) or Process(pid, identity)
    return table.register(fd, PROCESS, granted, obj, inherit=inherit, tag=False)


def is_allowed(pid: int, granted: int) -> bool:
    """Whether the kernel would let this process do that; it is asked again at each deed."""
    if pid == os.getpid():
        return True
    if granted & CONTROL:
        try:
            os.kill(pid, 0)
        except PermissionError:
            return False
        except ProcessLookupError:
            pass
    if granted & LOOK_INSIDE:
        try:
            # The kernel's own question (ptrace(2), PTRACE_MODE_READ); listing /proc/PID/fd asks for
            # more than that.
            sys_.readlink(f"/proc/{pid}/cwd")
        except PermissionError:
            return False
        except OSError:
            pass
    return True


def adopt(fd: int, found: os.stat_result, value: int) -> Handle:
    """A process handle inherited through exec: it may do what the kernel lets its holder do."""
    return register(fd, inherited_id(fd, value), PROCESS.valid, True)


def inherited_id(fd: int, value: int) -> int:
    """The id behind a pidfd that came through exec; anything else is no handle."""
    try:
        if not sys_.get_inheritable(fd) or sys_.readlink(f"/proc/self/fd/{fd}") not in (
            "anon_inode:[pidfd]",
            "pidfd",
        ):
            raise invalid(value)
        return proc.pid_of(fd)
    except OSError:
        raise invalid(value) from None


def target(process: int, access: int) -> tuple[int, Handle | None]:
    """(process id, handle) of a process argument, for what the kernel does by id; own process for
    the pseudo handle and for a real one on itself.

    A handle to a process that has ended, and whose status was taken, names nothing any more: its id
    may be another process's.
    """
    pid, handle = _target_maybe_ended(process, access)
    if handle is not None and is_gone(handle):
        raise NtError(
            st.PROCESS_IS_TERMINATING,
            name=handle.obj.display_name(),
            detail="the process has ended",
        )
    return pid, handle


def _target_maybe_ended(process: int, access: int) -> tuple[int, Handle | None]:
    """As ``target``, of a process that may have ended."""
    if process == CURRENT_PROCESS:
        return os.getpid(), None
    handle = table.lookup(process, PROCESS, access)
    assert isinstance(handle.obj, Process)
    return handle.obj.pid, handle


def require_this_process(process: int, access: int, operation: str) -> None:
    """Make sure that a process argument is this process."""
    pid, handle = target(process, access)
    if pid != os.getpid():
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            name=handle.obj.display_name() if handle else None,
            detail=f"{operation} in another process is not possible on this system",
        )


def has_ended(handle: Handle) -> bool:
    """Whether the process of a handle has ended: its pidfd is readable then."""
    poll = sys_.poll()
    poll.register(handle.fd, 1)
    return bool(poll.poll(0))


def is_gone(handle: Handle) -> bool:
    """Whether the id of the process or thread of a handle may mean another one by now."""
    return has_ended(handle) and proc.pid_of(handle.fd) < 0


_INFO = struct.Struct("<QQ11Ii")  # struct pidfd_info (linux/pidfd.h)
_GET_INFO, _INFO_EXIT = 0xC040FF0B, 1 << 3


def query(process: int) -> s.ProcessBasicInformation:
    """NtQueryInformationProcess, ProcessBasicInformation."""
    pid, handle = _target_maybe_ended(process, a.PROCESS_QUERY_LIMITED_INFORMATION)
    if handle is None:
        return s.ProcessBasicInformation(st.PENDING, pid, os.getppid())
    if not has_ended(handle):
        return s.ProcessBasicInformation(st.PENDING, pid)
    assert isinstance(handle.obj, Process)
    return s.ProcessBasicInformation(exit_status(handle, pid, handle.obj.identity), pid)


def exit_status(handle: Handle, number: int, process: tuple[int, ...]) -> int:
    """What a process ended with, or one of its threads: whatever has this number."""
    known = _ended.get(process)
    if known is not None:
        return known
    try:  # a child: look without taking, subprocess may want to take it
        found = sys_.waitid(os.P_PIDFD, handle.fd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is not None:
            return found.si_status if found.si_code == os.CLD_EXITED else 128 + found.si_status
    except OSError:
        pass
    for look in (_taken_status, _zombie_status, _taken_status):  # it may be taken between two looks
        code = look(handle, number)
        if code is not None:
            return os.WEXITSTATUS(code) if os.WIFEXITED(code) else 128 + os.WTERMSIG(code)
    raise NtError(
        st.NOT_ON_THIS_SYSTEM,
        name=handle.obj.display_name(),
        detail="it has ended, and this kernel tells its exit status to its parent alone",
    )


def _taken_status(handle: Handle, number: int) -> int | None:
    """The wait status of a process whose parent has taken it: since Linux 6.15 the pidfd keeps
    it."""
    import fcntl

    try:
        answer = fcntl.ioctl(handle.fd, _GET_INFO, _INFO.pack(_INFO_EXIT, *[0] * 13))
    except OSError:
        return None
    mask, *_, code = _INFO.unpack(answer)
    return int(code) if mask & _INFO_EXIT else None


def _zombie_status(handle: Handle, number: int) -> int | None:
    """The wait status of a process whose parent has not taken it yet (proc_pid_stat(5), state and
    exit_code)."""
    try:
        fields = proc.read_start(f"/proc/{number}/stat", 2048).rpartition(b")")[2].split()
        # To other users exit_code reads 0.
        mine = sys_.stat(f"/proc/{number}").st_uid == os.geteuid()
        # Asked last: while nobody has taken the status, the id means this process.
        if mine and fields[0] in (b"Z", b"X") and proc.pid_of(handle.fd) == number:
            return int(fields[49])
    except (OSError, ValueError, IndexError):
        pass
    return None


def terminate(process: int, exit_status: int) -> None:
    """NtTerminateProcess."""
    pid, handle = _target_maybe_ended(process, a.PROCESS_TERMINATE)
    if handle is not None and has_ended(handle):
        raise NtError(st.PROCESS_IS_TERMINATING, name=handle.obj.display_name())
    if handle is None or pid == os.getpid():
        os._exit(exit_status & 0xFF)
    try:
        sys_.pidfd_send_signal(handle.fd, SIGKILL)
    except ProcessLookupError:
        raise NtError(st.PROCESS_IS_TERMINATING, name=handle.obj.display_name()) from None
    _ended[handle.obj.identity] = exit_status & 0xFFFFFFFF
