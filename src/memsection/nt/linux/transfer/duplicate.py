# SPDX-License-Identifier: MIT
"""Handles that go from one process to another: taken by (process, value), taken away, and given.

The kernel checks who may look into whom (proc(5): /proc/PID/fd needs PTRACE_MODE_READ); what a
handle is, its own descriptor tells (H1).  A handle given to another process waits in the giver
until the other uses its value for the first time; the value says where: giver's process id and
descriptor.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import threading

from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.handles import rights, state, table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.tables_lock import lock
from memsection.nt.linux.transfer import copies, give, take
from memsection.nt.linux.types import directory, process, thread
from memsection.nt.linux.types.process import target
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import DIRECTORY, FILE, PROCESS, THREAD


def duplicate(
    source_process: int,
    source: int,
    target_process: int,
    access: int,
    attributes: int,
    options: int,
) -> int:
    """NtDuplicateObject."""
    give.close_delivered()
    if not target_process and not options & s.DUPLICATE_CLOSE_SOURCE:
        raise NtError(
            st.INVALID_HANDLE,
            detail="no process is to have the duplicate, and the source is not to be closed",
        )
    source_pid, _ = target(source_process, a.PROCESS_DUP_HANDLE)
    target_pid, receiver = (
        target(target_process, a.PROCESS_DUP_HANDLE) if target_process else (0, None)
    )
    own = os.getpid()
    if source_pid != own:
        handle = take.duplicate_from(source_pid, source, access, attributes, options)
        if target_pid == own:
            if attributes & s.OBJ_PROTECT_CLOSE:
                table.set_protected(handle, True)
            return handle.value
        if not target_pid:
            table.close(handle.value)
            return 0
        value = give.put_into_process(handle, receiver, handle.access, attributes, options)
        table.close(handle.value)
        return value
    if source in (s.CURRENT_PROCESS, s.CURRENT_THREAD):
        return _open_oneself(source, target_pid, access, attributes, options)
    handle = table.lookup(source)
    if target_pid and handle.kind is DIRECTORY:
        raise directory.stays_here(directory.path_of(handle))
    if target_pid == own:
        return _duplicate_here(handle, access, attributes, options)
    if target_pid:
        value = give.put_into_process(
            handle, receiver, requested_access(handle, access, options), attributes, options
        )
    else:
        value = 0
    if options & s.DUPLICATE_CLOSE_SOURCE and not handle.protected:
        table.close(handle.value)
    return value


def _open_oneself(source: int, target_pid: int, access: int, attributes: int, options: int) -> int:
    """A real handle for the pseudo handle of this process or of the calling thread."""
    kind = PROCESS if source == s.CURRENT_PROCESS else THREAD
    if target_pid != os.getpid():
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            detail=f"a handle to {kind.a_noun} cannot be put into another process",
        )
    wanted = kind.valid if options & s.DUPLICATE_SAME_ACCESS else access
    if kind is PROCESS:
        value = process.open_(wanted, attributes, os.getpid())
    else:
        value = thread.open_(wanted, attributes, threading.get_native_id(), os.getpid())
    if attributes & s.OBJ_PROTECT_CLOSE:
        table.set_protected(table.lookup(value), True)
    return value


def requested_access(handle: Handle, access: int, options: int) -> int:
    """The access of the duplicate; more than the source's is checked against the object's
    descriptor (R1)."""
    if options & s.DUPLICATE_SAME_ACCESS:
        return handle.access
    kind = handle.kind
    wanted = kind.specific(access & 0xFFFFFFFF)
    if wanted & ~(kind.valid | a.MAXIMUM_ALLOWED):
        raise NtError(
            st.ACCESS_DENIED,
            name=handle.obj.display_name(),
            detail=f"no {kind.noun} has the rights {wanted & ~kind.valid:#x}",
        )
    if wanted & ~handle.access:
        if kind.has_body:
            assert handle.obj.facts is not None
            facts = control_page.current(handle.fd, handle.obj.facts)
            return rights.grant(facts.descriptor, wanted, kind)
        if kind is FILE:
            raise NtError(
                st.ACCESS_DENIED,
                name=handle.obj.display_name(),
                detail=f"asked for {kind.words(wanted)}, the handle grants "
                f"{kind.words(handle.access)}",
            )
        if kind is PROCESS:
            assert isinstance(handle.obj, process.Process)
            temporary = process.open_(wanted, 0, handle.obj.pid)
            table.close(temporary)
        if isinstance(handle.obj, thread.Thread):
            table.close(thread.open_(wanted, 0, handle.obj.tid, handle.obj.pid))
    return wanted & ~a.MAXIMUM_ALLOWED


def _duplicate_here(handle: Handle, access: int, attributes: int, options: int) -> int:
    """Within this process."""
    wanted = requested_access(handle, access, options)
    inherit = bool(attributes & s.OBJ_INHERIT)
    protect = bool(attributes & s.OBJ_PROTECT_CLOSE)
    if options & s.DUPLICATE_SAME_ATTRIBUTES:
        inherit, protect = sys_.get_inheritable(handle.fd), handle.protected
    if inherit and isinstance(handle.obj, thread.Thread):
        thread.require_inheritable(handle.fd, handle.obj.tid)
    copy = copies.copy(handle, wanted, inherit)
    if options & s.DUPLICATE_CLOSE_SOURCE and not handle.protected:
        copy = _replace_source(handle, copy)
    if protect:
        table.set_protected(copy, True)
    return copy.value


def _replace_source(handle: Handle, copy: Handle) -> Handle:
    """Put the copy in the place of its source: within one process the value stays
    (duplicate.close_source_reuses...)."""
    with lock:
        inherit = sys_.get_inheritable(copy.fd)
        os.dup2(copy.fd, handle.fd, inheritable=inherit)
        handle.access = copy.access
        if handle.data_fd >= 0:
            os.dup2(copy.data_fd, handle.data_fd, inheritable=inherit)
        state.discard(copy)
        if handle.kind.has_body:
            handle.publish()
    return handle
