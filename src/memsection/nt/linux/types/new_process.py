# SPDX-License-Identifier: MIT
"""Starting processes: what CreateProcess needs, with handles to the process and its first
thread."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import contextlib
import errno
import os
import subprocess  # here: a thread that imports could wait for who forks
from functools import partial

from memsection._native import records
from memsection.nt.linux.handles import table
from memsection.nt.linux.handles.record import CURRENT_PROCESS, Handle, invalid
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.beside import beside
from memsection.nt.linux.types import process, thread
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import PROCESS, THREAD


def create(start: s.ProcessStart) -> s.StartedProcess:
    """What CreateProcess needs of the kernel.  Arguments are split already; CREATE_SUSPENDED is not
    possible here."""
    process.collect()
    if start.creation_flags & 0x4:
        raise NtError(st.NOT_ON_THIS_SYSTEM, name=start.application, detail="CREATE_SUSPENDED")
    standard = [
        None if value in (0, CURRENT_PROCESS) else _descriptor(value)
        for value in start.standard_handles or (0, 0, 0)
    ]
    # With what fails or is raised from here on the process ends: its caller is told of none.
    pid = beside(partial(_start, start, standard), _end)
    made = _process_handle(pid, start.process_inheritable)
    try:
        first = thread.handle_to(pid, THREAD.valid, start.thread_inheritable)
    except BaseException:
        table.close(made.value)
        raise
    assert isinstance(made.obj, process.Process)
    made.obj.reaps = True
    return s.StartedProcess(made.value, first.value, pid, pid)


def _process_handle(pid: int, inheritable: bool) -> Handle:
    fd = sys_.pidfd_open(pid)
    try:
        return process.register(fd, pid, PROCESS.valid, inheritable)
    except BaseException:
        records.give_back(fd, False)  # with the handle, where it is one already
        raise


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, process.SIGKILL)
        os.waitpid(pid, 0)


def _start(start: s.ProcessStart, standard: list[int | None]) -> int:
    """The id of the new process, whose status is the handle's to collect."""
    arguments = list(start.arguments) or [start.application or ""]
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
    child.returncode = 0  # from here on the process handle is who waits
    return child.pid


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
