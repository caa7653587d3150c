# SPDX-License-Identifier: MIT
"""Turns of tasks: all tasks of a loop are one thread, for which a mutex is recursive, so that which
of them has the mutex is decided here."""

from __future__ import annotations

import weakref
from collections import deque

from memsection.nt import kernel
from memsection.nt.owners import finish
from memsection.vocabulary.errors import NtError, public_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator
    from typing import Any

    from memsection.api.mutex import Mutex


class Done:
    """What can be awaited, and has happened."""

    def __await__(self) -> Iterator[None]:
        return iter(())


DONE = Done()


class Turn:
    """Which task of one loop has the mutex, and how often.

    What says so is set by single assignments, and no lock is held in between: a signal handler may
    raise anywhere.
    """

    def __init__(self) -> None:
        self._has: tuple[asyncio.Task[Any], int] | None = None
        self._waiters: deque[asyncio.Future[None]] = deque()

    def depth(self) -> int:
        """How often the current task has it."""
        import asyncio

        has = self._has
        return has[1] if has is not None and has[0] is asyncio.current_task() else 0

    async def begin(self) -> None:
        """Have it, or have it once more, as soon as no other task does that has it or came
        before."""
        import asyncio

        task = asyncio.current_task()
        assert task is not None
        depth = self.depth()
        if depth or (self._has is None and not self._waiters):
            self._has = task, depth + 1
            return
        waiter = asyncio.get_running_loop().create_future()
        try:
            self._waiters.append(waiter)
            await waiter
            self._has = task, 1
            self._waiters.remove(waiter)
        except BaseException:
            finish(self._leave, waiter)
            raise

    def _leave(self, waiter: asyncio.Future[None]) -> None:
        """Wait no longer; if it was this one's turn it is the next one's."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        self._wake()

    def end(self, depth: int) -> None:
        """Have it so often again as before: not at all with 0.  Again is harmless."""
        import asyncio

        has = self._has
        if has is None or has[0] is not asyncio.current_task():
            self._wake()
        elif depth > 0:
            self._has = has[0], depth
        else:
            self._has = None
            self._wake()

    def _wake(self) -> None:
        """If nobody has it, the first one that waits does next."""
        if self._has is None and self._waiters and not self._waiters[0].done():
            self._waiters[0].set_result(None)


class Turns:
    """The turns of one mutex, whichever handle it is used through: one for each loop."""

    def __init__(self) -> None:
        self._of: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Turn] = (
            weakref.WeakKeyDictionary()
        )

    def of(self, loop: asyncio.AbstractEventLoop) -> Turn:
        """The turns of the tasks of this loop."""
        return self._of.setdefault(loop, Turn())


_with_turns: weakref.WeakSet[Mutex] = weakref.WeakSet()


def turns_of(mutex: Mutex) -> Turns:
    """The turns of the mutex that an object is a handle to."""
    for other in list(_with_turns):
        try:
            if (
                not other.closed
                and other._turns is not None
                and kernel.compare_objects(mutex.handle, other.handle)
            ):
                return other._turns
        except NtError as failure:
            if mutex.closed:
                raise public_error(failure) from None
    _with_turns.add(mutex)
    return Turns()
