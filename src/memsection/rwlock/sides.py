# SPDX-License-Identifier: MIT
"""The two sides of a readers-writer lock, and how a wait for several things, or a task, takes
one."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from memsection._native import readers as native
from memsection.api.staged import Stage
from memsection.vocabulary.arguments import seconds
from memsection.vocabulary.errors import Error

if TYPE_CHECKING:
    from typing import Self

    from memsection.rwlock.lock import RWLock

SLICE = 0.05  #: seconds for which a writer sleeps at most before it looks whether the readers live


class Side(native.Side):
    """One side of a lock, with the methods of ``threading.Lock``; ``with`` takes it and gives it
    back.

    ``wait_any`` takes it beside mutexes, events and all the others.
    """

    lock: RWLock  # pyright: ignore[reportIncompatibleMethodOverride]

    def acquire(
        self,
        blocking: bool | float | None = True,
        timeout: float | None = -1,
        *,
        accept_abandoned: bool = False,
    ) -> bool:
        """As ``RWLock.acquire_read`` and ``acquire_write``.

        Rights:
            As there.

        Raises:
            AbandonedMutexError: As there.
            Error: As there.
        """
        take = self.lock.acquire_write if self.writes else self.lock.acquire_read
        return take(blocking, timeout, accept_abandoned=accept_abandoned)

    def release(self) -> None:
        """As ``RWLock.release_read`` and ``release_write``.

        Rights:
            None.

        Raises:
            AccessError: This thread has not taken it (PermissionError).
            HandleError: The lock is closed.
        """
        (self.lock.release_write if self.writes else self.lock.release_read)()

    async def wait_async(
        self, timeout: float | None = None, *, accept_abandoned: bool = False
    ) -> bool:
        """As ``acquire``, without blocking the event loop, and without a thread for this wait.

        It is then had by the event loop's thread: the tasks of one loop exclude each other by
        ``async with`` alone.

        Args:
            timeout: Seconds; for ever when omitted.
            accept_abandoned: As for ``acquire``.

        Rights:
            None: what the handles permitted when the lock was opened.

        Raises:
            AbandonedMutexError: As ``acquire``.
            HandleError: The lock is closed.
        """
        return await self._wait_async(timeout, accept_abandoned)

    async def _wait_async(
        self, timeout: float | None, accept_abandoned: bool, fresh: bool = False
    ) -> bool:
        lock = self.lock
        core, gate = lock._require_open()
        end = None if timeout is None else time.monotonic() + seconds(timeout)
        if not self.writes and core.readers.enter(fresh):
            return True
        stage = self._stage(accept_abandoned)
        try:
            while True:
                left = None if end is None else max(0.0, end - time.monotonic())
                if stage.pause is None:
                    came = await gate.wait_async(left, accept_abandoned=True)
                else:
                    came = await core._wait_async(
                        stage.seen, stage.pause if left is None else min(stage.pause, left)
                    )
                if (came or stage.pause is not None) and stage.step():
                    return True
                if end is not None and time.monotonic() >= end:
                    stage.give_up()
                    return False
        except BaseException:
            stage.give_up()
            raise

    async def __aenter__(self) -> Self:
        import asyncio

        order = self.lock._require_open()[0].order()
        had = await order.begin(asyncio.current_task(), self.writes)
        try:
            await self._wait_async(None, False, fresh=not had)
        except BaseException:
            order.end(asyncio.current_task(), self.writes)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        import asyncio

        order = self.lock._require_open()[0].order()
        try:
            self.release()
        finally:
            order.end(asyncio.current_task(), self.writes)

    def _stage(self, accept_abandoned: bool) -> SideStage:
        return SideStage(self.lock, self.writes, accept_abandoned)

    def __repr__(self) -> str:
        return f"<memsection.RWLock {'write' if self.writes else 'read'} side of {self.lock!r}>"


class ReadSide(Side):
    """To read: beside other readers, not beside a writer."""


class WriteSide(Side):
    """To write: alone."""


class SideStage(Stage):
    """A side being taken by somebody who waits for other things, too: first the gate, then the last
    reader."""

    def __init__(self, lock: RWLock, writes: bool, accept_abandoned: bool) -> None:
        self._lock, self._writes, self._accept_abandoned = lock, writes, accept_abandoned
        self._core, self._gate = lock._require_open()
        self.pause: float | None = None
        self.seen = 0
        self._before = 0
        self._has_gate = False
        if writes and not self._core.readers.writes_here:
            lock._refuse_upgrade(self._core)

    def at_once(self) -> bool:
        readers = self._core.readers
        return bool(
            not self._writes and (readers.reads_here or readers.writes_here) and readers.enter()
        )

    def waiting(self) -> Any:
        return self._gate.handle if self.pause is None else self._core._waiting(self.seen)

    def take_abandoned(self) -> bool:
        return self._gate.acquire(0, accept_abandoned=True)

    def step(self) -> bool:
        self._has_gate = True
        if not self._try_to_take():
            return False
        self._has_gate = False
        return True

    def _try_to_take(self) -> bool:
        readers = self._core.readers
        if self.pause is None and self._writes and readers.writes_here:
            readers.again(self._gate)
            self._gate.release()
            return True
        if self.pause is None and not self._lock._needs_writer(
            self._core, self._writes, self._accept_abandoned
        ):
            readers.enter_through(self._gate)
            return True
        if self.pause is None:
            self._before = readers.block()
            self.pause = SLICE
        self.seen = readers.departures
        if not readers.gone(True):
            return False
        self._lock._repair_if_needed(self._before, self._accept_abandoned)
        readers.begin(os.getpid())
        if not self._writes:
            readers.restore(0)
            readers.enter_through(self._gate)
        return True

    def give_up(self) -> None:
        if self.pause is not None:
            self.pause = None
            self._core.undo_block((), self._before)
        if self._has_gate:
            self._has_gate = False
            with contextlib.suppress(Error):
                self._gate.release()
