# SPDX-License-Identifier: MIT
"""Slices of records: lists when they are read, written whole or not at all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from memsection import ArgumentError, records


@dataclasses.dataclass
class Point:
    x: int
    y: float


def test_slices_are_read_and_written() -> None:
    with records.create(None, Point, 5) as shared:
        shared[:] = [Point(n, n / 2) for n in range(5)]
        assert shared[1:3] == [Point(1, 0.5), Point(2, 1.0)]
        assert (
            [one.x for one in shared[::-2]] == [4, 2, 0]
            and shared[9:] == []
            and shared[-1:] == [shared[4]]
        )
        shared[3:0:-2] = (Point(30, 0), {"x": 10, "y": 0.0})
        assert [one.x for one in shared[:]] == [0, 10, 2, 30, 4]
        assert shared[np.int64(1)].x == 10


def test_a_slice_is_written_whole_or_not_at_all() -> None:
    with records.create(None, Point, 3) as shared:
        for bad in (
            [Point(1, 1)],
            [Point(1, 1), Point(2, 2), Point("no", 3)],
            [Point(1, 1), 7, Point(1, 1)],
        ):  # type: ignore[arg-type]
            with pytest.raises((ArgumentError, AttributeError, TypeError)):
                shared[:] = bad
            assert shared[:] == [Point(0, 0)] * 3
        for index in ("0", 1.0, None):
            with pytest.raises(TypeError):
                shared[index]  # type: ignore[index]
        with pytest.raises(IndexError):
            shared[3]
