# SPDX-License-Identifier: MIT
"""Hints in a locator: they spare the search through other processes' descriptors, and heal when
they were wrong."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

import pytest
from support.objects import leaves_nothing, unique_name
from support.workers import worker

from memsection import Section
from memsection.nt.linux.names import locators, namespace

_left = pytest.fixture(autouse=True)(leaves_nothing)

#: Who lists everything at that moment, in another process, may search first and leave the hint.
TRIES = 10
COUNT_SEARCHES = """
from memsection import Section
from memsection.nt.linux.system import proc
searches = 0
search = proc.search
def counted(identity):
    global searches
    searches += 1
    return search(identity)
proc.search = counted
"""


def change_hints(
    name: str, change: Callable[[list[tuple[int, int]]], list[tuple[int, int]]]
) -> None:
    path = f"{namespace.path_of('local')}/{name}"
    fd = os.open(path, os.O_RDWR)
    try:
        found = locators.read_locator(fd, os.fstat(fd).st_size)
        assert found is not None
        for slot, hint in enumerate(change(found.hints)):
            os.pwrite(fd, struct.pack("<II", *hint), locators.LAYOUT[0] + 8 * slot)
    finally:
        os.close(fd)


def test_the_first_slot_is_the_creators() -> None:
    assert {locators.hint_slot(pid) for pid in range(1, 100)} == set(range(1, locators.HINTS))


def test_who_had_to_search_leaves_a_hint_for_the_next() -> None:
    name = unique_name()
    with Section.create(name, 4096), worker() as child:
        child.run(COUNT_SEARCHES)
        for _ in range(TRIES):
            change_hints(name, lambda hints: [(0, 0)] * locators.HINTS)
            for _ in range(3):
                child.run(f"Section.open({name!r}).close()")
            if child.value("searches"):
                break
        assert child.value("searches") == 1


def test_hints_that_lie_are_found_out() -> None:
    name = unique_name()
    with Section.create(name, 4096) as section, worker() as child:
        with section.map() as view:
            view[:5] = b"truth"
        lies = [(os.getpid(), 0), (1, 1), (1 << 30, 3), (os.getpid(), 1 << 20)]
        child.run(COUNT_SEARCHES)
        for _ in range(TRIES):
            change_hints(name, lambda hints: lies)
            child.run(f"""
with Section.open({name!r}) as section, section.map() as view:
    seen = bytes(view[:5])
""")
            assert child.value("seen") == b"truth"
            if child.value("searches"):
                break
        assert child.value("searches") == 1
