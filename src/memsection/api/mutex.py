# SPDX-License-Identifier: MIT
"""Mutexes: one thread at a time, among all threads of all processes that share one; and one task at
a time of a loop.

It owns what is done about a mutex whose owner ended.  Whose turn it is among the tasks of a loop is
in ``task_turns``, everything about the handle itself in ``handle``, waiting for several objects in
``wait``.
"""

from __future__ import annotations

import time

from memsection.api.appearing import open_in_time_async
from memsection.api.task_turns import DONE, turns_of
from memsection.api.waitable import Waitable
from memsection.nt import kernel, native
from memsection.nt.owners import Attempt, finish, outside, surely, undo_here, whole
from memsection.vocabulary import access as a
from memsection.vocabulary import log, object_types
from memsection.vocabulary import status as st
from memsection.vocabulary.arguments import object_name, seconds, waiting_time
from memsection.vocabulary.errors import AbandonedMutexError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from memsection.api.security import Security
    from memsection.api.task_turns import Done, Turn, Turns
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
    _turns: Turns | None

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
            inheritable: Whether child processes get the handle.
            security: Who may open it by name; this user alone when omitted.
            initial_owner: Whether this thread owns a new mutex from the beginning.  One that
                existed it never owns.
            repair: Called, with the mutex owned, whenever this object takes it from an owner that
                ended: it sees to what the mutex protects.  Returns it, the mutex is taken as usual;
                raises it, the mutex stays abandoned.

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
            name: As given to ``create``.
            access: ``"rw"``, or an access mask for what the word cannot say.
            inheritable: Whether child processes get the handle.
            repair: As for ``create``.
            timeout: Seconds to wait until something has the name; not at all when omitted, for ever
                when None.

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
        """As ``open``, waiting for the name without blocking the event loop, for ever when
        ``timeout`` is omitted.

        Rights:
            As for ``open``.

        Raises:
            NameTimeoutError: Nothing had the name within the time.
            Error: As ``open`` otherwise.
        """
        return await open_in_time_async(
            lambda: cls.open(name, access=access, inheritable=inheritable, repair=repair),
            name,
            timeout,
        )

    def _with_repair(self, repair: Callable[[AbandonedMutexError], object] | None) -> Self:
        self._repair = repair
        if repair is not None:
            self._take_in_python()  # the native way knows nothing of repairs
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
            blocking: Whether to wait; a number that is no bool is the timeout.
            timeout: Seconds to wait; for ever when omitted, -1 or None, not at all when 0.
            accept_abandoned: Whether to take it although its last owner ended while it owned it,
                and what it protects may be half changed.

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
        end = None if timeout is None else time.monotonic() + seconds(timeout)
        while True:
            try:
                return await super().wait_async(
                    timeout if end is None else max(0.0, end - time.monotonic())
                )
            except AbandonedMutexError as error:
                taking = Attempt()
                try:
                    if taking.make(self._take_and_repair, error):
                        return True
                except BaseException:
                    taking.put_back()
                    raise

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
    def __aexit__(self, steps: dict[str, int], *_: object) -> Done:
        turn = self._turn()
        if "depth" not in steps:
            steps["depth"] = turn.depth()
        if "released" not in steps:
            steps["released"] = True  # and then nothing raises before the call
            self.release()
        turn.end(steps["depth"] - 1)
        return DONE

    def _turn(self) -> Turn:
        import asyncio

        if self._turns is None:
            self._turns = turns_of(self)
        return self._turns.of(asyncio.get_running_loop())
