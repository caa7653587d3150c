# SPDX-License-Identifier: MIT
"""Timers through the Pythonic face."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.users import SOURCE
from support.workers import until

from memsection import Event, Mutex, Timer, errors, wait_all, wait_any
from memsection.vocabulary import access as a

SOON = 0.02
LONG = 3600.0
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Windows does not tell")


def test_a_new_timer_is_not_set() -> None:
    with Timer.create() as timer:
        assert not timer.is_signaled() and timer.remaining() is None
        assert timer.wait(0) is False


@pytest.mark.parametrize("due", [SOON, timedelta(seconds=SOON)])
def test_an_auto_reset_timer_lets_one_wait_through_when_it_is_due(due: Any) -> None:
    with Timer.create() as timer:
        timer.set(LONG)
        assert timer.wait(0) is False and not timer.is_signaled()
        begun = time.monotonic()
        timer.set(due)
        assert timer.wait(60) is True
        # the clocks of Windows tick in steps of 16 ms
        assert time.monotonic() - begun >= (SOON if sys.platform == "linux" else 0)
        assert timer.wait(0.05) is False and timer.remaining() is None


def test_a_manual_reset_timer_lets_everybody_through_until_it_is_set_again() -> None:
    with Timer.create(manual_reset=True) as timer:
        timer.set(0)
        assert timer.wait(60) and timer.wait(0) and timer.is_signaled()
        timer.set(LONG)
        assert not timer.is_signaled() and timer.wait(0) is False


def test_a_date_is_waited_for() -> None:
    with Timer.create() as timer:
        timer.set(datetime.now(UTC) + timedelta(milliseconds=20))
        assert timer.wait(60) is True
        timer.set(datetime(2001, 1, 1, tzinfo=UTC))
        assert timer.wait(60) is True, "the past is now"
        timer.set(datetime(1500, 1, 1, tzinfo=UTC))
        assert timer.wait(60) is True
        timer.set(datetime(9999, 12, 31, tzinfo=UTC))
        left = timer.remaining()
        assert left is not None and left > 200e9 and timer.wait(0) is False


def test_a_period_makes_it_due_again_and_what_was_missed_is_one() -> None:
    with Timer.create() as timer:
        timer.set(0, period=0.05)
        assert [timer.wait(60) for _ in range(3)] == [True] * 3
        time.sleep(0.2)
        timer.set(0, period=timedelta(seconds=LONG))
        time.sleep(0.02)
        assert timer.wait(0) is True and timer.wait(0) is False
        left = timer.remaining()
        assert left is not None and 0 < left <= LONG


def test_a_cancelled_timer_is_due_no_more_and_stays_signaled_if_it_is() -> None:
    with Timer.create() as timer:
        begun = -1.0
        while time.monotonic() - begun > 0.05:  # on a busy machine it may be due before
            begun = time.monotonic()
            timer.set(0.05)
            timer.cancel()
        assert timer.wait(0.1) is False and timer.remaining() is None
        timer.set(0, period=LONG)
        assert wait_any([timer], timeout=60) is timer
        timer.set(0)
        while not timer.is_signaled():
            time.sleep(0.001)
        timer.cancel()
        timer.cancel()
        assert timer.wait(0) is True and timer.wait(0) is False


def test_each_due_time_wakes_exactly_one_of_several_threads() -> None:
    with Timer.create() as timer:
        through: list[bool] = []
        threads = [
            threading.Thread(target=lambda: through.append(timer.wait(60))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for number in range(1, 5):
            timer.set(SOON)
            until(lambda number=number: len(through) >= number, "somebody gets through")  # type: ignore[misc]
            time.sleep(0.05)
            assert through == [True] * number
        for thread in threads:
            thread.join()


def test_who_waits_learns_that_the_time_was_changed() -> None:
    with Timer.create() as timer:
        timer.set(LONG)
        through: list[bool] = []
        thread = threading.Thread(target=lambda: through.append(timer.wait(60)))
        thread.start()
        time.sleep(0.02)
        timer.set(SOON)
        thread.join()
        assert through == [True]


def test_it_is_waited_for_together_with_the_rest() -> None:
    mutex = Mutex.create()
    with Timer.create() as timer, Event.create() as event:
        timer.set(SOON)
        assert wait_any([event, timer], timeout=60) is timer
        assert wait_any([event, timer], timeout=0) is None
        timer.set(SOON)
        assert not wait_all([event, timer, mutex], timeout=0.1)
        assert timer.is_signaled(), "a wait for all that fails takes nothing"
        event.set()
        assert wait_all([event, timer, mutex], timeout=60)
        assert not timer.is_signaled()
        mutex.release()
        timer.set(0, period=LONG)
        assert wait_all([mutex, timer], timeout=60) and not timer.is_signaled()
        assert timer.remaining() is not None
        mutex.release()
    mutex.close()


def test_tasks_wait_for_it() -> None:
    async def tasks() -> list[bool]:
        with Timer.create() as timer:
            timer.set(SOON, period=SOON)
            first = [await timer.wait_async(60) for _ in range(3)]
            timer.cancel()
            timer.wait(0)
            return [*first, await timer.wait_async(0.05)]

    assert asyncio.run(tasks()) == [True, True, True, False]


def test_a_named_timer_is_the_same_one_everywhere(name: str) -> None:
    with Timer.create(name) as timer, Timer.open(name) as other:
        assert timer.same_object(other) and timer.name == name
        other.set(SOON)
        assert timer.wait(60) is True and other.wait(0) is False
        with pytest.raises(errors.ExistsError):
            Timer.create(name)
        with Timer.create(name, manual_reset=True, exist_ok=True) as third:
            assert not third.created
            third.set(0)
            assert third.wait(60) and not third.wait(0), "as it was made"
        with pytest.raises(errors.HandleError):
            Event.open(name)
        with pytest.raises(errors.HandleError):
            Event.create(name, exist_ok=True)
    with pytest.raises(errors.NotFoundError):
        Timer.open(name)


def test_the_process_that_set_it_may_end(name: str) -> None:
    with Timer.create(name) as timer:
        code = "import sys; from memsection import Timer as T; T.open(sys.argv[1]).set(0.05, 3600)"
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        subprocess.run([sys.executable, "-c", code, name], env=environment, check=True, timeout=60)
        assert timer.wait(60) is True and timer.wait(0) is False


def test_rights_are_those_of_the_handle(name: str) -> None:
    with Timer.create(name) as timer:
        with Timer.open(name, access="r") as reader:
            with pytest.raises(errors.AccessError):
                reader.set(1)
            with pytest.raises(errors.AccessError):
                reader.cancel()
            assert not reader.is_signaled()
        with Timer.open(name, access=a.TIMER_QUERY_STATE) as looker:
            timer.set(LONG)
            left = looker.remaining()
            assert left is not None and 0 < left <= LONG and not looker.is_signaled()
            with pytest.raises(errors.AccessError):
                looker.wait(0)
        with Timer.open(name, access="w") as setter:
            setter.set(0)
            with pytest.raises(errors.AccessError):
                setter.is_signaled()
        assert timer.wait(60)


def test_a_copy_means_the_same_timer() -> None:
    with Timer.create(manual_reset=True) as timer, timer.duplicate("r") as copy:
        timer.set(SOON)
        assert copy.wait(60) and copy.same_object(timer)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_waits_for_its_parents_timer() -> None:
    with Timer.create() as timer:
        timer.set(SOON, period=LONG)
        child = os.fork()
        if not child:
            os._exit(0 if timer.wait(60) and not timer.wait(0) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not timer.is_signaled()


def test_times_that_cannot_be_are_refused() -> None:
    with Timer.create() as timer:
        timer.set(LONG)
        bad: list[Any] = [-1, -1e-9, float("nan"), float("inf"), 1e30, timedelta(seconds=-1)]
        for due in [*bad, datetime.now()]:
            with pytest.raises(errors.ArgumentError, match="due"):
                timer.set(due)
        for period in (0, -1, 0.0005, 0.0015, 3e6, float("nan"), float("inf"), timedelta(0)):
            with pytest.raises(errors.ArgumentError, match="period"):
                timer.set(1, period=period)
        for wrong in ("1", None, b"1", object()):
            with pytest.raises(TypeError):
                timer.set(wrong)  # type: ignore[arg-type]
        left = timer.remaining()
        assert left is not None and left > LONG / 2, "nothing was changed"
        timer.set(LONG, period=0.001)
        timer.set(LONG, period=2147483.647)


def test_a_closed_timer_is_an_error() -> None:
    timer = Timer.create()
    timer.close()
    for call in (timer.cancel, timer.is_signaled, timer.remaining, timer.wait):
        with pytest.raises(errors.HandleError):
            call()
    with pytest.raises(errors.HandleError):
        timer.set(1)


@on_linux
def test_a_wait_that_is_interrupted_leaves_the_timer_as_it_was() -> None:
    from memsection.nt import kernel

    with Timer.create() as timer:
        timer.set(0, period=LONG)
        watch = kernel.watch(timer.handle, lambda: None)
        assert watch is not None and watch.attempt(accept_abandoned=False) == 0
        watch.put_back()
        watch.end()
        assert timer.wait(0) is True and timer.wait(0) is False
