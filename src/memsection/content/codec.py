# SPDX-License-Identifier: MIT
"""Records' bytes to Python values and back: one ``struct`` format for a layout, and the nesting of
its flat values."""

from __future__ import annotations

import struct
import sys
import typing
from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import Annotated, Any

from memsection.content.schema import Repeat, Scalar, Struct, Type
from memsection.vocabulary.errors import ArgumentError

ENDIAN = "<" if sys.byteorder == "little" else ">"
FORMATS = {
    "b1": "?",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
    "f2": "e",
    "f4": "f",
    "f8": "d",
}


def object_count(kind: Type) -> int:
    """How many Python objects a value of this type becomes."""
    if isinstance(kind, Scalar):
        return 1
    if isinstance(kind, Struct):
        return 1 + sum(object_count(field.type) for field in kind.fields)
    lists, lengths = 1, 1
    for length in kind.shape:
        lengths *= length
        lists += lengths
    return lists + lengths * object_count(kind.of)


class Codec:
    """One ``struct`` format for the whole record, and what turns its flat values into nested
    ones."""

    def __init__(self, whole: Struct, spec: type[Any] | None) -> None:
        self._whole, self._spec = whole, spec
        self._format: struct.Struct | None = None  # only NumPy can read such a record
        if not _overlap(whole) and all(
            scalar.code[0] in ("|", ENDIAN)
            and (scalar.code[1:] in FORMATS or scalar.code[1] in "SV")
            for scalar in _scalars(whole)
        ):
            parts: list[str] = []
            _formats(whole, parts)
            self._format = struct.Struct("=" + "".join(parts))

    def pack_into(self, buffer: Any, offset: int, value: Any) -> None:
        flat: list[Any] = []
        if self._format is None:
            raise ArgumentError("record: only NumPy can write this layout: assign to .array")
        _flatten(self._whole, value, "record", flat)
        try:
            raw = self._format.pack(*flat)  # all of it or nothing goes to the memory
        except (struct.error, OverflowError) as failure:
            raise ArgumentError(f"record: {failure}") from None
        memoryview(buffer)[offset : offset + len(raw)] = raw

    def unpack_from(self, buffer: Any, offset: int) -> Any:
        if self._format is None:
            raise ArgumentError("record: only NumPy can read this layout: use .array")
        return _nest(self._whole, iter(self._format.unpack_from(buffer, offset)), self._spec)


def _overlap(kind: Type) -> bool:
    """Whether fields of one record lie over each other, or not in their order, at any depth."""
    if isinstance(kind, Repeat):
        return _overlap(kind.of)
    at = 0
    for field in kind.fields if isinstance(kind, Struct) else ():
        if field.offset < at or _overlap(field.type):
            return True
        at = field.offset + field.type.size
    return False


def _formats(kind: Type, parts: list[str]) -> None:
    if isinstance(kind, Scalar):
        parts.append(FORMATS.get(kind.code[1:], f"{kind.size}s"))
    elif isinstance(kind, Repeat):
        if isinstance(kind.of, Scalar) and kind.of.code[1:] in FORMATS:
            parts.append(f"{prod(kind.shape)}{FORMATS[kind.of.code[1:]]}")
        else:
            for _ in range(prod(kind.shape)):
                _formats(kind.of, parts)
    else:
        at = 0
        for field in kind.fields:
            parts.append(f"{field.offset - at}x")
            _formats(field.type, parts)
            at = field.offset + field.type.size
        parts.append(f"{kind.size - at}x")


def _scalars(kind: Type) -> Iterator[Scalar]:
    if isinstance(kind, Scalar):
        yield kind
    elif isinstance(kind, Repeat):
        yield from _scalars(kind.of)
    else:
        for field in kind.fields:
            yield from _scalars(field.type)


def _inner(kind: Repeat) -> Type:
    return Repeat(kind.of, kind.shape[1:]) if len(kind.shape) > 1 else kind.of


def _bytes_for(value: Any, where: str) -> bytes:
    if hasattr(value, "__index__"):  # bytes() would make so many zeros of it
        raise TypeError(f"{where}: str or bytes are needed, not {type(value).__name__}")
    try:
        return value.encode() if isinstance(value, str) else bytes(value)
    except UnicodeEncodeError:
        raise ArgumentError(f"{where}: {value!r} has half a character") from None


def _flatten(kind: Type, value: Any, where: str, flat: list[Any]) -> None:
    if isinstance(kind, Scalar):
        if kind.code[1] in "SV":
            text = kind.code[1] == "S"
            value = _bytes_for(value, where)
            if len(value) > kind.size or (len(value) < kind.size and not text):
                raise ArgumentError(f"{where}: {len(value)} bytes, the field has {kind.size}")
            if text and value.endswith(b"\0"):
                raise ArgumentError(f"{where}: text ends at a 0, so it cannot end with one")
        flat.append(value)
    elif isinstance(kind, Repeat):
        if len(value) != kind.shape[0]:
            raise ArgumentError(f"{where}: {len(value)} values, the field has {kind.shape[0]}")
        inner = _inner(kind)
        for number, one in enumerate(value):
            _flatten(inner, one, f"{where}[{number}]", flat)
    else:
        if isinstance(value, typing.Mapping) and value.keys() != {
            field.name for field in kind.fields
        }:
            raise ArgumentError(
                f"{where}: fields {sorted(value)}, the layout has "
                f"{sorted(field.name for field in kind.fields)}"
            )
        for field in kind.fields:
            try:
                one = (
                    value[field.name]
                    if isinstance(value, typing.Mapping)
                    else getattr(value, field.name)
                )
            except AttributeError:
                raise TypeError(
                    f"{where}: {type(value).__name__} has no {field.name!r}: the record's class is "
                    "needed, or a mapping"
                ) from None
            _flatten(field.type, one, f"{where}.{field.name}", flat)


def _nest(kind: Type, values: Iterator[Any], spec: Any) -> Any:
    """The flat values again as the annotation ``spec`` has them; as dicts, lists and bytes where
    that is None."""
    if typing.get_origin(spec) is Annotated:
        spec = typing.get_args(spec)[0]
    if isinstance(kind, Scalar):
        value = next(values)
        if kind.code[1] == "S":
            value = value.rstrip(b"\0")
            return value.decode(errors="replace") if spec is str else value
        return value
    if isinstance(kind, Repeat):
        inner, of = _inner(kind), spec
        if len(kind.shape) == 1:
            of = next(iter(typing.get_args(spec)), None)
        items = [_nest(inner, values, of) for _ in range(kind.shape[0])]
        return tuple(items) if typing.get_origin(spec) is tuple else items
    hints = hints_of(spec) if spec is not None else {}
    fields = {field.name: _nest(field.type, values, hints.get(field.name)) for field in kind.fields}
    return fields if spec is None else spec(**fields)


@lru_cache(maxsize=256)
def hints_of(spec: Any) -> dict[str, Any]:
    return typing.get_type_hints(spec, include_extras=True)
