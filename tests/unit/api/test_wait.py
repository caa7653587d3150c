# SPDX-License-Identifier: MIT
"""Waiting for several objects, for any and for all; with a time, with Ctrl-C, without a loss."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.workers import worker

from memsection import Event, Mutex, Process, Section, Semaphore, errors, wait_all, wait_any
from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError


@contextlib.contextmanager
def later(call: Callable[[], object], seconds: float = 0.05) -> Iterator[None]:
    """Call something in another thread, a moment after the block has begun."""
    timer = threading.Timer(seconds, call)
    timer.start()
    try:
        yield
    finally:
        timer.join()


@contextlib.contextmanager
def sleeper() -> Iterator[Process]:
    """Another process, which does nothing until it is ended."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    process = Process(child.pid)
    try:
        yield process
    finally:
        process.close()
        child.kill()
        child.communicate()


@pytest.fixture
def objects() -> Iterator[tuple[Mutex, Event, Semaphore]]:
    several = (
        Mutex.create(),
        Event.create(manual_reset=False),
        Semaphore.create(initial=0, maximum=5),
    )
    yield several
    for one in several:
        one.close()


def test_any_takes_the_first_in_order_and_leaves_the_others(
    objects: tuple[Mutex, Event, Semaphore],
) -> None:
    mutex, event, semaphore = objects
    event.set()
    semaphore.release(2)
    assert wait_any([event, semaphore], 0) is event
    assert wait_any([event, semaphore], 0) is semaphore
    assert semaphore.value == 1
    assert wait_any([event, mutex, semaphore], 0) is mutex
    mutex.release()
    assert semaphore.acquire(0)
    assert wait_any([event, semaphore], 0) is None


def test_all_takes_all_or_nothing(objects: tuple[Mutex, Event, Semaphore]) -> None:
    mutex, event, semaphore = objects
    event.set()
    assert wait_all([mutex, event, semaphore], 0.02) is False
    assert event.is_set() and mutex.owner is None
    semaphore.release()
    assert wait_all([mutex, event, semaphore], 0) is True
    assert not event.is_set() and semaphore.value == 0 and mutex.owner is not None
    mutex.release()
    with pytest.raises(errors.AccessError):
        mutex.release()


def test_a_mutex_that_is_owned_already_is_taken_once_more_by_a_wait_for_all(
    objects: tuple[Mutex, Event, Semaphore],
) -> None:
    mutex, event, _ = objects
    mutex.acquire()
    event.set()
    assert wait_all([event, mutex], 0)
    mutex.release()
    mutex.release()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_any_is_woken_by_each_kind(objects: tuple[Mutex, Event, Semaphore], which: int) -> None:
    mutex, event, semaphore = objects
    taken, give = threading.Event(), threading.Event()

    def own() -> None:
        with mutex:
            taken.set()
            give.wait()

    owner = threading.Thread(target=own)
    owner.start()
    taken.wait()
    acts: list[Callable[[], object]] = [give.set, event.set, semaphore.release]
    with later(acts[which]):
        assert wait_any([mutex, event, semaphore], 60) is objects[which]
    give.set()
    owner.join()
    if which == 0:
        mutex.release()


def test_all_is_woken_by_what_comes_last(objects: tuple[Mutex, Event, Semaphore]) -> None:
    mutex, event, semaphore = objects

    def act() -> None:
        semaphore.release()
        time.sleep(0.02)
        event.set()

    with later(act):
        assert wait_all([mutex, event, semaphore], 60)
    mutex.release()


def test_a_process_can_be_waited_for_alone_and_among_others() -> None:
    with Event.create() as event, sleeper() as process:
        assert wait_any([event, process], 0.02) is None
        assert wait_all([process], 0) is False
        with later(lambda: os.kill(process.pid, signal.SIGTERM)):
            assert wait_any([event, process], 60) is process
        assert wait_any([process], 0) is process
        assert wait_all([event, process], 0.02) is False
        event.set()
        assert wait_all([process, event], 0)


def test_an_object_set_before_a_process_ends_wakes_a_wait_for_both() -> None:
    with Event.create() as event, sleeper() as process, later(event.set):
        assert wait_any([process, event], 60) is event


def test_several_processes_are_waited_for_without_other_objects() -> None:
    with sleeper() as one, sleeper() as two:
        assert wait_any([one, two], 0.02) is None
        with later(lambda: os.kill(two.pid, signal.SIGTERM)):
            assert wait_any([one, two], 60) is two


@pytest.mark.linux_only("time.monotonic ticks every 16 ms on Windows")
def test_timeouts_are_not_shorter_than_asked_for(objects: tuple[Mutex, Event, Semaphore]) -> None:
    _, event, semaphore = objects
    for wait in (
        lambda: event.wait(0.03),
        lambda: wait_any([event, semaphore], 0.03),
        lambda: wait_all([event, semaphore], 0.03),
        lambda: semaphore.acquire(0.13),
    ):
        begun = time.monotonic()
        assert not wait()
        assert time.monotonic() - begun >= 0.03


def test_one_to_sixty_four_objects() -> None:
    many = [Event.create(initial=True) for _ in range(65)]
    assert wait_all(many[:64], 0)
    for wait in (wait_any, wait_all):
        with pytest.raises(errors.ArgumentError):
            wait([], 0)
        with pytest.raises(errors.ArgumentError):
            wait(many, 0)
    many[63].clear()
    assert wait_any(many[63:], 0) is many[64]
    for one in many:
        one.close()


@pytest.mark.linux_only("Wine waits for the same object twice, which Windows refuses")
def test_the_same_object_twice_is_for_any_not_for_all(name: str) -> None:
    with Event.create(name, initial=True) as one, Event.open(name) as other:
        assert wait_any([one, other, one], 0) is one
        with pytest.raises(errors.ArgumentError):
            wait_all([one, other], 0)


def test_what_cannot_be_waited_for(name: str) -> None:
    with Section.create(name, 4096) as section, Event.create(initial=True) as event:
        with pytest.raises(errors.AccessError):
            wait_any([event, section], 0)
        closed = Event.create()
        closed.close()
        with pytest.raises(errors.HandleError):
            wait_any([event, closed], 0)
        for wait in (wait_any, wait_all):
            with pytest.raises(TypeError, match="str is nothing that can be waited for"):
                wait([event, "name"], 0)  # type: ignore[list-item]


@pytest.mark.parametrize(
    "wait",
    [
        "event.wait()",
        "mutex.acquire()",
        "semaphore.acquire()",
        "wait_any([event, semaphore])",
        "wait_all([event, semaphore])",
        "wait_any([event, process])",
        "wait_any([process])",
    ],
)
@pytest.mark.linux_only("a signal to another process is Linux's way of Ctrl-C")
def test_ctrl_c_ends_every_wait(wait: str) -> None:
    code = f"""
import os, threading
from memsection import *
event, semaphore, mutex, process = Event.create(), Semaphore.create(initial=0), Mutex.create(), Process(os.getppid())
thread = threading.Thread(target=lambda: (mutex.acquire(), ended.wait()), daemon=True)
ended = threading.Event()
thread.start()
while mutex.owner is None:
    pass
try:
    print("ready", flush=True)
    {wait}
except KeyboardInterrupt:
    print("interrupted", mutex.owner[1] == thread.native_id, semaphore.value, flush=True)
ended.set()
for one in (event, semaphore, mutex, process):
    one.close()
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.05)  # so that it sleeps; it has to be ended wherever it is
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=60)[0] == "interrupted True 0\n"


def test_signal_and_wait_signals_first_and_then_waits(
    objects: tuple[Mutex, Event, Semaphore],
) -> None:
    mutex, event, semaphore = objects
    assert kernel.signal_and_wait(event.handle, event.handle, 0) == st.WAIT_0
    assert kernel.signal_and_wait(semaphore.handle, event.handle, 0) == st.TIMEOUT
    assert semaphore.value == 1
    mutex.acquire()
    assert kernel.signal_and_wait(mutex.handle, semaphore.handle, 0) == st.WAIT_0
    assert mutex.owner is None
    with sleeper() as process, pytest.raises(NtError) as caught:
        kernel.signal_and_wait(process.handle, event.handle, 0)
    assert caught.value.status == st.OBJECT_TYPE_MISMATCH


@pytest.mark.linux_only("time.time ticks every 16 ms on Windows, and Wine takes any wait type")
def test_the_kernel_counts_timeouts_in_units_of_100_ns_from_now_or_by_the_calendar(
    objects: tuple[Mutex, Event, Semaphore],
) -> None:
    _, event, semaphore = objects
    long_ago, soon = 1, 116444736000000000 + time.time_ns() // 100 + 300000
    begun = time.time()
    assert kernel.wait_for_single_object(event.handle, long_ago) == st.TIMEOUT
    assert kernel.wait_for_single_object(event.handle, soon) == st.TIMEOUT
    assert time.time() - begun >= 0.029
    assert (
        kernel.wait_for_multiple_objects([event.handle, semaphore.handle], s.WAIT_ANY, -100)
        == st.TIMEOUT
    )
    with pytest.raises(NtError):
        kernel.wait_for_multiple_objects([event.handle], 7, 0)


def test_waits_let_other_threads_run(objects: tuple[Mutex, Event, Semaphore]) -> None:
    _, event, _ = objects
    ran: list[int] = []
    with later(lambda: (ran.extend(range(1000)), event.set())):  # type: ignore[func-returns-value]
        assert event.wait(60)
    assert len(ran) == 1000


def test_many_threads_hand_one_unit_on_without_losing_it() -> None:
    semaphore = Semaphore.create(initial=1, maximum=1)
    done: list[int] = []

    def pass_on() -> None:
        for _ in range(200):
            assert semaphore.acquire(60)
            semaphore.release()
        done.append(1)

    threads = [threading.Thread(target=pass_on) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 8 and semaphore.value == 1
    semaphore.close()


def test_threads_that_wait_for_all_of_three_share_them_without_a_deadlock() -> None:
    forks: list[Any] = [
        Mutex.create(),
        Event.create(manual_reset=False, initial=True),
        Semaphore.create(initial=1),
    ]
    meals: list[int] = []

    def dine(order: list[Any]) -> None:
        for _ in range(100):
            assert wait_all(order, 30)
            meals.append(1)
            forks[1].set()
            forks[2].release()
            forks[0].release()

    threads = [
        threading.Thread(
            target=dine, args=([forks[i % 3], forks[(i + 1) % 3], forks[(i + 2) % 3]],)
        )
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(meals) == 400
    assert forks[2].value == 1 and forks[1].is_set() and forks[0].owner is None
    for one in forks:
        one.close()


def test_a_pulse_that_answers_the_signal_is_heard_by_signal_and_wait() -> None:
    with Event.create(manual_reset=False) as question, Event.create() as answer:

        def pulse() -> None:
            for _ in range(50):
                assert question.wait(60)
                answer.pulse()

        thread = threading.Thread(target=pulse)
        thread.start()
        for _ in range(50):
            assert kernel.signal_and_wait(question.handle, answer.handle, -20 * 10**7) == st.WAIT_0
        thread.join()


@pytest.mark.parametrize("owned", [False, True])
def test_any_is_told_of_a_dead_owner_before_it_takes_a_later_object(name: str, owned: bool) -> None:
    first, second = Mutex.create(name), Mutex.create(initial_owner=owned)
    with worker() as other:
        other.run("m = Mutex.open(name); m.acquire()", name=name)
        assert wait_any([first, second], 0) is second
        second.release()
        other.kill()
    with pytest.raises(errors.AbandonedMutexError):
        wait_any([first, second], 0)
    assert wait_any([first, second], 0, accept_abandoned=True) is first
    first.release()
    if owned:
        second.release()
    first.close()
    second.close()
