# SPDX-License-Identifier: MIT
"""Arguments of arrays, records and latest values that make no sense: TypeError, or an error of this
library."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from support import absurd

import memsection
from memsection import latest, pickling, records

np = pytest.importorskip("numpy")
from memsection import arrays  # noqa: E402  # needs NumPy


@dataclasses.dataclass
class Point:
    """A record without NumPy."""

    x: records.int32
    y: records.float64


LAYOUT = np.dtype([("x", "<i4"), ("f", "<f4"), ("s", "S5")])
ABSURD: list[Any] = [-1, 2**63, 2**64, 2**70, 10**400, -(2**64), 1.5, float("nan"), 1e308, "x"]
ABSURD += ["\ud800", b"xxxxxxxx", None, [], {}, 1j, True, np.uint64(2**64 - 1), np.int8(1)]


def each(call: Any, values: list[Any] = ABSURD) -> None:
    absurd.each(call, values)


def test_what_makes_arrays() -> None:
    each(lambda value: arrays.create(None, value))
    each(lambda value: arrays.create(None, (value, 0)))
    each(lambda value: arrays.create(None, 4, order=value))
    each(lambda value: arrays.create(None, 4, version=value))
    each(lambda value: arrays.create(None, 4, maximum=value))
    each(lambda value: arrays.put(None, [1], version=value))


def test_what_makes_records_and_values() -> None:
    each(lambda value: records.create(None, LAYOUT, value))
    each(lambda value: records.create(None, LAYOUT, version=value))
    each(lambda value: latest.create(None, value))
    each(lambda value: latest.create(None, 8, slots=value))
    each(lambda value: latest.create(None, 8, version=value))
    with pytest.raises(memsection.ArgumentError, match="half a character"):
        records.create(None, np.dtype([("\ud800", "<i4")]))


def test_values_of_records() -> None:
    with records.create(None, LAYOUT, 2) as found:
        for name in ("x", "f", "s"):
            good = {"x": 1, "f": 1.0, "s": b"abc"}
            each(lambda value, name=name, good=good: found.__setitem__(0, good | {name: value}))
        each(lambda value: found.__setitem__(0, value))
        assert found[1] == np.zeros((), LAYOUT)
        layout = found.layout
    each(lambda value: layout.unpack_from(bytes(layout.size), value))
    each(lambda value: layout.unpack_from(value))
    plain = records.layout(Point)
    each(lambda value: plain.unpack_from(bytes(plain.size), value))
    with pytest.raises(memsection.ArgumentError, match="at 5"):
        plain.unpack_from(bytes(plain.size), 5)


def test_reading_of_latest_values() -> None:
    with latest.create(None, 8) as value:
        value.write(b"hello")
        each(value.read)
        each(lambda after: value.wait(after, 0))
        each(lambda target: value.read_into(target), [*ABSURD, b"read-only"])
        assert not value.wait(2**64, 0)
        assert value.wait(-(2**64), 0)


def test_what_is_no_pickle() -> None:
    each(pickling.loads, [value for value in ABSURD if not isinstance(value, bytes)])
