# SPDX-License-Identifier: MIT
"""How many tasks of a ``JoinableQueue`` are not done, counted across processes."""

from __future__ import annotations

import os
import threading
from collections import Counter
from contextlib import suppress

from memsection.api.event import Event
from memsection.api.mutex import Mutex
from memsection.api.operations import done, settled
from memsection.api.section import Section
from memsection.content.endpoint import Held, keep_with
from memsection.vocabulary.errors import AccessError, CorruptError, Error, WaitTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from memsection.api.view import View
    from memsection.channels import Queue as Channel

_SIZE = 8
_NUMBER = slice(0, _SIZE)
#: seconds for the mutex, which is had for microseconds by whoever is not stopped and does not lie
_PATIENCE = 10.0
_MOST = 1 << 62  #: tasks; what a process that has the queue wrote beyond that was no count


class TaskCount:
    """A number behind a mutex, and an event that is set while it is 0.

    A process that is killed while it counts leaves the number as it was or as it was to be: it is
    written in one piece.
    """

    def __init__(self, section: Section, mutex: Mutex, event: Event) -> None:
        self._section, self._mutex, self._event = section, mutex, event
        self._view: View = section.map()
        for each in (section, mutex, event):
            keep_with(self, Held(each))

    @classmethod
    def create(cls) -> TaskCount:
        """A count of nothing."""
        self = cls(Section.create(size=_SIZE), Mutex.create(), Event.create(manual_reset=True))
        self._event.set()
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return TaskCount, (self._section, self._mutex, self._event)

    @property
    def value(self) -> int:
        """Tasks that are not done."""
        return int.from_bytes(self._view[:_SIZE], "little", signed=True)

    @settled
    def add(self, n: int) -> None:
        """Count tasks; the event follows.  What interrupts it leaves the number as it was."""
        told: list[object] = []
        done(Undo(self, -n, lambda: bool(told)), bool)
        self.count(n, told)

    @settled
    def count(self, n: int, told: list[object]) -> None:
        """Count tasks, unless something is in a list: it is from the moment on that the number is
        written."""
        if not done(self._give_back, self._mutex.acquire, True, _PATIENCE, accept_abandoned=True):
            owner = self._mutex.owner
            raise WaitTimeoutError(
                f"count of tasks: process {owner[0] if owner else '?'} has kept its mutex for"
                f" {_PATIENCE:g} s"
            )
        try:
            try:
                if not told:
                    self._write(self._checked() + n, told)
            finally:
                if not self.value:
                    self._event.set()
        finally:
            self._mutex.release()

    def _checked(self) -> int:
        before = self.value
        if not 0 <= before < _MOST:
            raise CorruptError(
                f"count of tasks: {before} are not done, which is more or less than there can be"
            )
        return before

    def _write(self, value: int, told: list[object]) -> None:
        if value < 0:
            raise ValueError("task_done() called too many times")
        if value:
            self._event.clear()
        raw = value.to_bytes(_SIZE, "little", signed=True)
        told.extend(map(self._view.__setitem__, (_NUMBER,), (raw,)))

    def _give_back(self, *_: object) -> None:
        """Nobody waits for a thread that was interrupted between the mutex and what releases it."""
        with suppress(AccessError):  # it was released
            self._mutex.release()

    def wait(self, timeout: float) -> bool:
        """Whether all tasks are done, waiting so many seconds for it."""
        return self._event.wait(timeout) or not self.value


class Undo:
    """Counts back what was counted, in the process where that was; once, however often it is
    begun."""

    def __init__(self, tasks: TaskCount, n: int, is_due: Callable[[], bool] = lambda: True) -> None:
        self._tasks, self._n, self._is_due = tasks, n, is_due
        self._told: list[object] = []
        self._pid = os.getpid()

    def __call__(self, *_: object) -> None:
        if self._pid == os.getpid() and self._is_due():
            with suppress(Error, ValueError):  # somebody overwrote it, or keeps it: he is told next
                self._tasks.count(self._n, self._told)


class Task:
    """One that is being put: counted, and then sent.

    Whether it was is told in the native call that does it (``map`` calls it, ``extend`` notes what
    it returned): a signal handler cannot raise in between.
    """

    def __init__(self, tasks: TaskCount) -> None:
        self.sent: list[int | None] = []  #: what the calls returned; 0 and None are success
        self.drop = Undo(tasks, -1, self._has_not_gone)  #: it is not counted, unless it went

    def send(self, end: Channel[Any], obj: Any, timeout: float | None) -> None:
        """Send it, as ``Channel.send`` does."""
        codec: Any = end._codec  # of objects, as all channels of queues
        codec.send(end._core, obj, timeout, self.sent)

    def put_by(self, call: Callable[[Any], None], obj: Any) -> None:
        """Have a native function put it somewhere."""
        self.sent.extend(map(call, (obj,)))

    def _has_not_gone(self) -> bool:
        return 0 not in self.sent and None not in self.sent


class Takers:
    """Which threads of this process may still do a task: who has taken one, or is about to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: Counter[int] = Counter()

    def took(self) -> None:
        """This thread takes a task; told before it does."""
        with self._lock:
            self._tasks[threading.get_ident()] += 1

    def did(self) -> None:
        """This thread did one, or got none.

        One that another thread took stays counted: too many cost a wait, too few a false end.
        """
        with self._lock:
            if self._tasks[threading.get_ident()] > 0:
                self._tasks[threading.get_ident()] -= 1

    @property
    def have_any(self) -> bool:
        """Whether a thread has taken a task that it has not done."""
        with self._lock:
            return self._tasks.total() > 0
