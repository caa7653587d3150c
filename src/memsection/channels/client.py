# SPDX-License-Identifier: MIT
"""Clients: they ask, and wait for the answer no longer than somebody lives who could give it."""

from __future__ import annotations

import time

from memsection._native import ends
from memsection.channels import overflow
from memsection.channels.calls import FAILED, A, Q, ServiceEnd, Sides, failure_in
from memsection.channels.results import ETIMEDOUT
from memsection.vocabulary.arguments import seconds
from memsection.vocabulary.errors import (
    ArgumentError,
    EndOfChannelError,
    PeerDiedError,
    WaitTimeoutError,
)
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    import concurrent.futures
    from typing import Any, Self, overload

    from memsection.channels.base_codec import Codec, Spec
    from memsection.channels.calls import NamedA, NamedQ

    Parts = tuple[list[tuple[int, Any]], int, int]  # (offset, buffer), bytes, format


class ClientSides(Sides):
    """What a client's core asks for, and calls of everything but short bytes."""

    def __init__(self, request: Codec, reply: Codec) -> None:
        super().__init__(request, reply)
        self.retry = 0

    def call(self, core: ends.ClientEnd, value: Any, timeout: float | None, copied: bool) -> Any:
        """Ask, and wait for the answer."""
        return self._call(core, self.parts(value), timeout, copied, 0)

    def ask_again_or_raise(
        self, core: ends.ClientEnd, result: int, value: Any, left: float | None, copied: bool
    ) -> Any:
        """A call of short bytes that was not answered: ask again, or raise."""
        if not self.is_worth_another(result, 0):
            raise self.no_answer(result)
        return self._call(core, self.parts(value), left, copied, int(result == ends.GONE))

    def _call(
        self, core: ends.ClientEnd, parts: Parts, timeout: float | None, copied: bool, tries: int
    ) -> Any:
        until = None if timeout is None else time.monotonic() + seconds(timeout)
        while True:
            try:
                asked = self.ask(core, parts, None if until is None else until - time.monotonic())
            except EndOfChannelError as end:
                raise self.no_other(end, tries) from None
            try:
                result = asked.wait()
                if not result:
                    return self.answer(*asked.take(), copied)
            finally:
                self.end(asked)
            if not self.is_worth_another(result, tries):
                raise self.no_answer(result)
            tries += result == ends.GONE

    # ------------------------------------------------------------------ the parts of a call

    def parts(self, value: Any) -> Parts:
        """What a request consists of."""
        parts, length, _, kind = self.request.parts(value)
        return parts, length, kind

    def ask(self, core: ends.ClientEnd, parts: Parts, timeout: float | None) -> ends.Asked:
        """Ask, waiting for a position; ``end`` has to follow."""
        asked = core.ask(*parts, timeout)
        if asked is not None:
            return asked
        section, descriptor = overflow.put(self.channel, *parts)
        try:
            asked = self.ask_elsewhere(core, descriptor, parts[2], timeout)
            asked.section = section
        except BaseException:
            section.close()
            raise
        return asked

    @staticmethod
    def ask_elsewhere(
        core: ends.ClientEnd, descriptor: bytes, kind: int, timeout: float | None
    ) -> ends.Asked:
        """Ask with what has memory of its own."""
        asked = core.ask([(0, descriptor)], len(descriptor), kind | overflow.FLAG, timeout)
        assert asked is not None  # it is short
        return asked

    @staticmethod
    def end(asked: ends.Asked) -> None:
        """Nobody waits for it any more."""
        asked.end()
        if asked.section is not None:
            asked.section.close()
            asked.section = None

    def is_worth_another(self, result: int, tries: int) -> bool:
        """Whether a call that ended like this is asked again, having been given to so many servers
        that died.
        """
        return result == ends.AGAIN or (result == ends.GONE and tries < self.retry)

    def no_answer(self, result: int) -> Exception:
        """The exception for a call that was not answered."""
        head = about("call", self.channel.name)
        if result == ends.GONE:
            return PeerDiedError(
                f"{head}: the server that had it died or gave it up, or no server is left"
            )
        if result == -ETIMEDOUT:
            return WaitTimeoutError(f"{head}: the time is up, and there is no answer")
        return self.problem(result, True)

    def no_other(self, end: EndOfChannelError, tries: int) -> Exception:
        """The exception for a call that cannot be asked, or asked again, after the shutdown: a
        server that died had it, so it may have been carried out."""
        return self.no_answer(ends.GONE) if tries else end

    def answer(self, payload: Any, kind: int, copied: bool) -> Any:
        """What a caller gets of an answer."""
        if kind & FAILED:
            try:
                text = payload
                if kind & overflow.FLAG:
                    text = overflow.receive(self.channel, bytes(payload)).memory
                raise failure_in(self.channel, text)
            finally:
                if isinstance(payload, ends.Taken):
                    payload.let_go()  # the exception has this frame as long as it is kept
        try:
            return self.value_of(self.reply_codec, payload, kind, copied)
        except overflow.MessageLostError:
            raise self.no_answer(ends.GONE) from None


@ends.call_directly
class Client(ServiceEnd[Q, A], ends.Caller):
    """A client's end of a service; made by ``open`` or ``from_section``.

    Attributes:
        section: The section that the service lies in, with its name, its security and its handle.
        capacity: Calls that may wait.
        largest: Bytes of the largest request or answer that lies in the service's own memory.
        retry: How often a call is given to another server when the one that had it in hand died.
    """

    _end = ends.ClientEnd
    _as = "send"
    _sides = ClientSides
    _reads_answers = True

    @classmethod
    def _over(cls, *arguments: Any, **options: Any) -> Self:
        self = super()._over(*arguments, **options)
        self._codec.retry = self.retry
        self._call = self._core.call
        return self

    _core: ends.ClientEnd  # pyright: ignore[reportIncompatibleVariableOverride]

    if TYPE_CHECKING:  # how it works stands in ServiceEnd

        @overload
        @classmethod
        def open(
            cls,
            name: str,
            request: type[NamedQ],
            reply: type[NamedA],
            *,
            version: int | None = ...,
            timeout: float | None = ...,
        ) -> Client[NamedQ, NamedA]: ...
        @overload
        @classmethod
        def open(
            cls,
            name: str,
            request: type[NamedQ],
            reply: Spec | None = ...,
            *,
            version: int | None = ...,
            timeout: float | None = ...,
        ) -> Client[NamedQ, Any]: ...
        @overload
        @classmethod
        def open(
            cls,
            name: str,
            request: Spec | None = ...,
            *,
            reply: type[NamedA],
            version: int | None = ...,
            timeout: float | None = ...,
        ) -> Client[Any, NamedA]: ...
        @overload
        @classmethod
        def open(
            cls,
            name: str,
            request: Spec | None = ...,
            reply: Spec | None = ...,
            *,
            version: int | None = ...,
            timeout: float | None = ...,
        ) -> Client[Any, Any]: ...
        @classmethod
        def open(cls, *arguments: Any, **options: Any) -> Any: ...

    # ------------------------------------------------------------------ calling

    def __call__(self, value: Q, timeout: float | None = None, *, copy: bool = True) -> A:
        """Ask, and wait for the answer.

        Args:
            value: What the service's ``request`` spec says.
            timeout: Seconds; for ever when omitted.  A call whose time is up is given up: no server
                gets it that had not taken it, and an answer that comes later reaches nobody.
            copy: Whether the answer is private and writable; otherwise it is read-only over the
                answer's place, which it keeps until nothing uses it any more.

        Returns:
            The answer.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            RemoteError: The server's function raised an exception.
            PeerDiedError: The server that had it died or gave it up, or all servers have gone; more
                often than ``retry`` says (ConnectionError).
            WaitTimeoutError: The time was up (TimeoutError).
            EndOfChannelError: The service was shut down (EOFError).
            CorruptError: Somebody spoiled the answer, or the service.
            ArgumentError: The value is not what the spec says, or this end was closed (ValueError).
            TypeError: The value is of another type.
        """
        return self._call(value, timeout, copy=copy)  # type: ignore[no-any-return]

    def submit(self, value: Q) -> concurrent.futures.Future[A]:
        """Ask, and give a future of the answer.  Waits while the service is full, and for nothing
        else.

        Cancelling the future gives the call up.  With ``retry``, a value must not be changed before
        the future is done.

        Args:
            value: What the service's ``request`` spec says.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            PeerDiedError: It is full, and all servers have gone (ConnectionError).
            EndOfChannelError: The service was shut down (EOFError).
            ArgumentError: The value is not what the spec says, or this end was closed (ValueError).
            TypeError: The value is of another type.
        """
        from memsection.channels.calls_async import wait_for_answer
        from memsection.channels.futures import in_background

        parts = self._codec.parts(value)
        asked = self._codec.ask(self._core, parts, None)
        return in_background(wait_for_answer(self._core, self._codec, parts, asked, None))

    async def call_async(self, value: Q, timeout: float | None = None) -> A:
        """Ask without blocking the event loop; cancelled, the call is given up.

        Values of 1 MiB and more are copied by another thread.

        Args:
            value: As for a call; not to be changed before this has ended.
            timeout: As for a call.

        Returns:
            The answer.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            RemoteError: As a call; so the others.
        """
        from memsection.channels.calls_async import wait_for_answer

        end = None if timeout is None else time.monotonic() + seconds(timeout)
        parts = self._codec.parts(value)
        return await wait_for_answer(self._core, self._codec, parts, None, end)  # type: ignore[no-any-return]

    def _waiting(self) -> Any:
        raise ArgumentError("wait: a client is not waited for; wait for what its submit() gives")
