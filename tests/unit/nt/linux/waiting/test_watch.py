# SPDX-License-Identifier: MIT
"""Watches: whoever armed one is called once when it is worth a try, and nobody after its end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from support.interruptions import at_call
from support.objects import leaves_nothing
from support.workers import fork, kill, reap, stopped_in, until

from memsection import Event, Process, Section, win32
from memsection.nt.linux.handles import state
from memsection.nt.linux.waiting import wait, watch
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_left = pytest.fixture(autouse=True)(leaves_nothing)
LONG = 60.0
Watching = Callable[[int], tuple[watch.Watch, threading.Semaphore]]


@pytest.fixture
def watching() -> Iterator[Watching]:
    """Watches a handle; the semaphore counts the calls."""
    made: list[watch.Watch] = []

    def one(value: int) -> tuple[watch.Watch, threading.Semaphore]:
        calls = threading.Semaphore(0)
        made.append(watch.watch(value, calls.release))
        return made[-1], calls

    yield one
    for each in made:
        each.end()


def test_an_event_that_is_set_calls_once_for_each_time_it_was_armed(watching: Watching) -> None:
    with Event.create(manual_reset=False) as event:
        mine, calls = watching(event.handle)
        for _ in range(3):
            assert mine.attempt(accept_abandoned=True) == st.TIMEOUT
            mine.arm()
            event.set()
            assert calls.acquire(timeout=LONG)
            assert mine.attempt(accept_abandoned=True) == st.WAIT_0
            assert not calls.acquire(blocking=False)


def test_what_was_set_before_it_was_armed_is_not_missed(watching: Watching) -> None:
    with Event.create(manual_reset=False, initial=True) as event:
        mine, calls = watching(event.handle)
        mine.arm()
        assert calls.acquire(timeout=LONG)


def test_of_two_that_are_called_one_gets_it(watching: Watching) -> None:
    with Event.create(manual_reset=False) as event:
        watches = [watching(event.handle) for _ in range(2)]
        for mine, _ in watches:
            mine.arm()
        event.set()
        assert any(calls.acquire(timeout=LONG) for _, calls in watches)
        got = [mine.attempt(accept_abandoned=True) for mine, _ in watches]
        assert sorted(got) == sorted([st.WAIT_0, st.TIMEOUT])


def test_an_attempt_that_is_undone_leaves_it_to_others(watching: Watching) -> None:
    with Event.create(manual_reset=False, initial=True) as event:
        mine, _ = watching(event.handle)
        assert mine.attempt(accept_abandoned=True) == st.WAIT_0
        assert not event.is_set()
        mine.put_back()
        assert event.is_set()


def test_after_the_end_nobody_is_called(watching: Watching) -> None:
    with Event.create(manual_reset=False) as event:
        mine, calls = watching(event.handle)
        mine.arm()
        mine.end()
        other, others = watching(event.handle)
        other.arm()
        event.set()
        assert others.acquire(timeout=LONG), "who still waits is called"
        assert not calls.acquire(blocking=False)


def test_the_end_of_a_process_calls(watching: Watching) -> None:
    child = stopped_in(lambda: None)
    with Process(child) as process:
        mine, calls = watching(process.handle)
        assert mine.attempt(accept_abandoned=True) == st.TIMEOUT
        mine.arm()
        os.kill(child, signal.SIGKILL)
        assert calls.acquire(timeout=LONG)
        assert mine.attempt(accept_abandoned=True) == st.WAIT_0
    os.waitpid(child, 0)


def test_a_file_is_worth_a_try_at_once(watching: Watching) -> None:
    file = win32.CreateFile(__file__, win32.GENERIC_READ, win32.FILE_SHARE_READ, None, 3, 0, None)
    mine, calls = watching(file)
    mine.arm()
    assert calls.acquire(timeout=LONG)
    assert mine.attempt(accept_abandoned=True) == wait.single(file, 0) == st.WAIT_0
    mine.put_back()
    mine.end()
    win32.CloseHandle(file)


def test_what_got_the_value_of_a_closed_handle_is_not_taken(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Process(os.getpid()) as process, Event.create(manual_reset=False, initial=True) as event:
        mine, _ = watching(process.handle)
        assert mine.attempt(accept_abandoned=True) == st.TIMEOUT
        # as if the event had been made at the value that the process handle had
        monkeypatch.setitem(state.handles, process.handle, state.handles[event.handle])
        with pytest.raises(NtError) as caught:
            mine.attempt(accept_abandoned=True)
        assert caught.value.status == st.INVALID_HANDLE
        assert event.is_set()
        monkeypatch.undo()


@pytest.mark.parametrize("kind", ["process", "event"])
def test_a_handler_that_raises_anywhere_leaves_no_wait_and_hinders_no_later_one(kind: str) -> None:
    with Process(os.getpid()) as process, Event.create(manual_reset=False) as event:
        value = process.handle if kind == "process" else event.handle
        mine = watch.watch(value, lambda: None)

        def arm_and_end() -> None:
            try:
                mine.arm()
            finally:
                mine.end()

        number = 1
        while at_call(number, arm_and_end):
            mine.end()
            assert mine not in watch._descriptors.waits
            until(lambda: not watch._descriptors.fds, "descriptors are given back")
            assert not any(one.waits for one in watch._watchers)
            number += 1
        assert number > 5
        calls = threading.Semaphore(0)
        child = stopped_in(lambda: None)
        with Process(child) as dying:
            for later in (
                watch.watch(dying.handle, calls.release),
                watch.watch(event.handle, calls.release),
            ):
                later.arm()
                event.set()
                kill(child) if later._wait is None else None
                assert calls.acquire(timeout=LONG)
                later.end()


def test_a_forked_child_has_no_descriptors_of_waits_of_its_parent(watching: Watching) -> None:
    def have() -> int:
        links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
        return sum(os.path.lexists(one) and "anon_inode" in os.readlink(one) for one in links)

    with Process(os.getpid()) as process:
        before = have()
        mine, _ = watching(process.handle)
        mine.arm()
        assert have() > before

        def child() -> None:
            assert have() == before
            mine.end()  # the parent's: nothing here is closed twice
            mine.arm()
            assert have() > before

        assert reap(fork(child)) == 0


def test_more_than_one_thread_can_sleep_for_are_all_called(watching: Watching) -> None:
    events = [Event.create() for _ in range(150)]
    watches = [watching(event.handle) for event in events]
    for mine, _ in watches:
        mine.arm()
    for event in events:
        event.set()
    assert all(calls.acquire(timeout=LONG) for _, calls in watches)
    for event in events:
        event.close()


def test_what_cannot_be_waited_for_is_refused() -> None:
    with Section.create(size=4096) as section, pytest.raises(NtError) as caught:
        watch.watch(section.handle, lambda: None)
    assert caught.value.status in (st.OBJECT_TYPE_MISMATCH, st.ACCESS_DENIED)
    with Event.create() as event:
        closed = event.handle
    with pytest.raises(NtError) as caught:
        watch.watch(closed, lambda: None)
    assert caught.value.status == st.INVALID_HANDLE


@pytest.mark.parametrize("span", [1, 10, 1 << 40, 1 << 62, (1 << 63) - 1])
def test_a_span_ends_later_than_now_and_never_after_for_ever(span: int) -> None:
    before = wait.sync.now()
    assert before < wait.deadline_of(-span) <= wait.sync.FOREVER


def test_no_time_a_past_date_and_no_end_are_what_they_are() -> None:
    assert wait.deadline_of(None) == wait.sync.FOREVER
    assert wait.deadline_of(0) == 0
    assert wait.deadline_of(1) == 0, "the year 1601"
    assert wait.deadline_of((1 << 63) - 1) == wait.sync.FOREVER
