# SPDX-License-Identifier: MIT
"""An Arrow IPC file in memory that somebody else may change while it is read.

Everything that Arrow follows is copied before Arrow sees it: the messages here, and in
``arrow_checked`` the buffers of offsets, of what is valid and of indices.  So what was checked is
what is used.  The bodies, in which the values are, stay where they are; those that are compressed
are copied, and unpacked from the copy.

It owns the walk over the messages (Arrow format, "IPC File Format"; FlatBuffers, "Internals").
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from memsection.vocabulary.errors import CorruptError

_MAGIC, _START = b"ARROW1", 8
_TAIL = struct.Struct("<i6s")  #: length of the footer, magic
_PREFIX = struct.Struct("<4si")  #: mark, bytes of a message's metadata; 0 at the end
_BUFFER = struct.Struct("<qq")
_CONTINUES = b"\xff\xff\xff\xff"
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
MOST_UNPACKED = 1 << 26  #: bytes that compressed bodies may become in any case; ...
MOST_GROWTH = 64  #: ... and beyond that so many times their own length


class _Table:
    """A FlatBuffers table: fields by their number; what leaves the bytes is a ``struct.error``."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        self.fields = at - _number("<i", data, at)
        self.count = (_number("<H", data, self.fields) - 4) // 2

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _number("<I", data, 0))

    def _where(self, field: int) -> int:
        offset = _number("<H", self.data, self.fields + 4 + 2 * field) if field < self.count else 0
        return self.at + offset if offset else 0

    def number(self, code: str, field: int) -> int:
        where = self._where(field)
        return _number(code, self.data, where) if where else 0

    def table(self, field: int) -> _Table | None:
        where = self._where(field)
        return _Table(self.data, where + _number("<I", self.data, where)) if where else None

    def structs(self, field: int, kind: struct.Struct) -> Iterator[tuple[int, ...]]:
        where = self._where(field)
        if where:
            where += _number("<I", self.data, where)
            count = _number("<I", self.data, where)
            if count * kind.size > len(self.data):
                raise struct.error("a vector longer than the message")
            for index in range(count):
                yield kind.unpack_from(self.data, where + 4 + kind.size * index)


def _number(code: str, data: bytes, at: int) -> int:
    if at < 0:  # struct would count from the end
        raise struct.error("before the start")
    return int(struct.unpack_from(code, data, at)[0])


class Stream:
    """What Arrow reads, as a Python file: messages as they were at one moment, bodies in place.

    The messages of a file are a stream; the footer, which only leads to them once more, is not
    needed.
    """

    closed = False

    def __init__(self, whole: Any) -> None:
        """``whole`` is a ``pyarrow.Buffer`` over the shared memory."""
        self._at, self._size = _START, whole.size
        try:
            self._parts = list(self._walk(whole))
        except (struct.error, ValueError) as failure:
            raise CorruptError(f"no Arrow table: {failure}") from None

    def _walk(self, whole: Any) -> Iterator[tuple[int, Any]]:
        """Where each part starts, and the part: what is between them nobody reads."""
        with memoryview(whole) as memory:
            end = self._size - _TAIL.size
            if end < _START or memory[: len(_MAGIC)] != _MAGIC or memory[end + 4 :] != _MAGIC:
                raise ValueError(f"{self._size} bytes without Arrow's marks")
            at, unpacked = _START, 0
            while True:
                prefix = bytes(memory[at : at + _PREFIX.size])
                mark, length = _PREFIX.unpack(prefix)
                if mark != _CONTINUES or not 0 <= length <= end - at - _PREFIX.size:
                    raise ValueError(f"a message of {length} bytes at {at}")
                yield at, prefix
                if not length:
                    return
                at += _PREFIX.size
                metadata = bytes(memory[at : at + length])
                yield at, metadata
                at += length
                size, lengths = _read_lengths(metadata)
                if not 0 <= size <= end - at:
                    raise ValueError(f"a body of {size} bytes at {at}")
                if lengths is None:
                    yield at, whole.slice(at, size)
                else:
                    copy = bytes(memory[at : at + size])
                    unpacked += _unpacked_size(copy, lengths)
                    if unpacked > MOST_UNPACKED + MOST_GROWTH * self._size:
                        raise ValueError(f"{self._size} bytes that would become {unpacked}")
                    yield at, copy
                at += size

    # What pyarrow.PythonFile asks for.

    def read_buffer(self, count: int) -> Any:
        """The next bytes, without a copy where they are within one part."""
        end, found = self._at + count, []
        for start, part in self._parts:
            low, high = max(start, self._at), min(start + len(part), end)
            if low < high:
                found.append(part[low - start : high - start])
        self._at += sum(map(len, found))
        return found[0] if len(found) == 1 else b"".join(map(bytes, found))

    def read(self, count: int) -> bytes:
        return bytes(self.read_buffer(count))

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        pass


def _read_lengths(metadata: bytes) -> tuple[int, list[tuple[int, ...]] | None]:
    """How long a message says that its body is, and where in it what is compressed is; None where
    nothing is."""
    table = _Table.root(metadata)
    header, kind, size = table.table(2), table.number("<B", 1), table.number("<q", 3)
    if kind == _DICTIONARY_BATCH and header is not None:
        header = header.table(1)
    if kind in (_DICTIONARY_BATCH, _RECORD_BATCH):
        if header is None:
            raise ValueError("a batch without its description")
        return size, None if header.table(3) is None else list(header.structs(2, _BUFFER))
    return size, None


def _unpacked_size(body: bytes, buffers: list[tuple[int, ...]]) -> int:
    """What the compressed buffers say that they become; each begins with that number, -1 for one
    that is as it was."""
    total = 0
    for offset, length in buffers:
        if not 0 <= offset <= offset + length <= len(body):
            raise ValueError(f"a buffer of {length} bytes at {offset}")
        total += max(length, _number("<q", body, offset)) if length else 0
    return total
