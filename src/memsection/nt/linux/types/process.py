# SPDX-License-Identifier: MIT
"""Processes as objects: opening, querying, ending and starting them; tokens and the debug
privilege.

A process handle is a pidfd: it never means another process that got the same id later
(pidfd_open(2)).  Handles that go from one process to another are ``transfer``'s.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
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
from memsection.vocabulary.object_types import PROCESS
from memsection.vocabulary.sid import ADMINISTRATORS, Sid

SIGKILL = 9  #: signal(7); the module of that name takes long to import

# Rights that need more than seeing that the process exists.
_LOOK_INSIDE = (
    a.PROCESS_DUP_HANDLE
    | a.PROCESS_VM_OPERATION
    | a.PROCESS_VM_READ
    | a.PROCESS_VM_WRITE
    | a.PROCESS_QUERY_INFORMATION
)
_CONTROL = (
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
            if os.waitpid(pid, os.WNOHANG)[0]:
                _started.remove(pid)
        except ChildProcessError:
            _started.remove(pid)


def descriptor(pid: int) -> bytes:
    """The security descriptor of a process: its user and the administrators may do everything.

    Linux has no list for a process: who may look into one or end it is decided by ids (ptrace(2),
    kill(2)), and this is the list that says the same.
    """
    try:
        found = sys_.stat(f"/proc/{pid}")
    except FileNotFoundError:
        raise NtError(st.PROCESS_IS_TERMINATING, name=f"process {pid}") from None
    owner, group = Sid.unix_user(found.st_uid), Sid.unix_group(found.st_gid)
    entries = tuple(Ace(ACCESS_ALLOWED, 0, PROCESS.valid, sid) for sid in (owner, ADMINISTRATORS))
    return SecurityDescriptor(owner, group).with_dacl(Acl(entries)).to_bytes()


def open_(access: int, attributes: int, pid: int) -> int:
    """NtOpenProcess."""
    granted = _with_implied(PROCESS.specific(access))
    if not granted:
        raise NtError(st.ACCESS_DENIED, name=f"process {pid}", detail="no right was asked for")
    if granted & a.MAXIMUM_ALLOWED:
        all_of_it = _is_allowed(pid, _LOOK_INSIDE | _CONTROL)
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
        if not _is_allowed(pid, granted):
            raise NtError(
                st.ACCESS_DENIED,
                name=f"process {pid}",
                detail=f"asked for {PROCESS.words(granted)}; it runs as another user, or with more "
                f"rights than "
                "this process uses (the debug privilege, CAP_SYS_PTRACE, lifts that)",
            )
        return _register(fd, pid, granted, bool(attributes & s.OBJ_INHERIT)).value
    except BaseException:
        records.give_back(fd, False)
        raise


def _with_implied(access: int) -> int:
    """The rights that an open grants: who may ask or set everything may ask or set the little
    too."""
    if access & a.PROCESS_QUERY_INFORMATION:
        access |= a.PROCESS_QUERY_LIMITED_INFORMATION
    return access


def _register(fd: int, pid: int, granted: int, inherit: bool, what: int = -2) -> Handle:
    identity = (what, pid, proc.start_time(pid))
    obj = state.find_identity(identity) or Process(pid, identity)
    return table.register(fd, PROCESS, granted, obj, inherit=inherit, tag=False)


def _is_allowed(pid: int, granted: int) -> bool:
    """Whether the kernel would let this process do that; it is asked again at each deed."""
    if pid == os.getpid():
        return True
    if granted & _CONTROL:
        try:
            os.kill(pid, 0)
        except PermissionError:
            return False
        except ProcessLookupError:
            pass
    if granted & _LOOK_INSIDE:
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
    try:
        if not sys_.get_inheritable(fd) or sys_.readlink(f"/proc/self/fd/{fd}") not in (
            "anon_inode:[pidfd]",
            "pidfd",
        ):
            raise invalid(value)
        pid = proc.pid_of(fd)
    except OSError:
        raise invalid(value) from None
    return _register(fd, pid, PROCESS.valid, True)


def target(process: int, access: int) -> tuple[int, Handle | None]:
    """(process id, handle) of a process argument; own process for the pseudo handle and for a real
    one on itself."""
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


_INFO = struct.Struct("<QQ11Ii")  # struct pidfd_info (linux/pidfd.h)
_GET_INFO, _INFO_EXIT = 0xC040FF0B, 1 << 3


def query(process: int) -> s.ProcessBasicInformation:
    """NtQueryInformationProcess, ProcessBasicInformation."""
    pid, handle = target(process, a.PROCESS_QUERY_LIMITED_INFORMATION)
    if handle is None:
        return s.ProcessBasicInformation(st.PENDING, pid, os.getppid())
    if not has_ended(handle):
        return s.ProcessBasicInformation(st.PENDING, pid)
    return s.ProcessBasicInformation(_exit_status(handle), pid)


def _exit_status(handle: Handle) -> int:
    known = _ended.get(handle.obj.identity)
    if known is not None:
        return known
    try:  # a child: look without taking, subprocess may want to take it
        found = sys_.waitid(os.P_PIDFD, handle.fd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is not None:
            return found.si_status if found.si_code == os.CLD_EXITED else 128 + found.si_status
    except OSError:
        pass
    for look in (_taken_status, _zombie_status, _taken_status):  # it may be taken between two looks
        code = look(handle)
        if code is not None:
            return os.WEXITSTATUS(code) if os.WIFEXITED(code) else 128 + os.WTERMSIG(code)
    raise NtError(
        st.NOT_ON_THIS_SYSTEM,
        name=handle.obj.display_name(),
        detail="it has ended, and this kernel tells its exit status to its parent alone",
    )


def _taken_status(handle: Handle) -> int | None:
    """The wait status of a process whose parent has taken it: since Linux 6.15 the pidfd keeps
    it."""
    import fcntl

    try:
        answer = fcntl.ioctl(handle.fd, _GET_INFO, _INFO.pack(_INFO_EXIT, *[0] * 13))
    except OSError:
        return None
    mask, *_, code = _INFO.unpack(answer)
    return int(code) if mask & _INFO_EXIT else None


def _zombie_status(handle: Handle) -> int | None:
    """The wait status of a process whose parent has not taken it yet (proc_pid_stat(5), state and
    exit_code)."""
    assert isinstance(handle.obj, Process)
    try:
        fd = sys_.open(f"/proc/{handle.obj.pid}/stat", sys_.O_RDONLY | sys_.O_CLOEXEC)
        try:
            fields = sys_.read(fd, 2048).rpartition(b")")[2].split()
        finally:
            sys_.close(fd)
        # The start time says that the id still means this process; to other users exit_code reads
        # 0.
        mine = sys_.stat(f"/proc/{handle.obj.pid}").st_uid == os.geteuid()
        if mine and fields[0] in (b"Z", b"X") and int(fields[19]) == handle.obj.identity[2]:
            return int(fields[49])
    except (OSError, ValueError, IndexError):
        pass
    return None


def terminate(process: int, exit_status: int) -> None:
    """NtTerminateProcess."""
    pid, handle = target(process, a.PROCESS_TERMINATE)
    if handle is None or pid == os.getpid():
        os._exit(exit_status & 0xFF)
    if has_ended(handle):
        raise NtError(st.PROCESS_IS_TERMINATING, name=handle.obj.display_name())
    try:
        sys_.pidfd_send_signal(handle.fd, SIGKILL)
    except ProcessLookupError:
        raise NtError(st.PROCESS_IS_TERMINATING, name=handle.obj.display_name()) from None
    _ended[handle.obj.identity] = exit_status & 0xFFFFFFFF


def create(start: s.ProcessStart) -> s.StartedProcess:
    """What CreateProcess needs of the kernel.  Arguments are split already; CREATE_SUSPENDED is not
    possible here."""
    import subprocess

    collect()
    if start.creation_flags & 0x4:
        raise NtError(st.NOT_ON_THIS_SYSTEM, name=start.application, detail="CREATE_SUSPENDED")
    arguments = list(start.arguments) or [start.application or ""]
    standard = [
        None if value in (0, CURRENT_PROCESS) else _descriptor(value)
        for value in start.standard_handles or (0, 0, 0)
    ]
    # What is inheritable is inherited, all of it or none; the standard descriptors go in any case.
    try:
        child = subprocess.Popen(
            arguments,
            executable=start.application,
            stdin=standard[0],
            stdout=standard[1],
            stderr=standard[2],
            close_fds=not start.inherit_handles,
            cwd=start.directory,
            env=None if start.environment is None else dict(start.environment),
            start_new_session=bool(start.creation_flags & 0x8),
            process_group=0 if start.creation_flags & 0x200 else None,
        )
    except OSError as error:
        name = start.application or arguments[0]
        # subprocess says which of them it was
        if start.directory is not None and error.filename == start.directory:
            raise NtError(
                st.NOT_A_DIRECTORY, name=start.directory, detail=str(error.strerror)
            ) from None
        if error.errno == errno.ENOEXEC:
            raise NtError(st.INVALID_IMAGE_FORMAT, name=name) from None
        raise NtError(
            st.from_errno(error.errno or errno.EIO), name=name, detail=str(error.strerror)
        ) from None
    pid = child.pid
    child.returncode = 0  # from here on the process handle is who waits
    handles: list[Handle] = []
    try:
        # The first thread has its process's id and end here: its handle is like one to that, yet to
        # another object.
        for what, inheritable in ((-2, start.process_inheritable), (-4, start.thread_inheritable)):
            fd = sys_.pidfd_open(pid)
            try:
                handles.append(_register(fd, pid, PROCESS.valid, inheritable, what))
            except BaseException:
                sys_.close(fd)
                raise
    except BaseException:
        # The caller is told that there is no process: then none may run.
        os.kill(pid, SIGKILL)
        os.waitpid(pid, 0)
        for handle in handles:
            table.close(handle.value)
        raise
    process, thread = handles
    assert isinstance(process.obj, Process)
    process.obj.reaps = True
    return s.StartedProcess(process.value, thread.value, pid, pid)


def _descriptor(value: int) -> int:
    """The descriptor of a handle, or of a standard handle's value."""
    try:
        return table.lookup(value).fd
    except NtError:
        fd = value // 4
        try:
            sys_.fstat(fd)
        except OSError:
            raise invalid(value) from None
        return fd
