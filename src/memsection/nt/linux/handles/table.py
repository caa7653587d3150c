# SPDX-License-Identifier: MIT
"""The handle table: handles registered, looked up, adopted, closed."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import stat as stat_

from memsection._native import ledger, records
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.bodies.position import TRANSFERRED_VALUES_FROM, decode
from memsection.nt.linux.handles import at_exit, last_handle, state
from memsection.nt.linux.handles.record import (
    CURRENT_PROCESS,
    CURRENT_THREAD,
    LAST_PSEUDO_HANDLE,
    Handle,
    LocalObject,
    invalid,
    mismatch,
)
from memsection.nt.linux.names import closing, namespace, verify
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.tables_lock import lock
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import FILE, PROCESS, ObjectType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: How an inherited descriptor that carries no access becomes a handle, by the type of what it can
#: only be.
adopters: dict[ObjectType, Callable[[int, os.stat_result, int], Handle]] = {}
#: how a value that another process gave becomes a handle
fetch_given: Callable[[int], Handle] | None = None


def register(
    fd: int,
    kind: ObjectType,
    access: int,
    obj: LocalObject,
    *,
    data_fd: int = -1,
    inherit: bool = False,
    tag: bool = True,
    value: int = 0,
) -> Handle:
    """Make a descriptor a handle.  On failure the descriptor is still the caller's."""
    handle = sys_.new_handle(Handle, fd, kind, access, obj, data_fd, value, inherit, tag)
    if at_exit.is_ending:
        at_exit.note_for_the_end(handle)
    return handle


def copy(mine: Handle, access: int, *, writable: bool, data_fd: int, inherit: bool) -> Handle:
    """Another handle to what a handle of this process means, with a description and a lock of its
    own."""
    handle = sys_.copy_handle(mine, access, writable, data_fd, inherit)
    if handle is None:  # somebody looks whether it is the last, or keeps the lock
        fd = descriptions.reopen(mine.fd, sys_.O_RDWR if writable else sys_.O_RDONLY)
        descriptions.hold(fd)
        return register(fd, mine.kind, access, mine.obj, data_fd=data_fd, inherit=inherit)
    if at_exit.is_ending:
        at_exit.note_for_the_end(handle)
    return handle


def lookup(value: int, kind: ObjectType | None = None, access: int = 0) -> Handle:
    """The handle of this value, of this type, granting this access.

    Raises:
        NtError: INVALID_HANDLE, OBJECT_TYPE_MISMATCH, ACCESS_DENIED.
    """
    handle: Handle | None = sys_.live_handle(value)
    if handle is None:
        handle = _look_into(value, kind)
    if kind is not None and handle.kind is not kind:
        raise mismatch(handle, kind)
    if access & ~handle.access:
        handle.require(access)
    return handle


def _look_into(value: int, kind: ObjectType | None) -> Handle:
    """A handle that is not in the table, or does not look as one does."""
    handle = state.handles.get(value & ~3)
    if handle is not None:
        if not revalidate(handle):
            raise invalid(value)
        return handle
    if value in (CURRENT_PROCESS, CURRENT_THREAD) and kind is not None:
        whose = "process" if value == CURRENT_PROCESS else "thread"
        raise NtError(
            st.OBJECT_TYPE_MISMATCH, detail=f"the pseudo handle of the {whose} is no {kind.noun}"
        )
    return _adopt(value)


def revalidate(handle: Handle) -> bool:
    """False, and removed from the table, if another process revoked the handle (H2), or closed its
    descriptor."""
    try:
        if sys_.is_live(handle.fd):
            return True
    except OSError:  # closed behind our back
        with lock:
            records.forget(handle)
        return False
    with lock:
        if state.handles.get(handle.value) is handle:
            handle.protected = False
            ledger.finish(last_handle.close_handle, handle)
    return False


def _adopt(value: int) -> Handle:
    """A handle that this process was given without a call: inherited through exec, or put here by
    another process."""
    value &= ~3
    if value <= 0:
        raise invalid(value)
    if value >= TRANSFERRED_VALUES_FROM:
        if fetch_given is None:
            raise invalid(value)
        return fetch_given(value)
    fd = value // 4
    try:
        found = sys_.fstat(fd)
    except (OSError, OverflowError):
        raise invalid(value) from None
    if fd < 3:
        raise invalid(value)
    if not stat_.S_ISREG(found.st_mode):
        return adopters[PROCESS](fd, found, value)
    carried = decode(sys_.lseek(fd, 0, 1))
    if carried is None:
        return adopters[FILE](fd, found, value)
    access, data_fd, protected = carried
    try:
        facts = verify.read_body(fd, found)
        kind = object_types.BY_NUMBER[facts.type]
        if data_fd >= 0:  # whoever made this description could write any number there
            data = sys_.fstat(data_fd)
            if (data.st_dev, data.st_ino) != facts.file_identity:
                raise invalid(value)
    except NtError as failure:
        raise invalid(value, failure.detail) from None
    except OSError:
        raise invalid(value) from None
    with lock:
        obj = object_for_body(found, kind, facts, fd)
        handle = register(fd, kind, access & kind.valid, obj, data_fd=data_fd, tag=False)
        handle.protected = protected
    return handle


def object_for_body(
    found: os.stat_result, kind: ObjectType, facts: control_page.Facts, fd: int
) -> LocalObject:
    """The object with this body, new to this process or not."""
    identity = (found.st_dev, found.st_ino)
    obj = state.objects_by_identity.get(identity)
    if obj is None:
        obj = LocalObject(kind, identity, facts)
        obj.name = control_page.name(fd, facts)
        obj.directory = namespace.directory_of(obj.name)
        if obj.name:
            at_exit.arrange_exit_cleanup(os.getpid())
    return obj


def close(value: int) -> None:
    """NtClose."""
    if at_exit.ended and value in at_exit.ended:
        at_exit.ended.discard(value)
        return
    if LAST_PSEUDO_HANDLE <= value <= CURRENT_PROCESS:
        # of the current process, its threads and tokens: nothing to close, and no error (Windows
        # 10)
        return
    try:
        handle = lookup(value)  # closes it, and raises, if another process revoked it
        if not records.close_handle(handle):
            if handle.protected:
                raise NtError(st.HANDLE_NOT_CLOSABLE, name=handle.obj.display_name())
            raise invalid(value)
    finally:
        if closing.doubtful or closing.later:
            closing.recheck_doubtful()


def set_protected(handle: Handle, protect: bool) -> None:
    """HANDLE_FLAG_PROTECT_FROM_CLOSE."""
    handle.protected = protect
    if handle.kind.has_body:
        handle.publish()
