# SPDX-License-Identifier: MIT
"""What can be done with an end of a channel through which messages go one way: sending and
receiving."""

from __future__ import annotations

from memsection.channels.endpoint import Endpoint
from memsection.vocabulary.errors import EndOfChannelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, TypeVar

    from memsection.channels.message import Message

    T = TypeVar("T")
else:
    T = "T"


class Exchange(Endpoint[T]):
    """One end of a queue or of a topic."""

    _shadowed = ("send", "send_many", "sending", "receive", "receive_many", "receiving", "wait")

    # ------------------------------------------------------------------ sending

    def send(self, value: T, timeout: float | None = None) -> None:
        """Send a message, waiting while there is no room for it.

        Args:
            value: What the spec says.
            timeout: Seconds; for ever when omitted, 0 looks once.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: The time was up; nothing was sent (TimeoutError).
            NoReceiverError: A queue is full, and all others who received have gone
                (BrokenPipeError).
            EndOfChannelError: It was shut down (EOFError).
            MessageTooLargeError: The message is above ``largest``, and ``overflow`` is off
                (ValueError).
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
        return int(self._core.send_many(values, timeout))

    def sending(self, *shape: Any, timeout: float | None = None) -> AbstractContextManager[Any]:
        """Make a message in its place: ``sending(length)`` for bytes, ``sending(shape, dtype)`` for
        arrays.

        It is sent at the end of the block, and not at all if the block ends with an exception.
        Until then it takes no position in the channel.

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
        return self._core.sending(*shape, timeout=timeout)

    # ------------------------------------------------------------------ receiving

    def receive(self, timeout: float | None = None, *, copy: bool = True) -> T:
        """Take the next message, waiting while there is none.

        Args:
            timeout: Seconds; for ever when omitted, 0 looks once.
            copy: Whether the value is private and writable; otherwise it is read-only over the
                message's place, which it keeps until nothing uses it any more.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: The time was up (TimeoutError).
            EndOfChannelError: It is empty, and was shut down or all who sent have gone (EOFError).
            CorruptError: Somebody spoiled the message, which is gone, or the channel.
            ArgumentError: This end was closed (ValueError).
        """
        return self._core.receive(timeout, copy=copy)  # type: ignore[no-any-return]

    def receive_many(
        self, most: int, timeout: float | None = None, *, copy: bool = True
    ) -> list[T]:
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

        Its place is given back at the end of the block, or when the last array or memoryview over
        it is collected, whichever is later.  An exception in the block gives it back too; with
        ``redeliver`` it is sent again.

        Args:
            timeout: As for ``receive``.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            WaitTimeoutError: As ``receive``, on entering the block; so the others.
        """
        return self._core.receiving(timeout)

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

    # ------------------------------------------------------------- without blocking the event loop

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

        await send_async(self._core, self._codec, value, timeout)

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
