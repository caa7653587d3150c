# SPDX-License-Identifier: MIT
"""What is better about the queues that stand in for multiprocessing's: no wait for the dead, and
nothing lost."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from memsection.compat import task_count
from memsection.compat.queues import JoinableQueue, Queue, SimpleQueue
from memsection.vocabulary.errors import CorruptError, WaitTimeoutError

WATCHDOG = 60.0
Start = Callable[..., Any]


@pytest.fixture(params=["fork", "spawn"])
def start(request: pytest.FixtureRequest) -> Any:
    """Starts processes; they are ended and collected afterwards."""
    context, started = multiprocessing.get_context(request.param), []

    def run(target: Callable[..., None], *arguments: Any) -> Any:
        process = context.Process(target=target, args=arguments)
        process.start()
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.join(WATCHDOG)


def _work(jobs: Queue, results: Queue) -> None:
    while True:
        try:
            job = jobs.get()
        except EOFError:
            results.put("alone")
            return
        results.put(job * 2)


def _take_one_and_die(jobs: JoinableQueue) -> None:
    jobs.get()
    os.kill(os.getpid(), signal.SIGKILL)


def _pass_on(inside: Queue) -> None:
    inner = inside.get()
    inner.put("through the inner one")


def _own(jobs: Queue, results: Queue, ready: Any) -> None:
    for number in range(3):
        jobs.put(number)
    ready.set()
    signal.pause()


def test_workers_of_a_killed_sender_do_the_rest_and_end(start: Start) -> None:
    jobs, results = Queue(), Queue()
    ready = multiprocessing.get_context("spawn").Event()
    sender = start(_own, jobs, results, ready)
    assert ready.wait(WATCHDOG)
    worker = start(_work, jobs, results)
    found = [results.get(timeout=WATCHDOG) for _ in range(3)]
    jobs.close()  # this process may not send either
    sender.kill()
    assert sorted(found) == [0, 2, 4]
    assert results.get(timeout=WATCHDOG) == "alone"
    worker.join(WATCHDOG)
    assert worker.exitcode == 0
    results.close()


def test_who_gets_from_nobody_is_told_and_not_left_waiting(start: Start) -> None:
    jobs, results = Queue(), Queue()
    worker = start(_work, jobs, results)
    jobs.put(1)
    assert results.get(timeout=WATCHDOG) == 2
    worker.kill()
    worker.join(WATCHDOG)
    with pytest.raises(EOFError):
        results.get()
    with pytest.raises(queue.Empty):
        results.get(timeout=0.05)
    jobs.close()
    results.close()


def test_tasks_that_died_with_their_worker_end_join(start: Start) -> None:
    jobs = JoinableQueue()
    jobs.put("task")
    start(_take_one_and_die, jobs).join(WATCHDOG)
    with pytest.raises(EOFError, match="1 tasks are not done"):
        jobs.join()
    jobs.task_done()
    jobs.join()
    with pytest.raises(ValueError, match="too many times"):
        jobs.task_done()
    jobs.close()


def test_threads_that_have_no_task_keep_nobody_in_join(start: Start) -> None:
    jobs, ended = JoinableQueue(), threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    try:
        jobs.put("task")
        start(_take_one_and_die, jobs).join(WATCHDOG)
        with pytest.raises(EOFError, match="1 tasks are not done"):
            jobs.join()
    finally:
        ended.set()
        other.join(WATCHDOG)
        jobs.close()


def test_join_waits_for_a_thread_that_has_a_task() -> None:
    jobs, taken, go_on = JoinableQueue(), threading.Event(), threading.Event()

    def work() -> None:
        jobs.get()
        taken.set()
        go_on.wait(WATCHDOG)
        jobs.task_done()

    worker = threading.Thread(target=work)
    worker.start()
    jobs.put("task")
    assert taken.wait(WATCHDOG)
    # longer than join waits before it says that nobody is left
    threading.Timer(1.2, go_on.set).start()
    jobs.join()
    assert go_on.is_set()
    worker.join(WATCHDOG)
    jobs.close()


def test_a_queue_is_passed_on_at_any_time(start: Start) -> None:
    outer, inner = Queue(), Queue()
    child = start(_pass_on, outer)
    outer.put(inner)
    assert inner.get(timeout=WATCHDOG) == "through the inner one"
    child.join(WATCHDOG)
    outer.close()
    inner.close()


def test_arrays_arrive_private_and_writable() -> None:
    jobs: Queue = Queue()
    sent = np.arange(1_000_000.0)
    jobs.put({"image": sent})
    sent[0] = -1.0
    got = jobs.get(timeout=WATCHDOG)["image"]
    assert got[0] == 0.0 and got.flags.writeable
    jobs.close()


def test_without_maxsize_putting_never_waits_and_nothing_is_lost_or_out_of_order() -> None:
    jobs: Queue = Queue()
    for number in range(5000):
        jobs.put(number)
    assert jobs.qsize() == 5000 and not jobs.full()
    assert [jobs.get(timeout=WATCHDOG) for _ in range(5000)] == list(range(5000))
    jobs.close()
    jobs.join_thread()


def test_what_waits_in_a_process_arrives_after_it_closed_the_queue() -> None:
    jobs: Queue = Queue()
    other = Queue.__reduce__(jobs)
    reader = other[0](Queue, 0, jobs._open().any().section.duplicate(), ())
    for number in range(3000):
        jobs.put(number)
    jobs.close()
    assert [reader.get(timeout=WATCHDOG) for _ in range(3000)] == list(range(3000))
    jobs.join_thread()
    reader.close()


def test_maxsize_is_exact_and_full_is_told() -> None:
    jobs: Queue = Queue(3)
    for number in range(3):
        jobs.put(number)
    assert jobs.full() and jobs.qsize() == 3
    with pytest.raises(queue.Full):
        jobs.put_nowait(3)
    with pytest.raises(queue.Full):
        jobs.put(3, timeout=0.01)
    threading.Timer(0.05, jobs.get).start()
    jobs.put(3, timeout=WATCHDOG)
    jobs.close()


def test_strict_queues_raise_what_the_pickle_raises(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs: JoinableQueue = JoinableQueue()
    jobs.put(lambda: None)
    assert "pickle" in capsys.readouterr().err
    monkeypatch.setenv("MEMSECTION_QUEUE_STRICT", "1")
    with pytest.raises(Exception, match="pickle"):
        jobs.put(lambda: None)
    jobs.join()  # neither counts as a task
    jobs.close()


def test_a_closed_queue_says_so() -> None:
    for kind in (Queue, JoinableQueue, SimpleQueue):
        closed = kind()
        closed.close()
        closed.close()
        with pytest.raises(ValueError, match="is closed"):
            closed.put(1)
        with pytest.raises(ValueError, match="is closed"):
            closed.get()


def test_a_simple_queue_carries_objects(start: Start) -> None:
    jobs, results = SimpleQueue(), SimpleQueue()
    assert jobs.empty()
    start(_work, jobs, results)
    jobs.put(21)
    assert results.get() == 42
    jobs.close()
    results.close()


def test_a_count_of_tasks_that_somebody_overwrote_is_an_error_of_the_library() -> None:
    tasks = JoinableQueue()
    tasks.put("one")
    count = tasks._tasks
    for written in (1 << 63) - 1, 1 << 63, (1 << 64) - 1:
        count._view[:8] = written.to_bytes(8, "little")
        with pytest.raises(CorruptError):
            tasks.put("two")
        with pytest.raises(CorruptError):
            tasks.task_done()
        assert not count._mutex.locked()
    count._view[:8] = (1).to_bytes(8, "little")
    assert tasks.get() == "one"
    tasks.task_done()
    tasks.join()
    tasks.close()


def test_who_keeps_the_count_of_tasks_keeps_nobody_waiting_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that has the queue and was stopped while it counted, or never gives the mutex
    back."""
    tasks = JoinableQueue()
    tasks.put("one")
    taken, go_on = threading.Event(), threading.Event()

    def keep() -> None:
        with tasks._tasks._mutex:
            taken.set()
            go_on.wait(30)

    keeper = threading.Thread(target=keep)
    keeper.start()
    assert taken.wait(30)
    monkeypatch.setattr(task_count, "_PATIENCE", 0.05)
    for call in (lambda: tasks.put("two"), tasks.task_done):
        with pytest.raises(WaitTimeoutError, match="has kept its mutex"):
            call()
    go_on.set()
    keeper.join(30)
    assert tasks.get() == "one"
    tasks.task_done()
    tasks.join()
    tasks.close()
