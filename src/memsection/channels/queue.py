# SPDX-License-Identifier: MIT
"""Queues: a message goes to one receiver; any number of processes send, and any number receive.

Nobody waits for the dead (Q1).  A receiver of an empty queue whose senders have all gone gets ``EndOfChannelError``, a
sender to a full one without receivers ``NoReceiverError``, and what the dead had begun is set right by whoever meets it.
"""

from __future__ import annotations

from memsection.channels import opening
from memsection.channels.endpoint import Endpoint
from memsection.channels.message import Receiving, Sending
from memsection.channels.specs import codec
from memsection.vocabulary.errors import EndOfChannelError, WaitTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, Literal, Self, TypeVar, overload

    import numpy as np

    from memsection.api.section import Section
    from memsection.api.security import Security
    from memsection.channels.message import Message
    from memsection.channels.specs import Spec

    T = TypeVar("T")
    Role = Literal["send", "receive", "both"]
else:
    T = "T"

    def overload(function):
        return function


class Queue(Endpoint[T]):
    """One end of a queue; made by ``create``, ``open`` or ``from_section``.

    Attributes:
        section: The section that the queue lies in, with its name, its security and its handle.
        role: ``"send"``, ``"receive"`` or ``"both"``: who is waited for.
        capacity: Messages that may wait.
        largest: Bytes of the largest message that always finds a place when the queue is not full.
    """

    _kind = "queue"
    _shadowed = ("send", "receive", "receive_many", "wait")

    # ------------------------------------------------------------------ making and opening

    @overload
    @classmethod
    def create(cls, name: str | None, spec: type[bytes], *, role: Role = ..., capacity: int = ..., largest: int | None = ...,
               memory: int | None = ..., overflow: bool = ..., redeliver: int = ..., version: int = ...,
               exist_ok: bool = ..., inheritable: bool = ...,
               security: Security | str | bytes | None = ...) -> Queue[bytes]: ...
    @overload
    @classmethod
    def create(cls, name: str | None, spec: type[np.ndarray[Any, Any]], *, role: Role = ..., capacity: int = ...,
               largest: int | None = ...,
               memory: int | None = ..., overflow: bool = ..., redeliver: int = ..., version: int = ...,
               exist_ok: bool = ..., inheritable: bool = ...,
               security: Security | str | bytes | None = ...) -> Queue[np.ndarray[Any, Any]]: ...
    @overload
    @classmethod
    def create(cls, name: str | None, spec: Spec = ..., *, role: Role = ..., capacity: int = ..., largest: int | None = ...,
               memory: int | None = ..., overflow: bool = ..., redeliver: int = ..., version: int = ...,
               exist_ok: bool = ..., inheritable: bool = ...,
               security: Security | str | bytes | None = ...) -> Queue[Any]: ...
    @classmethod
    def create(cls, name: str | None, spec: Spec = object, *, role: Role = "both", capacity: int = 1024,
               largest: int | None = None, memory: int | None = None, overflow: bool = True, redeliver: int = 0,
               version: int = 0, exist_ok: bool = False, inheritable: bool = False,
               security: Security | str | bytes | None = None) -> Queue[Any]:
        r"""Make a queue.

        Args:
            name: What other processes open it by; None for one that is only passed on.
            spec: What a message is: ``object``, ``bytes``, ``numpy.ndarray``, ``"arrow"``, or what ``records.layout`` takes.
            role: ``"send"``, ``"receive"`` or ``"both"``.  Roles decide who is waited for; they are no rights.
            capacity: Messages that may wait; 1 or more, exact.
            largest: Bytes of the largest message that always finds a place when the queue is not full; 64 KiB when neither
                this nor ``memory`` is given, a record's size where the spec has one.
            memory: Bytes for places, committed now.  At least twice ``largest`` when omitted, and enough for ``capacity``
                messages of 4 KiB.
            overflow: Whether a message above ``largest`` is sent all the same, in memory made for it (slower).
            redeliver: How often a message is given to another receiver when the one that had it in hand died.
            version: A number of the program's own.
            exist_ok: Whether a queue that has the name already is opened instead, if it is as asked for.
            inheritable: Whether child processes get the section's handle.
            security: Who may open it by name; this user alone when omitted.

        Rights:
            As for ``Section.create``.

        Raises:
            ExistsError: The name is taken (FileExistsError).
            ArgumentError: No such queue can be; or what exists differs, and the error shows both (ValueError).
            CommitError: More memory than there is (MemoryError).

        Example:
            >>> from memsection.channels import Queue
            >>> with Queue.create(None, bytes) as queue:
            ...     queue.send(b"hello")
            ...     queue.receive()
            b'hello'
        """
        cls._role(role)
        kind = codec(spec)
        limit, shape = opening.limits(name, kind, capacity, largest, memory, redeliver)
        facts = {"capacity": capacity, "largest": limit, "overflow": bool(overflow), "redeliver": redeliver,
                 "version": version}
        section, view = opening.make(cls._kind, name, kind, facts, shape, exist_ok=exist_ok, inheritable=inheritable,
                                     security=security)
        if not section.created:
            return cls._opened(section, spec, role, version, capacity=capacity, largest=None if largest is None else limit,
                               overflow=bool(overflow), redeliver=redeliver)
        try:
            return cls._made(section, view, kind, facts, shape, role)
        except BaseException:
            section.close()
            raise

    @overload
    @classmethod
    def open(cls, name: str, spec: type[bytes], *, role: Role = ..., version: int | None = ...) -> Queue[bytes]: ...
    @overload
    @classmethod
    def open(cls, name: str, spec: type[np.ndarray[Any, Any]], *, role: Role = ...,
             version: int | None = ...) -> Queue[np.ndarray[Any, Any]]: ...
    @overload
    @classmethod
    def open(cls, name: str, spec: Spec | None = None, *, role: Role = ..., version: int | None = ...) -> Queue[Any]: ...
    @classmethod
    def open(cls, name: str, spec: Spec | None = None, *, role: Role = "both", version: int | None = None) -> Queue[Any]:
        """Open a queue by its name.

        Args:
            name: As given to ``create``.
            spec: What its messages should be; what they are when omitted.
            role: ``"send"``, ``"receive"`` or ``"both"``.
            version: What it should be; not looked at when omitted.

        Rights:
            As for ``Section.open`` with access ``"rw"``.

        Raises:
            NotFoundError: Nothing has this name (FileNotFoundError).
            AccessError: It does not grant the access; or it carries objects and belongs to another user, and the spec
                does not say ``object`` (PermissionError).
            ArgumentError: It is not as it should be, and the error shows both; or it is no queue (ValueError).
            CorruptError: The description makes no sense, or the layout is another version's.
        """
        from memsection.api.section import Section

        return cls._opened(Section.open(name, access="rw"), spec, role, version)

    @classmethod
    def from_section(cls, section: Section, spec: Spec | None = None, *, role: Role = "both",
                     version: int | None = None) -> Self:
        """The queue in a section that came by any other way; closing it closes the section.

        Args:
            section: Closed at once if this fails.
            spec: What its messages should be; what they are when omitted.
            role: ``"send"``, ``"receive"`` or ``"both"``.
            version: What it should be; not looked at when omitted.

        Rights:
            ``SECTION_QUERY``, ``SECTION_MAP_READ`` and ``SECTION_MAP_WRITE``.

        Raises:
            AccessError: The handle does not grant them (PermissionError).
            ArgumentError: It is not as it should be, and the error shows both; or it is no queue (ValueError).
            CorruptError: The description makes no sense, or the layout is another version's.
        """
        return cls._opened(section, spec, role, version)

    # ------------------------------------------------------------------ sending

    def send(self, value: T, timeout: float | None = None) -> None:
        """Send a message, waiting while the queue is full.

        Args:
            value: What the spec says.
            timeout: Seconds; for ever when omitted, 0 looks once.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: The time was up; nothing was sent (TimeoutError).
            NoReceiverError: It is full, and all who received have gone (BrokenPipeError).
            EndOfChannelError: It was shut down (EOFError).
            MessageTooLargeError: The message is above ``largest``, and ``overflow`` is off (ValueError).
            ArgumentError: The value is not what the spec says, or this end was closed (ValueError).
            TypeError: The value is of another type.
        """
        self._core.send(value, timeout)

    def send_many(self, values: Iterable[T], timeout: float | None = None) -> int:
        """Send messages in order, waking receivers once.

        Args:
            values: What the spec says.
            timeout: Seconds for all of them.

        Returns:
            How many were sent before the time was up.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            NoReceiverError: As ``send``; so the others.
            EndOfChannelError: As ``send``.
            MessageTooLargeError: As ``send``; those before it were sent.
        """
        if self._codec.plain:
            return int(self._core.send_many(values, timeout))
        import time

        end = None if timeout is None else time.monotonic() + timeout
        sent = 0
        for value in values:
            try:
                self._core.send(value, None if end is None else max(0.0, end - time.monotonic()))
            except WaitTimeoutError:
                break
            sent += 1
        return sent

    def sending(self, *shape: Any, timeout: float | None = None) -> AbstractContextManager[Any]:
        """Make a message in its place: ``sending(length)`` for bytes, ``sending(shape, dtype)`` for arrays.

        It is sent at the end of the block, and not at all if the block ends with an exception.  Until then it takes no
        position in the queue.

        Args:
            shape: The length; or the array's shape and dtype.
            timeout: Seconds, for the place and once more for the position.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            MessageTooLargeError: It is above ``largest`` (ValueError).
            WaitTimeoutError: As ``send``; so the others, on entering and leaving the block.
            TypeError: The spec's messages cannot be made in place.
        """
        return Sending(self._core, self._codec, shape, timeout)

    # ------------------------------------------------------------------ receiving

    def receive(self, timeout: float | None = None, *, copy: bool = True) -> T:
        """Take the next message, waiting while there is none.

        Args:
            timeout: Seconds; for ever when omitted, 0 looks once.
            copy: Whether the value is private and writable; otherwise it is read-only over the message's place, which it
                keeps until nothing uses it any more.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: The time was up (TimeoutError).
            EndOfChannelError: It is empty, and was shut down or all who sent have gone (EOFError).
            CorruptError: Somebody spoiled the message, which is gone, or the queue.
            ArgumentError: This end was closed (ValueError).
        """
        return self._core.receive(timeout, copy=copy)  # type: ignore[no-any-return]

    def receive_many(self, most: int, timeout: float | None = None, *, copy: bool = True) -> list[T]:
        """Take at least one message, and at most so many, without waiting for more than one.

        Args:
            most: How many at most.
            timeout: Seconds, for the first.
            copy: As for ``receive``.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: As ``receive``; so the others.
        """
        return self._core.receive_many(most, timeout, copy=copy)

    def receive_into(self, target: Any, timeout: float | None = None) -> int:
        """Take the next message's bytes, or its array's, into a buffer of the caller's.

        Args:
            target: A writable contiguous buffer.
            timeout: As for ``receive``.

        Returns:
            How many bytes the message has.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: The message is longer than the buffer; it was not taken (ValueError).
            TypeError: The spec's messages have no bytes of their own.
            WaitTimeoutError: As ``receive``; so the others.
        """
        with memoryview(target).cast("B") as memory:
            if memory.readonly:
                raise TypeError("receive_into: the buffer is read-only")
            return self._codec.receive_into(self._core, memory, timeout)

    def receiving(self, timeout: float | None = None) -> AbstractContextManager[Message]:
        """Take the next message and leave it in its place while a block runs.

        Its place is given back at the end of the block, or when the last array or memoryview over it is collected, whichever
        is later.  An exception in the block gives it back too; with ``redeliver`` it is sent again.

        Args:
            timeout: As for ``receive``.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: As ``receive``, on entering the block; so the others.
        """
        return Receiving(self._core, self._codec, timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until ``receive`` would return or raise at once.

        Args:
            timeout: Seconds; for ever when omitted, 0 looks once.

        Returns:
            Whether it would.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: This end was closed (ValueError).
        """
        return bool(self._core.wait(timeout))

    def __iter__(self) -> Iterator[T]:
        """The messages until the end of the channel."""
        while True:
            try:
                value = self.receive()
            except EndOfChannelError:
                return
            yield value

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._core)

    def __bool__(self) -> bool:
        return True

    # ------------------------------------------------------------------ without blocking the event loop

    async def send_async(self, value: T, timeout: float | None = None) -> None:
        """Send a message without blocking the event loop; cancelled, nothing was sent.

        Args:
            value: As for ``send``.
            timeout: As for ``send``.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: As ``send``; so the others.
        """
        from memsection.channels.waiting import send_async

        await send_async(self._core, value, timeout)

    async def receive_async(self, timeout: float | None = None, *, copy: bool = True) -> T:
        """Take the next message without blocking the event loop; cancelled, nothing was taken.

        Args:
            timeout: As for ``receive``.
            copy: As for ``receive``.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: As ``receive``; so the others.
        """
        from memsection.channels.waiting import receive_async

        return await receive_async(self._core, self._codec, timeout, copy)  # type: ignore[no-any-return, unused-ignore]

    async def __aiter__(self) -> AsyncIterator[T]:
        """The messages until the end of the channel."""
        while True:
            try:
                value = await self.receive_async()
            except EndOfChannelError:
                return
            yield value

