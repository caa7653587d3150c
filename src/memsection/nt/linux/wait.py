# SPDX-License-Identifier: MIT
"""Waiting: for one object or several, any or all; and for many at once without a thread for each.

It turns handles into what the native core waits for, and its results into statuses.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import select
import threading
import time
from collections.abc import Callable, Sequence

from memsection._native import ledger, sync
from memsection.nt.linux import objects, waitable
from memsection.nt.linux import syscalls as sys_
from memsection.nt.linux.handles import CURRENT_PROCESS, CURRENT_THREAD, Handle
from memsection.vocabulary import access as a
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import AbandonedNtError, NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EPOCH = 116444736000000000  # of POSIX, in 100 ns since 1601
_TAKEN_ABANDONED = 1
MOST = 64

Item = tuple[sync.State | sync.Other | None, int]


def deadline_of(timeout: int | None) -> int:
    """The deadline in ns of CLOCK_MONOTONIC for 100 ns units: negative is a span, positive a date, None for ever."""
    if timeout is None:
        return sync.FOREVER
    if timeout == 0:
        return 0
    span = -timeout * 100 if timeout < 0 else (timeout - _EPOCH) * 100 - time.time_ns()
    if span <= 0:
        return 0
    return min(sync.now() + span, sync.FOREVER)


def _waitable(value: int) -> Handle:
    handle = objects.lookup(value, None, a.SYNCHRONIZE)
    if not handle.kind.waitable:
        raise NtError(st.OBJECT_TYPE_MISMATCH, name=handle.obj.display_name(),
                      detail=f"{handle.kind.a_noun} cannot be waited for")
    return handle


class _Elsewhere:
    """What stands for a handle where something else of the library is waited for."""

    kind = object_types.SECTION

    def __init__(self, other: sync.Other) -> None:
        self.other, self.obj, self.fd = other, self, -1

    def display_name(self) -> str | None:
        return self.other.name


def _named(value: int | sync.Other) -> Handle | _Elsewhere:
    return _Elsewhere(value) if isinstance(value, sync.Other) else _waitable(value)


def _item(handle: Handle | _Elsewhere) -> Item:
    if isinstance(handle, _Elsewhere):
        return handle.other, -1
    if handle.kind in (object_types.PROCESS, object_types.FILE):  # a file is signaled when no transfer is under way
        return None, handle.fd
    return waitable.state_of(handle), handle.fd


def _status(handles: Sequence[Handle | _Elsewhere], result: tuple[int, int, int], wait_all: bool) -> int:
    code, index, dead = result
    if code == 0:
        return st.WAIT_0 + (0 if wait_all else index)
    if code == _TAKEN_ABANDONED:
        return st.ABANDONED_WAIT_0 + (0 if wait_all else index)
    if code == -errno.ETIMEDOUT:
        return st.TIMEOUT
    if code == -errno.EMFILE:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))  # the service raises the limit and tries again
    handle = handles[index]
    if code == -errno.EOWNERDEAD:
        raise AbandonedNtError(handle.obj.display_name(), owner_pid=dead, index=index)
    raise waitable.failure(code, handle.kind, handle.obj.display_name())


def single(value: int, timeout: int | None, *, careful: bool = False) -> int:
    """NtWaitForSingleObject."""
    if value in (CURRENT_PROCESS, CURRENT_THREAD):
        return _for_oneself(timeout)
    handle = _waitable(value)
    result = _take([_item(handle)], knowing=not careful, deadline=deadline_of(timeout))
    return _status((handle,), result, False)


def _take(items: list[Item], *, wait_all: bool = False, **options: Any) -> tuple[int, int, int]:
    """Wait; who is interrupted before it knows that it has something has taken nothing."""
    undo = sync.put_back_all if wait_all else sync.put_back_one
    return ledger.done(undo, sync.wait, items, all=wait_all, **options)


def _for_oneself(timeout: int | None) -> int:
    """A process that waits for its own end waits until the time is up."""
    pidfd = sys_.pidfd_open(os.getpid())
    try:
        sync.wait([(None, pidfd)], all=False, knowing=True, deadline=deadline_of(timeout))
        return st.TIMEOUT
    finally:
        sys_.close(pidfd)


def number(buffer: memoryview, above: int) -> sync.Other:
    """A number in mapped memory to wait for."""
    awaited = sync.Number(buffer, above)
    return sync.Other(awaited.address, awaited, awaited, None)


def multiple(values: Sequence[int | sync.Other], wait_type: int, timeout: int | None, *, careful: bool = False) -> int:
    """NtWaitForMultipleObjects."""
    if not 1 <= len(values) <= MOST:
        raise NtError(st.INVALID_PARAMETER_1, detail=f"{len(values)} handles: a wait takes 1 to {MOST}")
    if wait_type not in (s.WAIT_ALL, s.WAIT_ANY):
        raise NtError(st.INVALID_PARAMETER_3, detail=f"wait type {wait_type}")
    wait_all = wait_type == s.WAIT_ALL
    handles = [_named(value) for value in values]
    if wait_all and len({id(handle.other.whole) if isinstance(handle, _Elsewhere) else handle.obj.identity
                         for handle in handles}) < len(handles):
        raise NtError(st.INVALID_PARAMETER_MIX, detail="a wait for all that has the same object twice")
    items = [_item(handle) for handle in handles]
    result = _take(items, wait_all=wait_all, knowing=not careful, deadline=deadline_of(timeout))
    return _status(handles, result, wait_all)


def signal_and(signal: int, value: int, timeout: int | None) -> int:
    """NtSignalAndWaitForSingleObject: set an event, release a mutex or one unit, then wait."""
    from memsection.nt.linux import event, mutex, semaphore

    handle = _waitable(value)  # what cannot be waited for must not signal
    other = objects.lookup(signal)
    act: Callable[[], int] | None = {
        object_types.EVENT: lambda: event.set_(signal), object_types.MUTANT: lambda: mutex.release(signal),
        object_types.SEMAPHORE: lambda: semaphore.release(signal, 1)}.get(other.kind)
    if act is None:
        raise NtError(st.OBJECT_TYPE_MISMATCH, name=other.obj.display_name(),
                      detail=f"{other.kind.a_noun} cannot be signaled")
    # The wait begins before the signal: whoever answers it with a pulse is heard.
    result = _take([_item(handle)], knowing=True, deadline=deadline_of(timeout), act=act)
    return _status((handle,), result, False)


# ---------------------------------------------------------------------- the short way

#: The rights that the native methods of a type need.
_NATIVE = {
    object_types.MUTANT: a.SYNCHRONIZE,
    object_types.EVENT: a.SYNCHRONIZE | a.EVENT_MODIFY_STATE | a.EVENT_QUERY_STATE,
    object_types.SEMAPHORE: a.SYNCHRONIZE | a.SEMAPHORE_MODIFY_STATE,
}


def connect(door: sync.WaitableBase, value: int, failed: Callable[[NtError], Any]) -> None:
    """Have the native methods of ``door`` work on a handle's object, if the handle grants all that they do."""
    handle = objects.lookup(value)
    if _NATIVE[handle.kind] & ~handle.access:
        return
    name = handle.obj.display_name()

    def translate(result: int, dead: int) -> Any:
        if result == -errno.EOWNERDEAD:
            return failed(AbandonedNtError(name, owner_pid=dead))
        return failed(waitable.failure(result, handle.kind, name))

    state = waitable.state_of(handle)
    if handle.kind is object_types.MUTANT:
        waitable.claim(state, handle)  # it takes a descriptor, and only here somebody sees to it when there are no more
    door._connect(state, handle.fd, translate)


# ---------------------------------------------------------------------- waits that nobody sleeps in


def watch(value: int | sync.Other, ready: Callable[[], None]) -> Watch:
    """A wait for one object that is tried when that is worth it."""
    return Watch(value, ready)


class Watch:
    """A wait that is tried when it is worth it: ``ready`` is called, from another thread, each time it was armed."""

    def __init__(self, value: int | sync.Other, ready: Callable[[], None]) -> None:
        self._handle = _named(value)
        self._ready = ready
        self._watcher: _Watcher | None = None
        self._process = self._handle.kind is object_types.PROCESS
        if not self._process:
            state, fd = _item(self._handle)
            assert state is not None
            self._wait = sync.Wait(state, fd, ready)

    def attempt(self, *, careful: bool) -> int:
        """Take it now, or TIMEOUT; as ``single`` otherwise."""
        if self._process:
            assert isinstance(self._handle, Handle)
            return single(self._handle.value, 0)
        code, dead = self._wait.attempt(not careful)
        return _status((self._handle,), (code, 0, dead), False)

    def put_back(self) -> None:
        """Undo an attempt that took the object."""
        if not self._process:
            self._wait.put_back()

    def arm(self) -> None:
        """Have ``ready`` called once, when an attempt may succeed."""
        self._disarm()
        if self._process:
            _processes.add(self._handle.fd, self, self._ready)
        else:
            self._watcher = _watch(self._wait)

    def _disarm(self) -> None:
        if self._process:
            _processes.remove(self)
        elif self._watcher is not None:
            self._watcher.remove(self._wait)
            self._watcher = None

    def end(self) -> None:
        """No more calls; what it was woken for and did not take goes to somebody else."""
        self._disarm()
        if not self._process:
            self._wait.end()


class _Watcher:
    """A thread that sleeps for up to 127 waits, as long as there are any."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.core = sync.Watcher()
        self.waits: dict[sync.Wait, None] = {}
        self.running = False

    def add(self, wait: sync.Wait) -> bool:
        with self.lock:
            if len(self.waits) == self.core.capacity:
                return False
            self.waits[wait] = None
            if not self.running:
                self.running = True
                threading.Thread(target=self._run, name="memsection waits", daemon=True).start()
        self.core.poke()
        return True

    def remove(self, wait: sync.Wait) -> None:
        with self.lock:
            self.waits.pop(wait, None)
        self.core.poke()

    def _run(self) -> None:
        look = True
        while True:
            pokes = self.core.pokes
            with self.lock:
                waits = list(self.waits)
                if not waits:
                    self.running = False
                    return
            ready, look = self.core.sleep(waits, pokes, look)
            for wait in ready:
                with self.lock:
                    armed = self.waits.pop(wait, self) is None
                if armed:
                    wait.ready()


class _Processes:
    """A thread that sleeps for the ends of processes, as long as it is asked to."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waits: dict[Watch, tuple[int, Callable[[], None]]] = {}
        self.bell = -1

    def add(self, pidfd: int, watch: Watch, ready: Callable[[], None]) -> None:
        with self.lock:
            # Of its own, because the handle may be closed while somebody waits.
            self.waits[watch] = (sys_.dup(pidfd), ready)
            if self.bell < 0:
                self.bell = sys_.eventfd(0)
                threading.Thread(target=self._run, name="memsection processes", daemon=True).start()
            sys_.eventfd_write(self.bell, 1)

    def remove(self, watch: Watch) -> None:
        with self.lock:
            found = self.waits.pop(watch, None)
            if found is not None:
                sys_.eventfd_write(self.bell, 1)
        if found is not None:
            sys_.close(found[0])

    def _run(self) -> None:
        while True:
            poll = sys_.poll()
            with self.lock:
                bell = self.bell
                if not self.waits:
                    self.bell = -1
                    sys_.close(bell)
                    return
                by_fd = {fd: watch for watch, (fd, _) in self.waits.items()}
            poll.register(bell, select.POLLIN)
            for fd in by_fd:
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll():
                if fd == bell:
                    sys_.eventfd_read(bell)
                    continue
                with self.lock:
                    found = self.waits.pop(by_fd[fd], None)
                if found is not None:
                    sys_.close(found[0])
                    found[1]()


_watchers: list[_Watcher] = []
_watchers_lock = threading.Lock()
_processes = _Processes()


def _watch(wait: sync.Wait) -> _Watcher:
    with _watchers_lock:
        for watcher in _watchers:
            if watcher.add(wait):
                return watcher
        watcher = _Watcher()
        watcher.add(wait)
        _watchers.append(watcher)
        return watcher


def _after_fork_in_child() -> None:
    """The threads are the parent's; so is whoever they would call."""
    global _watchers_lock, _processes
    _watchers_lock = threading.Lock()
    _watchers.clear()
    _processes = _Processes()


os.register_at_fork(after_in_child=_after_fork_in_child)
