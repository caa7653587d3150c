# SPDX-License-Identifier: MIT
"""Mutexes: one thread at a time, among all threads of all processes that share one; and one task at
a time of a loop.

It owns what is done about a mutex whose owner ended.  Everything about the handle itself is in
``handle``, waiting for several objects in ``wait``.
"""

from __future__ import annotations

import time
import weakref
from collections import deque

from memsection.api.appearing import opened_async
from memsection.api.wait import Waitable
from memsection.nt import kernel, native
from memsection.nt.owners import finish, outside, surely, undo_here, whole
from memsection.vocabulary import access as a
from memsection.vocabulary import log, object_types
from memsection.vocabulary import status as st
from memsection.vocabulary.arguments import object_name, waiting_time
from memsection.vocabulary.errors import AbandonedMutexError, NtError, public_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from memsection.api.security import Security
    from memsection.vocabulary import structs as s
    from memsection.vocabulary.access_words import WaitableAccess

_USE = a.MUTANT_QUERY_STATE | a.SYNCHRONIZE


class Mutex(Waitable):
    """A lock that threads of any processes share, recursive, and never stuck: if its owner ends,
    the next one is told.

    ``with mutex:`` takes it and gives it back; the handle stays open until ``close``.
    """

    _type = object_types.MUTANT
    _words = {"r": _USE, "rw": _USE}

    _repair: Callable[[AbandonedMutexError], object] | None
    _turns: _Turns | None

    @staticmethod
    def _open_named(access: int, attributes: s.ObjectAttributes | None) -> int:
        return kernel.open_mutant(access, attributes)

    @classmethod
    def _adopt(cls, handle: int) -> Self:
        self = super()._adopt(handle)
        self._repair = None
        self._turns = None
        return self

    @classmethod
    @whole  # to the end: a mutex that is lost on the way, and has an owner, would stay
    def create(
        cls,
        name: str | None = None,
        *,
        exist_ok: bool = False,
        inheritable: bool = False,
        security: Security | str | bytes | None = None,
        initial_owner: bool = False,
        repair: Callable[[AbandonedMutexError], object] | None = None,
    ) -> Self:
        r"""Make a mutex, with a name or without one.

        Args:
            name: What other processes open it by; ``Global\name`` for other users and containers.
            exist_ok: Whether a mutex that has the name already is opened instead; see ``created``.
            inheritable: Whether child processes get the handle. security: Who may open it by name;
            this user alone when omitted. initial_owner: Whether this thread owns a new mutex from
            the beginning.  One that existed it never owns. repair: Called, with the mutex owned,
            whenever this object takes it from an owner that ended: it sees to
                what the mutex protects.  Returns it, the mutex is taken as usual; raises it, the
                mutex stays abandoned.

        Rights:
            None for a new object.  An existing one must grant ``SYNCHRONIZE`` and
            ``MUTANT_QUERY_STATE``.

        Raises:
            ExistsError: The name is taken (FileExistsError).
            HandleError: With ``exist_ok``: the name is that of a section, an event or a semaphore.
            ArgumentError: The name or the security makes no sense.
            AccessError: An existing mutex does not grant the access.
            TypeError: The name is no str.

        Example:
            >>> from memsection import Mutex
            >>> mutex = Mutex.create()
            >>> with mutex:
            ...     mutex.acquire(timeout=0)  # recursive
            True
            >>> mutex.release(); mutex.close()
        """
        object_name(name, "initial_owner")
        self = cls._make(
            lambda access, attributes: kernel.create_mutant(access, attributes, initial_owner),
            name,
            exist_ok,
            inheritable,
            security,
        )
        return self._with_repair(repair)

    @classmethod
    def open(
        cls,
        name: str,
        *,
        access: WaitableAccess | int = "rw",
        inheritable: bool = False,
        repair: Callable[[AbandonedMutexError], object] | None = None,
        timeout: float | None = 0,
    ) -> Self:
        """Open a mutex by its name.

        Args:
            name: As given to ``create``. access: ``"rw"``, or an access mask for what the word
            cannot say. inheritable: Whether child processes get the handle. repair: As for
            ``create``. timeout: Seconds to wait until something has the name; not at all when
            omitted, for ever when None.

        Rights:
            The mutex must grant ``SYNCHRONIZE`` and ``MUTANT_QUERY_STATE``, or what the mask says.

        Raises:
            NotFoundError: Nothing has this name (FileNotFoundError).
            NameTimeoutError: Nothing had it within the time; a ``NotFoundError`` and a
                ``WaitTimeoutError``.
            AccessError: The mutex does not grant the access (PermissionError).
            HandleError: The name is that of another kind of object (ValueError).
            ArgumentError: No such name or access can be (ValueError).
        """
        return cls._open(name, access, inheritable, timeout)._with_repair(repair)

    @classmethod
    async def open_async(
        cls,
        name: str,
        *,
        access: WaitableAccess | int = "rw",
        inheritable: bool = False,
        repair: Callable[[AbandonedMutexError], object] | None = None,
        timeout: float | None = None,
    ) -> Self:
        """As ``open``, waiting for the name without blocking the event loop.

        Args:
            name: As for ``open``.
            access: As for ``open``.
            inheritable: As for ``open``.
            repair: As for ``create``.
            timeout: Seconds; for ever when omitted.

        Rights:
            As for ``open``.

        Raises:
            NameTimeoutError: Nothing had the name within the time.
            Error: As ``open`` otherwise.
        """
        return await opened_async(
            lambda: cls.open(name, access=access, inheritable=inheritable, repair=repair),
            name,
            timeout,
        )

    def _with_repair(self, repair: Callable[[AbandonedMutexError], object] | None) -> Self:
        self._repair = repair
        if repair is not None:
            self._take_carefully()  # the native way knows nothing of repairs
        return self

    # ------------------------------------------------------------------ taking and giving back

    @native("mutex_acquire")
    def acquire(
        self,
        blocking: bool | float | None = True,
        timeout: float | None = -1,
        *,
        accept_abandoned: bool = False,
    ) -> bool:
        """Take the mutex: once more if this thread owns it, else as soon as nobody does.

        The arguments are those of ``threading.Lock``.

        Args:
            blocking: Whether to wait; a number that is no bool is the timeout. timeout: Seconds to
            wait; for ever when omitted, -1 or None, not at all when 0. accept_abandoned: Whether to
            take it although its last owner ended while it owned it, and what it protects may
                be half changed.

        Returns:
            Whether it was taken; False when the time was up.

        Rights:
            ``SYNCHRONIZE``.

        Raises:
            AbandonedMutexError: Its last owner ended while it owned it.  It was not taken, and
                everybody is told until somebody takes it with ``accept_abandoned``.
            AccessError: The handle does not permit waiting.
            ArgumentError: A timeout that is negative and not -1, or one for a call that does not
                wait (ValueError).
            TypeError: A timeout that is no number.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        limit = waiting_time(blocking, timeout)
        if self._repair is None or accept_abandoned:
            return self._take(limit, accept_abandoned)
        end = None if limit is None else time.monotonic() + limit
        while True:
            try:
                return self._take(limit if end is None else end - time.monotonic())
            except AbandonedMutexError as error:
                if self._take_and_repair(error):
                    return True

    @whole
    def _take_and_repair(self, error: AbandonedMutexError) -> bool:
        """False when somebody else was faster."""
        assert self._repair is not None
        status = self._ask(kernel.wait_for_single_object, 0)
        if status == st.ABANDONED_WAIT_0:
            try:
                outside(self._repair, error)
            except BaseException:
                undo_here(self._ask, kernel.abandon_mutant)
                raise
            log.tell(
                log.INFO,
                "repaired what the mutex %r protects, after its owner, process %d, died",
                self.name,
                error.owner_pid,
            )
        return bool(status != st.TIMEOUT)

    @native("mutex_release")
    def release(self) -> None:
        """Give it back once; when that was as often as it was taken, somebody else can have it.

        Rights:
            None: it takes ownership.

        Raises:
            AccessError: This thread does not own it (PermissionError).
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        self._ask(kernel.release_mutant)

    def locked(self) -> bool:
        """Whether somebody owns it at this moment, this thread included.

        Rights:
            ``MUTANT_QUERY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            HandleError: The handle is closed.
        """
        return bool(self._ask(kernel.query_mutant).CurrentCount <= 0)

    @property
    def owner(self) -> tuple[int, int] | None:
        """Process and thread id of the owner as it says so itself; None when nobody owns it.

        Rights:
            ``MUTANT_QUERY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            HandleError: The handle is closed.
        """
        found = self._ask(kernel.query_mutant)
        return None if found.CurrentCount > 0 else (found.owner_pid, found.owner_tid)

    @property
    def abandoned(self) -> bool:
        """Whether its last owner ended while it owned it, and nobody has taken it since.

        Rights:
            ``MUTANT_QUERY_STATE``.

        Raises:
            AccessError: The handle does not permit it.
            HandleError: The handle is closed.
        """
        return bool(self._ask(kernel.query_mutant).AbandonedState)

    @native("mutex_enter")
    def __enter__(self) -> Self:
        self.acquire()
        return self

    @native("release_on_exit")
    def __exit__(self, *_: object) -> None:
        self.release()

    # ------------------------------------------------------------------ tasks

    async def wait_async(
        self, timeout: float | None = None, *, accept_abandoned: bool = False
    ) -> bool:
        if self._repair is None or accept_abandoned:
            return await super().wait_async(timeout, accept_abandoned=accept_abandoned)
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return await super().wait_async(
                    timeout if end is None else max(0.0, end - time.monotonic())
                )
            except AbandonedMutexError as error:
                if self._take_and_repair(error):
                    return True

    wait_async.__doc__ = Waitable.wait_async.__doc__

    async def __aenter__(self) -> Self:
        """Take it for this task: other tasks of the loop, which are the same thread, wait as
        well."""
        turn = self._turn()
        depth = turn.depth()
        try:
            await turn.begin()
            await self.wait_async()
            return self  # without a call after it was taken, in which a signal handler could raise
        except BaseException:
            finish(turn.end, depth)
            raise

    @surely
    def __aexit__(self, steps: dict[str, int], *_: object) -> _Done:
        turn = self._turn()
        if "depth" not in steps:
            steps["depth"] = turn.depth()
        if "released" not in steps:
            steps["released"] = True  # and then nothing raises before the call
            self.release()
        turn.end(steps["depth"] - 1)
        return _DONE

    def _turn(self) -> _Turn:
        import asyncio

        if self._turns is None:
            self._turns = _turns_of(self)
        return self._turns.of(asyncio.get_running_loop())


class _Done:
    """What can be awaited, and has happened."""

    def __await__(self) -> Iterator[None]:
        return iter(())


_DONE = _Done()


class _Turn:
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


class _Turns:
    """The turns of one mutex, whichever handle it is used through: one for each loop."""

    def __init__(self) -> None:
        self._of: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Turn] = (
            weakref.WeakKeyDictionary()
        )

    def of(self, loop: asyncio.AbstractEventLoop) -> _Turn:
        return self._of.setdefault(loop, _Turn())


_with_turns: weakref.WeakSet[Mutex] = weakref.WeakSet()


def _turns_of(mutex: Mutex) -> _Turns:
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
    return _Turns()
