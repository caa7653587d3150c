# SPDX-License-Identifier: MIT
"""Waiting, for what mutexes, events, semaphores and processes have in common: for one, for any, for
all, and without blocking the event loop.

Timeouts are seconds from now, counted by a clock that nobody sets; ``None`` waits for ever and 0
only looks.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from memsection.api.appearing import opened, opened_async
from memsection.api.handle import Handle, object_attributes
from memsection.api.passing import Passable
from memsection.nt import WaitableBase, kernel
from memsection.nt.owners import close_owned, whole
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.arguments import seconds
from memsection.vocabulary.errors import AbandonedNtError, ArgumentError, NtError, public_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, Protocol, Self, TypeVar

    from memsection.api.security import Security

    class End(Protocol):
        """What is no handle and can be waited for: an end of a channel."""

        def _waiting(self) -> Any: ...

    H = TypeVar("H", bound=Handle | End)
    from memsection.vocabulary.access_words import WaitableAccess

# seconds between looks, on a system whose kernel does not say when to
_FIRST_LOOK, _LAST_LOOK = 0.001, 0.01


def units(timeout: float | None) -> int | None:
    """Seconds from now as the kernel interface counts them: 100 ns, negative for a span."""
    if timeout is None:
        return None
    timeout = seconds(timeout)
    if timeout != timeout:
        raise ArgumentError("timeout: not a number of seconds")
    if timeout <= 0:
        return 0
    return None if timeout > 9e9 else -max(1, int(timeout * 1e7))


def failed(failure: NtError) -> NoReturn:
    """Raise the public exception."""
    raise public_error(failure) from None


class Changing:
    """What is no kernel object and can be waited for all the same: it has a number in memory that
    rises."""

    def _awaited(self, after: int | None) -> tuple[memoryview, int]:
        """The number's eight bytes, and what it has to exceed."""
        raise NotImplementedError

    def _has_risen(self, above: int) -> bool:
        raise NotImplementedError

    def _waiting(self, after: int | None = None) -> Any:
        return kernel.awaited_number(*self._awaited(after))

    def _wait(self, after: int | None, timeout: float | None) -> bool:
        buffer, above = self._awaited(after)
        number = kernel.awaited_number(buffer, above)
        if number is None:
            return _look_often(lambda: self._has_risen(above), timeout)
        try:
            return (
                kernel.wait_for_multiple_objects([number], s.WAIT_ANY, units(timeout)) != st.TIMEOUT
            )
        except NtError as failure:
            raise public_error(failure) from None

    async def _wait_async(self, after: int | None, timeout: float | None) -> bool:
        buffer, above = self._awaited(after)
        return await wait_async(
            _Awaited(kernel.awaited_number(buffer, above), lambda: self._has_risen(above)), timeout
        )


class _Awaited:
    """A number in the place of a handle, for ``wait_async``."""

    def __init__(self, number: Any, has_risen: Callable[[], bool]) -> None:
        self._number, self._has_risen = number, has_risen

    def _ask(self, service: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self._number is not None:
            return service(self._number, *arguments, **options)
        # A system that cannot wait for numbers: no watch, and a look of our own.
        return None if service == kernel.watch else st.WAIT_0 if self._has_risen() else st.TIMEOUT


def _look_often(is_there: Callable[[], bool], timeout: float | None) -> bool:
    end, pause = _end(timeout), _FIRST_LOOK
    while not is_there():
        left = pause if timeout is None else min(pause, end - time.monotonic())
        if left <= 0:
            return False
        time.sleep(left)
        pause = min(pause * 1.5, _LAST_LOOK)
    return True


class Waitable(Passable, WaitableBase):
    """What can be waited for.

    ``WaitableBase`` is the system's: it has what the native methods work on, where there are any
    (``nt.native``).
    """

    _new = WaitableBase.__new__

    created: bool

    @staticmethod
    def _open_named(access: int, attributes: s.ObjectAttributes | None) -> int:
        """Open an object of this type: the service that every type has for itself."""
        raise NotImplementedError

    @classmethod
    def _adopt(cls, handle: int) -> Self:
        self = super()._adopt(handle)
        self.created = False
        try:
            kernel.connect_waitable(self, handle, failed)
        except BaseException as failure:
            close_owned(self)
            if isinstance(failure, NtError):
                raise public_error(failure) from None
            raise
        return self

    @classmethod
    def open(
        cls,
        name: str,
        *,
        access: WaitableAccess | int = "rw",
        inheritable: bool = False,
        timeout: float | None = 0,
    ) -> Self:
        """Open an object of this type by its name.

        Args:
            name: As given to ``create``. access: ``"r"`` to wait for it and look, ``"w"`` to change
            it (an event: set and clear; a semaphore: release),
                ``"rw"`` for both; or an access mask.
            inheritable: Whether child processes get the handle. timeout: Seconds to wait until
            something has the name; not at all when omitted, for ever when None.

        Rights:
            The object must grant what ``access`` asks for.

        Raises:
            NotFoundError: Nothing has this name (FileNotFoundError).
            NameTimeoutError: Nothing had it within the time; a ``NotFoundError`` and a
                ``WaitTimeoutError``.
            AccessError: The object does not grant the access (PermissionError).
            HandleError: The name is that of another kind of object (ValueError).
            ArgumentError: No such name or access can be (ValueError).
        """
        return cls._open(name, access, inheritable, timeout)

    @classmethod
    async def open_async(
        cls,
        name: str,
        *,
        access: WaitableAccess | int = "rw",
        inheritable: bool = False,
        timeout: float | None = None,
    ) -> Self:
        """As ``open``, waiting for the name without blocking the event loop.

        Args:
            name: As for ``open``.
            access: As for ``open``.
            inheritable: As for ``open``.
            timeout: Seconds; for ever when omitted.

        Rights:
            As for ``open``.

        Raises:
            NameTimeoutError: Nothing had the name within the time.
            Error: As ``open`` otherwise.
        """
        return await opened_async(
            lambda: cls.open(name, access=access, inheritable=inheritable), name, timeout
        )

    @classmethod
    @whole
    def _make(
        cls,
        service: Callable[[int, s.ObjectAttributes | None], tuple[int, int]],
        name: str | None,
        exist_ok: bool,
        inheritable: bool,
        security: Security | str | bytes | None,
    ) -> Self:
        """Create, or open what has the name already: with every right, or else with those that
        ``open`` asks for."""
        attributes = object_attributes(
            cls._type, name, inheritable=inheritable, exist_ok=exist_ok, security=security
        )
        try:
            status, handle = service(cls._type.generic_all, attributes)
        except NtError as failure:
            if failure.status != st.ACCESS_DENIED or not exist_ok or name is None:
                raise public_error(failure) from None
            try:
                status, handle = (
                    st.OBJECT_NAME_EXISTS,
                    cls._open_named(cls._words["rw"], attributes),
                )
            except NtError:
                raise public_error(failure) from None
        self = cls._adopt(handle)
        self.created = status != st.OBJECT_NAME_EXISTS
        return self

    @classmethod
    @whole
    def _open(
        cls, name: str, access: WaitableAccess | int, inheritable: bool, timeout: float | None
    ) -> Self:
        if not isinstance(name, str):
            raise TypeError(f"name: a str is needed, not {type(name).__name__}")
        mask = cls._mask(access)
        try:
            return cls._adopt(
                cls._open_named(mask, object_attributes(cls._type, name, inheritable=inheritable))
            )
        except NtError as failure:
            if timeout != 0 and failure.status == st.OBJECT_NAME_NOT_FOUND:
                return opened(lambda: cls._open(name, access, inheritable, 0), name, timeout)
            raise public_error(failure) from None

    def close(self) -> None:
        super().close()
        if not self._handle:
            self._disconnect()

    close.__doc__ = Handle.close.__doc__

    def detach(self) -> int:
        handle = super().detach()
        self._disconnect()
        return handle

    detach.__doc__ = Handle.detach.__doc__

    @whole
    def _take(self, timeout: float | None, accept_abandoned: bool = False) -> bool:
        """Wait for it by the service that every system has."""
        status: int = self._ask(
            kernel.wait_for_single_object, units(timeout), careful=not accept_abandoned
        )
        return status != st.TIMEOUT

    async def wait_async(
        self, timeout: float | None = None, *, accept_abandoned: bool = False
    ) -> bool:
        """Wait for the object without blocking the event loop, and without a thread for this wait.

        What a wait does to an object it does here too: a mutex is then owned by the event loop's
        thread, a semaphore has one unit less, an auto-reset event is reset.  A wait that is
        cancelled has taken nothing.

        Args:
            timeout: Seconds; for ever when omitted.
            accept_abandoned: Whether an abandoned mutex is taken.

        Returns:
            Whether it was taken; False when the time was up.

        Rights:
            ``SYNCHRONIZE``.

        Raises:
            AbandonedMutexError: The mutex's owner ended while it owned it; nothing was taken.
            AccessError: The handle does not permit waiting.
            CorruptError: Somebody spoiled the object.
            HandleError: The handle is closed.
        """
        return await wait_async(self, timeout, accept_abandoned)


async def wait_async(
    one: Any, timeout: float | None = None, accept_abandoned: bool = False
) -> bool:
    """What ``Waitable.wait_async`` says, for a handle to anything that can be waited for."""
    import asyncio

    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + seconds(timeout)
    turn: asyncio.Future[None] | None = None

    def wake() -> None:
        if turn is not None and not turn.done():
            turn.set_result(None)

    def ready() -> None:
        try:
            loop.call_soon_threadsafe(wake)
        except RuntimeError:
            pass  # the loop was closed meanwhile, and nobody waits any more

    watch = one._ask(kernel.watch, ready)
    if watch is None:
        return await _look_now_and_then(one, end, accept_abandoned)
    try:
        try:
            while True:
                try:
                    if watch.attempt(careful=not accept_abandoned) != st.TIMEOUT:
                        return True
                except NtError as failure:
                    raise public_error(failure) from None
                if end is not None and loop.time() >= end:
                    return False
                turn = loop.create_future()
                timer = None if end is None else loop.call_at(end, wake)
                try:
                    watch.arm()
                    await turn
                finally:
                    if timer is not None:
                        timer.cancel()
        finally:
            watch.end()
    except BaseException:
        watch.put_back()  # a signal handler raised between the attempt and the return
        raise


async def _look_now_and_then(one: Any, end: float | None, accept_abandoned: bool) -> bool:
    import asyncio

    loop = asyncio.get_running_loop()
    pause = _FIRST_LOOK
    while one._ask(kernel.wait_for_single_object, 0, careful=not accept_abandoned) == st.TIMEOUT:
        left = pause if end is None else min(pause, end - loop.time())
        if left <= 0:
            return False
        await asyncio.sleep(left)
        pause = min(pause * 1.5, _LAST_LOOK)
    return True


@whole
def wait_any(
    objects: Iterable[H], timeout: float | None = None, *, accept_abandoned: bool = False
) -> H | None:
    """Wait until one of several objects can be taken, and take that one: the first in their order
    that can.

    Args:
        objects: 1 to 64 mutexes, events, semaphores, processes, sides of readers-writer locks and
            ends of channels and of latest values, in any mix.  An end is ready when its
            ``wait(timeout=0)`` is true; nothing is taken from it.
        timeout: Seconds; for ever when omitted.
        accept_abandoned: Whether an abandoned mutex is taken.

    Returns:
        The object, or None when the time was up.

    Rights:
        ``SYNCHRONIZE`` for each.

    Raises:
        AbandonedMutexError: A mutex's owner ended while it owned it.  Nothing was taken, and it
            stays so until somebody takes it knowingly.  (One that was made with ``repair`` is
            repaired instead.)
        AccessError: A handle does not permit waiting.
        ArgumentError: No objects, or more than 64.
        HandleError: A handle is closed, or a section's.
        CorruptError: Somebody spoiled an object.
    """
    several, end = _list(objects), _end(timeout)
    if any(hasattr(one, "_stage") for one in several):
        from memsection.api.staged import wait_any_in_stages

        return wait_any_in_stages(several, timeout, end, accept_abandoned)
    while True:
        waited = [waited_of(one) for one in several]
        if None in waited:
            return _any_by_looking(several, timeout, accept_abandoned)
        try:
            status = kernel.wait_for_multiple_objects(
                waited, s.WAIT_ANY, left_of(timeout, end), careful=not accept_abandoned
            )
        except AbandonedNtError as failure:
            found = several[failure.index]
            if repaired(found, failure):
                return found
            continue
        except NtError as failure:
            raise public_error(failure) from None
        if status == st.TIMEOUT:
            return None
        return several[
            status - (st.ABANDONED_WAIT_0 if status >= st.ABANDONED_WAIT_0 else st.WAIT_0)
        ]


def _any_by_looking(several: list[H], timeout: float | None, accept_abandoned: bool) -> H | None:
    """``wait_any`` where the system cannot wait for numbers: one after the other, again and
    again."""
    above = {
        index: one._awaited(None)[1]
        for index, one in enumerate(several)
        if isinstance(one, Changing)
    }
    found: list[H] = []

    def look() -> bool:
        for index, one in enumerate(several):
            there = (
                one._has_risen(above[index])
                if isinstance(one, Changing)
                else wait_any([one], 0, accept_abandoned=accept_abandoned) is not None
            )
            if there:
                found.append(one)
                return True
        return False

    return found[0] if _look_often(look, timeout) else None


@whole
def wait_all(
    objects: Iterable[Handle | End], timeout: float | None = None, *, accept_abandoned: bool = False
) -> bool:
    """Wait until all of several objects can be taken together, and take them; as long as one is
    missing, take none.

    Args:
        objects: 1 to 64 mutexes, events, semaphores, processes and ends of channels, in any mix,
        each once. timeout: Seconds; for ever when omitted. accept_abandoned: Whether abandoned
        mutexes are taken.

    Returns:
        Whether they were taken; False when the time was up.

    Rights:
        ``SYNCHRONIZE`` for each.

    Raises:
        AbandonedMutexError: All could be taken, but a mutex's owner ended while it owned it.
            Nothing was taken. (One that was made with ``repair`` is repaired instead.)
        AccessError: A handle does not permit waiting.
        ArgumentError: No objects, more than 64, or the same one twice.
        HandleError: A handle is closed, or a section's.
        CorruptError: Somebody spoiled an object.
    """
    several, end = _list(objects), _end(timeout)
    while True:
        waited = [waited_of(one) for one in several]
        if None in waited:
            return _all_by_looking(several, timeout, accept_abandoned)
        try:
            return (
                kernel.wait_for_multiple_objects(
                    waited, s.WAIT_ALL, left_of(timeout, end), careful=not accept_abandoned
                )
                != st.TIMEOUT
            )
        except AbandonedNtError as failure:
            found: Any = several[failure.index]
            if repaired(found, failure):
                found.release()  # only a mutex is repaired
        except NtError as failure:
            raise public_error(failure) from None


def _all_by_looking(several: list[Any], timeout: float | None, accept_abandoned: bool) -> bool:
    """``wait_all`` where the system cannot wait for numbers.  They only rise, so they come before
    what is taken."""
    numbers = [(one, one._awaited(None)[1]) for one in several if isinstance(one, Changing)]
    others = [one for one in several if not isinstance(one, Changing)]

    def look() -> bool:
        return all(one._has_risen(above) for one, above in numbers) and (
            not others or wait_all(others, 0, accept_abandoned=accept_abandoned)
        )

    return _look_often(look, timeout)


def waited_of(one: Any) -> Any:
    """What the kernel waits for: a handle, or what an end of a channel says of itself."""
    if hasattr(one, "_stage"):
        raise ArgumentError(
            "wait_all: a side of a readers-writer lock is not taken together with other objects; "
            "take it "
            "alone, or with wait_any"
        )
    waiting = getattr(one, "_waiting", None)
    return one.handle if waiting is None else waiting()


def _list(objects: Iterable[H]) -> list[H]:
    several = list(objects)
    if not several:
        raise ArgumentError("wait: no objects to wait for")
    return several


def _end(timeout: float | None) -> float:
    return 0.0 if timeout is None else time.monotonic() + seconds(timeout)


def left_of(timeout: float | None, end: float) -> int | None:
    return None if timeout is None else units(end - time.monotonic() if timeout > 0 else 0)


def repaired(found: Any, failure: AbandonedNtError) -> bool:
    """Take an abandoned mutex that can be repaired; False when somebody else was faster."""
    if getattr(found, "_repair", None) is None:
        raise public_error(failure) from None
    return found.acquire(0)  # type: ignore[no-any-return]
