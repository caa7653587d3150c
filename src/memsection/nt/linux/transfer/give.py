# SPDX-License-Identifier: MIT
"""Handles given to another process: each waits in the giver until the other uses its value for the
first time."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection._native import ledger
from memsection.nt.linux.bodies.position import PENDING, PROTECTED, REVOKED, TRANSFERRED_VALUES_FROM
from memsection.nt.linux.handles import state, table
from memsection.nt.linux.handles.record import Handle, invalid
from memsection.nt.linux.names import namespace, unlink
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.tables_lock import lock
from memsection.nt.linux.transfer import copies, take, transferred_values
from memsection.nt.linux.transfer.transferred_values import (
    FD_MASK,
    INHERIT,
    MOST_RECENT_TRANSFERS,
    PID_SHIFT,
)
from memsection.nt.linux.types import process
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.forks import run_in_child


@ledger.whole
def put_into_process(
    handle: Handle, receiver: Handle | None, access: int, attributes: int, options: int
) -> int:
    """Make a handle for another process; it fetches it when it first uses the value."""
    assert receiver is not None and isinstance(receiver.obj, process.Process)
    if not handle.kind.has_body:
        raise NtError(
            st.NOT_ON_THIS_SYSTEM,
            name=handle.obj.display_name(),
            detail=f"{handle.kind.a_noun} handle cannot be put into another process on this system",
        )
    if process.has_ended(receiver):
        raise NtError(st.PROCESS_IS_TERMINATING, name=receiver.obj.display_name())
    copy = copies.copy(handle, access, False)
    inherit, copy.protected = (
        bool(attributes & s.OBJ_INHERIT),
        bool(attributes & s.OBJ_PROTECT_CLOSE),
    )
    if options & s.DUPLICATE_SAME_ATTRIBUTES:
        inherit, copy.protected = sys_.get_inheritable(handle.fd), handle.protected
    try:
        pidfd = sys_.duplicate_from(receiver.fd, 3)
    except BaseException:
        table.close(copy.value)
        raise
    with lock:
        state.discard(copy, close=False)
        copy.publish()
        sys_.lseek(copy.fd, sys_.lseek(copy.fd, 0, 1) | PENDING, 0)
        state.pending_transfers.append((pidfd, copy.fd, copy.data_fd, handle.obj.name))
    value = (
        TRANSFERRED_VALUES_FROM
        | (INHERIT if inherit else 0)
        | os.getpid() << PID_SHIFT
        | copy.fd * 4
    )
    if len(transferred_values.recent_transfers) >= MOST_RECENT_TRANSFERS:
        transferred_values.recent_transfers.pop(next(iter(transferred_values.recent_transfers)))
    transferred_values.recent_transfers[value] = handle.obj.identity
    return value


@ledger.settled
def accept(value: int) -> Handle:
    """Fetch a handle that another process gave to this one."""
    inherit = bool(value & INHERIT)
    pid, fd = (value & ~(TRANSFERRED_VALUES_FROM | INHERIT)) >> PID_SHIFT, (value & FD_MASK) // 4
    try:
        source = take.Source(pid, fd, value)
    except NtError:
        raise invalid(value) from None
    carried = source.carried
    if carried is None or not source.position & PENDING or pid == os.getpid():
        raise invalid(value)
    body = source.open()
    try:
        descriptions.hold(body)
        attributes = s.OBJ_INHERIT if inherit else 0
        handle = take.handle_of_body(body, source, carried, 0, attributes, s.DUPLICATE_SAME_ACCESS)
    finally:
        unlink.close_unused(body, None)
    with lock:
        state.rename(handle, value)
    if source.position & PROTECTED:
        table.set_protected(handle, True)
    try:
        take.revoke(pid, fd)
    except NtError:
        pass  # the giver lets go of it when this process ends
    return handle


def close_delivered() -> None:
    """Let go of given handles that were fetched, or whose receiver has ended."""
    if not state.pending_transfers:
        return
    # all of it: a descriptor that another thread closes meanwhile may be anything by now
    with lock:
        for entry in list(state.pending_transfers):
            pidfd, fd, data_fd, name = entry
            if not sys_.lseek(fd, 0, 1) & REVOKED and not _is_readable(pidfd):
                continue
            state.pending_transfers.remove(entry)
            unlink.close_unused(fd, namespace.place_of_name(name) if name else None)
            sys_.close(pidfd)
            if data_fd >= 0:
                sys_.close(data_fd)


def _is_readable(pidfd: int) -> bool:
    """Whether the process has ended (pidfd_open(2))."""
    poll = sys_.poll()
    poll.register(pidfd, 1)
    return bool(poll.poll(0))


@run_in_child
def _forget_pending() -> None:
    """A forked child has copies of what waits for others: not its to give."""
    for entry in state.pending_transfers:
        for fd in entry[:3]:
            if fd >= 0:
                sys_.close(fd)
    state.pending_transfers.clear()
    transferred_values.recent_transfers.clear()
