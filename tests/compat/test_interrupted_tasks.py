# SPDX-License-Identifier: MIT
"""A signal handler that raises while tasks are put and done: as many are counted as there are."""

from __future__ import annotations

import gc
import random
import signal
import sys
import warnings
from collections.abc import Iterator
from types import FrameType

import pytest
from support.interruptions import Interrupted, at_call

from memsection.compat.queues import JoinableQueue

LARGE = b"x" * 200_000  #: has memory of its own


class Refused:
    """It cannot be pickled."""

    def __reduce__(self) -> object:
        raise RuntimeError("not this one")


class Quiet(JoinableQueue):
    """Says nothing of what cannot be pickled."""

    @staticmethod
    def _on_queue_feeder_error(e: Exception, obj: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _told_nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is collected open after an interruption is closed, and told as forgotten."""
    monkeypatch.setattr(sys, "unraisablehook", lambda problem: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        gc.collect()


@pytest.fixture(params=[0, 3])
def tasks(request: pytest.FixtureRequest) -> Iterator[JoinableQueue]:
    made = Quiet(request.param)
    yield made
    made.close()


def _empty(tasks: JoinableQueue) -> int:
    """Take and do all; how many there were."""
    found = 0
    while tasks.qsize():
        tasks.get(timeout=60)
        tasks.task_done()
        found += 1
    return found


def _is_consistent(tasks: JoinableQueue) -> None:
    """What is counted can be taken and done, and then nothing is left to wait for."""
    assert tasks._tasks.value == tasks.qsize()
    assert tasks._tasks.value == _empty(tasks)
    assert tasks._tasks.value == 0
    assert tasks._tasks._event.wait(0)
    assert not tasks._tasks._mutex.locked()


@pytest.mark.parametrize("what", [b"small", LARGE, Refused()], ids=["small", "large", "refused"])
def test_a_handler_that_raises_in_put_leaves_as_many_tasks_as_objects(
    tasks: JoinableQueue, what: object
) -> None:
    tasks.put(b"first")  # what is made once
    assert _empty(tasks) == 1
    number = 1
    while at_call(number, lambda: tasks.put(what)):
        _is_consistent(tasks)
        number += 1
    assert number > 5


def test_a_handler_that_raises_where_there_is_no_room_leaves_no_task() -> None:
    tasks = JoinableQueue(1)
    tasks.put(b"first")
    number = 1
    while at_call(number, lambda: _full(tasks)):
        assert (tasks._tasks.value, tasks.qsize()) == (1, 1)
        number += 1
    assert number > 5
    _is_consistent(tasks)
    tasks.close()


def _full(tasks: JoinableQueue) -> None:
    with pytest.raises(Exception, match="") as told:
        tasks.put(b"second", timeout=0.001)
    if isinstance(told.value, Interrupted):
        raise told.value


def test_a_task_is_done_or_not_when_a_handler_raises(tasks: JoinableQueue) -> None:
    number, done = 1, True
    while done:
        tasks.put(b"one")
        assert tasks.get(timeout=60) == b"one"
        done = at_call(number, tasks.task_done)
        assert tasks._tasks.value == (1 if done else 0)
        if done:
            tasks.task_done()
        assert tasks._tasks._event.wait(0)
        number += 1
    assert number > 5


def test_a_handler_that_raises_at_any_moment_leaves_as_many_tasks_as_objects(
    tasks: JoinableQueue,
) -> None:
    choose = random.Random(7)
    hits = 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    was = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(400):
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 1e-6 + choose.random() * 2e-4)
                    tasks.put(b"task")
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupted:
                hits += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            _is_consistent(tasks)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, was)
    assert hits


def test_what_waits_in_the_process_is_sent_after_a_handler_raised() -> None:
    """More than the channel takes: a thread sends the rest, wherever putting was interrupted."""
    number, more = 1, True
    while more:
        tasks = JoinableQueue()
        for n in range(1024):
            tasks.put(n)
        more = at_call(number, lambda: tasks.put(1024))  # noqa: B023  # called at once
        count = tasks._tasks.value
        assert count in (1024, 1025)
        for n in range(count):
            assert tasks.get(timeout=60) == n
            tasks.task_done()
        tasks.join()
        tasks.put(b"next")
        assert tasks.get(timeout=60) == b"next"
        tasks.task_done()
        tasks.close()
        tasks.join_thread()
        number += 1
    assert number > 5
