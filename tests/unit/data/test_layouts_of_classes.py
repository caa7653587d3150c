# SPDX-License-Identifier: MIT
"""Layouts of classes that change before they are asked for again, or that inherit their fields."""

from __future__ import annotations

import ctypes
import dataclasses
from typing import Any

import numpy as np
import pytest

from memsection import ArgumentError, records


def _fields(spec: Any) -> list[tuple[str, int]]:
    return [(field.name, field.offset) for field in records.layout(spec).struct.fields]


def test_a_class_that_was_refused_has_a_layout_once_it_is_a_dataclass() -> None:
    class Tick:
        price: int

    with pytest.raises(ArgumentError, match="neither a dataclass"):
        records.layout(Tick)
    dataclasses.dataclass(Tick)
    assert _fields(Tick) == [("price", 0)]


def test_a_subclass_has_its_own_fields_once_it_is_a_dataclass() -> None:
    @dataclasses.dataclass
    class Tick:
        price: int

    class Trade(Tick):
        amount: int

    assert _fields(Trade) == [("price", 0)]
    dataclasses.dataclass(Trade)
    assert _fields(Trade) == [("price", 0), ("amount", 8)]


def test_a_structure_without_fields_is_refused_until_it_has_some() -> None:
    class Later(ctypes.Structure):
        pass

    with pytest.raises(ArgumentError, match="Later: it has no fields"):
        records.layout(Later)
    Later._fields_ = [("a", ctypes.c_int32)]
    assert _fields(Later) == [("a", 0)]


def test_a_structure_has_the_fields_of_its_base_first() -> None:
    class Base(ctypes.Structure):
        _fields_ = [("a", ctypes.c_int32)]

    class Derived(Base):
        _fields_ = [("b", ctypes.c_int32)]

    assert _fields(Derived) == [("a", 0), ("b", 4)]
    with records.create(None, Derived, 1) as made:
        made[0] = Derived(1, 2)
        assert made.array["a"].tolist() == [1] and made.array["b"].tolist() == [2]


def test_numbers_of_the_other_byte_order_are_told_as_such() -> None:
    class Inner(ctypes.BigEndianStructure):
        _fields_ = [("numbers", ctypes.c_uint16 * 2), ("text", ctypes.c_char * 2)]

    class Packet(ctypes.BigEndianStructure):
        _fields_ = [("inner", Inner), ("length", ctypes.c_uint32), ("kind", ctypes.c_uint8)]

    packet = Packet(Inner((1, 2), b"ab"), 0x01020304, 5)
    dtype = records.layout(Packet).dtype()
    seen = np.frombuffer(bytes(packet), dtype)[0]
    assert seen["inner"]["numbers"].tolist() == [1, 2]
    assert (seen["length"], seen["kind"]) == (0x01020304, 5)
    with records.create(None, Packet, 1) as made:
        made[0] = packet
        assert made[0].length == 0x01020304 and made.array["length"][0] == 0x01020304


def test_one_number_of_the_other_byte_order_is_told_as_such() -> None:
    big: Any = ctypes.c_uint32
    both = {"native": big, "big": big.__ctype_be__, "little": big.__ctype_le__}

    class Mixed(ctypes.Structure):
        _fields_ = list(both.items())

    value = np.frombuffer(bytes(Mixed(1, 2, 3)), records.layout(Mixed).dtype())[0]
    assert value.tolist() == (1, 2, 3)
