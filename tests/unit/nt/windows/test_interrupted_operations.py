# SPDX-License-Identifier: MIT
"""A handler that raises, at any moment of any operation on Windows: what was begun comes to its
end, or leaves nothing."""

from __future__ import annotations

import _thread
import asyncio
import gc
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from support.holdings_on_windows import handles, holdings, processes
from support.interruptions import OPERATIONS, Bench, Interrupted, at_call, difference
from support.objects import unique_name

from memsection import Event, Mutex, Semaphore, Timer, wait_all, wait_any, win32
from memsection.nt import kernel
from memsection.nt.owners import whole
from memsection.vocabulary import structs as s


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(unique_name())
    try:
        yield made
    finally:
        made.settle()
        made.close()


def test_every_operation_is_tried(bench: Bench) -> None:
    # whose number its caller can lose
    assert set(OPERATIONS) == set(bench.operations) - {"win32 open and close"}


def _left(bench: Bench, before: dict[str, object]) -> dict[str, object]:
    bench.settle()
    if difference(before, holdings(bench.name)):
        gc.collect()
    return difference(before, holdings(bench.name))


@pytest.mark.invariant("O1")
# native: no call in between
@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each != "with a mutex"])
def test_a_handler_that_raises_after_any_call_leaves_nothing(bench: Bench, operation: str) -> None:
    run, number = bench.operations[operation], 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run()
        bench.settle()
        gc.collect()
        before = holdings(bench.name)
        while at_call(number, run):
            assert _left(bench, before) == {}, f"interrupted at call {number}"
            number += 1
    assert number > 1


@contextmanager
def interrupted_after() -> Iterator[Callable[[float], None]]:
    """A function that has a second thread interrupt this one after so many seconds, as Ctrl-C
    does; 0 calls it off."""
    # Locks made once: on Windows every new lock of Python's is a handle more.
    asked, done = threading.Lock(), threading.Lock()
    asked.acquire()
    moment = [0.0]

    def watch() -> None:
        while asked.acquire() and moment[0] >= 0:
            while 0 < moment[0] > time.perf_counter():
                pass
            if moment[0] > 0:
                _thread.interrupt_main(signal.SIGINT)
            done.release()

    def after(delay: float) -> None:
        if delay > 0:
            done.acquire()
            moment[0] = time.perf_counter() + delay
            asked.release()
        else:
            moment[0] = 0.0
            while done.locked():
                time.sleep(0)

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    was, interval = signal.signal(signal.SIGINT, interrupt), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    other = threading.Thread(target=watch)
    other.start()
    try:
        yield after
    finally:
        sys.setswitchinterval(interval)
        signal.signal(signal.SIGINT, was)
        done.acquire()
        moment[0] = -1
        asked.release()
        other.join()


def _once(run: Callable[..., object], begin: Callable[[], object], *arguments: float) -> bool:
    """Whether it was interrupted."""
    try:
        begin()
        run(*arguments)
    except Interrupted:
        return True
    return False


@pytest.mark.invariant("O1")
# lost by who made it, it is held
@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each != "owned mutex"])
def test_an_interrupt_at_any_moment_leaves_nothing(bench: Bench, operation: str) -> None:
    run, choose, hits = bench.operations[operation], random.Random(operation), 0
    with warnings.catch_warnings(), interrupted_after() as after:
        warnings.simplefilter("ignore")
        length = 1.0
        for _ in range(5):
            began = time.perf_counter()
            run()
            length = min(length, time.perf_counter() - began)
            bench.settle()
        gc.collect()
        before = holdings(bench.name)
        for _ in range(150):
            hits += _once(run, lambda: after(1e-6 + choose.random() * 1.1 * length))
            hits += _once(after, lambda: None, 0)
            assert _left(bench, before) == {}
    assert hits


class OwnMutex(Mutex):
    """One with a release of its own."""

    def release(self) -> None:
        super().release()


class OwnSemaphore(Semaphore):
    """The same."""

    def release(self, n: int = 1) -> int:
        return super().release(n)


LOCKS: dict[str, Callable[[str], Mutex | Semaphore]] = {
    "mutex": Mutex.create,
    "semaphore": lambda name: Semaphore.create(name, initial=1),
    "mutex with a release of its own": OwnMutex.create,
    "semaphore with a release of its own": lambda name: OwnSemaphore.create(name, initial=1),
    "mutex with a repair": lambda name: Mutex.create(name, repair=lambda error: None),
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
    assert number > 1


def _abandoned(name: str) -> Mutex:
    mutex = Mutex.create(name)
    owner = threading.Thread(target=mutex.acquire)
    owner.start()
    owner.join()
    while not mutex.abandoned:  # Python has seen the thread's end, the system not yet
        time.sleep(0.001)
    return mutex


def _event(name: str) -> Event:
    event = Event.create(name, manual_reset=False)
    event.set()
    return event


def _timer(name: str) -> Timer:
    timer = Timer.create(name)
    timer.set(0)
    while not kernel.query_timer(timer.handle).TimerState:
        time.sleep(0.001)
    return timer


def _readable(name: str) -> Semaphore:
    """One that its handle may be waited for, and not released."""
    with closing(Semaphore.create(name, initial=1)) as whole:
        return whole.duplicate("r")


#: what is waited for: how it is made, how it is taken, and whether it is there to be taken
WAITS: dict[str, tuple[Callable[[str], Any], Callable[[Any], object], Callable[[Any], bool]]] = {
    "mutex": (Mutex.create, lambda one: one.acquire(), lambda one: not one.locked()),
    "abandoned mutex": (
        _abandoned,
        lambda one: one.acquire(accept_abandoned=True),
        lambda one: one.abandoned,
    ),
    "abandoned mutex of several": (
        _abandoned,
        lambda one: wait_any([one], accept_abandoned=True),
        lambda one: one.abandoned,
    ),
    "all of an abandoned mutex": (
        _abandoned,
        lambda one: wait_all([one], accept_abandoned=True),
        lambda one: one.abandoned,
    ),
    "semaphore": (
        lambda name: Semaphore.create(name, initial=1),
        lambda one: one.acquire(),
        lambda one: one.value == 1,
    ),
    "semaphore that may not be released": (
        _readable,
        lambda one: one.acquire(),
        lambda one: one.value == 1,
    ),
    "event": (_event, lambda one: one.wait(), lambda one: one.is_set()),
    "timer": (
        _timer,
        lambda one: one.wait(),
        lambda one: kernel.query_timer(one.handle).TimerState,
    ),
    "any": (_event, lambda one: wait_any([one]), lambda one: one.is_set()),
    "all": (_event, lambda one: wait_all([one]), lambda one: one.is_set()),
    "signal and wait": (
        _event,
        lambda one: win32.SignalObjectAndWait(one.handle, one.handle, 0, False),
        lambda one: one.is_set(),
    ),
}


@pytest.mark.invariant("O1")
@pytest.mark.parametrize("what", WAITS)
def test_a_wait_that_is_interrupted_has_taken_nothing(what: str) -> None:
    make, take, is_there = WAITS[what]
    number = 1
    with closing(make(unique_name())) as one:
        while at_call(number, lambda: take(one)):
            assert is_there(one), f"interrupted at call {number}"
            number += 1
        assert not is_there(one)
    assert number > 3


class _Refusing(Mutex):
    def release(self) -> None:
        raise LookupError("not yet")


@pytest.mark.invariant("O1")
def test_a_release_that_raises_at_the_end_of_a_block_leaves_no_lock() -> None:
    with closing(_Refusing.create(unique_name())) as mutex:
        with pytest.raises(LookupError), mutex:
            pass
        assert not mutex.locked()


ASYNC: dict[str, tuple[Callable[[str], Any], Callable[[Any], bool]]] = {
    "mutex": (Mutex.create, lambda one: not one.locked()),
    "semaphore": (lambda name: Semaphore.create(name, initial=1), lambda one: one.value == 1),
    "event": (_event, lambda one: one.is_set()),
    "timer": (_timer, lambda one: kernel.query_timer(one.handle).TimerState),
}


@pytest.mark.invariant("O1")
@pytest.mark.parametrize("kind", [*ASYNC, "abandoned mutex", "mutex with a repair"])
def test_a_task_that_is_interrupted_before_it_knows_has_taken_nothing(kind: str) -> None:
    number, taken, accept = 1, False, kind == "abandoned mutex"
    if kind in ASYNC:
        make, is_there = ASYNC[kind]
    else:
        make, is_there = _abandoned, lambda one: one.abandoned
    with closing(make(unique_name())) as one:
        if kind == "mutex with a repair":
            one._with_repair(lambda error: None)

        def drive() -> None:
            nonlocal taken
            with suppress(StopIteration):
                one.wait_async(0, accept_abandoned=accept).send(None)
            taken = True

        async def run() -> bool:
            return at_call(number, drive)

        while asyncio.run(run()):
            assert taken or is_there(one), f"interrupted at call {number}"
            number += 1
        assert taken and not is_there(one)
    assert number > 3


@pytest.mark.invariant("O1")
def test_a_timer_with_a_period_that_is_put_back_keeps_its_period() -> None:
    number = 1
    with closing(Timer.create(unique_name())) as timer:
        timer.set(0, period=0.02)
        while at_call(number, timer.wait):
            assert timer.wait(60), f"interrupted at call {number}"
            number += 1
        assert timer.wait(60) and timer.wait(60)
    assert number > 3


@pytest.mark.invariant("O1")
def test_a_process_whose_start_is_interrupted_does_not_run() -> None:
    program = s.ProcessStart(
        sys.executable, None, arguments=(sys.executable, "-c", "import time; time.sleep(60)")
    )
    create, started = whole(kernel.create_process), []

    def start() -> None:
        started.append(create(program))

    number, before, running = 1, handles(), processes()
    while at_call(number, start):
        assert handles() == before, f"interrupted at call {number}"
        deadline = time.monotonic() + 20
        while processes() - running:  # it ends in its own time
            assert time.monotonic() < deadline, f"interrupted at call {number}"
            time.sleep(0.01)
        number += 1
    (made,) = started
    kernel.terminate_process(made.hProcess, 0)
    kernel.close(made.hProcess)
    kernel.close(made.hThread)
    assert number > 3
