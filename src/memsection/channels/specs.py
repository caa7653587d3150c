# SPDX-License-Identifier: MIT
"""Specs: what a message of a channel is, and what makes messages of values.

A codec lays a value out as parts of a message and makes a value of what was received.  What was
received was written by anybody: lengths and shapes are checked here, and what decoding reads is
copied out of the shared memory first.
"""

from __future__ import annotations

import struct

from memsection._native.ends import LOST
from memsection.channels import overflow, results
from memsection.vocabulary.errors import ArgumentError, CorruptError, MessageTooLargeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection._native import ends
    from memsection.content.layouts import Layout

    Spec = Any  # object, bytes, numpy.ndarray, "arrow", or what records.layout takes
    Facts = dict[str, Any]

OUT_OF_BAND = 4096  #: bytes from which on a buffer of an object is kept out of its pickle
LINE = 64
PLAIN, WITH_BUFFERS = 0, 1  # formats of a message of the object spec
_TABLE = struct.Struct("<QQ")  # of such a message: bytes of the pickle, number of buffers
_BUFFER = struct.Struct("<QQ?7x")  # offset, length, whether it was read-only


def up(at: int) -> int:
    """The next cache line."""
    return -(-at // LINE) * LINE


class Codec:
    """What an end knows about its messages: the spec ``bytes``, and what the others change.

    Attributes:
        word: The spec in the channel's description.
        plain: Whether a message is the value's bytes as they are, in one part.
        fixed: Bytes of a message, if all have the same; else None.
    """

    word = "bytes"
    plain = True
    fixed: int | None = None

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
        raw = memoryview(value).cast("B")
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
    ) -> None:
        if counted > self.channel.largest or length > end.largest:
            self._overflow(end, parts, length, counted, kind, timeout)
            return
        result = end.send_parts(parts, length, kind, timeout)
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
    ) -> None:
        if not self.channel.overflow:
            raise MessageTooLargeError(
                f"send to {self.channel.name!r}: a message of {counted} bytes, the largest that the"
                f" channel takes has {self.channel.largest}"
            )
        overflow.send(self.channel, end, parts, length, kind, timeout)

    def problem(self, result: int, sending: bool = False) -> Exception:
        """The exception for a negative errno of the core."""
        return self.channel.problem(result, sending)

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
                taken.done()  # it makes no sense, and would make none to the next one either
                raise
            taken.done()
        else:
            taken.keep()
            found = self.split(memoryview(taken), kind, False)
        return self.value(found, copied)

    def _elsewhere(self, taken: ends.Taken, copied: bool) -> Any:
        """The value of a message with memory of its own; LOST when that went with its sender."""
        try:
            large = overflow.receive(self.channel, bytes(taken))
        except overflow.MessageLostError:
            taken.done()
            return LOST
        except CorruptError:
            taken.done()
            raise
        if copied:
            found = self.split(large.memory, large.format, True)
            taken.done()
        else:
            taken.keep()
            large.keep(taken)
            found = self.split(large.memory, large.format, False)
        return self.value(found, copied)

    def split(self, view: memoryview, kind: int, copied: bool) -> Any:
        """What the value is made of: private, or over the message's memory."""
        return bytes(view) if copied else view

    def value(self, found: Any, copied: bool) -> Any:
        """The value, made when nobody waits for it any more."""
        return found

    # ------------------------------------------------------------------ made in place

    def room(self, shape: tuple[Any, ...]) -> tuple[int, int, bytes, Any]:
        """For ``sending``: where the data begins, its length, what stands before it, and how it is
        shown."""
        if len(shape) != 1 or not isinstance(shape[0], int) or shape[0] < 0:
            raise TypeError("sending: for bytes it takes the length: sending(length)")
        return 0, shape[0], b"", None

    def made(self, memory: memoryview, how: Any) -> Any:
        """What the user fills."""
        return memory

    def data(self, view: memoryview) -> memoryview:
        """The bytes that ``receive_into`` copies."""
        return view

    def receive_into(self, end: ends.End, memory: memoryview, timeout: float | None) -> int:
        """Copy the next message's bytes; it is taken only if they fit."""
        while True:
            taken = end.take_whole(timeout)
            try:
                whole = (
                    memoryview(taken)
                    if not taken.format & overflow.FLAG
                    else overflow.receive(self.channel, bytes(taken)).memory
                )
                data = self.data(whole)
            except (overflow.MessageLostError, CorruptError) as failure:
                taken.done()
                if isinstance(failure, CorruptError):
                    raise
                continue
            if data.nbytes > memory.nbytes:
                taken.back()
                raise ArgumentError(
                    f"receive_into {self.channel.name!r}: a message of {data.nbytes} bytes, the "
                    f"buffer has"
                    f" {memory.nbytes}"
                )
            memory[: data.nbytes] = data
            taken.done()
            return data.nbytes


class ObjectCodec(Codec):
    """Anything that pickle takes; its larger buffers lie beside the pickle."""

    word = "object"
    plain = False

    def send(self, end: ends.End, value: Any, timeout: float | None) -> None:
        data, buffers = self._pickled(value)
        if buffers:
            self._send_parts(end, *self._with_buffers(data, buffers), timeout)
            return
        result = (
            end.send_raw(data, PLAIN, timeout)
            if len(data) <= self.channel.largest
            else -results.EMSGSIZE
        )
        if result == -results.EMSGSIZE:
            self._overflow(end, [(0, data)], len(data), len(data), PLAIN, timeout)
        elif result:
            raise self.channel.problem(result, True)

    def parts(self, value: Any) -> tuple[list[tuple[int, Any]], int, int, int]:
        data, buffers = self._pickled(value)
        return (
            self._with_buffers(data, buffers)
            if buffers
            else ([(0, data)], len(data), len(data), PLAIN)
        )

    @staticmethod
    def _pickled(value: Any) -> tuple[bytes, list[memoryview]]:
        """The pickle, and the larger buffers that are not in it."""
        import pickle

        buffers: list[memoryview] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            try:
                raw = buffer.raw()
            except BufferError:
                return True  # it has gaps: in the pickle
            if raw.nbytes < OUT_OF_BAND:
                return True
            buffers.append(raw)
            return False

        return pickle.dumps(value, protocol=5, buffer_callback=keep), buffers

    @staticmethod
    def _with_buffers(
        data: bytes, buffers: list[memoryview]
    ) -> tuple[list[tuple[int, Any]], int, int, int]:
        head = _TABLE.size + _BUFFER.size * len(buffers)
        table, parts, at = bytearray(_TABLE.pack(len(data), len(buffers))), [], up(head + len(data))
        for raw in buffers:
            table += _BUFFER.pack(at, raw.nbytes, raw.readonly)
            parts.append((at, raw))
            at = up(at + raw.nbytes)
        return (
            [(0, bytes(table)), (head, data), *parts],
            at,
            len(data) + sum(raw.nbytes for raw in buffers),
            WITH_BUFFERS,
        )

    def split(self, view: memoryview, kind: int, copied: bool) -> Any:
        if kind == PLAIN:
            return bytes(view), None
        if kind != WITH_BUFFERS or len(view) < _TABLE.size:
            raise CorruptError(
                f"receive from {self.channel.name!r}: a message of an unknown format"
            )
        length, count = _TABLE.unpack_from(view)
        head = _TABLE.size + _BUFFER.size * min(count, 1 << 32)
        if head + length > len(view):
            raise CorruptError(
                f"receive from {self.channel.name!r}: a pickle of {length} bytes and {count} "
                f"buffers in"
                f" {len(view)} bytes"
            )
        table = bytes(view[_TABLE.size : head])
        buffers = [
            self._buffer(view, at, nbytes, readonly, copied)
            for at, nbytes, readonly in _BUFFER.iter_unpack(table)
        ]
        return bytes(view[head : head + length]), buffers

    def _buffer(self, view: memoryview, at: int, length: int, readonly: bool, copied: bool) -> Any:
        from memsection._native.ends import private

        if at > len(view) or length > len(view) - at:
            raise CorruptError(
                f"receive from {self.channel.name!r}: a buffer of {length} bytes at {at} in "
                f"{len(view)}"
            )
        part = view[at : at + length]
        if not copied:
            return part
        made = private(part)
        return memoryview(made).toreadonly() if readonly else made

    def value(self, found: Any, copied: bool) -> Any:
        import pickle

        data, buffers = found
        return pickle.loads(data, buffers=buffers)

    def room(self, shape: tuple[Any, ...]) -> tuple[int, int, bytes, Any]:
        raise TypeError(
            "sending: an object is made by its pickle, and not in place; use bytes or "
            "numpy.ndarray as the spec"
        )

    def data(self, view: memoryview) -> memoryview:
        raise TypeError(
            "receive_into: an object has no bytes of its own; use bytes or numpy.ndarray as the "
            "spec"
        )


class RecordCodec(Codec):
    """Records of one layout."""

    word = "record"
    plain = False

    def __init__(self, kind: Layout) -> None:
        super().__init__(kind._spec)
        self.layout = kind
        self.fixed = kind.size

    def facts(self) -> Facts:
        from memsection.content import schema

        return {
            "spec": self.word,
            "name": self.layout.name,
            "type": schema.to_json(self.layout.struct),
            "fingerprint": self.layout.fingerprint,
        }

    def shown(self) -> object:
        from memsection.content.layouts import LayoutText

        return LayoutText(self.layout)

    def parts(self, value: Any) -> tuple[list[tuple[int, Any]], int, int, int]:
        raw = bytearray(self.layout.size)
        self.layout.pack_into(raw, 0, value)
        return [(0, raw)], len(raw), len(raw), 0

    def split(self, view: memoryview, kind: int, copied: bool) -> Any:
        if len(view) != self.layout.size:
            raise CorruptError(
                f"receive from {self.channel.name!r}: {len(view)} bytes, a record has "
                f"{self.layout.size}"
            )
        return bytes(view)

    def value(self, found: Any, copied: bool) -> Any:
        return self.layout.unpack_from(found)

    def room(self, shape: tuple[Any, ...]) -> tuple[int, int, bytes, Any]:
        if shape:
            raise TypeError(
                "sending: for records it takes nothing: their layout says how long they are"
            )
        return 0, self.layout.size, b"", None


class ArrowCodec(Codec):
    """Arrow tables, as IPC streams."""

    word = "arrow"
    plain = False

    def parts(self, value: Any) -> tuple[list[tuple[int, Any]], int, int, int]:
        import pyarrow as pa

        from memsection import arrow

        table = arrow._table(value)
        sink = pa.BufferOutputStream()
        arrow._write(sink, table)
        raw = memoryview(sink.getvalue())
        return [(0, raw)], raw.nbytes, raw.nbytes, 0

    def value(self, found: Any, copied: bool) -> Any:
        import pyarrow as pa

        from memsection import arrow

        try:
            # Whoever sends may be anybody: values lie where they are, what leads to them is a
            # checked copy.
            table = arrow._foreign_table_in(pa.py_buffer(found))
        except (
            pa.ArrowException,
            ValueError,
            TypeError,
            LookupError,
            OSError,
            ArithmeticError,
            RecursionError,
            MemoryError,
        ) as failure:
            raise CorruptError(
                f"receive from {self.channel.name!r}: no Arrow table: {failure}"
            ) from None
        return table

    def room(self, shape: tuple[Any, ...]) -> tuple[int, int, bytes, Any]:
        raise TypeError(
            "sending: a table is written by Arrow, and not in place; use bytes or numpy.ndarray as "
            "the spec"
        )


def codec(spec: Spec) -> Codec:
    """The codec for a spec as users give it.

    Raises:
        ArgumentError: It is none (ValueError).
    """
    if spec is object:
        return ObjectCodec(object)
    if spec is bytes:
        return Codec()
    if isinstance(spec, str):
        if spec == "arrow":
            return ArrowCodec("arrow")
        raise ArgumentError(f'spec {spec!r}: not "arrow", which is the only one that is a text')
    if (
        getattr(spec, "__module__", None) == "numpy"
        and getattr(spec, "__name__", None) == "ndarray"
    ):
        from memsection.channels.array_codec import ArrayCodec

        return ArrayCodec(spec)
    from memsection.content.layouts import layout

    return RecordCodec(layout(spec))


def codec_in(facts: Facts) -> Codec:
    """The codec that a description means.

    Raises:
        CorruptError: None.
    """
    word = facts.get("spec")
    if word == "array":
        import numpy

        return codec(numpy.ndarray)
    if word == "record":
        from memsection.content.layouts import layout_in

        return RecordCodec(layout_in(facts))
    for spec in (object, bytes, "arrow"):
        if word == (spec if isinstance(spec, str) else spec.__name__):
            return codec(spec)
    raise CorruptError(f"description: {str(word)[:40]!r} is no spec of a channel")
