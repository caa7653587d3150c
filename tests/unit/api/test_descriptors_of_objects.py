# SPDX-License-Identifier: MIT
"""How many descriptors each object takes is what the documentation says."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.objects import unique_name

from memsection import Event, Mutex, Section, Semaphore, Timer, arrays, latest, records

if sys.platform != "linux":
    pytest.skip("descriptors are Linux's", allow_module_level=True)

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "limits.md"


def _mapped(name: str | None) -> Any:
    section = Section.create(name, 4096)
    return section, section.map()


def _mutex(name: str | None) -> Mutex:
    mutex = Mutex.create(name)
    with mutex:
        return mutex


MAKERS: dict[str, list[Callable[[str | None], Any]]] = {
    "a section": [lambda name: Section.create(name, 4096)],
    "a section that is mapped, an array, records": [
        _mapped,
        lambda name: arrays.create(name, 8),
        lambda name: records.create(name, np.dtype([("x", "f8")]), 2),
    ],
    "an event, a semaphore, a timer": [Event.create, Semaphore.create, Timer.create],
    "a mutex": [Mutex.create, _mutex],
    "a latest value that is written": [lambda name: latest.create(name, 8)],
    "a duplicate of a handle": [],
}


def _table() -> dict[str, tuple[int, int]]:
    text = PAGE.read_text(encoding="utf-8").split("## Descriptors", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: (int(row[1]), int(row[2])) for row in rows[1:]}


def _descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_the_table_is_of_these_objects() -> None:
    assert _table().keys() == MAKERS.keys()


@pytest.mark.parametrize("has_name", [False, True])
@pytest.mark.parametrize("row", [row for row, makers in MAKERS.items() if makers])
def test_an_object_takes_as_many_descriptors_as_the_table_says(row: str, has_name: bool) -> None:
    for make in MAKERS[row]:
        before = len(_descriptors())
        made = make(unique_name() if has_name else None)
        assert len(_descriptors()) - before == _table()[row][has_name]
        for part in made if type(made) is tuple else (made,):
            if not isinstance(part, np.ndarray):  # an array goes with its last part
                part.close()
        del made, part
        assert len(_descriptors()) == before


@pytest.mark.parametrize("has_name", [False, True])
def test_a_duplicate_takes_one_more(has_name: bool) -> None:
    with Section.create(unique_name() if has_name else None, 4096) as section:
        before = len(_descriptors())
        with section.duplicate():
            found = len(_descriptors()) - before
    assert found == _table()["a duplicate of a handle"][has_name]
