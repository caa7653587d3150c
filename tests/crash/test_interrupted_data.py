# SPDX-License-Identifier: MIT
"""A signal handler that raises while arrays, records, tables, blocks and channels are made, opened
and passed on, and while tasks take a mutex: what was begun comes to its end, or leaves nothing."""

from __future__ import annotations

import asyncio
import gc
import pickle
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from support.data_interruptions import DataBench
from support.interruptions import LIBRARY, at_call, by_timer, difference, holdings
from support.objects import leaves_nothing, unique_name

from memsection import Mutex, Section
from memsection.api.transit import _own, in_transit
from memsection.channels import Client, Service
from memsection.compat.task_count import TaskCount
from memsection.content.endpoint import Held, keep_with


@pytest.fixture(autouse=True, scope="module")
def _notes() -> None:
    """What a process makes with its first pickle and its first call, and keeps."""
    with Section.create(size=4096) as section:
        pickle.dumps(section)
    with (
        Service.create(unique_name(), bytes, bytes) as service,
        Client.open(service.name) as client,
    ):
        future = client.submit(b"ask")
        service.receive(60).reply(b"told")
        assert future.result(60) == b"told"
    _end_transit()


_left = pytest.fixture(autouse=True)(leaves_nothing)


@pytest.fixture(autouse=True)
def _unlocked() -> Iterator[None]:
    """A lock that a thread keeps for ever stops what other threads pickle: the feeder of a queue,
    for one."""
    yield
    assert not _own._lock._is_owned()


OPERATIONS = [
    "create an array",
    "create an array that may be there",
    "put an array",
    "open an array",
    "pass an array",
    "create records",
    "open records",
    "pass records",
    "create a latest value",
    "open a latest value",
    "pass a latest value",
    "dump",
    "load",
    "dump and load bytes",
    "pass a section",
    "create a queue",
    "open a queue",
    "create a topic",
    "call a service",
    "open a client",
    "create a lock",
    "attach to a block",
    "create a block",
    "create a list",
    "with a mutex in a task",
    "make a queue of tasks",
    "map memory",
    "map by name",
    "map by name to read",
    "map a file by name",
    "resize a map",
    "put a table",
    "open a table",
    "open a stranger's table",
]
#: What its caller can lose between the return and an assignment lives on: blocks are there until
#: they are unlinked.
KEPT = ("create a block", "create a list")
#: What has siblings above; the soak interrupts these too, and all of them at more moments.
SIBLINGS = {
    "make a queue of objects",
    "make a simple queue",
    "pass a queue of tasks",
    "map what has a name",
    "map a file",
    "open a topic",
    "create a service",
    "open a lock",
    "write under a lock",
}
COMPAT = ("make a queue of tasks", "map memory", "map by name to read", "map a file by name")
#: and asyncio itself does not come through a handler that raises in its own code
ASYNCIO = "with a mutex in a task"
FUTURES = "call a service"  # nor does concurrent.futures: Future.result waits for a Condition


@pytest.fixture
def bench(_left: None) -> Iterator[DataBench]:
    made = DataBench(unique_name())
    try:
        yield made
    finally:
        made.settle()
        made.close()


def test_every_operation_is_tried(bench: DataBench) -> None:
    assert set(OPERATIONS) - set(bench.operations) in (
        set(),
        {each for each in OPERATIONS if "table" in each},
    )
    assert set(bench.operations) - SIBLINGS <= set(OPERATIONS)
    assert set(bench.operations) >= SIBLINGS


@pytest.mark.invariant("O1")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_handler_that_raises_after_any_call_leaves_nothing(
    bench: DataBench, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if operation not in bench.operations:
        pytest.skip("memsection[arrow] is not installed")
    run = bench.operations[operation]
    # An exception in the callback of a finalizer goes nowhere but there.
    monkeypatch.setattr(sys, "unraisablehook", lambda problem: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        at_call(1, run)
        run()
        bench.settle()
        gc.collect()
        before = holdings(bench.name) | bench.facts()
        number = 1
        while at_call(number, run):
            bench.settle()
            if left := difference(before, holdings(bench.name) | bench.facts()):
                gc.collect()
                left = difference(before, holdings(bench.name) | bench.facts())
            assert not left, f"interrupted at call {number}"
            number += 1 if number < 60 else 7
    assert number > (5 if operation == "call a service" else 10)


@pytest.mark.invariant("O1")
@pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS if each not in (*KEPT, *COMPAT, ASYNCIO, FUTURES)]
)
def test_a_handler_that_raises_at_any_moment_leaves_nothing(
    bench: DataBench, operation: str
) -> None:
    if operation not in bench.operations:
        pytest.skip("memsection[arrow] is not installed")
    before = bench.facts()
    chance = random.Random(operation)
    for _ in range(20):  # on a busy machine the signal may come too late for all of them
        hits, problems, left = by_timer(bench, bench.operations[operation], chance, 0.25, 60)
        assert (problems, left) == ([], {})
        assert bench.facts() == before
        if hits:
            return
    pytest.fail("no signal came in time")


@pytest.mark.invariant("O1")
def test_a_pickle_that_is_interrupted_is_not_in_transit() -> None:

    with Section.create(size=4096) as section:
        pickle.dumps(section)
        _end_transit()
        number = 1
        while at_call(number, lambda: pickle.dumps(section)):
            assert not in_transit, f"interrupted at call {number}"
            number += 1
        assert len(in_transit) == 1
        assert number > 5
        _end_transit()


@pytest.mark.invariant("O1")
def test_what_is_kept_with_an_object_goes_wherever_a_handler_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``weakref.finalize`` is lost where its first step is interrupted."""

    class Owner:
        pass

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "unraisablehook", lambda problem: None)
    owner, sections = Owner(), [Section.create(size=4096) for _ in range(2)]
    for each in sections:
        keep_with(owner, Held(each))
    sys.setprofile(interrupt)
    try:
        del owner
    except KeyboardInterrupt:  # told of the next call: that of setprofile
        pass
    finally:
        sys.setprofile(None)
    assert all(each.closed for each in sections)


@pytest.mark.invariant("O1")
def test_a_count_of_tasks_that_is_interrupted_keeps_no_mutex() -> None:
    count, number = TaskCount.create(), 1
    while at_call(number, lambda: count.add(1)):
        assert not count._mutex.locked(), f"interrupted at call {number}"
        number += 1
    assert number > 5 and 0 < count.value <= number


def test_a_handler_can_pickle_while_its_thread_does() -> None:
    """At each call of an operation the same thread sends something else, as a handler may."""

    with Section.create(size=4096) as section, Section.create(size=8192) as other:
        for number in range(1, 60):
            count, inner = 0, []

            def profile(
                frame: object,
                event: str,
                argument: object,
                number: int = number,
                inner: list[bytes] = inner,
            ) -> None:
                nonlocal count
                count += event in ("call", "c_return")
                if count == number:
                    sys.setprofile(None)
                    inner.append(pickle.dumps(other))

            sys.setprofile(profile)
            try:
                outer = pickle.dumps(section)
            finally:
                sys.setprofile(None)
            with pickle.loads(outer) as found:
                assert found.same_object(section)
            for each in inner:
                with pickle.loads(each) as found:
                    assert found.same_object(other)
        _end_transit()


def _end_transit() -> None:
    for slot in list(in_transit):
        _own._let_go(slot)


@pytest.mark.invariant("O1")
@pytest.mark.parametrize("depth", [1, 2])
def test_a_task_that_is_interrupted_leaves_its_turn_to_the_others(depth: int) -> None:
    """It takes the mutex, once or twice, and catches what was raised: it lives on without the mutex
    and without the turn."""

    async def run(mutex: Mutex, number: int) -> bool:
        async def twice() -> None:
            async with mutex:
                if depth == 2:
                    async with mutex:
                        pass

        def drive() -> None:
            task = twice()
            with suppress(StopIteration), closing(task):
                task.send(None)

        interrupted = at_call(number, drive)
        assert not mutex.locked(), f"interrupted at call {number}"

        async def other() -> None:
            async with mutex:
                assert mutex.locked()

        await asyncio.wait_for(asyncio.create_task(other()), 60)
        return interrupted

    with closing(Mutex.create()) as mutex:
        number = 1
        while asyncio.run(run(mutex, number)):
            number += 1
    assert number > 10


@pytest.mark.invariant("O1")
def test_a_task_that_waits_and_is_interrupted_leaves_its_place() -> None:
    """The one behind it gets the turn, wherever the waiting one was interrupted when it was given
    to it."""

    class Stop(Exception):
        pass

    async def run(mutex: Mutex, number: int) -> bool:
        async def first() -> None:
            async with mutex:
                for _ in range(3):
                    await asyncio.sleep(0)

        async def second() -> bool:
            with suppress(Stop):
                async with mutex:
                    pass
                return False
            return True

        async def third() -> None:
            async with mutex:
                pass

        tasks = [asyncio.create_task(each()) for each in (first, second, third)]
        count = 0

        def profile(frame: object, event: str, argument: object) -> None:
            nonlocal count
            if (
                event in ("call", "c_return")
                and frame.f_code.co_filename.startswith(LIBRARY)  # type: ignore[attr-defined]
                and asyncio.current_task() is tasks[1]
            ):
                count += 1
                if count == number:
                    sys.setprofile(None)
                    raise Stop

        sys.setprofile(profile)
        try:
            _, waiting = await asyncio.wait(tasks, timeout=60)
        finally:
            sys.setprofile(None)
        assert not waiting and not mutex.locked(), f"interrupted at call {number}"
        return tasks[1].result()

    with closing(Mutex.create()) as mutex:
        number = 1
        while asyncio.run(run(mutex, number)):
            number += 1
    assert number > 10
