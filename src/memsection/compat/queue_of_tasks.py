# SPDX-License-Identifier: MIT
"""``multiprocessing.JoinableQueue`` over a channel: a queue that counts what was put and is not
done."""

from __future__ import annotations

import threading
import time

from memsection.api.operations import done, outside, whole
from memsection.compat.queue_ends import ALONE_SECONDS, LOOK_SECONDS, has_children
from memsection.compat.queue_of_objects import Queue
from memsection.compat.task_count import Takers, Task, TaskCount, Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class JoinableQueue(Queue):
    """``multiprocessing.JoinableQueue``: a queue that counts what was put and not yet done."""

    def __init__(self, maxsize: int = 0, *, ctx: Any = None) -> None:
        super().__init__(maxsize, ctx=ctx)
        self._tasks = TaskCount.create()

    def _at_fork(self) -> None:
        super()._at_fork()
        self._takers = Takers()

    def _more(self) -> tuple[Any, ...]:
        return (self._tasks,)

    def _with_more(self, tasks: TaskCount) -> None:  # type: ignore[override]
        self._tasks = tasks

    @whole
    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """As ``Queue.put``; one more task is not done.

        Raises:
            WaitTimeoutError: A process that is stopped, or lies, keeps the count (TimeoutError).
        """
        self._open()
        task = Task(self._tasks)
        # First: a worker must never be done with what was not counted.  Whatever is raised from
        # here on, it is not counted any more, unless the object went.
        done(task.drop, self._tasks.add, 1)
        outside(self._put, obj, timeout if block else 0, task)

    def _not_put(self, task: Task | None) -> None:
        if task is None:
            self._tasks.add(-1)
        else:
            task.drop()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """As ``Queue.get``; whoever has taken an object tells with ``task_done`` that it is
        done."""
        self._takers.took()
        try:
            return super().get(block, timeout)
        except BaseException:
            self._takers.did()
            raise

    @whole
    def task_done(self) -> None:
        """Tell that one object that was taken is done.

        Raises:
            ValueError: More was done than was put.
        """
        done(Undo(self._tasks, 1), self._tasks.add, -1)
        self._takers.did()

    def _may_be_done_here(self) -> bool:
        """Whether another thread of this process has a task, or may take one that waits.

        That a thread runs says neither: it may be anybody's, and run as long as the process.
        """
        return threading.active_count() > 1 and (self._takers.have_any or self.qsize() > 0)

    def join(self) -> None:
        """Wait until everything that was put is done.

        Raises:
            EOFError: Tasks are not done, and nobody is left who could do them: no other process has
                the queue, and in this one no thread has taken a task or could take one that waits.
        """
        ends = self._open()
        alone = 0.0
        while not self._tasks.wait(LOOK_SECONDS):
            channel = ends.any()
            if (
                max(channel.senders, channel.receivers) > 1
                or has_children()
                or self._may_be_done_here()
            ):
                alone = 0.0
                continue
            now = time.monotonic()
            alone = alone or now
            if now - alone > ALONE_SECONDS:
                raise EOFError(
                    f"{self._tasks.value} tasks are not done, and the processes that took them "
                    f"have ended"
                )
