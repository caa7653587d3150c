# SPDX-License-Identifier: MIT
"""``acquire`` of mutexes and semaphores takes what ``threading.Lock.acquire`` takes, and refuses
what that refuses."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from memsection import ArgumentError, Event, Mutex, Semaphore

_GOOD: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((True,), {}),
    ((False,), {}),
    ((), {"timeout": 0}),
    ((), {"timeout": 0.01}),
    ((True, 0.01), {}),
    ((True, -1), {}),
    ((), {"blocking": False}),
    ((False, -1), {}),
    ((), {"timeout": -1.0}),
    ((), {"timeout": None}),
    ((0,), {}),
    ((0.01,), {}),
    ((None,), {}),
    ((), {"timeout": np.float64(0.01)}),
    ((True, np.int64(1)), {}),
]
_BAD: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception]]] = [
    ((), {"timeout": "5"}, TypeError),
    (("5",), {}, TypeError),
    ((True, b"1"), {}, TypeError),
    ((), {"timeout": 1j}, TypeError),
    ((), {"timeout": object()}, TypeError),
    ((object(),), {}, TypeError),
    ((), {"timeout": -2}, ArgumentError),
    ((), {"timeout": -0.5}, ArgumentError),
    ((-7,), {}, ArgumentError),
    ((False, 1), {}, ArgumentError),
    ((False, 0), {}, ArgumentError),
    ((), {"timeout": math.nan}, ArgumentError),
    ((5, 5), {}, TypeError),
]


def _mutex() -> Mutex:
    return Mutex.create()


def _mutex_with_repair() -> Mutex:
    return Mutex.create(repair=lambda error: None)


def _semaphore() -> Semaphore:
    return Semaphore.create(initial=1, maximum=1)


@pytest.fixture(params=[_mutex, _mutex_with_repair, _semaphore])
def lock(request: pytest.FixtureRequest) -> Iterator[Any]:
    one = request.param()
    yield one
    one.close()


@pytest.mark.parametrize(("positional", "keywords"), _GOOD)
def test_a_free_lock_is_taken_with_all_arguments_that_a_lock_takes(
    lock: Any, positional: Any, keywords: Any
) -> None:
    assert lock.acquire(*positional, **keywords) is True
    lock.release()


@pytest.mark.parametrize(("positional", "keywords", "error"), _BAD)
@pytest.mark.parametrize("taken", [False, True])
def test_what_makes_no_sense_is_refused_and_takes_nothing(
    lock: Any, positional: Any, keywords: Any, error: type[Exception], taken: bool
) -> None:
    if taken:
        lock.acquire()
    with pytest.raises(error):
        lock.acquire(*positional, **keywords)
    assert lock.locked() is taken
    if taken:
        lock.release()
    assert lock.locked() is False


@pytest.mark.parametrize(
    ("positional", "keywords"),
    [
        ((False,), {}),
        ((0,), {}),
        ((True, 0.01), {}),
        ((0.01,), {}),
        ((), {"timeout": 0.01}),
        ((), {"blocking": False}),
    ],
)
def test_a_taken_lock_is_not_waited_for_longer_than_said(
    lock: Any, positional: Any, keywords: Any
) -> None:
    lock.acquire()
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(lock.acquire(*positional, **keywords)))
    thread.start()
    thread.join()
    assert found == [False]
    lock.release()


@pytest.mark.parametrize(
    ("wait", "while_"),
    [
        (lambda lock: lock.acquire(True), 1.2),
        (lambda lock: lock.acquire(True, -1), 0.1),
        (lambda lock: lock.acquire(timeout=None), 0.1),
    ],
)
def test_true_waits_as_long_as_it_takes(
    lock: Any, wait: Callable[[Any], bool], while_: float
) -> None:
    lock.acquire()
    found: list[object] = []
    thread = threading.Thread(target=lambda: (found.append(wait(lock)), lock.release()))
    thread.start()
    thread.join(while_)
    assert thread.is_alive() and not found
    lock.release()
    thread.join()
    assert found == [True]


@pytest.mark.parametrize("timeout", ["5", b"5", 1j, object()])
def test_an_event_refuses_a_timeout_that_is_no_number(timeout: Any) -> None:
    with Event.create(initial=True) as event, pytest.raises(TypeError):
        event.wait(timeout)


@pytest.mark.parametrize("n", [1.5, "1", None])
def test_a_semaphore_refuses_units_that_are_no_ints(n: Any) -> None:
    semaphore = Semaphore.create(initial=0)
    try:
        with pytest.raises(TypeError):
            semaphore.release(n)
        assert semaphore.value == 0
        semaphore.release(np.int64(2))
        assert semaphore.value == 2
    finally:
        semaphore.close()
