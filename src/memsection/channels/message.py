# SPDX-License-Identifier: MIT
"""Messages in hand, and messages that are being made in place."""

from __future__ import annotations

from memsection._native.ends import LOST
from memsection.vocabulary.errors import ArgumentError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from memsection._native import ends
    from memsection.channels.base_codec import Codec


class Message:
    """A message in hand, as ``receiving`` gives it.

    Attributes:
        value: The value, over the message's place where that is possible.
        number: The number that the message has in its channel.
        deliveries: How often it was given to a receiver, this time included.
    """

    value: Any
    number: int
    deliveries: int

    def __init__(self, value: Any, taken: ends.Taken | None, number: int, deliveries: int) -> None:
        self.value, self.number, self.deliveries = value, number, deliveries
        self._taken = taken

    def release(self) -> None:
        """Let go of it before the block ends: its place is free when the last array or memoryview
        over it is gone.

        Rights:
            None.

        Raises:
            Nothing; again is harmless.
        """
        self.value = None
        self._taken = None

    def _send_again(self) -> None:
        if self._taken is not None:
            self._taken.again = True


class Receiving:
    """The block of ``receiving``: takes a message when it is entered, and lets go of it at its
    end."""

    def __init__(self, core: ends.End, codec: Codec, timeout: float | None) -> None:
        self._core, self._codec, self._timeout = core, codec, timeout
        self._message: Message | None = None

    def __enter__(self) -> Message:
        if self._message is not None:
            raise ArgumentError("receiving: this block was entered before")
        while True:
            found = self._core.take(self._timeout)
            if isinstance(found, tuple):
                raw, kind, number = found
                value: Any = self._codec.short(raw, kind, False)
                if value is LOST:
                    self._core.miss()
                    continue
                self._message = Message(value, None, number, 1)
                return self._message
            number, deliveries = found.number, found.deliveries
            value = self._codec.receive(found, False)
            if value is not LOST:
                self._message = Message(value, found, number, deliveries)
                return self._message
            self._core.miss()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._message is not None:
            if kind is not None:
                self._message._send_again()
            self._message.release()


class Sending:
    """The block of ``sending``: a place to make a message in, sent at its end and not at all after
    an exception."""

    def __init__(
        self, core: ends.End, codec: Codec, shape: tuple[Any, ...], timeout: float | None
    ) -> None:
        self._core, self._codec, self._timeout = core, codec, timeout
        self._start, self._length, self._head, self._how = codec.room(shape)
        self._place: ends.Place | None = None
        self._memory: memoryview | None = None

    def __enter__(self) -> Any:
        if self._place is not None:
            raise ArgumentError("sending: this block was entered before")
        whole = self._start + self._length
        if self._length > self._codec.channel.largest or whole > self._core.largest:
            from memsection.vocabulary.errors import MessageTooLargeError

            raise MessageTooLargeError(
                f"{about('sending to', self._codec.channel.name)}: {self._length} bytes, the "
                "largest message"
                f" that can be made in place has {self._codec.channel.largest}"
            )
        self._place = self._core.place(whole, self._timeout)
        with memoryview(self._place) as memory:
            memory[: self._start] = self._head
            self._memory = memory[self._start :]
        return self._codec.place_to_fill(self._memory, self._how)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._place is not None and self._memory is not None
        try:
            self._memory.release()
        except BufferError:
            # an array over it: whoever writes to that after the block spoils a message that was
            # sent
            pass
        if kind is not None:
            self._place.drop()
        else:
            self._place.send(self._start + self._length, 0, self._timeout)
