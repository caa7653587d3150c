# SPDX-License-Identifier: MIT
"""Codecs: what makes messages of values and values of messages; here that of bytes, from which
those of the other specs derive.

A codec lays a value out as parts of a message and makes a value of what was received.  What was
received was written by anybody: lengths and shapes are checked here, and what decoding reads is
copied out of the shared memory first.
"""

from __future__ import annotations

import struct

from memsection._native.ends import LOST, private_bytes
from memsection.channels import overflow, results
from memsection.channels.message import Message
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import ArgumentError, CorruptError, MessageTooLargeError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection._native import ends

    Spec = Any  # object, bytes, numpy.ndarray, "arrow", or what records.layout takes
    Facts = dict[str, Any]

LINE = 64


def up(at: int) -> int:
    """The next cache line."""
    return -(-at // LINE) * LINE


def length_of(value: Any) -> int:
    """A length that ``sending`` was given, as an int.

    Raises:
        TypeError: It is no integer from 0 on.
    """
    number = whole_number(value, "sending: a length")
    if number < 0:
        raise TypeError(f"sending: a length is 0 or more, not {number}")
    return number


class Codec:
    """What an end knows about its messages: the spec ``bytes``, and what the others change.

    Attributes:
        word: The spec in the channel's description.
        plain: Whether a message is the value's bytes as they are, in one part.
        pickles: Whether a message of format 0 is the value's pickle: the core makes and reads it.
        fixed: Bytes of a message, if all have the same; else None.
        message_type: The class of a message in hand.
    """

    word = "bytes"
    plain = True
    pickles = False
    fixed: int | None = None
    message_type = Message

    def __init__(self, spec: Spec = bytes) -> None:
        self.spec = spec  #: as the user gave it, for those who get the end by a pickle
        self.channel = results.Channel()

    def facts(self) -> Facts:
        """What the description says of the spec."""
        return {"spec": self.word}

    def shown(self) -> object:
        """The spec in a comparison: equal to an equal one, and readable."""
        return self.word

    # ------------------------------------------------------------------ sending

    def parts(self, value: Any) -> tuple[list[tuple[int, Any]], int, int, int]:
        """(offset, buffer) in order, bytes of the message, bytes that count, format."""
        raw = memoryview(value)
        if not raw.contiguous:
            raise ArgumentError(
                f"{about('send to', self.channel.name)}: the buffer is not contiguous; send a copy "
                "that is: bytes(value)"
            )
        raw = raw.cast("B") if raw.c_contiguous and raw.nbytes else memoryview(raw.tobytes())
        return [(0, raw)], raw.nbytes, raw.nbytes, 0

    def send(self, end: ends.End, value: Any, timeout: float | None) -> None:
        """Send a value."""
        self._send_parts(end, *self.parts(value), timeout)

    def _send_parts(
        self,
        end: ends.End,
        parts: list[tuple[int, Any]],
        length: int,
        counted: int,
        kind: int,
        timeout: float | None,
        told: list[int | None] | None = None,
    ) -> None:
        if counted > self.channel.largest or length > end.largest:
            self._overflow(end, parts, length, counted, kind, timeout, told)
            return
        result = overflow.send_and_note(told, end.send_parts, parts, length, kind, timeout)
        if result:
            raise self.channel.problem(result, True)

    def send_large(self, end: ends.End, value: Any, timeout: float | None) -> None:
        """Send a value for which there can be no place."""
        parts, length, counted, kind = self.parts(value)
        self._overflow(end, parts, length, counted, kind, timeout)

    def _overflow(
        self,
        end: ends.End,
        parts: list[tuple[int, Any]],
        length: int,
        counted: int,
        kind: int,
        timeout: float | None,
        told: list[int | None] | None = None,
    ) -> None:
        self.require_overflow(counted)
        overflow.send(self.channel, end, parts, length, kind, timeout, told)

    def require_overflow(self, counted: int) -> None:
        """MessageTooLargeError where a message of so many bytes gets no memory of its own."""
        if not self.channel.overflow:
            raise MessageTooLargeError(
                f"{about('send to', self.channel.name)}: a message of {counted} bytes, the "
                f"largest that the channel takes has {self.channel.largest}"
            )

    def problem(self, result: int, sending: bool = False, what: str | None = None) -> Exception:
        """The exception for a negative errno of the core."""
        return self.channel.problem(result, sending, what)

    # ------------------------------------------------------------------ receiving

    def short(self, raw: bytes, kind: int, copied: bool) -> Any:
        """The value of a message of which this is a private copy; LOST when it had memory that went
        with its sender."""
        if kind & overflow.FLAG:
            try:
                large = overflow.receive(self.channel, raw)
            except overflow.MessageLostError:
                return LOST
            return self.value(self.split(large.memory, large.format, copied), copied)
        return self.value(self.split(memoryview(raw), kind, copied), copied)

    def receive(self, taken: ends.Taken, copied: bool) -> Any:
        """The value of a message that is being taken, and its place given back or kept in hand."""
        kind = taken.format
        if kind & overflow.FLAG:
            return self._elsewhere(taken, copied)
        if copied:
            try:
                found = self.split(memoryview(taken), kind, True)
            except (ValueError, struct.error, CorruptError):
                taken.finish()  # it makes no sense, and would make none to the next one either
                raise
            taken.finish()
        else:
            taken.keep()
            found = self.split(memoryview(taken), kind, False)
        return self.value(found, copied)

    def _elsewhere(self, taken: ends.Taken, copied: bool) -> Any:
        """The value of a message with memory of its own; LOST when that went with its sender."""
        try:
            large = overflow.receive(self.channel, bytes(taken))
        except overflow.MessageLostError:
            taken.finish()
            return LOST
        except CorruptError:
            taken.finish()
            raise
        if copied:
            found = self.split(large.memory, large.format, True)
            taken.finish()
        else:
            taken.keep()
            large.keep(taken)
            found = self.split(large.memory, large.format, False)
        return self.value(found, copied)

    def split(self, view: memoryview, kind: int, copied: bool) -> Any:
        """What the value is made of: private, or over the message's memory."""
        return private_bytes(view) if copied else view

    def value(self, found: Any, copied: bool) -> Any:
        """The value, made when nobody waits for it any more."""
        return found

    # ------------------------------------------------------------------ made in place

    def room(self, shape: tuple[Any, ...]) -> tuple[int, int, bytes, Any]:
        """For ``sending``: where the data begins, its length, what stands before it, and how it is
        shown."""
        if len(shape) != 1:
            raise TypeError("sending: for bytes it takes the length: sending(length)")
        return 0, length_of(shape[0]), b"", None

    def too_large_in_place(self, length: int) -> Exception:
        """For ``sending`` of more than a place has."""
        return MessageTooLargeError(
            f"{about('sending to', self.channel.name)}: {length} bytes, the largest message that"
            f" can be made in place has {self.channel.largest}"
        )

    def place_to_fill(self, memory: memoryview, how: Any) -> Any:
        """What the user fills."""
        return memory

    def require_data(self) -> None:
        """TypeError where a message has no bytes that ``receive_into`` could copy."""

    def data(self, view: memoryview) -> memoryview:
        """The bytes that ``receive_into`` copies."""
        return view

    def receive_into(self, end: ends.End, memory: memoryview, timeout: float | None) -> int:
        """Copy the next message's bytes; it is taken only if they fit."""
        self.require_data()
        while True:
            taken = end.take_whole(timeout)
            try:
                whole = (
                    memoryview(taken)
                    if not taken.format & overflow.FLAG
                    else overflow.receive(self.channel, bytes(taken)).memory
                )
                data = self.data(whole)
            except overflow.MessageLostError:
                taken.finish()
                end.miss()
                continue
            except CorruptError:
                taken.finish()
                raise
            if data.nbytes > memory.nbytes:
                taken.give_back()
                raise ArgumentError(
                    f"{about('receive_into', self.channel.name)}: a message of {data.nbytes} "
                    "bytes, the buffer has"
                    f" {memory.nbytes}"
                )
            memory[: data.nbytes] = data
            taken.finish()
            return data.nbytes
