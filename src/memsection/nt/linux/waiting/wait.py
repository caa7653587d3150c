# SPDX-License-Identifier: MIT
"""Waiting: for one object or several, any or all; and for many at once without a thread for each.

It turns handles into what the native core waits for, and its results into statuses.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import time

from memsection._native import ledger, sync
from memsection.nt.linux.handles import table
from memsection.nt.linux.handles.record import CURRENT_PROCESS, CURRENT_THREAD, Handle
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.types import event, mutex, semaphore, waitable
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import AbandonedNtError, NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


_EPOCH = 116444736000000000  # of POSIX, in 100 ns since 1601
_TAKEN_ABANDONED = 1
MOST = 64

Item = tuple[sync.State | sync.Other | None, int]


def deadline_of(timeout: int | None) -> int:
    """The deadline in ns of CLOCK_MONOTONIC for 100 ns units: negative is a span, positive a date,
    None for ever."""
    if timeout is None:
        return sync.FOREVER
    if timeout == 0:
        return 0
    span = -timeout * 100 if timeout < 0 else (timeout - _EPOCH) * 100 - time.time_ns()
    if span <= 0:
        return 0
    return min(sync.now() + span, sync.FOREVER)


def _waitable(value: int) -> Handle:
    handle = table.lookup(value, None, a.SYNCHRONIZE)
    if not handle.kind.waitable:
        raise NtError(
            st.OBJECT_TYPE_MISMATCH,
            name=handle.obj.display_name(),
            detail=f"{handle.kind.a_noun} cannot be waited for",
        )
    return handle


class _Elsewhere:
    """What stands for a handle where something else of the library is waited for."""

    kind = object_types.SECTION

    def __init__(self, other: sync.Other) -> None:
        self.other, self.obj, self.fd = other, self, -1

    def display_name(self) -> str | None:
        return self.other.name


def resolve(value: int | sync.Other) -> Handle | _Elsewhere:
    return _Elsewhere(value) if isinstance(value, sync.Other) else _waitable(value)


def item(handle: Handle | _Elsewhere) -> Item:
    if isinstance(handle, _Elsewhere):
        return handle.other, -1
    # a file is signaled when no transfer is under way
    if handle.kind in (object_types.PROCESS, object_types.THREAD, object_types.FILE):
        return None, handle.fd
    return waitable.state_of(handle), handle.fd


def status(
    handles: Sequence[Handle | _Elsewhere], result: tuple[int, int, int], wait_all: bool
) -> int:
    code, index, dead = result
    if code == 0:
        return st.WAIT_0 + (0 if wait_all else index)
    if code == _TAKEN_ABANDONED:
        return st.ABANDONED_WAIT_0 + (0 if wait_all else index)
    if code == -errno.ETIMEDOUT:
        return st.TIMEOUT
    if code == -errno.EMFILE:
        # the service raises the limit and tries again
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    handle = handles[index]
    if code == -errno.EOWNERDEAD:
        raise AbandonedNtError(handle.obj.display_name(), owner_pid=dead, index=index)
    raise waitable.failure(code, handle.kind, handle.obj.display_name())


def single(value: int, timeout: int | None, *, accept_abandoned: bool = True) -> int:
    """NtWaitForSingleObject."""
    if value in (CURRENT_PROCESS, CURRENT_THREAD):
        return _for_oneself(timeout)
    handle = _waitable(value)
    result = _take([item(handle)], accept_abandoned=accept_abandoned, deadline=deadline_of(timeout))
    return status((handle,), result, False)


def _take(items: list[Item], *, wait_all: bool = False, **options: Any) -> tuple[int, int, int]:
    """Wait; who is interrupted before it knows that it has something has taken nothing."""
    undo = sync.put_back_all if wait_all else sync.put_back_one
    return ledger.done(undo, sync.wait, items, all=wait_all, **options)


def _for_oneself(timeout: int | None) -> int:
    """A process that waits for its own end waits until the time is up."""
    pidfd = sys_.pidfd_open(os.getpid())
    try:
        sync.wait([(None, pidfd)], all=False, accept_abandoned=True, deadline=deadline_of(timeout))
        return st.TIMEOUT
    finally:
        sys_.close(pidfd)


def number(buffer: memoryview, above: int) -> sync.Other:
    """A number in mapped memory to wait for."""
    awaited = sync.Number(buffer, above)
    return sync.Other(awaited.address, awaited, awaited, None)


def multiple(
    values: Sequence[int | sync.Other],
    wait_type: int,
    timeout: int | None,
    *,
    accept_abandoned: bool = True,
) -> int:
    """NtWaitForMultipleObjects."""
    if not 1 <= len(values) <= MOST:
        raise NtError(
            st.INVALID_PARAMETER_1, detail=f"{len(values)} handles: a wait takes 1 to {MOST}"
        )
    if wait_type not in (s.WAIT_ALL, s.WAIT_ANY):
        raise NtError(st.INVALID_PARAMETER_3, detail=f"wait type {wait_type}")
    wait_all = wait_type == s.WAIT_ALL
    handles = [resolve(value) for value in values]
    if wait_all and len(
        {
            id(handle.other.whole) if isinstance(handle, _Elsewhere) else handle.obj.identity
            for handle in handles
        }
    ) < len(handles):
        raise NtError(
            st.INVALID_PARAMETER_MIX, detail="a wait for all that has the same object twice"
        )
    items = [item(handle) for handle in handles]
    result = _take(
        items, wait_all=wait_all, accept_abandoned=accept_abandoned, deadline=deadline_of(timeout)
    )
    return status(handles, result, wait_all)


def signal_and(signal: int, value: int, timeout: int | None) -> int:
    """NtSignalAndWaitForSingleObject: set an event, release a mutex or one unit, then wait."""

    handle = _waitable(value)  # what cannot be waited for must not signal
    other = table.lookup(signal)
    act: Callable[[], int] | None = {
        object_types.EVENT: lambda: event.set_(signal),
        object_types.MUTANT: lambda: mutex.release(signal),
        object_types.SEMAPHORE: lambda: semaphore.release(signal, 1),
    }.get(other.kind)
    if act is None:
        raise NtError(
            st.OBJECT_TYPE_MISMATCH,
            name=other.obj.display_name(),
            detail=f"{other.kind.a_noun} cannot be signaled",
        )
    # The wait begins before the signal: whoever answers it with a pulse is heard.
    result = _take([item(handle)], accept_abandoned=True, deadline=deadline_of(timeout), act=act)
    return status((handle,), result, False)


#: The rights that the native methods of a type need.
_NATIVE = {
    object_types.MUTANT: a.SYNCHRONIZE,
    object_types.EVENT: a.SYNCHRONIZE | a.EVENT_MODIFY_STATE | a.EVENT_QUERY_STATE,
    object_types.SEMAPHORE: a.SYNCHRONIZE | a.SEMAPHORE_MODIFY_STATE,
    object_types.TIMER: a.SYNCHRONIZE,
}


def connect(door: sync.WaitableBase, value: int, failed: Callable[[NtError], Any]) -> None:
    """Have the native methods of ``door`` work on a handle's object, if the handle grants all that
    they do."""
    handle = table.lookup(value)
    if _NATIVE[handle.kind] & ~handle.access:
        return
    name = handle.obj.display_name()

    def translate(result: int, dead: int) -> Any:
        if result == -errno.EOWNERDEAD:
            return failed(AbandonedNtError(name, owner_pid=dead))
        return failed(waitable.failure(result, handle.kind, name))

    state = waitable.state_of(handle)
    if handle.kind is object_types.MUTANT:
        # it takes a descriptor, and only here somebody sees to it when there are no more
        waitable.claim(state, handle)
    door._connect(state, handle.fd, translate)
