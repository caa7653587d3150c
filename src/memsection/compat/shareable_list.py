# SPDX-License-Identifier: MIT
"""``ShareableList`` with the standard library's interface and layout, and every value as it was put
in.

The layout is that of ``multiprocessing.shared_memory``, so a list which that made can be opened;
behind it stands one more table: the exact length of each str and bytes.  Without it (the standard
library has none) trailing zero bytes cannot be told from padding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import partial
from types import GenericAlias
from typing import Any

from memsection.api.operations import outside, whole

Value = int | float | bool | str | bytes | None

_ALIGNMENT = 8
_FORMATS: dict[type, str] = {int: "q", float: "d", bool: "xxxxxxx?", type(None): "xxxxxx?x"}
_SCALAR, _STR, _BYTES, _NONE = range(4)  # how a stored value becomes a Python value
_LENGTHS_MAGIC = b"memsectL"


class ValueRangeError(struct.error, OverflowError):
    """An int that does not fit into 64 bits."""


class ShareableList:
    """A list of fixed length in shared memory, of int, float, bool, str, bytes and None.

    What is different from ``multiprocessing.shared_memory.ShareableList``: str and bytes keep their
    trailing zeros and need not be ASCII; a value that cannot be stored changes nothing; an index
    out of range is an error on both sides.

    Args:
        sequence: The values of a new list.
        name: The name of the new list's block, or of the one to open when no values are given.

    Raises:
        FileExistsError, FileNotFoundError, MemoryError: As ``SharedMemory``.
        ValueError: The block to open contains no list.
    """

    @whole
    def __init__(self, sequence: Iterable[Value] | None = None, *, name: str | None = None) -> None:
        from memsection.compat.shared_memory import SharedMemory

        if name is not None and sequence is None:
            self.shm = SharedMemory(name)
            try:
                self._read_layout()
            except BaseException:
                self.shm.close()
                raise
            return
        values: list[Any] = outside(list, sequence or ())
        stored = [_stored_form(value) for value in values]  # all can be stored, or nothing is made
        slots = [_slot(value, data) for value, data in zip(values, stored, strict=True)]
        self._list_len = len(values)
        self._allocated_offsets = [0]
        for size in slots:
            self._allocated_offsets.append(self._allocated_offsets[-1] + size)
        size = self._offset_lengths + len(_LENGTHS_MAGIC) + 8 * len(values)
        self.shm = SharedMemory(name, create=True, size=size)
        self._has_lengths = True
        buffer = self._buffer
        struct.pack_into(
            f"={self._list_len + 2}q", buffer, 0, self._list_len, *self._allocated_offsets
        )
        buffer[self._offset_lengths : self._offset_lengths + len(_LENGTHS_MAGIC)] = _LENGTHS_MAGIC
        for position, (value, data) in enumerate(zip(values, stored, strict=True)):
            self._store(position, _format(value, slots[position]), value, data)

    def _read_layout(self) -> None:
        """What an existing block says of itself, believed as far as it fits the block."""
        buffer = self._buffer
        problem = ValueError(f"{self.shm.name!r} contains no ShareableList")
        if len(buffer) < 16:
            raise problem
        self._list_len = struct.unpack_from("=q", buffer, 0)[0]
        if not 0 <= self._list_len <= len(buffer) // 8 - 2:
            raise problem
        offsets = list(struct.unpack_from(f"={self._list_len + 1}q", buffer, 8))
        self._allocated_offsets = offsets
        rising = offsets[0] == 0 and all(a < b for a, b in zip(offsets, offsets[1:], strict=False))
        if not rising or self._offset_back_transform_codes + self._list_len > len(buffer):
            raise problem
        end = self._offset_lengths + len(_LENGTHS_MAGIC)
        self._has_lengths = (
            end + 8 * self._list_len <= len(buffer)
            and bytes(buffer[self._offset_lengths : end]) == _LENGTHS_MAGIC
        )

    # ------------------------------------------------------------------ values

    def __getitem__(self, position: int) -> Value:
        position = self._position(position, "index out of range")
        start = self._offset_data_start + self._allocated_offsets[position]
        code = self._buffer[self._offset_back_transform_codes + position]
        packing = self._get_packing_format(position)
        if code == _NONE:
            return None
        room = self._allocated_offsets[position + 1] - self._allocated_offsets[position]
        if code == _SCALAR:
            if packing not in _FORMATS.values():
                raise ValueError(
                    f"item {position} of {self.shm.name!r} has the unknown format {packing!r}"
                )
            scalar: Value = struct.unpack_from("=" + packing, self._buffer, start)[0]
            return scalar
        data = bytes(self._buffer[start : start + room])
        if self._has_lengths:
            data = data[: struct.unpack_from("=Q", self._buffer, self._offset_length(position))[0]]
        else:
            data = data.rstrip(b"\0")
        return data.decode() if code == _STR else data

    def __setitem__(self, position: int, value: Value) -> None:
        position = self._position(position, "assignment index out of range")
        room = self._allocated_offsets[position + 1] - self._allocated_offsets[position]
        data = _stored_form(value)
        if isinstance(data, bytes) and len(data) > room:
            raise ValueError("bytes/str item exceeds available storage")
        self._store(position, _format(value, room), value, data)

    def _store(self, position: int, packing: str, value: Value, data: Value) -> None:
        """Put a checked value into its slot: nothing here can fail half way."""
        buffer = self._buffer
        start = self._offset_data_start + self._allocated_offsets[position]
        if isinstance(data, bytes):
            if self._has_lengths:
                struct.pack_into("=Q", buffer, self._offset_length(position), len(data))
            code = _STR if isinstance(value, str) else _BYTES
        else:
            code = _NONE if value is None else _SCALAR
        struct.pack_into("=" + packing, buffer, start, data)
        struct.pack_into(
            "=8s", buffer, self._offset_packing_formats + position * 8, packing.encode()
        )
        buffer[self._offset_back_transform_codes + position] = code

    def __len__(self) -> int:
        return self._list_len

    def __iter__(self) -> Iterator[Value]:
        return (self[position] for position in range(self._list_len))

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({list(self)}, name={self.shm.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(self.__class__, name=self.shm.name), ()

    def count(self, value: object) -> int:
        """How many items are equal to the value."""
        return sum(value == item for item in self)

    def index(self, value: object) -> int:
        """The first position of the value.

        Raises:
            ValueError: It is not in the list.
        """
        for position, item in enumerate(self):
            if value == item:
                return position
        raise ValueError(f"{value!r} not in this container")

    __class_getitem__: Any = classmethod(GenericAlias)

    # ------------------------------------------------------------------ layout

    @property
    def format(self) -> str:
        """The struct format of all items."""
        return "".join(self._get_packing_format(position) for position in range(self._list_len))

    def _get_packing_format(self, position: int) -> str:
        position = self._position(position, "Requested position out of range.")
        start = self._offset_packing_formats + position * 8
        return bytes(self._buffer[start : start + 8]).rstrip(b"\0").decode("ascii", "replace")

    def _position(self, position: int, problem: str) -> int:
        found = position + self._list_len if position < 0 else position
        if not 0 <= found < self._list_len:
            raise IndexError(problem)
        return found

    @property
    def _buffer(self) -> memoryview:
        buffer: memoryview | None = self.shm.buf
        if buffer is None:
            raise ValueError(f"the ShareableList {self.shm.name!r} is closed")
        return buffer

    @property
    def _offset_data_start(self) -> int:
        return (self._list_len + 2) * 8

    @property
    def _offset_packing_formats(self) -> int:
        return self._offset_data_start + self._allocated_offsets[-1]

    @property
    def _offset_back_transform_codes(self) -> int:
        return self._offset_packing_formats + self._list_len * 8

    @property
    def _offset_lengths(self) -> int:
        return -(-(self._offset_back_transform_codes + self._list_len) // _ALIGNMENT) * _ALIGNMENT

    def _offset_length(self, position: int) -> int:
        return self._offset_lengths + len(_LENGTHS_MAGIC) + 8 * position


def _stored_form(value: Value) -> Value:
    """What of the value is stored: str as UTF-8, all else as it is.

    Raises:
        KeyError: A type that no list can have, as in the standard library.
        ValueRangeError: An int beyond 64 bits.
    """
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return bytes(value)
    if _FORMATS[type(value)] == "q" and not -1 << 63 <= value < 1 << 63:  # type: ignore[operator]
        raise ValueRangeError(f"{value} does not fit into 64 bits")
    return value


def _slot(value: Value, data: Value) -> int:
    """Bytes that a new list sets aside for a value: as the standard library, and enough where that
    would be too few."""
    if not isinstance(value, (str, bytes)) or not isinstance(data, bytes):
        return _ALIGNMENT
    return _ALIGNMENT * max(len(value) // _ALIGNMENT + 1, -(-len(data) // _ALIGNMENT))


def _format(value: Value, room: int) -> str:
    return f"{room}s" if isinstance(value, (str, bytes)) else _FORMATS[type(value)]
