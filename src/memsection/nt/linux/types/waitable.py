# SPDX-License-Identifier: MIT
"""What mutexes, events, semaphores and timers have in common: their bodies, their state words, and
the core's results in words.

Their operations are in the modules of their types, waiting in ``wait``; how state words change is
the native core's.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import struct

from memsection._native import sync, system
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.handles import create_open, rights
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.handles.rights import NewSecurity
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types import new_body
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import ObjectType
from memsection.vocabulary.protection import PAGE_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


CORE_KINDS = {
    object_types.MUTANT: sync.MUTEX,
    object_types.EVENT: sync.EVENT,
    object_types.SEMAPHORE: sync.SEMAPHORE,
    object_types.TIMER: sync.TIMER,
}
_STATE = struct.Struct("<IBBHI52xQI4xII")  # ms_state of ms_sync.h
_MAGIC, _VERSION = 0x434E5953, 1
_FAILURES = {
    errno.EPERM: (st.MUTANT_NOT_OWNED, ""),
    errno.EBADMSG: (
        st.FILE_CORRUPT_ERROR,
        "the object's state words, which any holder may write, make no sense",
    ),
    errno.EDEADLK: (
        st.FILE_CORRUPT_ERROR,
        "a process that waits for several objects holds it and does not go on",
    ),
    errno.EUSERS: (
        st.INSUFFICIENT_RESOURCES,
        "more processes use the object than it has slots for",
    ),
    errno.EBUSY: (
        st.ACCESS_DENIED,
        "a process that may only read the object holds locks on its file, so that nobody can"
        " begin to use it; who uses it already is not hindered",
    ),
    errno.EBADF: (st.INVALID_HANDLE, ""),
}


#: The longest time that a wait spins before it sleeps, in microseconds; 0 for never.  Up to 200 it
#: is learned.
SPIN_VARIABLE, _LONGEST_SPIN = "MEMSECTION_SPIN_US", 1000


def set_spin(value: str | None) -> None:
    """Have waits spin as the environment says; what is no number there leaves them as they are."""
    if value is not None and value.isascii() and value.isdigit():
        sync.set_spin(min(int(value), _LONGEST_SPIN) * 1000)


set_spin(os.environ.get(SPIN_VARIABLE))


def failure(result: int, kind: ObjectType, name: str | None = None, operation: str = "") -> NtError:
    """A negative errno of the core as a status."""
    if -result == errno.EOVERFLOW:
        status = (
            st.SEMAPHORE_LIMIT_EXCEEDED
            if kind is object_types.SEMAPHORE
            else st.MUTANT_LIMIT_EXCEEDED
        )
        return NtError(status, operation, name)
    status, detail = _FAILURES.get(-result) or (st.from_errno(-result), os.strerror(-result))
    return NtError(status, operation, name, detail)


def create(
    kind: ObjectType,
    access: int,
    attributes: Any,
    state: bytes,
    prepare: Callable[[sync.State, int], None] | None = None,
) -> tuple[int, Handle]:
    """Create or open an object whose body is its control page alone.

    ``prepare`` gets a new object's state, and its descriptor, before anybody else can see the
    object.
    """
    body = _StateBody(kind, state, prepare)
    status, handle = create_open.create(kind, access, attributes, body)
    if status == st.SUCCESS and body.prepared is not None:
        handle.obj.state = body.prepared
        assert handle.obj.facts is not None
        _guard(body.prepared, handle, handle.obj.facts)
    return status, handle


class _StateBody:
    """A control page alone, with state words."""

    __slots__ = ("_kind", "_prepare", "_state", "is_small", "prepared")

    def __init__(
        self, kind: ObjectType, state: bytes, prepare: Callable[[sync.State, int], None] | None
    ) -> None:
        self._kind, self._state, self._prepare = kind, state, prepare
        self.is_small = prepare is None
        self.prepared: sync.State | None = None  #: of the last body that was made

    def make(
        self, place: namespace.Place | None, new_security: NewSecurity, *, read_only: bool
    ) -> create_open.Made:
        form = self._kind.number, 0, 0, 0, 0, self._state
        plan = new_body.plan(place, new_security, form)
        if self._prepare is None:
            return plan.create(place, plan.total, None, read_only=read_only)
        fd, facts, data_fd, identity = plan.create(
            place, plan.total, None, read_only=False, is_locked=False
        )
        try:
            self.prepared = sync.State(fd, facts.body_size - PAGE_SIZE, CORE_KINDS[self._kind])
            self._prepare(self.prepared, fd)
        except BaseException:
            sys_.close(fd)
            raise
        fd, _ = new_body.lock_handle(fd, read_only=read_only)
        return fd, facts, data_fd, identity


def state_of(handle: Handle) -> sync.State:
    """The state words of a handle's object, mapped once for each process.

    Raises:
        NtError: FILE_CORRUPT_ERROR for words that make no sense; ACCESS_DENIED for a handle that
            may only read.
    """
    state = handle.obj.state
    if state is not None:
        return state  # type: ignore[no-any-return]
    facts = handle.obj.facts
    assert facts is not None
    try:
        state = sync.State(handle.fd, facts.body_size - PAGE_SIZE, CORE_KINDS[handle.kind])
    except OSError as problem:
        if problem.errno in (errno.EMFILE, errno.ENFILE):
            raise  # the service raises the limit and tries again
        _require_proc(problem, handle)
        if problem.errno == errno.EPERM:  # a liar's: no object of this library is sealed so
            raise NtError(
                st.ACCESS_DENIED,
                name=handle.obj.display_name(),
                detail="its memory is sealed against writing",
            ) from None
        raise failure(-(problem.errno or 0), handle.kind, handle.obj.display_name()) from None
    _guard(state, handle, facts)
    handle.obj.state = state
    return state


def claim(state: sync.State, handle: Handle) -> None:
    """Have a slot in the object now, and not only when one is needed.

    Raises:
        NtError: INSUFFICIENT_RESOURCES when all are taken, ACCESS_DENIED when readers' locks are on
            the rest.
    """
    try:
        state.claim(handle.fd)
    except OSError as problem:
        if problem.errno in (errno.EMFILE, errno.ENFILE):
            raise  # the service raises the limit and tries again
        _require_proc(problem, handle)
        raise failure(-(problem.errno or 0), handle.kind, handle.obj.display_name()) from None


def _require_proc(problem: OSError, handle: Handle) -> None:
    """Tell that the core did not find the path by which it opens the body anew."""
    if problem.errno == errno.ENOENT:
        raise FileNotFoundError(
            errno.ENOENT, os.strerror(errno.ENOENT), f"/proc/self/fd/{handle.fd}"
        ) from None


def _guard(state: sync.State, handle: Handle, facts: control_page.Facts) -> None:
    """A Global body is a file that cannot be sealed: whoever may write it may cut it under our
    feet."""
    if handle.obj.directory == "global" and state.guard is None:
        from memsection._native import guard

        state.guard = guard.add(
            state.address,
            PAGE_SIZE,
            system.PROT_READ | system.PROT_WRITE,
            -1,
            facts.body_size - PAGE_SIZE,
        )


def look(handle: Handle) -> tuple[int, int, int, int, int, int]:
    """(word, owner's thread, depth, how often this thread owns it, flags, maximum); also by a
    handle that only reads.

    Raises:
        NtError: FILE_CORRUPT_ERROR.
    """
    if handle.obj.state is not None or rights.needs_write(handle.kind, handle.access):
        state = state_of(handle)
        return *state.look(), state.flags, state.maximum
    facts = handle.obj.facts
    assert facts is not None
    data = sys_.pread(
        handle.fd, _STATE.size, facts.body_size - PAGE_SIZE + control_page.STATE_OFFSET
    )
    if len(data) < _STATE.size:
        raise failure(-errno.EBADMSG, handle.kind, handle.obj.display_name())
    magic, version, kind, flags, maximum, word, _, tid, depth = _STATE.unpack(data)
    if (magic, version, kind) != (_MAGIC, _VERSION, CORE_KINDS[handle.kind]):
        raise failure(-errno.EBADMSG, handle.kind, handle.obj.display_name())
    return word, tid, depth, 0, flags, maximum
