# SPDX-License-Identifier: MIT
"""What is better about the queues that stand in for multiprocessing's: no wait for the dead, and
nothing lost."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from support.alarms import ended_by_a_handler

from memsection.channels.object_codec import PLAIN
from memsection.compat import queue_of_objects, task_count
from memsection.compat.queues import Empty, Full, JoinableQueue, Queue, SimpleQueue
from memsection.vocabulary.errors import CorruptError, WaitTimeoutError

WATCHDOG = 60.0
Start = Callable[..., Any]


@pytest.fixture(params=sorted({"fork", "spawn"} & set(multiprocessing.get_all_start_methods())))
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
    os.kill(
        os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM)
    )  # on Windows all end it at once


def _pass_on(inside: Queue) -> None:
    inner = inside.get()
    inner.put("through the inner one")


def _own(jobs: Queue, results: Queue, ready: Any) -> None:
    for number in range(3):
        jobs.put(number)
    ready.set()
    threading.Event().wait()


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


@pytest.mark.parametrize("maxsize", [5, 2**31 - 1])
def test_a_maxsize_above_what_can_be_is_as_much_as_can_be(
    monkeypatch: pytest.MonkeyPatch, maxsize: int
) -> None:
    monkeypatch.setattr(queue_of_objects, "CAPACITY_MOST", 3)
    jobs: Queue = Queue(maxsize)
    for number in range(3):
        assert not jobs.full()
        jobs.put(number)
    assert jobs.full()
    with pytest.raises(queue.Full):
        jobs.put_nowait(3)
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
    for operation in (closed.empty, closed.get, lambda: closed.put(1)):  # as that of a pipe
        with pytest.raises(OSError, match="is closed"):
            operation()


@pytest.mark.parametrize("kind", [Queue, JoinableQueue, multiprocessing.Queue])
def test_of_a_closed_queue_it_is_known_what_waits_unless_this_process_put(kind: Any) -> None:
    unused, used = kind(3), kind(1)
    unused.close()
    unused.join_thread()
    assert unused.empty() and unused.qsize() == 0 and not unused.full()
    used.put("x")
    used.close()
    used.join_thread()
    with pytest.raises(OSError, match="is closed"):
        used.empty()
    assert used.qsize() == 1 and used.full()


def test_who_closed_a_queue_sees_what_others_put_and_is_waited_for_by_nobody(start: Start) -> None:
    jobs, told, goes_on = Queue(), Queue(), Queue()
    start(_put_and_get, jobs, told, goes_on)
    jobs.close()
    assert told.get(timeout=WATCHDOG) == "put"
    assert jobs.qsize() == 1 and not jobs.empty()
    goes_on.put("on")
    assert told.get(timeout=WATCHDOG) == "one"
    assert jobs.empty()
    told.close()
    goes_on.close()


def _put_and_get(jobs: Any, told: Any, goes_on: Any) -> None:
    jobs.put("one")
    told.put("put")
    goes_on.get(timeout=WATCHDOG)
    found = jobs.get()
    with pytest.raises(EOFError):
        jobs.get()
    told.put(found)


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
            go_on.wait(60)

    keeper = threading.Thread(target=keep)
    keeper.start()
    assert taken.wait(60)
    monkeypatch.setattr(task_count, "_PATIENCE", 0.05)
    for call in (lambda: tasks.put("two"), tasks.task_done):
        with pytest.raises(WaitTimeoutError, match="has kept its mutex"):
            call()
    go_on.set()
    keeper.join(60)
    assert tasks.get() == "one"
    tasks.task_done()
    tasks.join()
    tasks.close()


@pytest.mark.parametrize("kind", [Queue, JoinableQueue, SimpleQueue])
@pytest.mark.parametrize("written", [b"", b"not a pickle", b"\x80\x05", b"\x80\x05."])
def test_what_is_no_pickle_is_an_error_of_the_library_and_the_next_arrives(
    kind: type[Queue] | type[SimpleQueue], written: bytes
) -> None:
    """What a process that has the queue has written into it: neither the end of the queue, nor an
    error of the pickle's."""
    queue = kind()
    core = queue._ends.to_send()._core
    assert core.send_raw(written, PLAIN, 0) == 0
    queue.put("next")
    with pytest.raises(CorruptError, match="no pickle"):
        queue.get()
    assert queue.get() == "next"
    queue.close()


@pytest.mark.linux_only("a signal handler that raises")
@pytest.mark.parametrize("raised", [KeyboardInterrupt, TimeoutError])
def test_a_put_that_is_interrupted_is_told_and_is_no_task(raised: type[BaseException]) -> None:
    """The queue is full: the handler comes while it waits."""

    tasks = JoinableQueue(1)
    tasks.put("one")
    while not tasks.full():
        tasks.put("more")
    ended_by_a_handler(lambda: tasks.put("never", timeout=60), raised)
    while not tasks.empty():
        assert tasks.get() != "never"
        tasks.task_done()
    tasks.join()
    assert tasks._tasks.value == 0
    tasks.close()


class _Refuses:
    def __reduce__(self) -> str:
        raise ValueError("no pickle of me")


@pytest.mark.parametrize("waits", [False, True])
def test_what_refuses_to_be_pickled_is_told_once_and_is_no_task(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], waits: bool
) -> None:
    """Also with a ValueError, where others are strict; and where a thread sends what waits."""
    monkeypatch.setenv("MEMSECTION_QUEUE_STRICT", "1")
    tasks = JoinableQueue()
    if waits:  # everything after the first one that finds no room is the thread's
        block = b"x" * 100
        while not tasks._buffer:
            tasks.put(block)
        tasks.put(_Refuses())
        while tasks._buffer or not tasks.empty():
            with suppress(queue.Empty):
                tasks.get(timeout=0.1)
                tasks.task_done()
        assert capsys.readouterr().err.count("ValueError: no pickle of me") == 1
    else:
        with pytest.raises(ValueError, match="no pickle of me"):
            tasks.put(_Refuses())
    tasks.join()
    assert tasks._tasks.value == 0
    tasks.close()


def test_a_process_that_cancels_the_join_ends_with_what_it_has_not_sent() -> None:
    """Nobody receives: who joined at its end would wait for ever."""
    code = (
        "from memsection.compat.queues import Queue\n"
        "jobs = Queue()\n"
        "for number in range(5000):\n"
        "    jobs.put(number)\n"
        "jobs.cancel_join_thread()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=WATCHDOG)


def test_the_exceptions_are_found_where_the_originals_are() -> None:
    assert (Empty, Full) == (queue.Empty, queue.Full)
