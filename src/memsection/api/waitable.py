# SPDX-License-Identifier: MIT
"""What mutexes, events, semaphores and timers have in common, and waiting for one of them, also
without blocking the event loop.

Timeouts are seconds from now, counted by a clock that nobody sets; ``None`` waits for ever and 0
only looks.
"""

from __future__ import annotations

import time

from memsection.api.appearing import open_in_time, open_in_time_async
from memsection.api.attributes import object_attributes
from memsection.api.handle import Handle
from memsection.api.passing import Passable
from memsection.nt import WaitableBase, kernel
from memsection.nt.owners import Attempt, close_owned, whole
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.arguments import may_wait, seconds
from memsection.vocabulary.errors import AbandonedNtError, ArgumentError, NtError, public_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, Protocol, Self, TypeVar

    class End(Protocol):
        """What is no handle and can be waited for: an end of a channel."""

        def _waiting(self) -> Any: ...

    H = TypeVar("H", bound=Handle | End)

    from memsection.api.security import Security
    from memsection.nt.interface_synchronisation import Watch
    from memsection.vocabulary.access_words import WaitableAccess

# seconds between looks, on a system whose kernel does not say when to
FIRST_LOOK, LAST_LOOK = 0.001, 0.01


def units(timeout: float | None) -> int | None:
    """Seconds from now as the kernel interface counts them: 100 ns, negative for a span."""
    if timeout is None:
        return None
    timeout = seconds(timeout)
    if timeout <= 0:
        return 0
    return None if timeout > 9e9 else -max(1, int(timeout * 1e7))


def end_of(timeout: float | None) -> float:
    return 0.0 if timeout is None else time.monotonic() + seconds(timeout)


def units_left(timeout: float | None, end: float) -> int | None:
    return None if timeout is None else units(end - time.monotonic() if timeout > 0 else 0)


def raise_public(failure: NtError) -> NoReturn:
    """Raise the public exception."""
    raise public_error(failure) from None


class Changing:
    """What is no kernel object and can be waited for all the same: it has a number in memory that
    rises."""

    def _awaited_number(self, after: int | None) -> tuple[memoryview, int]:
        """The number's eight bytes, and what it has to exceed."""
        raise NotImplementedError

    def _has_risen(self, above: int) -> bool:
        raise NotImplementedError

    def _waiting(self, after: int | None = None) -> Any:
        return kernel.awaited_number(*self._awaited_number(after))

    def _wait(self, after: int | None, timeout: float | None) -> bool:
        buffer, above = self._awaited_number(after)
        number = kernel.awaited_number(buffer, above)
        if number is None:
            return look_often(lambda: self._has_risen(above), timeout)
        try:
            return (
                kernel.wait_for_multiple_objects([number], s.WAIT_ANY, units(timeout)) != st.TIMEOUT
            )
        except NtError as failure:
            raise public_error(failure) from None

    async def _wait_async(self, after: int | None, timeout: float | None) -> bool:
        buffer, above = self._awaited_number(after)
        return await wait_async(
            Awaited(kernel.awaited_number(buffer, above), lambda: self._has_risen(above)), timeout
        )


class Awaited:
    """What is no kernel object, in the place of a handle, for ``wait_async``."""

    def __init__(self, number: Any, has_risen: Callable[[], bool]) -> None:
        self._number, self._has_risen = number, has_risen

    def _ask(self, service: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self._number is not None:
            return service(self._number, *arguments, **options)
        # A system that waits for its own objects only: no watch, and a look of our own.
        return None if service == kernel.watch else st.WAIT_0 if self._has_risen() else st.TIMEOUT


def look_at(one: Any) -> Callable[[], bool] | None:
    """How to see whether something is ready that not every system waits for; None of a handle."""
    if isinstance(one, Changing):
        above = one._awaited_number(None)[1]
        return lambda: one._has_risen(above)
    return getattr(one, "_is_ready", None)


def look_often(is_there: Callable[[], bool], timeout: float | None) -> bool:
    end, pause = end_of(timeout), FIRST_LOOK
    while not is_there():
        left = pause if timeout is None else min(pause, end - time.monotonic())
        if left <= 0:
            return False
        time.sleep(left)
        pause = min(pause * 1.5, LAST_LOOK)
    return True


def wait_target(one: Any) -> Any:
    """What the kernel waits for: a handle, or what an end of a channel says of itself."""
    if hasattr(one, "_stage"):
        raise ArgumentError(
            "wait_all: a side of a readers-writer lock is not taken together with other objects; "
            "take it "
            "alone, or with wait_any"
        )
    waiting = getattr(one, "_waiting", None)
    if waiting is not None:
        return waiting()
    if not hasattr(type(one), "handle"):
        raise TypeError(f"wait: {type(one).__name__} is nothing that can be waited for")
    return one.handle


def take_and_repair(found: Any, failure: AbandonedNtError) -> bool:
    """Take an abandoned mutex that can be repaired; False when somebody else was faster."""
    if getattr(found, "_repair", None) is None:
        raise public_error(failure) from None
    return found.acquire(0)  # type: ignore[no-any-return]


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
            kernel.connect_waitable(self, handle, raise_public)
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
            name: As given to ``create``.
            access: ``"r"`` to wait for it and look, ``"w"`` to change it (an event: set and clear;
                a semaphore: release), ``"rw"`` for both; or an access mask.
            inheritable: Whether child processes get the handle.
            timeout: Seconds to wait until something has the name; not at all when omitted, for ever
                when None.

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
        """As ``open``, waiting for the name without blocking the event loop, for ever when
        ``timeout`` is omitted.

        Rights:
            As for ``open``.

        Raises:
            NameTimeoutError: Nothing had the name within the time.
            Error: As ``open`` otherwise.
        """
        return await open_in_time_async(
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
        waits = may_wait(timeout)
        mask = cls._mask(access)
        try:
            return cls._adopt(
                cls._open_named(mask, object_attributes(cls._type, name, inheritable=inheritable))
            )
        except NtError as failure:
            if waits and failure.status == st.OBJECT_NAME_NOT_FOUND:
                return open_in_time(lambda: cls._open(name, access, inheritable, 0), name, timeout)
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
            kernel.wait_for_single_object, units(timeout), accept_abandoned=accept_abandoned
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
                    if watch.attempt(accept_abandoned=accept_abandoned) != st.TIMEOUT:
                        return True
                except NtError as failure:
                    raise public_error(failure) from None
                if end is not None and loop.time() >= end:
                    return False
                turn = loop.create_future()
                timer = None if end is None else loop.call_at(end, wake)
                try:
                    _arm(watch)
                    await turn
                finally:
                    if timer is not None:
                        timer.cancel()
        finally:
            watch.end()
    except BaseException:
        watch.put_back()  # a signal handler raised between the attempt and the return
        raise


def _arm(watch: Watch) -> None:
    try:
        watch.arm()
    except NtError as failure:
        raise public_error(failure) from None


async def _look_now_and_then(one: Any, end: float | None, accept_abandoned: bool) -> bool:
    import asyncio

    loop = asyncio.get_running_loop()
    pause, look = FIRST_LOOK, Attempt()
    try:
        while (
            look.make(one._ask, kernel.wait_for_single_object, 0, accept_abandoned=accept_abandoned)
            == st.TIMEOUT
        ):
            left = pause if end is None else min(pause, end - loop.time())
            if left <= 0:
                return False
            await asyncio.sleep(left)
            pause = min(pause * 1.5, LAST_LOOK)
        return True
    except BaseException:
        look.put_back()  # a signal handler raised between the look and the return
        raise
