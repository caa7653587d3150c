# SPDX-License-Identifier: MIT
"""A signal handler that raises, at any moment of any operation: what was begun comes to its end, or leaves nothing."""

from __future__ import annotations

import gc
import random
import warnings
from collections.abc import Iterator

import pytest
from support.interruptions import Bench, at_call, by_timer, difference, holdings
from support.objects import leaves_nothing, unique_name

_left = pytest.fixture(autouse=True)(leaves_nothing)
OPERATIONS = ["create", "create unnamed", "create Global", "create reserved", "create of a file", "open", "open Global", "map",
              "map Global", "map a copy", "duplicate", "duplicate with less", "mutex", "owned mutex", "event", "semaphore",
              "open a mutex", "from a process", "send and receive", "process", "wait for any", "wait for all",
              "with a mutex"]


@pytest.fixture
def bench(_left: None) -> Iterator[Bench]:
    made = Bench(unique_name())
    try:
        yield made
    finally:
        made.settle()
        made.close()


def test_every_operation_is_tried(bench: Bench) -> None:
    assert set(OPERATIONS) == set(bench.operations) - {"win32 open and close"}  # whose number its caller can lose


@pytest.mark.invariant("O1")
@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each != "owned mutex"])  # lost by who made it, it is held
def test_a_handler_that_raises_at_any_moment_leaves_nothing(bench: Bench, operation: str) -> None:
    hits, problems, left = by_timer(bench, bench.operations[operation], random.Random(operation), 0.6, 150)
    assert (problems, left) == ([], {})
    assert hits


@pytest.mark.invariant("O1")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_handler_that_raises_after_any_call_leaves_nothing(bench: Bench, operation: str) -> None:
    run = bench.operations[operation]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run()
        gc.collect()
        before = holdings(bench.name)
        number = 1
        while at_call(number, run):
            bench.settle()
            if left := difference(before, holdings(bench.name)):
                gc.collect()
                left = difference(before, holdings(bench.name))
            assert not left, f"interrupted at call {number}"
            number += 1 if number < 40 else 3
    assert number > 1
