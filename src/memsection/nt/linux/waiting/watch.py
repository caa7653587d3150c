# SPDX-License-Identifier: MIT
"""Waits that nobody sleeps in: one thread sleeps for many, and calls who has to be told."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import select
import threading
from collections.abc import Callable

from memsection._native import ledger, sync
from memsection.nt.linux.handles import table
from memsection.nt.linux.handles.record import Handle, invalid
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.waiting import wait
from memsection.vocabulary.forks import run_in_child


def watch(value: int | sync.Other, ready: Callable[[], None]) -> Watch:
    """A wait for one object that is tried when that is worth it."""
    return Watch(value, ready)


class Watch:
    """A wait that is tried when it is worth it: ``ready`` is called, from another thread, each time
    it was armed."""

    def __init__(self, value: int | sync.Other, ready: Callable[[], None]) -> None:
        self._handle = wait.resolve(value)
        self._ready = ready
        self._watcher: _Watcher | None = None
        state, fd = wait.item(self._handle)
        self._wait = None if state is None else sync.Wait(state, fd, ready)

    def attempt(self, *, accept_abandoned: bool) -> int:
        """Take it now, or TIMEOUT; as ``single`` otherwise."""
        if self._wait is None:
            assert isinstance(self._handle, Handle)
            # The value may have been closed and given to something else, which nobody asked for.
            if table.lookup(self._handle.value) is not self._handle:
                raise invalid(self._handle.value)
            return wait.single(self._handle.value, 0)
        code, dead = self._wait.attempt(accept_abandoned)
        return wait.status((self._handle,), (code, 0, dead), False)

    def put_back(self) -> None:
        """Undo an attempt that took the object."""
        if self._wait is not None:
            self._wait.put_back()

    def arm(self) -> None:
        """Have ``ready`` called once, when an attempt may succeed."""
        self._disarm()
        if self._wait is None:
            _descriptors.add(self._handle.fd, self, self._ready)
        else:
            with _watchers_lock:
                # before it has the wait: whoever is interrupted takes it back from that one
                self._watcher = _with_room()
                self._watcher.add(self._wait)

    def _disarm(self) -> None:
        if self._wait is None:
            _descriptors.remove(self)
        elif self._watcher is not None:
            self._watcher.remove(self._wait)
            self._watcher = None

    @ledger.surely
    def end(self, done: dict[str, object]) -> None:
        """No more calls; what it was woken for and did not take goes to somebody else."""
        self._disarm()
        if self._wait is not None:
            self._wait.end()


class _Sleeper:
    """A thread that sleeps for others, as long as there are any."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def begin(self) -> None:
        """Have the thread run; whoever was interrupted while it did this left none, or one that
        runs."""
        if self.thread is None or not self.thread.is_alive():
            self.thread = threading.Thread(target=self._run, name="memsection waits", daemon=True)
            self.thread.start()

    def is_mine(self) -> bool:
        """Whether the calling thread is still the one."""
        return self.thread is threading.current_thread()

    def _run(self) -> None:
        raise NotImplementedError


class _Watcher(_Sleeper):
    """A thread that sleeps for up to 127 waits, as long as there are any."""

    def __init__(self) -> None:
        super().__init__()
        self.core = sync.Watcher()
        self.waits: set[sync.Wait] = set()

    def add(self, wait: sync.Wait) -> None:
        with self.lock:
            self.waits.add(wait)
            self.begin()
        self.core.poke()

    def remove(self, wait: sync.Wait) -> None:
        with self.lock:
            self.waits.discard(wait)
        self.core.poke()

    def _run(self) -> None:
        look = True
        while True:
            pokes = self.core.pokes
            with self.lock:
                waits = list(self.waits)
                if not waits and self.is_mine():
                    self.thread = None
                if not self.is_mine():
                    return
            ready, look = self.core.sleep(waits, pokes, look)
            for each in ready:
                with self.lock:
                    armed = each in self.waits
                    self.waits.discard(each)
                if armed:
                    each.ready()


class _Descriptors(_Sleeper):
    """A thread that sleeps for what poll(2) tells, as long as it is asked to: the ends of processes
    and threads, and files.

    It alone closes descriptors: no signal handler raises in it between the list and the deed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: dict[Watch, Callable[[], None]] = {}
        #: of their own, because the handles may be closed while somebody waits
        self.fds: dict[Watch, int] = {}
        self.bell = -1

    def add(self, fd: int, watch: Watch, ready: Callable[[], None]) -> None:
        with self.lock:
            if watch not in self.fds:
                self._keep(fd, watch)
            if self.bell < 0:
                self._new_bell()
            self.waits[watch] = ready
            self._wake()

    def remove(self, watch: Watch) -> None:
        with self.lock:
            self.waits.pop(watch, None)
            if watch in self.fds:
                self._wake()

    @ledger.settled
    def _keep(self, fd: int, watch: Watch) -> None:
        ledger.done(self._forget, self.fds.__setitem__, watch, sys_.dup(fd))

    def _forget(self, arguments: tuple[Watch, int], result: None) -> None:
        self.fds.pop(arguments[0], None)

    @ledger.settled
    def _new_bell(self) -> None:
        ledger.done(self._no_bell, self.__setattr__, "bell", sys_.eventfd(0))

    def _no_bell(self, arguments: tuple[str, int], result: None) -> None:
        self.bell = -1

    def _wake(self) -> None:
        self.begin()
        if self.bell >= 0:
            sys_.eventfd_write(self.bell, 1)

    def _run(self) -> None:
        while True:
            poll = sys_.poll()
            with self.lock:
                if not self.is_mine():
                    return
                for watch in [one for one in self.fds if one not in self.waits]:
                    sys_.close(self.fds.pop(watch))
                bell = self.bell
                if not self.waits:
                    self.bell, self.thread = -1, None
                    if bell >= 0:
                        sys_.close(bell)
                    return
                by_fd = {fd: watch for watch, fd in self.fds.items()}
            poll.register(bell, select.POLLIN)
            for fd in by_fd:
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll():
                if fd == bell:
                    sys_.eventfd_read(bell)
                    continue
                with self.lock:
                    ready = self.waits.pop(by_fd[fd], None)
                if ready is not None:
                    ready()

    def leave(self) -> None:
        """In a forked child: give back what the thread that is not here would have."""
        for fd in (self.bell, *self.fds.values()):
            if fd >= 0:
                sys_.close(fd)


_watchers: list[_Watcher] = []
_watchers_lock = threading.Lock()
_descriptors = _Descriptors()


def _with_room() -> _Watcher:
    """One that can sleep for one more; the caller holds the lock."""
    for watcher in _watchers:
        if len(watcher.waits) < watcher.core.capacity:
            return watcher
    _watchers.append(_Watcher())
    return _watchers[-1]


@run_in_child
def _after_fork_in_child() -> None:
    """The threads are the parent's; so is whoever they would call."""
    global _watchers_lock, _descriptors
    _watchers_lock = threading.Lock()
    _watchers.clear()
    _descriptors.leave()
    _descriptors = _Descriptors()
