# SPDX-License-Identifier: MIT
"""Servers: they take calls, and answer each of them once.

What clients do ends no server: a request that makes no sense is answered with a failure, a client
that went away is not answered, and no server waits for a client.
"""

from __future__ import annotations

import time

from memsection._native import ends
from memsection.api.attributes import section_attributes
from memsection.channels import opening
from memsection.channels.answering import Call, ServerSides
from memsection.channels.calls import A, Q, ServiceEnd
from memsection.channels.limits import limits_of_service, require_numbers
from memsection.channels.specs import codec
from memsection.vocabulary.errors import EndOfChannelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any, overload

    from memsection.api.security import Security
    from memsection.channels.base_codec import Spec
    from memsection.channels.calls import NamedA, NamedQ

else:
    from memsection.channels.endpoint import overload


# seconds that a close waits until large answers were taken, and between its looks
_PATIENCE, _LOOK = 10.0, 0.01


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
        request: type[NamedQ],
        reply: type[NamedA],
        *,
        capacity: int = ...,
        largest: int | None = ...,
        memory: int | None = ...,
        retry: int = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Service[NamedQ, NamedA]: ...
    @overload
    @classmethod
    def create(
        cls,
        name: str | None,
        request: type[NamedQ],
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
    ) -> Service[NamedQ, Any]: ...
    @overload
    @classmethod
    def create(
        cls,
        name: str | None,
        request: Spec,
        reply: type[NamedA],
        *,
        capacity: int = ...,
        largest: int | None = ...,
        memory: int | None = ...,
        retry: int = ...,
        version: int = ...,
        exist_ok: bool = ...,
        inheritable: bool = ...,
        security: Security | str | bytes | None = ...,
    ) -> Service[Any, NamedA]: ...
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
        facts: dict[str, Any] = {
            "capacity": capacity,
            "largest": largest,
            "overflow": True,
            "redeliver": 0,
            "version": version,
            "retry": retry,
            "reply": sides.reply_codec.facts(),
        }
        memory = require_numbers(name, facts, memory)
        facts["largest"], shape = limits_of_service(
            name, sides.request, sides.reply_codec, facts, memory
        )
        attributes = section_attributes(
            name, inheritable=inheritable, exist_ok=exist_ok, security=security
        )
        section, view = opening.make(cls._kind, attributes, sides.request, facts, shape)
        if not section.created:
            return cls._attach(
                section,
                request,
                reply,
                facts["version"],
                retry=facts["retry"],
                capacity=facts["capacity"],
                largest=None if largest is None else facts["largest"],
            )
        try:
            return cls._over(section, view, sides, facts, shape)
        except BaseException:
            section.close()
            raise

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
        ) -> Service[NamedQ, NamedA]: ...
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
        ) -> Service[NamedQ, Any]: ...
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
        ) -> Service[Any, NamedA]: ...
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
        self._require_open("serve")
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
        from memsection.channels.calls_async import receive

        return await receive(self._core, self._codec, timeout, copy)  # type: ignore[no-any-return]

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
        while self._codec.large and not self._codec.release_taken() and time.monotonic() < until:
            time.sleep(_LOOK)
        for section, _ in self._codec.large:
            section.close()
        self._codec.large = []
        super().close()
