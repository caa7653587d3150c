# SPDX-License-Identifier: MIT
"""``arrow``: a table is read where it lies."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from memsection import ArgumentError, CorruptError, NotFoundError, Section

pa: Any = pytest.importorskip(
    "pyarrow", reason="memsection[arrow] is not installed", exc_type=ImportError
)
arrow: Any = pytest.importorskip("memsection.arrow", exc_type=ImportError)


def table(rows: int = 1000) -> Any:
    return pa.table(
        {
            "number": range(rows),
            "text": ["a", None, "word"] * (rows // 3) + ["z"] * (rows % 3),
            "nested": [{"x": 1.5, "y": [1, 2]}] * rows,
        }
    )


def test_another_process_reads_the_same_table(name: str, other: Callable[..., str]) -> None:
    source = table()
    shared = arrow.put(name, source)
    assert shared.table.equals(source)
    told = other(
        """
        from memsection import arrow
        shared = arrow.open(argv[1])
        column = shared.table["number"]
        print(shared.table.num_rows, shared.table.schema.names, sum(column.to_pylist()))
    """,
        name,
    )
    assert told == "1000 ['number', 'text', 'nested'] 499500\n"
    assert shared.section.name == name


def test_columns_lie_in_the_section_and_keep_it(name: str) -> None:
    shared = arrow.put(name, table())
    opened = arrow.open(name)
    with opened.section.map(access="r") as view:
        size = len(view)
    buffer = opened.table["number"].chunks[0].buffers()[1]
    column = opened.table["number"]
    del shared, opened
    gc.collect()
    with Section.open(name, access="r") as section, section.map() as view:
        assert memoryview(buffer)[8:16] == bytes([1]) + bytes(7)
        assert bytes(buffer) in bytes(view) and buffer.size < size
    assert column[7].as_py() == 7
    del buffer, column
    gc.collect()
    with pytest.raises(NotFoundError):
        arrow.open(name)


def test_a_closed_section_leaves_the_table(name: str) -> None:
    with arrow.put(name, table(10)) as shared:
        assert arrow.open(name).table.num_rows == 10
    shared.close()
    with pytest.raises(NotFoundError):
        arrow.open(name)
    assert shared.table.num_rows == 10 and shared.table["number"].to_pylist() == list(range(10))


@pytest.mark.parametrize("kind", ["batch", "batches", "stream", "empty", "large"])
def test_everything_that_arrow_calls_a_table_can_be_put(name: str, kind: str) -> None:
    whole = table(0 if kind == "empty" else 100_000 if kind == "large" else 30)
    source = {
        "batch": lambda: whole.combine_chunks().to_batches()[0],
        "batches": whole.to_batches,
        "stream": lambda: type("Frame", (), {"__arrow_c_stream__": whole.__arrow_c_stream__})(),
        "empty": lambda: whole,
        "large": lambda: whole,
    }[kind]()
    shared = arrow.put(name, source)
    assert arrow.open(name).table.equals(whole) and shared.table.equals(whole)
    shared.table.validate(full=True)


@pytest.mark.parametrize("source", [5, "text", [1, 2], None])
def test_what_is_no_table_is_refused_and_leaves_no_name(name: str, source: object) -> None:
    with pytest.raises(ArgumentError):
        arrow.put(name, source)
    with pytest.raises(NotFoundError):
        arrow.open(name)


def test_a_version_is_compared_and_shown(name: str) -> None:
    shared = arrow.put(name, table(3), version=2)
    with pytest.raises(ArgumentError, match="asked for version 1; found version 2"):
        arrow.open(name, version=1)
    assert arrow.open(name, version=2).table.equals(shared.table)


def test_noise_in_place_of_a_table_is_an_error(name: str) -> None:
    shared = arrow.put(name, table(30))
    with shared.section.map() as view:
        view[: 65536 if len(view) > 65536 else len(view) - 4096] = b"\xff" * min(
            65536, len(view) - 4096
        )
    with pytest.raises(CorruptError):
        arrow.open(name)


def test_without_pyarrow_the_error_names_the_extra(other: Callable[..., str]) -> None:
    told = other("""
        import sys
        sys.modules["pyarrow"] = None
        try:
            import memsection.arrow
        except ImportError as error:
            print(error)
    """)
    assert "memsection[arrow]" in told
