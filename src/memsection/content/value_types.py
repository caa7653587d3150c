# SPDX-License-Identifier: MIT
"""Types of values, as descriptions have them: a scalar, an array of a fixed shape, a record.

A type can have been written by anybody: ``from_json`` gives one that can be worked with, or refuses
it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from math import prod
from typing import Any

from memsection.content.facts import text_of
from memsection.vocabulary.errors import CorruptError
from memsection.vocabulary.text import shown

LONGEST_EMPTY = 1 << 16  #: lists in a field without values

_SCALAR = re.compile(
    r"[<>|](b1|[iu](1|2|4|8)|f(2|4|8|12|16)|c(8|16|24|32)|[SV][1-9]\d{0,9}|U[1-9]\d{0,8}|"
    r"[mM]8(\[\d{0,9}(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)\Z"
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value, in the array interface's spelling: ``<f8``, ``|S16``."""

    code: str

    @property
    def size(self) -> int:
        digits = re.match(r"\d+", self.code[2:])
        count = int(digits[0]) if digits else 0
        return 4 * count if self.code[1] == "U" else count


@dataclass(frozen=True, slots=True)
class Repeat:
    """A fixed number of values, last index fastest."""

    of: Type
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return self.of.size * prod(self.shape)


@dataclass(frozen=True, slots=True)
class Field:
    """A named value at an offset."""

    name: str
    type: Type
    offset: int


@dataclass(frozen=True, slots=True)
class Struct:
    """Named values at offsets."""

    fields: tuple[Field, ...]
    size: int


Type = Scalar | Repeat | Struct


def to_json(kind: Type) -> Any:
    """A type as JSON has it."""
    if isinstance(kind, Scalar):
        return kind.code
    if isinstance(kind, Repeat):
        return {"of": to_json(kind.of), "shape": list(kind.shape)}
    return {
        "fields": [[field.name, to_json(field.type), field.offset] for field in kind.fields],
        "size": kind.size,
    }


def from_json(value: Any, depth: int = 0) -> Type:
    """The type that JSON describes; CorruptError if that is none."""
    if isinstance(value, str) and _SCALAR.match(value):
        return Scalar(value)
    if isinstance(value, dict) and depth < 16:
        if (
            value.keys() == {"of", "shape"}
            and is_shape(value["shape"])
            and _is_short_where_empty(value["shape"])
        ):
            return Repeat(from_json(value["of"], depth + 1), tuple(value["shape"]))
        if (
            value.keys() == {"fields", "size"}
            and is_count(value["size"])
            and value["size"]
            and isinstance(value["fields"], list)
        ):
            fields = tuple(_field(one, value["size"], depth) for one in value["fields"])
            if len({field.name for field in fields}) == len(fields):
                return Struct(fields, value["size"])
    raise CorruptError(f"description: {shown(value, 80)} is not a type")


def _field(value: Any, size: int, depth: int) -> Field:
    if (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and is_count(value[2])
    ):
        kind = from_json(value[1], depth + 1)
        if value[2] + kind.size <= size:
            return Field(value[0], kind, value[2])
    raise CorruptError(
        f"description: {shown(value, 80)} is not a field of a record of {size} bytes"
    )


def is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def is_shape(value: Any) -> bool:
    """Whether JSON gave the shape of an array."""
    return (
        isinstance(value, list)
        and len(value) <= 32
        and all(map(is_count, value))
        and prod(length or 1 for length in value) < 1 << 62
    )


def _is_short_where_empty(shape: list[int]) -> bool:
    """Whether a shape without values is no long walk: nothing bounds it otherwise, as the memory
    does for values."""
    return 0 not in shape or prod(length or 1 for length in shape) <= LONGEST_EMPTY


def fingerprint(kind: Type) -> str:
    """Sixteen hexadecimal digits that are equal for equal layouts: names, types, offsets, size."""
    return hashlib.sha256(text_of(to_json(kind))).hexdigest()[:16]
