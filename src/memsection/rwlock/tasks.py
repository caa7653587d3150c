# SPDX-License-Identifier: MIT
"""Whose turn it is with a readers-writer lock among the tasks of one event loop, which are one
thread to everybody else.

First come, first served: many tasks read, or one writes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from memsection.vocabulary import status as st
from memsection.vocabulary.errors import Error

if TYPE_CHECKING:
    import asyncio

    Task = asyncio.Task[Any] | None


class TaskOrder:
    """The turns of one lock in one loop."""

    def __init__(self) -> None:
        self._reads: dict[Task, int] = {}
        self._writer: Task = None
        self._depth = 0
        self._queue: deque[tuple[asyncio.Future[None], Task, bool]] = deque()

    async def begin(self, task: Task, writes: bool) -> bool:
        """Wait for this task's turn; whether it had the lock before."""
        had = self._writer is task or task in self._reads
        if writes and task in self._reads and self._writer is not task:
            raise Error(
                "acquire for writing: this task reads, and would wait for itself; release it "
                "first, and look again at what was read",
                ntstatus=st.POSSIBLE_DEADLOCK,
            )
        if had or (not self._queue and self._is_free(writes)):
            self._grant(task, writes)
            return had
        import asyncio

        turn = asyncio.get_running_loop().create_future()
        self._queue.append((turn, task, writes))
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.end(task, writes)
            else:
                self._queue = deque(one for one in self._queue if one[0] is not turn)
                self._next()
            raise
        return False

    def end(self, task: Task, writes: bool) -> None:
        """Give the turn back, once."""
        if writes:
            self._depth -= 1
            if not self._depth:
                self._writer = None
        else:
            self._reads[task] -= 1
            if not self._reads[task]:
                del self._reads[task]
        self._next()

    def _is_free(self, writes: bool) -> bool:
        return self._writer is None and not (writes and self._reads)

    def _grant(self, task: Task, writes: bool) -> None:
        if writes:
            self._writer = task
            self._depth += 1
        else:
            self._reads[task] = self._reads.get(task, 0) + 1

    def _next(self) -> None:
        while self._queue:
            turn, task, writes = self._queue[0]
            if not turn.cancelled():
                if not self._is_free(writes):
                    return
                self._grant(task, writes)
                turn.set_result(None)
            self._queue.popleft()
