# SPDX-License-Identifier: MIT
"""Servers: they take calls, and answer each of them once.

What clients do ends no server: a request that makes no sense is answered with a failure, a client
that went away is not answered, and no server waits for a client.
"""

from __future__ import annotations

import time
import types

from memsection._native import ends
from memsection.channels import opening, overflow
from memsection.channels.calls import FAILED, A, Q, ServiceEnd, Sides, failure_text
from memsection.channels.specs import codec
from memsection.vocabulary.errors import ArgumentError, EndOfChannelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any, Generic, TypeVar, overload

    import numpy as np

    from memsection.api.section import Section
    from memsection.api.security import Security
    from memsection.channels.specs import Codec, Spec

    # The types of values that specs name; those of others are Any.
    Q_ = TypeVar("Q_", bytes, np.ndarray[Any, Any])
    A_ = TypeVar("A_", bytes, np.ndarray[Any, Any])

    class _Held(ends.Held, Generic[Q, A]):
        """To type checkers."""

else:

    def overload(function):
        return function

    class _Held(ends.Held):
        __class_getitem__ = classmethod(types.GenericAlias)


_PATIENCE, _LOOK = (
    10.0,
    0.01,
)  # seconds that a close waits until large answers were taken, and between its looks


class Call(_Held[Q, A]):
    """A call that a server has in hand; ``receive`` gives it.

    One that is collected without an answer is given up: its caller gets ``PeerDiedError``, or
    another server the call when ``retry`` allows.

    Attributes:
        value: What was asked.
    """

    value: Q

    def reply(self, value: A) -> None:
        """Answer it.  Whoever no longer waits for the answer does not get it; nobody is waited for.

        Args:
            value: What the service's ``reply`` spec says.

        Rights:
            None: what the handle permitted when the service was opened.

        Raises:
            ArgumentError: It was answered already, or is in the hands of the process that this one
                was forked from; or the value is not what the spec says (ValueError).
            TypeError: The value is of another type; the call is still in hand.
        """
        self.reply_with(value)

    def fail(self, exception: BaseException) -> None:
        """Answer it with an exception: its caller gets ``RemoteError`` with its name, its text and
        its traceback.

        Args:
            exception: What went wrong.

        Rights:
            None: what the handle permitted when the service was opened.

        Raises:
            ArgumentError: It was answered already (ValueError).
            TypeError: It is no exception.
        """
        if not isinstance(exception, BaseException):
            raise TypeError(f"fail: it takes an exception, not {type(exception).__name__}")
        self.reply_text(failure_text(exception))

    def __repr__(self) -> str:
        return f"<memsection.channels.Call {'answered' if self.done else 'in hand'}>"


class ServerSides(Sides):
    """What a server's core asks for."""

    call_type = Call

    def __init__(self, request: Codec, reply: Codec) -> None:
        super().__init__(request, reply)
        self.large: list[
            tuple[Section, Call[Any, Any]]
        ] = []  # answers with memory of their own, perhaps not taken yet

    def opened(self, call: Call[Any, Any], payload: Any, kind: int, copied: bool) -> bool:
        """Give a call its value; False when that cannot be, which its client was told."""
        try:
            call.value = self.value_of(self.request, payload, kind, copied)
        except overflow.MessageLostError:
            call.drop()  # its client has gone
            return False
        except Exception as failure:
            self.reply_text(call, failure_text(failure))
            return False
        return True

    def reply(self, call: Call[Any, Any], value: Any) -> None:
        """Answer with a value."""
        parts, length, _, kind = self.reply_codec.parts(value)
        self._send(call, parts, length, kind)

    def reply_text(self, call: Call[Any, Any], text: bytes) -> None:
        """Answer with a failure."""
        self._send(call, [(0, text)], len(text), FAILED)

    def _send(
        self, call: Call[Any, Any], parts: list[tuple[int, Any]], length: int, kind: int
    ) -> None:
        if call.reply_parts(parts, length, kind):
            return
        self.settle()
        section, descriptor = overflow.put(self.channel, parts, length, kind)
        try:
            call.reply_parts([(0, descriptor)], len(descriptor), kind | overflow.FLAG)
        except BaseException:
            section.close()
            raise
        self.large.append((section, call))

    def settle(self) -> bool:
        """Let go of the memory of answers that were taken: whether none is left."""
        left = []
        for section, call in self.large:
            if call.is_answered:
                left.append((section, call))
            else:
                section.close()
        self.large = left
        return not left

    @staticmethod
    def answered_before(forked: bool) -> ArgumentError:
        """The exception for an answer that cannot be given."""
        return ArgumentError(
            "reply: the call is in the hands of the process that this one was forked from"
            if forked
            else "reply: the call was answered already"
        )


class Service(ServiceEnd[Q, A]):
    """A server's end of a service; made by ``create``, ``open`` or ``from_section``.  Several
    processes may have one.

    Attributes:
        section: The section that the service lies in, with its name, its security and its handle.
        capacity: Calls that may wait.
        largest: Bytes of the largest request or answer that lies in the service's own memory.
        retry: How often a call is given to another server when the one that had it in hand died.
    """

    _end = ends.ServerEnd
    _as = "receive"
    _sides = ServerSides
    _shadowed = ("receive", "wait")
    _core: ends.ServerEnd  # pyright: ignore[reportIncompatibleVariableOverride]
    _codec: ServerSides

    # ------------------------------------------------------------------ making and opening

    @overload
    @classmethod
    def create(
        cls,
        name: str | None,
        request: type[Q_],
        reply: type[A_],
        *,
        capacity: int = ...,
        largest: int | None = ...,
        memory: int | None = ...,
        retry: int = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Service[Q_, A_]: ...
    @overload
    @classmethod
    def create(
        cls,
        name: str | None,
        request: type[Q_],
        reply: Spec = ...,
        *,
        capacity: int = ...,
        largest: int | None = ...,
        memory: int | None = ...,
        retry: int = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Service[Q_, Any]: ...
    @overload
    @classmethod
    def create(
        cls,
        name: str | None,
        request: Spec,
        reply: type[A_],
        *,
        capacity: int = ...,
        largest: int | None = ...,
        memory: int | None = ...,
        retry: int = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Service[Any, A_]: ...
    @overload
    @classmethod
    def create(
        cls,
        name: str | None,
        request: Spec = ...,
        reply: Spec = ...,
        *,
        capacity: int = ...,
        largest: int | None = ...,
        memory: int | None = ...,
        retry: int = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Service[Any, Any]: ...
    @classmethod
    def create(
        cls,
        name: str | None,
        request: Spec = object,
        reply: Spec = object,
        *,
        capacity: int = 64,
        largest: int | None = None,
        memory: int | None = None,
        retry: int = 0,
        version: int = 0,
        exist_ok: bool = False,
        inheritable: bool = False,
        security: Security | str | bytes | None = None,
    ) -> Service[Any, Any]:
        r"""Make a service, and serve it.

        Args:
            name: What other processes open it by; None for one that is only passed on.
            request: What clients ask: a spec as for ``Queue.create``.
            reply: What they are answered: a spec.
            capacity: Calls that may wait for a server; 1 or more, exact.  Beside these, servers may
                have as many in hand, and 256 at least.
            largest: Bytes of the largest request or answer that lies in the service's own memory,
                64 KiB when omitted.  A larger one, and one for which there is no room, gets memory
                of its own (slower).
            memory: Bytes for requests and answers above 112 bytes, committed now.
            retry: How often a call is given to another server when the one that had it in hand died
                or gave it up.
            version: A number of the program's own.
            exist_ok: Whether a service that has the name already is opened instead, if it is as
                asked for.
            inheritable: Whether child processes get the section's handle.
            security: Who may open it by name; this user alone when omitted.

        Rights:
            As for ``Section.create``.

        Raises:
            ExistsError: The name is taken (FileExistsError).
            ArgumentError: No such service can be; or what exists differs, and the error shows both
                (ValueError).
            CommitError: More memory than there is (MemoryError).

        Example:
            >>> from memsection.channels import Client, Service
            >>> import threading
            >>> with Service.create("doubled.of.doc", bytes, bytes) as service:
            ...     server = threading.Thread(target=service.serve, args=[lambda value: 2 * value])
            ...     server.start()
            ...     with Client.open("doubled.of.doc") as doubled:
            ...         print(doubled(b"ab"))
            ...     service.shutdown()
            ...     server.join()
            b'abab'
        """
        sides = cls._sides(codec(request), codec(reply))
        limit, shape = opening.limits_of_service(
            name, sides.request, sides.reply_codec, capacity, largest, memory, retry
        )
        facts = {
            "capacity": capacity,
            "largest": limit,
            "overflow": True,
            "redeliver": 0,
            "version": version,
            "retry": retry,
            "reply": sides.reply_codec.facts(),
        }
        section, view = opening.make(
            cls._kind,
            name,
            sides.request,
            facts,
            shape,
            exist_ok=exist_ok,
            inheritable=inheritable,
            security=security,
        )
        if not section.created:
            return cls._attached(
                section,
                request,
                reply,
                version,
                retry=retry,
                capacity=capacity,
                largest=None if largest is None else limit,
            )
        try:
            return cls._over(section, view, sides, facts, shape)
        except BaseException:
            section.close()
            raise

    @staticmethod
    def _what_is_read(
        sides: Sides, request: Spec | None, reply: Spec | None
    ) -> tuple[Codec, Spec | None]:
        return sides.request, request

    if TYPE_CHECKING:  # how it works stands in ServiceEnd

        @overload
        @classmethod
        def open(
            cls, name: str, request: type[Q_], reply: type[A_], *, version: int | None = ...
        ) -> Service[Q_, A_]: ...
        @overload
        @classmethod
        def open(
            cls,
            name: str,
            request: type[Q_],
            reply: Spec | None = ...,
            *,
            version: int | None = ...,
        ) -> Service[Q_, Any]: ...
        @overload
        @classmethod
        def open(
            cls,
            name: str,
            request: Spec | None = ...,
            *,
            reply: type[A_],
            version: int | None = ...,
        ) -> Service[Any, A_]: ...
        @overload
        @classmethod
        def open(
            cls,
            name: str,
            request: Spec | None = ...,
            reply: Spec | None = ...,
            *,
            version: int | None = ...,
        ) -> Service[Any, Any]: ...
        @classmethod
        def open(cls, *arguments: Any, **options: Any) -> Any: ...

    # ------------------------------------------------------------------ serving

    def receive(self, timeout: float | None = None, *, copy: bool = True) -> Call[Q, A]:
        """Take the next call, waiting while there is none: for clients that may still come, until
        the service is shut down.

        A call that is no longer waited for is passed over, and so is one whose request makes no
        sense: its caller gets ``RemoteError``.

        Args:
            timeout: Seconds; for ever when omitted, 0 looks once.
            copy: Whether the value is private and writable; otherwise it is read-only over the
                request's place, which it keeps until nothing uses it any more.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: The time was up (TimeoutError).
            EndOfChannelError: It was shut down, and no call waits (EOFError).
            CorruptError: Somebody spoiled the service.
            ArgumentError: This end was closed (ValueError).
        """
        return self._core.receive(timeout, copy=copy)  # type: ignore[no-any-return]

    def serve(self, function: Callable[[Q], A]) -> None:
        """Answer calls with what a function gives, until the service is shut down.

        An exception of the function becomes the answer, as ``RemoteError``; so does one of an
        answer that cannot be sent. ``KeyboardInterrupt`` and ``SystemExit`` end serving, and give
        the call up.

        Args:
            function: Called with each request.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            CorruptError: Somebody spoiled the service.
            ArgumentError: This end was closed (ValueError).
        """
        for call in self:
            try:
                call.reply(function(call.value))
            except Exception as failure:
                if call.done:
                    raise
                call.fail(failure)
            del call  # an exception of the next wait does not keep it

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until ``receive`` may return or raise at once.  A call that was given up meanwhile
        counts until it was met.

        Args:
            timeout: Seconds; for ever when omitted, 0 looks once.

        Returns:
            Whether it may.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: This end was closed (ValueError).
        """
        return bool(self._core.wait(timeout))

    def __iter__(self) -> Iterator[Call[Q, A]]:
        """The calls until the service is shut down."""
        while True:
            try:
                call = self.receive()
            except EndOfChannelError:
                return
            yield call
            del call

    def __len__(self) -> int:
        """How many calls wait; some may have been given up by their callers."""
        return len(self._core)

    def __bool__(self) -> bool:
        return True

    async def receive_async(self, timeout: float | None = None, *, copy: bool = True) -> Call[Q, A]:
        """Take the next call without blocking the event loop; cancelled, none was taken.

        Args:
            timeout: As for ``receive``.
            copy: As for ``receive``.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: As ``receive``; so the others.
        """
        from memsection.channels.waiting import Waiting, until

        core = self._core
        return await until(  # type: ignore[no-any-return]
            lambda: core.receive(0, copy=copy), lambda: Waiting(core, None), timeout
        )

    async def __aiter__(self) -> AsyncIterator[Call[Q, A]]:
        """The calls until the service is shut down."""
        while True:
            try:
                call = await self.receive_async()
            except EndOfChannelError:
                return
            yield call
            del call

    def shutdown(self, immediate: bool = False) -> None:
        """Have no more asked, by anybody: servers get the calls that wait, and then
        ``EndOfChannelError``.

        Args:
            immediate: Whether calls that wait are refused too, with ``EndOfChannelError``.  Those
                in hand can be answered.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: This end was closed (ValueError).
        """
        super().shutdown(immediate)

    def close(self) -> None:
        """Close this end alone; again is harmless.

        Calls in hand can be answered as long as they are kept.  For an answer with memory of its
        own that its caller has not taken yet this waits, as long as the caller lives, and ten
        seconds at most.

        Rights:
            None.

        Raises:
            AccessError: The section's handle is protected from close; it stays open.
        """
        until = time.monotonic() + _PATIENCE
        while self._codec.large and not self._codec.settle() and time.monotonic() < until:
            time.sleep(_LOOK)
        for section, _ in self._codec.large:
            section.close()
        self._codec.large = []
        super().close()
