# SPDX-License-Identifier: MIT
"""Timers: create, open, set, cancel, query.  Waiting for one is in ``wait``.

A timer is due by what its state says and what the clock says: no thread or process fires it.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno

from memsection._native import sync
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.handles import create_open, rights, table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types import waitable
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import TIMER
from memsection.vocabulary.protection import PAGE_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TRIES = 100  #: to read a state that changes meanwhile
_LONGEST_PERIOD = 0x7FFFFFFF


def create(access: int, attributes: Any, timer_type: int) -> tuple[int, Handle]:
    """NtCreateTimer."""
    if timer_type not in (s.NOTIFICATION_TIMER, s.SYNCHRONIZATION_TIMER):
        raise NtError(st.INVALID_PARAMETER_4, detail=f"timer type {timer_type}")
    manual = timer_type == s.NOTIFICATION_TIMER
    state = sync.state_bytes(sync.TIMER, sync.MANUAL if manual else 0)
    return waitable.create(TIMER, access, attributes, state)


def open_(access: int, attributes: Any) -> Handle:
    """NtOpenTimer."""
    return create_open.open_(TIMER, access, attributes)


def set_(value: int, due: int, period: int, resume: bool) -> tuple[int, int]:
    """NtSetTimer; a system that sleeps is not woken, and says so by TIMER_RESUME_IGNORED."""
    handle = table.lookup(value, TIMER, a.TIMER_MODIFY_STATE)
    if not -1 << 63 <= due < 1 << 63:
        raise NtError(
            st.INVALID_PARAMETER_2,
            name=handle.obj.display_name(),
            detail=f"{due} is no LARGE_INTEGER",
        )
    if not 0 <= period <= _LONGEST_PERIOD:
        raise NtError(
            st.INVALID_PARAMETER_6,
            name=handle.obj.display_name(),
            detail=f"a period of {period} ms",
        )
    before = waitable.state_of(handle).set_timer(handle.fd, due, period)
    if before < 0:
        raise waitable.failure(before, TIMER, handle.obj.display_name())
    return st.TIMER_RESUME_IGNORED if resume else st.SUCCESS, before


def cancel(value: int) -> int:
    """NtCancelTimer."""
    handle = table.lookup(value, TIMER, a.TIMER_MODIFY_STATE)
    signaled = waitable.state_of(handle).cancel_timer(handle.fd)
    if signaled < 0:
        raise waitable.failure(signaled, TIMER, handle.obj.display_name())
    return signaled


def query(value: int) -> s.TimerBasicInformation:
    """NtQueryTimer; also by a handle that only reads."""
    handle = table.lookup(value, TIMER, a.TIMER_QUERY_STATE)
    _, _, _, _, flags, _ = waitable.look(handle)
    facts = _look(handle)
    for _ in range(_TRIES):
        if facts[0] != -errno.EAGAIN:
            break
        facts = _look(handle)
    result, signaled, is_set, period, left = facts
    if result < 0:
        raise waitable.failure(-errno.EBADMSG, TIMER, handle.obj.display_name())
    return s.TimerBasicInformation(left, signaled, bool(flags & sync.MANUAL), is_set, period)


def _look(handle: Handle) -> tuple[int, bool, bool, int, int]:
    if handle.obj.state is not None or rights.needs_write(TIMER, handle.access):
        return waitable.state_of(handle).look_timer()
    return sync.timer_facts(_bytes_of_state(handle))


def _bytes_of_state(handle: Handle) -> bytes:
    """The state, read until it is twice the same: a read is no atomic operation."""
    facts = handle.obj.facts
    assert facts is not None
    at = facts.body_size - PAGE_SIZE + control_page.STATE_OFFSET
    before = b""
    for _ in range(_TRIES):
        data = sys_.pread(handle.fd, sync.STATE_SIZE, at)
        if len(data) < sync.STATE_SIZE:
            break
        if data == before:
            return data
        before = data
    raise waitable.failure(-errno.EBADMSG, TIMER, handle.obj.display_name())
