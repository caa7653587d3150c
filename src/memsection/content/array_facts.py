# SPDX-License-Identifier: MIT
"""What a section says of an array in it: its dtype, its shape and its order, as a description has
them and as NumPy does."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal, SupportsIndex

import numpy as np

from memsection.content import schema
from memsection.content.facts import version_number
from memsection.content.schema import Field, Repeat, Scalar, Struct, Type
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import ArgumentError, CorruptError
from memsection.vocabulary.text import shown

Order = Literal["C", "F"]
_MOST = 1 << 62  #: bytes


def type_of(dtype: np.dtype[Any]) -> Type:
    """A dtype as a description has it.

    Raises:
        ArgumentError: Its values are pointers (objects), or it is nothing that NumPy alone can
            rebuild.
    """
    if dtype.hasobject or dtype.itemsize == 0:
        raise ArgumentError(
            f"dtype {dtype}: values of it are not bytes that another process could read"
        )
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return Repeat(type_of(base), tuple(shape))
    if dtype.names is not None:
        parts: Any = dtype.fields
        fields = tuple(
            Field(name, type_of(parts[name][0]), int(parts[name][1])) for name in dtype.names
        )
        return Struct(fields, dtype.itemsize)
    if np.dtype(dtype.str) != dtype:
        raise ArgumentError(
            f"dtype {dtype}: NumPy alone could not rebuild it: share a view of its bytes"
        )
    return Scalar(dtype.str)


def dtype_of(kind: Type) -> np.dtype[Any]:
    """The dtype that a description means.

    Raises:
        CorruptError: NumPy has none like it, here.
    """
    try:
        dtype = _dtype_of(kind)
    except (ValueError, TypeError, MemoryError, OverflowError) as failure:
        raise CorruptError(f"description: NumPy knows no such dtype: {failure}") from None
    if dtype.itemsize != kind.size:
        raise CorruptError(
            f"description: NumPy's {str(dtype)[:80]} has {dtype.itemsize} bytes, not {kind.size}"
        )
    return dtype


def _dtype_of(kind: Type) -> np.dtype[Any]:
    if isinstance(kind, Scalar):
        return np.dtype(kind.code)
    if isinstance(kind, Repeat):
        return np.dtype((_dtype_of(kind.of), kind.shape))
    return np.dtype(
        {
            "names": [field.name for field in kind.fields],
            "formats": [_dtype_of(field.type) for field in kind.fields],
            "offsets": [field.offset for field in kind.fields],
            "itemsize": kind.size,
        }
    )


def array_facts(
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    order: Order,
    version: int,
    maximum: int | None = None,
) -> schema.Facts:
    # An array that has bytes is refused for these.
    if 0 in shape and _is_beyond_count(shape, dtype):
        raise ArgumentError(f"shape {shape} of {dtype}: more than NumPy can count")
    if order not in ("C", "F"):
        raise ArgumentError(f"order: 'C' or 'F' is needed, not {shown(repr(order), 60)}")
    facts = {
        "kind": "array",
        "dtype": schema.to_json(type_of(dtype)),
        "shape": list(shape),
        "order": order,
        "version": version_number(version),
    }
    return facts if maximum is None else facts | {"maximum": maximum}


def understood(facts: schema.Facts, size: int) -> dict[str, Any]:
    """What a description says, checked: it may have been written by anybody."""
    found = schema.remember(facts, ("array", size), lambda facts: _check_facts(facts, size))
    dtype = found["dtype"]
    # The names of a structured type can be changed, and each array has its own.
    return found if dtype.names is None else {**found, "dtype": _dtype_in(facts)}


def _dtype_in(facts: schema.Facts) -> np.dtype[Any]:
    return dtype_of(schema.from_json(facts.get("dtype")))


def _is_beyond_count(shape: Sequence[int], dtype: np.dtype[Any]) -> bool:
    """Whether NumPy cannot count so many bytes: it takes a length of 0 for 1 there."""
    return prod(length or 1 for length in shape) * dtype.itemsize >= _MOST


def _check_facts(facts: schema.Facts, size: int) -> dict[str, Any]:
    shape, order = facts.get("shape"), facts.get("order")
    if (
        not schema.is_shape(shape)
        or order not in ("C", "F")
        or type(facts.get("version")) is not int
    ):
        raise CorruptError(
            f"description: shape {shown(shape, 80)}, order {shown(order, 20)}: no array"
        )
    dtype = _dtype_in(facts)
    assert shape is not None
    if (
        dtype.itemsize == 0
        or prod(shape) * dtype.itemsize != size
        or _is_beyond_count(shape, dtype)
    ):
        raise CorruptError(f"description: shape {tuple(shape)} of {dtype} in {size} bytes")
    return {
        "dtype": dtype,
        "shape": tuple(shape),
        "order": order,
        "version": facts["version"],
        "maximum": facts.get("maximum"),
    }


def lengths_of(shape: SupportsIndex | Sequence[SupportsIndex]) -> tuple[int, ...]:
    whole = tuple(
        whole_number(one, "shape") for one in (shape if isinstance(shape, Sequence) else (shape,))
    )
    if any(one < 0 for one in whole):
        raise ArgumentError(f"shape {whole}: a length is negative")
    return whole
