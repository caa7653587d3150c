# SPDX-License-Identifier: MIT
"""Atomic operations on integers of arrays and records: no update is lost, whoever makes it."""

from __future__ import annotations

import dataclasses
import multiprocessing
import threading
from typing import Any

import numpy as np
import pytest

from memsection import ArgumentError, arrays, records


@dataclasses.dataclass
class Inner:
    small: records.int16
    large: records.uint64


@dataclasses.dataclass
class Counters:
    hits: records.uint32
    place: Inner
    ratio: float


@pytest.mark.parametrize("dtype", ["i4", "u4", "i8", "u8"])
def test_every_operation_on_every_kind_of_integer(dtype: str) -> None:
    array = arrays.create(None, (2, 3), dtype)
    assert array.atomic_add(1, 2, 5) == 0 and array[1, 2] == 5 and array.sum() == 5
    assert (
        array.atomic_add((1, 2), 1) == 5
        and array.atomic_load(1, 2) == 6
        and array.atomic_load(-1, -1) == 6
    )
    assert (
        array.atomic_exchange(1, 2, 9) == 6
        and array.atomic_store(0, 0, 3) is None
        and array[0, 0] == 3
    )
    assert array.atomic_compare_exchange(1, 2, 8, 1) == 9 and array[1, 2] == 9
    assert array.atomic_compare_exchange(1, 2, 9, 1) == 9 and array[1, 2] == 1
    info = np.iinfo(dtype)
    array.atomic_store(0, 1, info.max)
    assert array.atomic_add(0, 1, 1) == info.max and array[0, 1] == info.min, "a sum comes round"
    assert array.atomic_add(0, 1, -1) == info.min and array.atomic_load(0, 1) == info.max
    for value in (info.max + 1, info.min - 1):
        with pytest.raises(ArgumentError, match="does not fit"):
            array.atomic_store(0, 1, value)
    assert array.atomic_load(0, 1) == info.max
    assert array[:, 1:].atomic_load(0, 0) == info.max and array.T.atomic_load(1, 0) == info.max


def test_what_cannot_be_atomic_is_refused() -> None:
    for dtype in ("f8", "i2", "u1", "c8", ">i4" if np.little_endian else "<i4"):
        with pytest.raises(ArgumentError, match="atomic"):
            arrays.create(None, 2, dtype).atomic_add(0, 1)
    array = arrays.create(None, (2, 2), "i8")
    for place in ((), (0,), (0, 0, 0)):
        with pytest.raises((IndexError, TypeError)):
            array.atomic_load(*place)
    with pytest.raises(IndexError):
        array.atomic_add(2, 0, 1)
    for bad in (slice(None), 1.0, "0"):
        with pytest.raises(TypeError):
            array.atomic_add(bad, 0, 1)
    with pytest.raises(TypeError):
        array.atomic_add(1)
    for value in (1.5, "1"):
        with pytest.raises((TypeError, AttributeError)):
            array.atomic_add(0, 0, value)
    bytes_ = arrays.create(None, 64, "u1")
    unaligned = bytes_[1:9].view("i8")
    with pytest.raises(ArgumentError, match="aligned"):
        unaligned.atomic_add(0, 1)
    assert not array.any() and not bytes_.any()


def test_memory_that_is_only_read_can_be_loaded_from(name: str) -> None:
    array = arrays.put(name, np.array([7, 8]))
    seen = arrays.open(name, access="r")
    assert seen.atomic_load(1) == 8
    for change in (lambda: seen.atomic_add(0, 1), lambda: seen.atomic_compare_exchange(0, 7, 1)):
        with pytest.raises(TypeError, match="read-only"):
            change()
    assert array.tolist() == [7, 8]


def test_fields_of_records(name: str) -> None:
    with records.create(name, Counters, 2) as shared, records.open(name) as again:
        assert shared.atomic_add(1, "hits", 3) == 0 and again[1]["hits"] == 3
        assert (
            again.atomic_exchange(1, "place.large", 1 << 63) == 0
            and shared[1].place.large == 1 << 63
        )
        assert (
            shared.atomic_compare_exchange(-1, "hits", 3, 4) == 3
            and shared.atomic_load(1, "hits") == 4
        )
        for field in ("nothing", "place", "place.small", "ratio", "hits.x", ""):
            with pytest.raises(ArgumentError):
                shared.atomic_load(0, field)
        with pytest.raises(IndexError):
            shared.atomic_load(2, "hits")
        with pytest.raises(TypeError):
            shared.atomic_load("hits")
        assert shared[0] == Counters(0, Inner(0, 0), 0.0)


def _count(array: Any, times: int) -> None:
    for _ in range(times):
        array.atomic_add(0, 1)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_no_update_of_any_process_is_lost(method: str, helpers: None) -> None:
    array = arrays.create(None, 1, "u8")
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=_count, args=(array, 3000)) for _ in range(2)]
    threads = [threading.Thread(target=_count, args=(array, 3000)) for _ in range(2)]
    for one in (*processes, *threads):
        one.start()
    for one in (*processes, *threads):
        one.join()
    assert array[0] == 12000
