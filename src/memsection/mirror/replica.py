# SPDX-License-Identifier: MIT
"""The subscribing side, as programs see it: a replica that several programs of a host share.

One of them carries it (``receiver``); the others look at the status that it writes, and the next
one goes on when its process ends.  Each has one thread for that.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from memsection.api.event import Event
from memsection.api.operations import finish
from memsection.mirror import copies, engine
from memsection.mirror.network import Network
from memsection.mirror.receiver import Receiver
from memsection.mirror.standby import Standby
from memsection.mirror.status import Shared, Status
from memsection.vocabulary.arguments import seconds
from memsection.vocabulary.errors import Error, HandleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


LOOK = 0.05  #: seconds after which a program that does not carry looks at the status anyway
AGAIN = 0.2  #: seconds after which a program that could not carry tries again
JOIN = 10.0  #: seconds that ``close`` waits for a thread


class Replica:
    """A copy on this host of what another host publishes; made by ``subscribe``, closed by
    ``close`` or ``with``.

    Local readers open it by its name, as if it were the original.  It can stand in ``wait_any``,
    which it ends when a snapshot has come since the last time that it did.
    """

    def __init__(self, key: str, network: Network, name: str, max_age: float) -> None:
        self.key = key  #: HOST/NAME
        self.name = name  #: of the copy here
        self.max_age = max_age  #: seconds without news after which it is stale
        self._network, self._pid = network, os.getpid()
        self._news = threading.Condition()
        self._callbacks: list[Callable[[], None]] = []
        self._closing = self._is_over = False  #: told to close; all of it closed
        self._problem: Error | None = None
        self._spoiled: Error | None = None  #: why what is shared cannot be read just now
        self._receiver: Receiver | None = None
        self._standby = Standby(name, key)  #: where another program carries the replica
        self._shared = Shared(name, key)
        self._status = self._shared.look()
        self._seen = self._begun_with = self._status.epoch, self._status.sequence
        self._told = self._seen  #: the largest numbers that this program was told
        # Made for the first who waits for it, because to set it costs time; who makes it, or looks
        # whether there is one, holds the lock.
        self._event: Event | None = None
        self._making = threading.Lock()
        self._started = threading.Event()
        engine.remember(self)
        self._thread = threading.Thread(target=self._keep, name=f"replica {name}", daemon=True)
        try:
            self._thread.start()
            self._started.wait()
            if self._problem is not None:
                raise self._problem
        except BaseException:
            self.close()
            raise

    # ------------------------------------------------------------------ how it stands

    @property
    def state(self) -> str:
        """``"live"``; ``"stale"``: no news for ``max_age`` or the link is lost; ``"gone"``: the
        publication has ended.

        Whatever the state, the newest snapshot that came stays readable.

        Rights:
            None.

        Raises:
            HandleError: The replica is closed.
        """
        return self._now().state(self.max_age)

    @property
    def sequence(self) -> int:
        """The number of the newest snapshot here, 0 while there is none; it never goes back within
        an epoch.

        Rights:
            None.

        Raises:
            HandleError: The replica is closed.
        """
        return self._now().sequence

    @property
    def epoch(self) -> int:
        """Which publication the newest snapshot is of: a publisher that starts again has another
        one.

        Rights:
            None.

        Raises:
            HandleError: The replica is closed.
        """
        return self._now().epoch

    @property
    def age(self) -> float:
        """Seconds since the newest snapshot arrived here, by this host's clock; infinite while
        there is none.

        Rights:
            None.

        Raises:
            HandleError: The replica is closed.
        """
        found = self._now()
        return (
            max(time.monotonic_ns() - found.arrived_ns, 0) / 1e9 if found.sequence else float("inf")
        )

    @property
    def statistics(self) -> dict[str, int]:
        """How many snapshots, or messages of a topic, and bytes have arrived, whichever program
        carried them, and how many were skipped between those that did (``missed``).

        Rights:
            None.

        Raises:
            HandleError: The replica is closed.
        """
        found = self._now()
        return {"snapshots": found.snapshots, "bytes": found.received, "missed": found.missed}

    @property
    def carries(self) -> bool:
        """Whether it is this program that transfers; others on this host share what it gets.

        Rights:
            None.

        Raises:
            Nothing.
        """
        return self._receiver is not None

    @property
    def problem(self) -> Error | None:
        """Why the newest snapshot is not here, if this program knows; None when all is well.

        Rights:
            None.

        Raises:
            Nothing.
        """
        return (
            self._problem
            or self._spoiled
            or (self._receiver.problem if self._receiver is not None else None)
        )

    @property
    def handle(self) -> int:
        """The handle that ``wait_any`` and ``wait_all`` wait for.

        Rights:
            None.

        Raises:
            HandleError: The replica is closed.
        """
        self._check()
        with self._making:
            if self._event is None:
                is_new = self._seen != self._begun_with
                self._event = Event.create(manual_reset=False, initial=is_new)
            return self._event.handle

    def _now(self) -> Status:
        self._check()
        if self._receiver is not None:
            return self._shared.status  # who carries knows it, whatever others have written
        try:
            found = self._shared.look()
            if found.epoch != self._told[0] or found.sequence > self._told[1]:
                self._told = found.epoch, found.sequence
            return found
        except HandleError:
            raise
        except ValueError:
            raise HandleError(f"replica {self.name!r}: used after it was closed") from None

    def _check(self) -> None:
        if self._pid != os.getpid():
            raise Error(
                f"replica {self.name!r}: it belongs to process {self._pid}, which this one was "
                f"forked from; the copy "
                "can be opened by its name, or subscribed to anew"
            )
        if self._closing:
            raise HandleError(f"replica {self.name!r}: used after it was closed")

    # ------------------------------------------------------------------ waiting

    def wait(
        self, timeout: float | None = None, *, after: int | tuple[int, int] | None = None
    ) -> bool:
        """Wait for a snapshot: the first one, or one that is newer.

        Args:
            timeout: Seconds; for ever when omitted.
            after: The ``sequence``, or ``(epoch, sequence)``, seen; a new epoch's are all newer.

        Returns:
            Whether it is there; False when the time was up.

        Rights:
            None.

        Raises:
            CommitError: It could not be stored: no memory (MemoryError).  The one before stays,
                and the next may fit.
            CorruptError: What the other host sent makes no sense, or is larger than ``max_size``.
            HandleError: The replica is closed, perhaps by another thread meanwhile.
        """
        start = self._now().epoch
        end = None if timeout is None else time.monotonic() + seconds(timeout)
        with self._news:
            while True:
                if self._is_newer(after, start):
                    return True
                self._raise_problem()
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._news.wait(LOOK if left is None else min(LOOK, left))

    async def wait_async(
        self, timeout: float | None = None, *, after: int | tuple[int, int] | None = None
    ) -> bool:
        """As ``wait``, without blocking the event loop.

        Args:
            timeout: Seconds; for ever when omitted.
            after: As for ``wait``.

        Returns:
            Whether it is there; False when the time was up.

        Rights:
            None.

        Raises:
            CommitError: As for ``wait``.
            CorruptError: As for ``wait``.
            HandleError: The replica is closed.
        """
        loop = asyncio.get_running_loop()
        start, turn = self._now().epoch, asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(turn.set)

        end = None if timeout is None else loop.time() + seconds(timeout)
        self._callbacks.append(wake)
        try:
            while not self._is_newer(after, start):
                self._raise_problem()
                left = None if end is None else end - loop.time()
                if left is not None and left <= 0:
                    return False
                with suppress(TimeoutError):
                    await asyncio.wait_for(turn.wait(), LOOK if left is None else min(LOOK, left))
                turn.clear()
            return True
        finally:
            self._callbacks.remove(wake)

    def _is_newer(self, after: int | tuple[int, int] | None, start: int) -> bool:
        if after is None:
            return bool(self._now().sequence)
        epoch, sequence = after if isinstance(after, tuple) else (start, after)
        told = self._status  # of what this program was told it need not look
        if told.epoch == epoch and told.sequence > sequence:
            self._check()
            return True
        found = self._now()
        if found.epoch != epoch or found.sequence > sequence:
            return bool(found.sequence)
        # A number that was told and has not been reached was never true.
        return found.sequence < sequence <= self._told[1] and epoch == self._told[0]

    def _raise_problem(self) -> None:
        problem = self.problem
        if problem is not None:
            raise type(problem)(str(problem.strerror), ntstatus=problem.ntstatus)

    # ------------------------------------------------------------------ the thread

    def _keep(self) -> None:
        """Carry the replica, or wait until one has to."""
        try:
            while not self._closing:
                if self._shared.carries():
                    try:
                        self._carry()
                        return
                    except Error as failure:
                        if not self._started.is_set():  # who subscribes is told
                            raise
                        self._receiver = None
                        # It may be reached later, or by another program.
                        self._problem = copies.explain(failure)
                    finally:
                        self._shared.carrier.release()
                    time.sleep(AGAIN)
                self._stand_by()
        except (Error, MemoryError) as failure:
            self._problem = copies.explain(failure)
        except Exception as failure:
            self._problem = Error(f"replica {self.name!r}: {failure!r}")
        finally:
            self._standby.leave()
            self._started.set()
            with self._news:
                self._news.notify_all()

    def _stand_by(self) -> None:
        """Look how it stands, while another program carries it."""
        try:
            self._standby.keep(self._status.epoch, self._status.sequence)
            self._started.set()
            self._shared.await_change(LOOK)
            found = self._shared.look()
        except Error as failure:  # somebody spoiled it: who carries writes it anew
            if not self._started.is_set():
                raise
            self._spoiled = failure
            time.sleep(LOOK)
        else:
            self._spoiled = None
            self._notice(found)

    def _carry(self) -> None:
        if not self._status.sequence:
            copies.free(self.name, self.key)
        receiver = Receiver(self._network, self.key, self._shared, self.max_age, self._notice)
        self._receiver, self._problem = receiver, None
        self._standby.leave()
        self._started.set()
        try:
            receiver.run(lambda: self._closing)
        finally:
            receiver.close()

    def _notice(self, found: Status) -> None:
        """Wake who waits here, if the status has changed."""
        changed = found.changes != self._status.changes
        self._status = found
        number = found.epoch, found.sequence
        if number != self._seen:
            with self._making:
                self._seen = number
                if self._event is not None:
                    self._event.set()
        if changed or self.problem is not None:
            for callback in self._callbacks.copy():
                callback()
            # The last thing that is done: who is woken cannot go on before this thread sleeps.
            with self._news:
                self._news.notify_all()

    def close(self) -> None:
        """Leave it: the copy goes with its last reader, and another program that subscribed goes
        on.

        Rights:
            None.

        Raises:
            Nothing.
        """
        if not self._is_over and self._pid == os.getpid():
            finish(self._end)

    def _end(self) -> None:
        """The steps of closing, each of which may be done again."""
        self._closing = True
        if self._receiver is not None:
            self._receiver._wake.set()
        if threading.current_thread() is not self._thread and self._thread.ident is not None:
            self._thread.join(JOIN)
        with suppress(Exception):  # a thread that is in zenoh may still look at it
            self._shared.close()
        if self._event is not None:
            with suppress(HandleError):  # closed before a signal interrupted this
                self._event.set()  # who waits for it would wait on
            self._event.close()
        self._is_over = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
