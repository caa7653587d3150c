# SPDX-License-Identifier: MIT
"""How many tasks of a ``JoinableQueue`` are not done, counted across processes."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress

from memsection.api.event import Event
from memsection.api.mutex import Mutex
from memsection.api.operations import done, whole
from memsection.api.section import Section
from memsection.content.endpoint import Held, keep_with
from memsection.vocabulary.errors import AccessError, CorruptError, WaitTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.api.view import View

_SIZE = 8
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

    @whole
    def add(self, n: int) -> None:
        """Count tasks; the event follows."""
        if not done(self._give_back, self._mutex.acquire, True, _PATIENCE, accept_abandoned=True):
            owner = self._mutex.owner
            raise WaitTimeoutError(
                f"count of tasks: process {owner[0] if owner else '?'} has kept its mutex for"
                f" {_PATIENCE:g} s"
            )
        try:
            before = self.value
            if not 0 <= before < _MOST:
                raise CorruptError(
                    f"count of tasks: {before} are not done, which is more or less than there can "
                    f"be"
                )
            value = before + n
            if value < 0:
                raise ValueError("task_done() called too many times")
            if value:
                self._event.clear()
            self._view[:_SIZE] = value.to_bytes(_SIZE, "little", signed=True)
            if not value:
                self._event.set()
        finally:
            self._mutex.release()

    def _give_back(self, *_: object) -> None:
        """Nobody waits for a thread that was interrupted between the mutex and what releases it."""
        with suppress(AccessError):  # it was released
            self._mutex.release()

    def done(self) -> None:
        """One task less.

        Raises:
            ValueError: There was none.
        """
        self.add(-1)

    def wait(self, timeout: float) -> bool:
        """Whether all tasks are done, waiting so many seconds for it."""
        return self._event.wait(timeout) or not self.value


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
