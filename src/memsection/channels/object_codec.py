# SPDX-License-Identifier: MIT
"""Objects as messages: a pickle, with its larger buffers beside it."""

from __future__ import annotations

import struct

from memsection._native.ends import connect_pickle, pickle_value, private
from memsection.api.operations import settled
from memsection.channels.base_codec import Codec, up
from memsection.vocabulary.errors import CorruptError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection._native import ends

PLAIN, WITH_BUFFERS = 0, 1  # formats of a message of the object spec
_TABLE = struct.Struct("<QQ")  # of such a message: bytes of the pickle, number of buffers
_BUFFER = struct.Struct("<QQ?7x")  # offset, length, whether it was read-only


@settled
def _pickle() -> Any:
    import pickle

    return pickle


connect_pickle(_pickle)


class ObjectCodec(Codec):
    """Anything that pickle takes; its larger buffers lie beside the pickle."""

    word = "object"
    plain = False
    pickles = True

    def send(
        self, end: ends.End, value: Any, timeout: float | None, told: list[int | None] | None = None
    ) -> None:
        """What the core does by itself, with a note of whether it was done (``told``)."""
        self._send_parts(end, *self.parts(value), timeout, told)

    def send_beside(
        self, end: ends.End, data: bytes, buffers: list[memoryview] | None, timeout: float | None
    ) -> None:
        """Send a pickle with what lies beside it, or one that is too large for a place."""
        self._send_parts(end, *self._laid_out(data, buffers), timeout)

    def parts(self, value: Any) -> tuple[list[tuple[int, Any]], int, int, int]:
        return self._laid_out(*pickle_value(value))

    def _laid_out(
        self, data: bytes, buffers: list[memoryview] | None
    ) -> tuple[list[tuple[int, Any]], int, int, int]:
        if buffers is None:
            return [(0, data)], len(data), len(data), PLAIN
        return self._with_buffers(data, buffers)

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
                f"{about('receive from', self.channel.name)}: a message of an unknown format"
            )
        length, count = _TABLE.unpack_from(view)
        head = _TABLE.size + _BUFFER.size * min(count, 1 << 32)
        if head + length > len(view):
            raise CorruptError(
                f"{about('receive from', self.channel.name)}: a pickle of {length} bytes and "
                f"{count} buffers in"
                f" {len(view)} bytes"
            )
        table = bytes(view[_TABLE.size : head])
        buffers = [
            self._buffer(view, at, nbytes, readonly, copied)
            for at, nbytes, readonly in _BUFFER.iter_unpack(table)
        ]
        return bytes(view[head : head + length]), buffers

    def _buffer(self, view: memoryview, at: int, length: int, readonly: bool, copied: bool) -> Any:
        if at > len(view) or length > len(view) - at:
            raise CorruptError(
                f"{about('receive from', self.channel.name)}: a buffer of {length} bytes at {at} "
                f"in {len(view)}"
            )
        part = view[at : at + length]
        if not copied:
            return part
        made = private(part)
        return memoryview(made).toreadonly() if readonly else made

    def value(self, found: Any, copied: bool) -> Any:
        import pickle

        data, buffers = found
        try:
            return pickle.loads(data, buffers=buffers)
        except (pickle.UnpicklingError, EOFError, UnicodeDecodeError) as error:
            raise self.no_pickle(error) from error

    def no_pickle(self, error: Exception) -> CorruptError:
        """The exception for a message that no pickle is in."""
        return CorruptError(
            f"{about('receive from', self.channel.name)}: a message that is no pickle: {error}"
        )

    def room(self, shape: tuple[Any, ...]) -> tuple[int, int, bytes, Any]:
        raise TypeError(
            "sending: an object is made by its pickle, and not in place; use bytes or "
            "numpy.ndarray as the spec"
        )

    def require_data(self) -> None:
        raise TypeError(
            "receive_into: an object has no bytes of its own; use bytes or numpy.ndarray as the "
            "spec"
        )
