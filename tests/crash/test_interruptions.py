# SPDX-License-Identifier: MIT
"""A signal handler that raises, at any moment of any operation: what was begun comes to its end, or
leaves nothing."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest
from support.interruptions import (
    OPERATIONS,
    Bench,
    Interrupted,
    at_call,
    by_timer,
    difference,
    holdings,
)
from support.objects import leaves_nothing, unique_name

from memsection import Mutex, Section, Semaphore
from memsection.nt import kernel

_left = pytest.fixture(autouse=True)(leaves_nothing)


@pytest.fixture
def bench(_left: None) -> Iterator[Bench]:
    made = Bench(unique_name())
    try:
        yield made
    finally:
        made.settle()
        made.close()


def test_every_operation_is_tried(bench: Bench) -> None:
    # whose number its caller can lose
    assert set(OPERATIONS) == set(bench.operations) - {"win32 open and close"}


@pytest.mark.invariant("O1")
# lost by who made it, it is held
@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each != "owned mutex"])
def test_a_handler_that_raises_at_any_moment_leaves_nothing(bench: Bench, operation: str) -> None:
    hits, problems, left = by_timer(
        bench, bench.operations[operation], random.Random(operation), 0.6, 150
    )
    assert (problems, left) == ([], {})
    assert hits


@pytest.mark.invariant("O1")
# native: no call in between
@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each != "with a mutex"])
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


def _abandoned(name: str) -> Mutex:
    """An abandoned mutex, which is repaired when this object takes it."""
    mutex = Mutex.create(name, repair=lambda error: None)
    mutex.acquire()
    kernel.abandon_mutant(mutex.handle)
    assert mutex.abandoned
    return mutex


class OwnMutex(Mutex):
    """One with a release of its own."""

    def release(self) -> None:
        super().release()


class OwnSemaphore(Semaphore):
    """The same."""

    def release(self, n: int = 1) -> int:
        return super().release(n)


class Refusing(Mutex):
    """One whose release raises."""

    def release(self) -> None:
        raise LookupError("not yet")


LOCKS: dict[str, Callable[[str], Mutex | Semaphore]] = {
    "mutex with a release of its own": OwnMutex.create,
    "semaphore with a release of its own": lambda name: OwnSemaphore.create(name, initial=1),
    "mutex": Mutex.create,
    "semaphore": lambda name: Semaphore.create(name, initial=1),
    "mutex with a repair": lambda name: Mutex.create(name, repair=lambda error: None),
    "abandoned mutex with a repair": _abandoned,
}


@pytest.mark.invariant("O1")
@pytest.mark.parametrize("kind", LOCKS)
def test_a_block_that_is_interrupted_leaves_no_lock(kind: str) -> None:
    name, number = unique_name(), 1
    while True:
        with closing(LOCKS[kind](name)) as lock:

            def block() -> None:
                with lock:
                    pass

            interrupted = at_call(number, block)
            assert not lock.locked(), f"interrupted at call {number}"
        if not interrupted:
            break
        number += 1


@pytest.mark.invariant("O1")
@pytest.mark.parametrize("kind", [kind for kind in LOCKS if "abandoned" not in kind])
def test_a_block_that_a_signal_interrupts_leaves_no_lock(kind: str) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    hits = 0
    was = signal.signal(signal.SIGALRM, interrupt)
    try:
        with closing(LOCKS[kind](unique_name())) as lock:
            for attempt in range(300):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 20e-6 + attempt % 50 * 1e-6)
                    while True:
                        with lock:
                            pass
                except Interrupted:
                    hits += 1
                assert not lock.locked()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, was)
    assert hits == 300


@pytest.mark.invariant("O1")
def test_a_release_that_raises_at_the_end_of_a_block_leaves_no_lock() -> None:
    with closing(Refusing.create(unique_name())) as mutex:
        with pytest.raises(LookupError), mutex:
            pass
        assert not mutex.locked()


@pytest.mark.invariant("O1")
def test_what_a_repair_makes_is_not_undone_with_its_failure() -> None:
    made: list[Section] = []

    def repair(error: object) -> None:
        made.append(Section.create(size=4096))
        raise Interrupted

    with closing(_abandoned(unique_name())) as mutex:
        mutex._repair = repair
        with pytest.raises(Interrupted):
            mutex.acquire()
        assert mutex.abandoned
        with made[0].map() as view:  # its handle is open
            assert len(view) == 4096
        made[0].close()


@pytest.mark.invariant("O1")
def test_a_task_that_is_interrupted_after_a_repair_has_taken_nothing() -> None:
    number, taken = 1, False
    with closing(_abandoned(unique_name())) as mutex:
        mutex._with_repair(lambda error: None)

        def drive() -> None:
            nonlocal taken
            with suppress(StopIteration):
                mutex.wait_async(0).send(None)
            taken = True

        async def run() -> bool:
            return at_call(number, drive)

        while asyncio.run(run()):
            assert taken or mutex.abandoned, f"interrupted at call {number}"
            number += 1
        mutex.release()
    assert number > 5


@pytest.mark.invariant("O1")
@pytest.mark.parametrize("kind", ["mutex", "semaphore"])
def test_a_task_that_is_interrupted_before_it_knows_has_taken_nothing(kind: str) -> None:
    number, taken = 1, False
    with closing(LOCKS[kind](unique_name())) as lock:

        def drive() -> None:
            nonlocal taken
            with suppress(StopIteration):
                lock.wait_async(0).send(None)
            taken = True

        async def run() -> bool:
            return at_call(number, drive)

        while asyncio.run(run()):
            assert taken or not lock.locked(), f"interrupted at call {number}"
            number += 1
        lock.release()
    assert number > 5
