# SPDX-License-Identifier: MIT
"""A handler that raises while arrays, records, blocks, maps, channels and locks are made and opened
on Windows: what was begun comes to its end, or leaves nothing."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from support.data_interruptions import DataBench
from support.holdings_on_windows import holdings
from support.interruptions import Interrupted, at_call, difference
from support.objects import unique_name

OPERATIONS = [
    "create an array",
    "open an array",
    "create records",
    "open records",
    "create a latest value",
    "open a latest value",
    "dump",
    "load",
    "create a queue",
    "open a queue",
    "create a topic",
    "open a topic",
    "create a service",
    "open a client",
    "create a lock",
    "open a lock",
    "write under a lock",
    "attach to a block",
    "make a queue of objects",
    "map memory",
    "map by name",
    "map what has a name",
    "map a file",
]


@pytest.fixture
def bench() -> Iterator[DataBench]:
    made = DataBench(unique_name())
    yield made
    made.settle()
    made.close()


@pytest.mark.invariant("O1")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_handler_that_raises_after_any_call_leaves_nothing(
    bench: DataBench, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, number = bench.operations[operation], 1
    # What the handler raises in a finalizer goes nowhere but there.
    monkeypatch.setattr(sys, "unraisablehook", _tell_others)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run()
        bench.settle()
        gc.collect()
        before = holdings(bench.name)
        while at_call(number, run):
            number += 1
            if number % 20 == 0:
                assert _left(bench, before) == {}, f"interrupted before call {number}"
        assert _left(bench, before) == {}
    assert number > 1


def _tell_others(problem: Any) -> None:
    if not isinstance(problem.exc_value, Interrupted):
        sys.__unraisablehook__(problem)


def _left(bench: DataBench, before: dict[str, object]) -> dict[str, object]:
    bench.settle()
    gc.collect()
    return difference(before, holdings(bench.name))
