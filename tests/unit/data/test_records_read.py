# SPDX-License-Identifier: MIT
"""A record that was read is a copy: to write into it is an error at every depth, and never lost in
silence."""

from __future__ import annotations

import copy
import ctypes
import dataclasses
import json
import pickle
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest

from memsection import records


@dataclasses.dataclass
class Point:
    x: float
    y: records.float32


@dataclasses.dataclass(slots=True)
class Slotted:
    x: records.int32


@dataclasses.dataclass(frozen=True)
class Frozen:
    track: Annotated[list[int], 2]


@dataclasses.dataclass
class Drone:
    number: int
    at: Point
    grid: Annotated[list[float], 2, 2]
    track: Annotated[tuple[Point], 2]
    slotted: Slotted
    frozen: Frozen

    def move(self) -> None:
        self.at.x += 1


class CPoint(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_float)]


class CBase(ctypes.Structure):
    _fields_ = [("number", ctypes.c_int64), ("at", CPoint)]


class CDrone(CBase):
    _fields_ = [
        ("track", CPoint * 2),
        ("grid", ctypes.c_int * 2 * 2),
        ("name", ctypes.c_char * 8),
        ("names", ctypes.c_char * 4 * 2),
    ]


DTYPE = np.dtype([("number", "i8"), ("at", [("x", "f8"), ("y", "f4")]), ("grid", "f8", (2, 2))])
VALUE = Drone(
    5,
    Point(1.0, 2.0),
    [[1.0, 2.0], [3.0, 4.0]],
    (Point(3.0, 4.0), Point(5.0, 6.0)),
    Slotted(7),
    Frozen([8, 9]),
)


def written(statement: str) -> Callable[[Any], None]:
    return lambda one: exec(statement, {"one": one})


IN_A_DATACLASS = [
    "one.number = 9",
    "del one.number",
    "one.other = 9",
    "one.at.x = 9",
    "one.at = None",
    "one.grid[0] = []",
    "one.grid[0][1] = 9",
    "one.grid[0][1] += 9",
    "one.grid.append(9)",
    "one.grid += [9]",
    "one.grid *= 2",
    "del one.grid[0]",
    "one.grid[1].sort()",
    "one.track[0].x = 9",
    "one.slotted.x = 9",
    "one.frozen.track[0] = 9",
    "one.move()",
]
IN_A_DICT = [
    "one['number'] = 9",
    "del one['number']",
    "one['at']['x'] = 9",
    "one['grid'][0][1] = 9",
    "one |= {}",
    "one['at'].update(x=9)",
    "one.pop('at')",
    "one.clear()",
    "one['track'][0]['x'] = 9",
]
IN_A_STRUCTURE = [
    "one.number = 9",
    "one.at = None",
    "one.at.x = 9",
    "one.track[1].x = 9",
    "one.track[0] = one.at",
    "one.track[:][-1].y = 9",
    "one.grid[1][-1] = 9",
    "one.name = b'x'",
    "one.names[0].value = b'x'",
    "one.grid[0] = one.grid[1]",
    "one.grid[0][:] = [1, 2]",
]
IN_A_SCALAR = [
    "one['number'] = 9",
    "one[0] = 9",
    "one['at']['x'] = 9",
    "one['grid'][0, 1] = 9",
    "one['grid'] += 1",
]


@pytest.mark.parametrize(
    ("spec", "found", "statement", "refuses"),
    [
        *((Drone, Drone, statement, TypeError) for statement in IN_A_DATACLASS),
        *((Drone, None, statement, TypeError) for statement in IN_A_DICT),
        *((CDrone, CDrone, statement, TypeError) for statement in IN_A_STRUCTURE),
        *((DTYPE, DTYPE, statement, ValueError) for statement in IN_A_SCALAR),
    ],
)
def test_a_write_into_a_record_that_was_read_is_an_error(
    name: str, spec: Any, found: Any, statement: str, refuses: type[Exception]
) -> None:
    with records.create(name, spec, 2) as made, records.open(name, found) as shared:
        before = bytes(made.view)
        for one in (shared[0], shared.value, shared[:][1]):
            with pytest.raises(refuses, match="assign a whole record|read-only") as refused:
                written(statement)(one)
            assert (
                refuses is ValueError
                or f"records.{'live' if found is CDrone else 'array'}" in str(refused.value)
            )
        assert bytes(made.view) == before


def test_it_is_otherwise_what_the_layout_was_made_from(name: str) -> None:
    with records.create(name, Drone, 2) as shared:
        shared[0] = VALUE
        one = shared[0]
        assert one == VALUE and VALUE == one and isinstance(one, Drone) and one.__class__ is Drone
        assert (
            repr(one) == repr(VALUE) and one.grid == [[1, 2], [3, 4]] and isinstance(one.grid, list)
        )
        shared[1] = one
        assert shared[1] == VALUE
    with records.create(None, CDrone) as table:
        assert (
            isinstance(table[0], CDrone)
            and isinstance(table[0].at, CPoint)
            and len(table[0].track[:]) == 2
        )
        assert [list(row) for row in table[0].grid] == [[0, 0], [0, 0]] and list(
            table[0].names[0]
        ) == [b"\0"] * 4


def test_what_is_made_of_it_can_be_changed_and_assigned(name: str) -> None:
    with records.create(name, Drone, 2) as shared, records.open(name) as untyped:
        shared[0] = VALUE
        made: list[Any] = [
            copy.deepcopy(shared[0]),
            pickle.loads(pickle.dumps(shared[0])),
            Drone(
                **{
                    **dataclasses.asdict(shared[0]),
                    "at": Point(1, 2),
                    "frozen": Frozen([8, 9]),
                    "slotted": Slotted(7),
                    "track": (Point(3, 4), Point(5, 6)),
                }
            ),
        ]
        for one in made:
            assert type(one) is Drone and type(one.at) is Point and one == VALUE
            one.number, one.at.x, one.grid[0][1], one.slotted.x = 1, 2, 3, 4
            shared[1] = one
            assert shared[1] == one and shared[0] == VALUE
        shared[1] = dataclasses.replace(shared[0], number=2)
        shallow = copy.copy(shared[0])
        shallow.number = 3
        assert (shared[1].number, shallow.number) == (2, 3)
        for other in (
            copy.deepcopy(untyped[0]),
            json.loads(json.dumps(untyped[0])),
            pickle.loads(pickle.dumps(untyped[0])),
        ):
            other["at"]["x"] = other["grid"][0][0] = 9
            untyped[1] = other
            assert shared[1].at.x == shared[1].grid[0][0] == 9
        untyped[1] = {**untyped[0], "number": 4}
        untyped[1] = untyped[1] | {"number": untyped[1]["number"] + 1}
        assert (
            shared[1].number == 5
            and type(untyped[0].copy()) is dict
            and type(untyped[0]["grid"].copy()) is list
        )
    with records.create(None, CDrone) as table:
        for changed in (
            copy.deepcopy(table[0]),
            pickle.loads(pickle.dumps(table[0])),
            copy.copy(table[0]),
        ):
            assert type(changed) is CDrone
            changed.at.x = changed.track[1].x = 7
            table[0] = changed
            assert table[0].at.x == table[0].track[1].x == 7
            table[0] = CDrone()


def test_subclasses_that_a_program_counts_are_not_made_by_reading() -> None:
    seen = []

    @dataclasses.dataclass
    class Counted:
        x: records.int32

        def __init_subclass__(cls) -> None:
            seen.append(cls)

    with records.create(None, Counted) as shared, pytest.raises(TypeError):
        shared[0].x = 1
    assert not seen
