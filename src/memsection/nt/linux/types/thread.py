# SPDX-License-Identifier: MIT
"""Threads as objects: opening and asking them.

A thread handle is a pidfd made with PIDFD_THREAD (pidfd_open(2), Linux 6.9): it never means another
thread that got the same id later, and is readable when the thread has ended.  An older kernel has
descriptors for whole processes alone: there the handle of a main thread is one, which the kernel
could not tell from a process handle again and which is therefore not inherited; a handle to another
thread is refused.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
from _thread import get_native_id

from memsection._native import records
from memsection.nt.linux.handles import record, state, table
from memsection.nt.linux.handles.record import CURRENT_THREAD, Handle
from memsection.nt.linux.system import proc
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types import process
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import THREAD

_F_GETFL = 3
#: rights that need the right to end the process, or to look into it
_CONTROL = (
    a.THREAD_TERMINATE | a.THREAD_SUSPEND_RESUME | a.THREAD_SET_INFORMATION | a.THREAD_SET_CONTEXT
)
_LOOK_INSIDE = a.THREAD_GET_CONTEXT | a.THREAD_QUERY_INFORMATION


class Thread(record.LocalObject):
    """A thread that this process has a handle to."""

    __slots__ = ("pid", "process", "tid")

    def __init__(self, tid: int, pid: int, identity: tuple[int, ...]) -> None:
        super().__init__(THREAD, identity)
        self.tid, self.pid = tid, pid
        self.process = process.identity_of(pid)

    def display_name(self) -> str | None:
        return f"thread {self.tid}"


def open_(access: int, attributes: int, tid: int, pid: int = 0) -> int:
    """NtOpenThread; with a process id the thread must be of that process."""
    granted = _with_implied(THREAD.specific(access & 0xFFFFFFFF))
    if not granted:
        raise NtError(st.ACCESS_DENIED, name=f"thread {tid}", detail="no right was asked for")
    process.require_rights_of(THREAD, granted, f"thread {tid}")
    if not 0 < tid < 1 << 31:
        raise NtError(st.INVALID_CID, name=f"thread {tid}", detail="no thread has this id")
    owner = proc.process_of_thread(tid)
    if pid not in (0, owner):
        raise NtError(st.INVALID_CID, name=f"thread {tid}", detail=f"it is not of process {pid}")
    if granted & a.MAXIMUM_ALLOWED:
        whole = process.is_allowed(owner, process.LOOK_INSIDE | process.CONTROL)
        granted = THREAD.valid if whole else a.THREAD_QUERY_LIMITED_INFORMATION | a.SYNCHRONIZE
    needed = (process.CONTROL if granted & _CONTROL else 0) | (
        process.LOOK_INSIDE if granted & _LOOK_INSIDE else 0
    )
    if not process.is_allowed(owner, needed):
        raise NtError(
            st.ACCESS_DENIED,
            name=f"thread {tid}",
            detail=f"asked for {THREAD.words(granted)}; its process runs as another user, or with "
            "more rights than this one uses (the debug privilege, CAP_SYS_PTRACE, lifts that)",
        )
    return handle_to(tid, granted, bool(attributes & s.OBJ_INHERIT)).value


def _with_implied(access: int) -> int:
    """The rights that an open grants: who may ask or set everything may ask or set the little
    too."""
    if access & a.THREAD_QUERY_INFORMATION:
        access |= a.THREAD_QUERY_LIMITED_INFORMATION
    if access & a.THREAD_SET_INFORMATION:
        access |= a.THREAD_SET_LIMITED_INFORMATION
    return access


def handle_to(tid: int, granted: int, inherit: bool) -> Handle:
    """A handle to the thread of this id, whoever may have one."""
    fd = _descriptor(tid)
    try:
        if inherit:
            require_inheritable(fd, tid)
        handle = _register(fd, tid, granted, inherit)
    except BaseException:
        records.give_back(fd, False)
        raise
    assert isinstance(handle.obj, Thread)
    if handle.obj.pid != tid and process.has_ended(handle):
        table.close(handle.value)
        raise _no_such_thread(tid)
    return handle


def _descriptor(tid: int) -> int:
    try:
        return sys_.pidfd_open(tid, sys_.PIDFD_THREAD)
    except ProcessLookupError:
        raise _no_such_thread(tid) from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    if proc.process_of_thread(tid) != tid:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            name=f"thread {tid}",
            detail="a handle to a thread that is not the first of its process needs Linux 6.9",
        )
    try:
        return sys_.pidfd_open(tid)
    except ProcessLookupError:
        raise _no_such_thread(tid) from None


def _no_such_thread(tid: int) -> NtError:
    return NtError(st.INVALID_CID, name=f"thread {tid}", detail="there is no such thread")


def is_thread(fd: int) -> bool:
    """Whether the kernel says of a pidfd that it is for a thread."""
    return bool(sys_.fcntl(fd, _F_GETFL) & sys_.PIDFD_THREAD)


def require_inheritable(fd: int, tid: int) -> None:
    """Make sure that who inherits this descriptor can tell what it is."""
    if not is_thread(fd):
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            name=f"thread {tid}",
            detail="who inherited it would take it for a handle to the process: descriptors for "
            "threads need Linux 6.9",
        )


def _identity_behind(fd: int, tid: int) -> tuple[int, ...]:
    """As of a process: its inode tells a thread from the next one of its id."""
    return -6, tid, proc.start_time(tid), sys_.fstat(fd).st_ino


def current_identity() -> tuple[int, ...]:
    """The identity of the calling thread."""
    tid = get_native_id()
    try:
        fd = _descriptor(tid)
    except NtError:  # before Linux 6.9: there is no handle to it that could be compared
        return -6, tid, 0, 0
    try:
        return _identity_behind(fd, tid)
    finally:
        sys_.close(fd)


def _register(fd: int, tid: int, granted: int, inherit: bool) -> Handle:
    identity = _identity_behind(fd, tid)
    obj = state.find_identity(identity)
    if obj is None:
        obj = Thread(tid, proc.process_of_thread(tid), identity)
    if proc.pid_of(fd) < 0:
        # What was read of the id may have been another thread's, which had it after this one.
        raise _no_such_thread(tid)
    return table.register(fd, THREAD, granted, obj, inherit=inherit, tag=False)


def adopt(fd: int, found: os.stat_result, value: int) -> Handle:
    """A thread handle inherited through exec: it may do what the kernel lets its holder do."""
    return _register(fd, process.inherited_id(fd, value), THREAD.valid, True)


def query(value: int) -> s.ThreadBasicInformation:
    """NtQueryInformationThread, ThreadBasicInformation."""
    if value == CURRENT_THREAD:
        return s.ThreadBasicInformation(st.PENDING, os.getpid(), get_native_id())
    handle = table.lookup(value, THREAD, a.THREAD_QUERY_LIMITED_INFORMATION)
    thread = handle.obj
    assert isinstance(thread, Thread)
    code = st.PENDING
    if process.has_ended(handle):
        # TerminateProcess said what the first thread ends with; others may have ended before
        whole = thread.process if thread.tid == thread.pid else ()
        code = process.exit_status(handle, thread.tid, whole)
    return s.ThreadBasicInformation(code, thread.pid, thread.tid)
