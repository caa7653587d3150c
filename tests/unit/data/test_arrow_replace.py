# SPDX-License-Identifier: MIT
"""``arrow.put(replace=True)``: a table follows another one under its name."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from memsection import ArgumentError, Error, ExistsError, Mutex, NotFoundError, Section

pa: Any = pytest.importorskip("pyarrow", exc_type=ImportError)
arrow: Any = pytest.importorskip("memsection.arrow", exc_type=ImportError)


def table(number: int) -> Any:
    return pa.table({"number": [number] * 100})


def test_who_opens_the_name_finds_the_new_table_and_who_had_the_old_one_keeps_it(name: str) -> None:
    with arrow.put(name, table(1)) as first, arrow.open(name) as before:
        with arrow.put(name, table(2), replace=True) as second:
            with arrow.open(name) as found:
                assert found.table.equals(table(2))
                assert found.section.same_object(second.section)
            assert before.table.equals(table(1)) and first.table.equals(table(1))


def test_it_makes_a_table_where_there_is_none(name: str) -> None:
    with arrow.put(name, table(1), replace=True), arrow.open(name) as found:
        assert found.table.equals(table(1))
    del found
    with pytest.raises(NotFoundError):
        arrow.open(name)
    arrow.put(None, table(1), replace=True).close()


def test_a_taken_name_is_still_an_error_without_it(name: str) -> None:
    with arrow.put(name, table(1)), pytest.raises(ExistsError):
        arrow.put(name, table(2))


def test_something_else_is_not_replaced(name: str) -> None:
    with Section.create(name, 4096), pytest.raises(ArgumentError, match="asked to replace a table"):
        arrow.put(name, table(1), replace=True)
    mutex = Mutex.create(name)
    with pytest.raises(Error):
        arrow.put(name, table(1), replace=True)
    mutex.close()


def test_the_name_exists_at_all_times_and_every_table_is_whole(name: str) -> None:
    ended = threading.Event()
    problems: list[object] = []

    def replace(start: int) -> None:
        try:
            for number in range(start, start + 40):
                kept.append(arrow.put(name, table(number), replace=True))
        except Exception as problem:
            problems.append(problem)

    def read() -> None:
        try:
            while not ended.is_set():
                with arrow.open(name) as found:
                    assert len(set(found.table["number"].to_pylist())) == 1
        except Exception as problem:
            problems.append(problem)

    kept = [arrow.put(name, table(0))]
    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=replace, args=(start,)) for start in (1000, 2000)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join(60)
    ended.set()
    reader.join(60)
    assert problems == []
    for one in kept:
        one.close()
