# SPDX-License-Identifier: MIT
"""Mutexes through the Pythonic face: taken, given back, left by owners that ended, repaired."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.workers import fork, reap, until, worker

import memsection
from memsection import Mutex, Semaphore, errors, wait_all, wait_any
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st


def in_thread(body: Callable[[], Any]) -> Any:
    """What a function gives in a thread that has ended."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(body())
        except BaseException as problem:
            results.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


@pytest.fixture
def mutex() -> Any:
    one = Mutex.create()
    yield one
    one.close()


def abandon(mutex: Mutex) -> None:
    """Have a thread end that owns it."""
    assert in_thread(mutex.acquire) is True
    # The thread's last act comes after join() saw its end.
    while mutex.owner is not None:
        pass


def test_it_is_recursive_and_belongs_to_one_thread(mutex: Mutex) -> None:
    assert mutex.acquire() is True
    assert mutex.acquire(0) is True
    assert in_thread(lambda: mutex.acquire(0)) is False
    mutex.release()
    assert in_thread(lambda: mutex.acquire(0.01)) is False
    mutex.release()
    assert in_thread(lambda: (mutex.acquire(0), mutex.release())) == (True, None)


def test_only_its_owner_can_release_it(mutex: Mutex) -> None:
    with pytest.raises(errors.AccessError) as caught:
        mutex.release()
    assert caught.value.winerror == 288 and isinstance(caught.value, PermissionError)
    with mutex:
        assert isinstance(in_thread(mutex.release), errors.AccessError)


def test_with_takes_it_and_gives_it_back_and_keeps_the_handle(mutex: Mutex) -> None:
    with mutex as same:
        assert same is mutex
        assert in_thread(lambda: mutex.acquire(0)) is False
    assert not mutex.closed
    assert in_thread(lambda: (mutex.acquire(0), mutex.release())) == (True, None)


def test_a_waiting_thread_gets_it_when_it_is_given_back(mutex: Mutex) -> None:
    mutex.acquire()
    started, got = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        with mutex:
            got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    started.wait()
    assert not got.wait(0.05)
    mutex.release()
    assert got.wait(20)
    thread.join()


def test_two_handles_are_one_mutex(name: str) -> None:
    one, two = Mutex.create(name), Mutex.open(name)
    assert one.created and not two.created
    with one:
        assert two.acquire(0), "the same thread, through whichever handle"
        two.release()
        assert in_thread(lambda: two.acquire(0)) is False
    one.close()
    two.close()


def test_an_existing_mutex_is_opened_only_when_that_is_allowed_and_is_not_owned(name: str) -> None:
    with pytest.raises(errors.NotFoundError):
        Mutex.open(name)
    one = Mutex.create(name)
    with pytest.raises(FileExistsError):
        Mutex.create(name)
    two = Mutex.create(name, exist_ok=True, initial_owner=True)
    assert not two.created
    assert in_thread(lambda: (two.acquire(0), two.release())) == (True, None)
    with pytest.raises(errors.HandleError):
        Semaphore.open(name)
    one.close()
    two.close()


def test_a_new_mutex_may_be_owned_from_the_beginning(name: str) -> None:
    one = Mutex.create(name, initial_owner=True)
    assert in_thread(lambda: one.acquire(0)) is False
    one.release()
    with pytest.raises(errors.AccessError):
        one.release()
    one.close()


def test_a_failed_create_leaves_no_owned_mutex_behind(name: str) -> None:
    one = Mutex.create(name)
    with pytest.raises(FileExistsError):
        Mutex.create(name, initial_owner=True)
    assert in_thread(lambda: (one.acquire(0), one.release())) == (True, None)
    one.close()


@pytest.mark.linux_only("Windows tells who owns a mutex from version 10 on, Wine does not")
def test_the_owner_can_be_asked_for(mutex: Mutex) -> None:
    assert mutex.owner is None
    with mutex:
        assert mutex.owner == (os.getpid(), threading.get_native_id())
        assert in_thread(lambda: mutex.owner) == (os.getpid(), threading.get_native_id())
    assert mutex.owner is None


@pytest.mark.linux_only("Windows tells nobody whose mutex it was")
def test_after_its_owner_ended_it_raises_until_somebody_takes_it_knowingly(mutex: Mutex) -> None:
    abandon(mutex)
    assert mutex.abandoned
    for attempt in (
        lambda: mutex.acquire(),
        lambda: mutex.acquire(0),
        lambda: wait_any([mutex]),
        lambda: wait_all([mutex], 1),
    ):
        with pytest.raises(errors.AbandonedMutexError) as caught:
            attempt()
        assert caught.value.owner_pid == os.getpid()
        assert caught.value.ntstatus == st.ABANDONED_WAIT_0
    assert mutex.abandoned
    assert mutex.acquire(accept_abandoned=True)
    assert not mutex.abandoned
    mutex.release()
    assert mutex.acquire(0), "it was told once"
    mutex.release()


def test_however_often_the_lost_owner_had_it_one_release_is_enough(mutex: Mutex) -> None:
    in_thread(lambda: [mutex.acquire() for _ in range(3)])
    assert mutex.acquire(20, accept_abandoned=True)
    mutex.release()
    with pytest.raises(errors.AccessError):
        mutex.release()


def test_a_process_that_was_killed_as_owner_is_named(name: str) -> None:
    mutex = Mutex.create(name)
    with worker() as other:
        other.run("m = Mutex.open(name); m.acquire(); m.acquire()", name=name)
        assert mutex.acquire(0) is False
        pid = other.pid
        other.kill()
    assert mutex.abandoned and mutex.owner is None, "without waiting for it"
    with pytest.raises(errors.AbandonedMutexError) as caught:
        mutex.acquire(20)
    assert caught.value.owner_pid == pid
    assert mutex.acquire(accept_abandoned=True)
    mutex.release()
    mutex.close()


def test_a_waiter_learns_of_the_death_of_the_owner(name: str) -> None:
    mutex = Mutex.create(name)
    with worker() as other:
        other.run("m = Mutex.open(name); m.acquire()", name=name)
        found: list[Any] = []

        def wait() -> None:
            try:
                found.append(mutex.acquire(30))
            except errors.AbandonedMutexError as error:
                found.append(error.owner_pid)

        thread = threading.Thread(target=wait)
        thread.start()
        pid = other.pid
        other.kill()
        thread.join()
    assert found == [pid]
    mutex.close()


def test_a_mutex_whose_handle_was_closed_while_it_was_owned_is_abandoned_when_the_thread_ends(
    name: str,
) -> None:
    one = Mutex.create(name)

    def take_and_close() -> None:
        other = Mutex.open(name)
        other.acquire()
        other.close()

    in_thread(take_and_close)
    assert one.acquire(20, accept_abandoned=True)
    assert not one.abandoned
    one.release()
    one.close()


def test_a_thread_still_owns_a_mutex_that_it_closed_and_opened_again(name: str) -> None:
    keeper, first = Mutex.create(name), Mutex.open(name)
    first.acquire()
    first.close()
    assert in_thread(lambda: keeper.acquire(0)) is False
    second = Mutex.open(name)
    second.release()
    assert in_thread(lambda: (keeper.acquire(0), keeper.release())) == (True, None)
    second.close()
    keeper.close()


def test_a_repair_function_sees_to_it_and_then_it_is_taken_as_usual(name: str) -> None:
    seen: list[errors.AbandonedMutexError] = []
    mutex = Mutex.create(name, repair=seen.append)
    abandon(mutex)
    assert mutex.acquire(1) is True
    # untold on Windows
    assert [error.owner_pid for error in seen] == [os.getpid() if sys.platform == "linux" else 0]
    mutex.release()
    assert mutex.acquire(0) and len(seen) == 1
    mutex.release()
    for wait in (lambda: wait_any([mutex], 1) is mutex, lambda: wait_all([mutex], 1)):
        abandon(mutex)
        assert wait()
        mutex.release()
        with pytest.raises(errors.AccessError):
            mutex.release()
    assert len(seen) == 3
    mutex.close()


def test_a_repair_that_fails_leaves_it_abandoned(name: str) -> None:
    def fail(error: errors.AbandonedMutexError) -> None:
        raise ZeroDivisionError

    mutex = Mutex.create(name, repair=fail)
    abandon(mutex)
    with pytest.raises(ZeroDivisionError):
        mutex.acquire()
    assert mutex.abandoned
    other = Mutex.open(name)
    with pytest.raises(errors.AbandonedMutexError):
        other.acquire(0)
    assert mutex.acquire(0, accept_abandoned=True)
    mutex.release()
    other.close()
    mutex.close()


@pytest.mark.linux_only("there is no fork on Windows")
def test_a_forked_child_is_not_the_owner(name: str) -> None:
    mutex = Mutex.create(name)
    mutex.acquire()

    def child() -> None:
        with pytest.raises(errors.AccessError):
            mutex.release()
        assert mutex.acquire(0) is False
        assert mutex.owner == (os.getppid(), os.getppid())

    assert reap(fork(child)) == 0
    mutex.release()
    assert reap(fork(lambda: mutex.acquire(5))) == 0  # and ends as owner
    assert mutex.acquire(20, accept_abandoned=True)
    mutex.release()
    mutex.close()


@pytest.mark.linux_only("there is no fork on Windows")
def test_a_forked_child_does_not_keep_its_dead_parents_ownership_alive(name: str) -> None:
    mutex = Mutex.create(name)
    ready, told = os.pipe()
    stay, leave = os.pipe()

    def parent() -> None:
        mutex.acquire()
        if not os.fork():
            os.close(leave)
            os.write(told, b"c")
            os.read(stay, 1)  # lives until the test is over
            os._exit(0)
        os.read(stay, 0)
        os.write(told, b"p")
        os._exit(0)

    assert reap(fork(parent)) == 0
    assert os.read(ready, 1) + os.read(ready, 1) in (b"cp", b"pc")
    assert mutex.acquire(20, accept_abandoned=True)
    mutex.release()
    os.close(leave)
    os.close(told)
    assert os.read(ready, 1) == b"", "the grandchild has ended, and its handle with it"
    os.close(ready)
    os.close(stay)
    mutex.close()


@pytest.mark.linux_only("a process cannot become another program on Windows")
def test_a_process_that_becomes_another_program_has_abandoned_its_mutexes(name: str) -> None:
    mutex = Mutex.create(name)
    child = fork(lambda: (mutex.acquire(), os.execv("/bin/sleep", ["sleep", "60"])))  # type: ignore[func-returns-value]
    until(lambda: mutex.abandoned, "the mutex is abandoned")
    assert os.waitpid(child, os.WNOHANG) == (0, 0), "the process lives"
    with pytest.raises(errors.AbandonedMutexError) as caught:
        mutex.acquire(20)
    assert caught.value.owner_pid == child
    os.kill(child, signal.SIGKILL)
    reap(child)
    mutex.acquire(accept_abandoned=True)
    mutex.release()
    mutex.close()


def test_a_mutex_that_was_left_to_the_collector_while_it_was_owned_is_abandoned_at_the_end(
    name: str,
) -> None:
    keeper = Mutex.create(name)

    def take_and_lose() -> None:
        with pytest.warns(ResourceWarning):
            lost = Mutex.open(name)
            lost.acquire()
            del lost

    in_thread(take_and_lose)
    assert keeper.acquire(20, accept_abandoned=True)
    keeper.release()
    keeper.close()


def test_a_closed_mutex_is_an_error_also_for_whoever_kept_its_methods(mutex: Mutex) -> None:
    acquire, release = mutex.acquire, mutex.release
    mutex.close()
    for call in (acquire, release, mutex.acquire, mutex.release, lambda: mutex.owner):
        with pytest.raises(errors.HandleError):
            call()
    mutex.close()


def test_waiting_needs_synchronize_and_releasing_nothing(name: str) -> None:
    mutex = Mutex.create(name)
    reader = Mutex.open(name, access=a.READ_CONTROL)
    with pytest.raises(errors.AccessError):
        reader.acquire(0)
    with pytest.raises(errors.AccessError):
        reader.owner  # noqa: B018
    with mutex:
        reader.release()
        mutex.acquire()
    reader.close()
    mutex.close()


@pytest.mark.parametrize("timeout", [float("nan"), "soon"])
def test_a_timeout_is_a_number(mutex: Mutex, timeout: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        mutex.acquire(timeout) if in_thread(mutex.acquire) else None


def test_thousands_of_mutexes_can_be_owned_at_once() -> None:
    many = [Mutex.create() for _ in range(2000)]
    for one in many:
        assert one.acquire(0)
    for one in many[::2] + many[1::2]:
        one.release()
    for one in many:
        one.close()


@pytest.mark.linux_only("Windows has no limit of descriptors")
def test_a_soft_limit_of_descriptors_is_not_felt() -> None:
    with worker() as other:
        other.run("""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
many = [Mutex.create() for _ in range(300)]
assert all(one.acquire(0) for one in many)
for one in many:
    one.release()
    one.close()
""")
        other.run("""
resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
many = [win32.CreateMutex(None, False, None) for _ in range(300)]
assert all(win32.WaitForSingleObject(one, 0) == 0 for one in many)
for one in many:
    win32.ReleaseMutex(one)
    win32.CloseHandle(one)
""")


def test_the_names_of_the_package_are_these() -> None:
    assert (
        memsection.Mutex is Mutex and memsection.AbandonedMutexError is errors.AbandonedMutexError
    )
