# SPDX-License-Identifier: MIT
"""Waits that nobody sleeps in: one thread sleeps for many, and calls who has to be told."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import select
import threading
from collections.abc import Callable

from memsection._native import sync
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.waiting import wait
from memsection.vocabulary import object_types


def watch(value: int | sync.Other, ready: Callable[[], None]) -> Watch:
    """A wait for one object that is tried when that is worth it."""
    return Watch(value, ready)


class Watch:
    """A wait that is tried when it is worth it: ``ready`` is called, from another thread, each time
    it was armed."""

    def __init__(self, value: int | sync.Other, ready: Callable[[], None]) -> None:
        self._handle = wait.named(value)
        self._ready = ready
        self._watcher: _Watcher | None = None
        self._process = self._handle.kind is object_types.PROCESS
        if not self._process:
            state, fd = wait.item(self._handle)
            assert state is not None
            self._wait = sync.Wait(state, fd, ready)

    def attempt(self, *, careful: bool) -> int:
        """Take it now, or TIMEOUT; as ``single`` otherwise."""
        if self._process:
            assert isinstance(self._handle, Handle)
            return wait.single(self._handle.value, 0)
        code, dead = self._wait.attempt(not careful)
        return wait.status((self._handle,), (code, 0, dead), False)

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
        self.waits: set[sync.Wait] = set()
        self.running = False

    def add(self, wait: sync.Wait) -> bool:
        with self.lock:
            if len(self.waits) == self.core.capacity:
                return False
            self.waits.add(wait)
            if not self.running:
                self.running = True
                threading.Thread(target=self._run, name="memsection waits", daemon=True).start()
        self.core.poke()
        return True

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
                if not waits:
                    self.running = False
                    return
            ready, look = self.core.sleep(waits, pokes, look)
            for each in ready:
                with self.lock:
                    armed = each in self.waits
                    self.waits.discard(each)
                if armed:
                    each.ready()


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
