# SPDX-License-Identifier: MIT
"""Arrays as messages: dtype and shape travel before the elements.  The one file of this package
that needs NumPy."""

from __future__ import annotations

import json
import struct
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from memsection import arrays
from memsection.channels.base_codec import Codec, length_of, up
from memsection.content import schema
from memsection.vocabulary.errors import ArgumentError, CorruptError
from memsection.vocabulary.text import about

# bytes of the dtype's description, dimensions, whether Fortran's order
_HEAD = struct.Struct("<HBB4x")
_DIMENSIONS = 64  # of NumPy 2; of NumPy 1 it was half as many


@lru_cache(maxsize=64)
def _describe(dtype: np.dtype[Any]) -> bytes:
    if dtype.hasobject:
        raise TypeError(
            f"send: an array of {dtype} holds pointers, which mean nothing to another process"
        )
    text = json.dumps(schema.to_json(arrays.type_of(dtype)), separators=(",", ":")).encode()
    if len(text) > 0xFFFF:
        raise ArgumentError(f"send: a description of the dtype of {len(text)} bytes")
    return text


@lru_cache(maxsize=64)
def _dtype(text: bytes) -> np.dtype[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise CorruptError("receive: the description of an array's dtype is damaged") from None
    return arrays.dtype_of(schema.from_json(found))


@lru_cache(maxsize=256)
def _head(dtype: np.dtype[Any], shape: tuple[int, ...], fortran: bool) -> bytes:
    text = _describe(dtype)
    if len(shape) > _DIMENSIONS:
        raise ArgumentError(
            f"send: an array of {len(shape)} dimensions, {_DIMENSIONS} are possible"
        )
    raw = _HEAD.pack(len(text), len(shape), fortran) + struct.pack(f"<{len(shape)}Q", *shape) + text
    return raw + bytes(up(len(raw)) - len(raw))


class ArrayCodec(Codec):
    """Arrays without pointers."""

    word = "array"
    plain = False

    def parts(self, value: Any) -> tuple[list[tuple[int, Any]], int, int, int]:
        array = np.asarray(value)
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        if not fortran:
            array = np.ascontiguousarray(array).reshape(array.shape)
        head = _head(array.dtype, array.shape, fortran)
        if not array.nbytes:
            return [(0, head)], len(head), 0, 0
        flat = array.reshape(-1, order="F" if fortran else "C").view(np.uint8)
        return [(0, head), (len(head), flat)], len(head) + array.nbytes, array.nbytes, 0

    def _facts_of(self, view: memoryview) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
        if len(view) < _HEAD.size:
            raise CorruptError(
                f"{about('receive from', self.channel.name)}: {len(view)} bytes are no array"
            )
        length, dimensions, fortran = _HEAD.unpack_from(view)
        at = _HEAD.size + 8 * dimensions
        if dimensions > _DIMENSIONS or at + length > len(view):
            raise CorruptError(
                f"{about('receive from', self.channel.name)}: the head of an array is damaged"
            )
        head = bytes(view[_HEAD.size : at + length])  # read once, then checked
        shape = struct.unpack_from(f"<{dimensions}Q", head)
        dtype = _dtype(head[8 * dimensions :])
        start = up(at + length)
        if prod(shape) * dtype.itemsize > len(view) - min(start, len(view)):
            raise CorruptError(
                f"{about('receive from', self.channel.name)}: an array of {shape} {dtype} in "
                f"{len(view)} bytes"
            )
        return dtype, shape, bool(fortran), start

    def split(self, view: memoryview, kind: int, copied: bool) -> Any:
        dtype, shape, fortran, start = self._facts_of(view)
        part = view[start : start + prod(shape) * dtype.itemsize]
        if copied:
            from memsection._native.ends import private

            return dtype, shape, fortran, private(part)
        return dtype, shape, fortran, part

    def value(self, found: Any, copied: bool) -> Any:
        dtype, shape, fortran, part = found
        try:
            return np.ndarray(shape, dtype, part, order="F" if fortran else "C")
        except (ValueError, OverflowError) as error:  # no bytes, in lengths beyond all memory
            raise CorruptError(
                f"{about('receive from', self.channel.name)}: no array can be of {shape} {dtype}: "
                f"{error}"
            ) from None

    def room(self, shape: tuple[Any, ...]) -> tuple[int, int, bytes, Any]:
        if not 1 <= len(shape) <= 2:
            raise TypeError("sending: for arrays it takes shape and dtype: sending(shape, dtype)")
        lengths = (shape[0],) if np.ndim(shape[0]) == 0 else shape[0]
        sizes = tuple(length_of(size) for size in lengths)
        dtype = np.dtype(shape[1] if len(shape) == 2 else np.float64)
        head = _head(dtype, sizes, False)
        return len(head), prod(sizes) * dtype.itemsize, head, (dtype, sizes)

    def place_to_fill(self, memory: memoryview, how: Any) -> Any:
        dtype, shape = how
        return np.ndarray(shape, dtype, memory)

    def data(self, view: memoryview) -> memoryview:
        dtype, shape, _, start = self._facts_of(view)
        return view[start : start + prod(shape) * dtype.itemsize]
