# SPDX-License-Identifier: MIT
"""Subclasses of mutexes, events and semaphores: overridden methods are called, and can call those
they override."""

from __future__ import annotations

import gc
import inspect
import weakref
from typing import Any

import pytest

from memsection import Event, Mutex, Semaphore, errors

CALLS: list[str] = []


class LoudMutex(Mutex):
    def acquire(self, timeout: float | None = None, *, accept_abandoned: bool = False) -> bool:
        CALLS.append("acquire")
        return super().acquire(timeout, accept_abandoned=accept_abandoned)

    def release(self) -> None:
        CALLS.append("release")
        super().release()


class LoudEvent(Event):
    def set(self) -> None:
        CALLS.append("set")
        super().set()

    def clear(self) -> None:
        CALLS.append("clear")
        super().clear()

    def is_set(self) -> bool:
        CALLS.append("is_set")
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        CALLS.append("wait")
        return super().wait(timeout)


class LoudSemaphore(Semaphore):
    __slots__ = ("note",)

    def acquire(self, timeout: float | None = None) -> bool:
        CALLS.append("acquire")
        return super().acquire(timeout)

    def release(self, n: int = 1) -> int:
        CALLS.append(f"release {n}")
        return super().release(n)


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    CALLS.clear()


def test_overridden_methods_of_a_mutex_are_called() -> None:
    with LoudMutex.create() as mutex:
        assert mutex.acquire(0) is True
        mutex.release()
    assert CALLS == ["acquire", "acquire", "release", "release"]
    mutex.close()


def test_overridden_methods_of_an_event_are_called() -> None:
    event = LoudEvent.create(manual_reset=True)
    event.set()
    assert event.is_set() and event.wait(0)
    event.clear()
    assert not event.is_set() and not event.wait(timeout=0)
    event.close()
    assert CALLS == ["set", "is_set", "wait", "clear", "is_set", "wait"]


def test_overridden_methods_of_a_semaphore_are_called() -> None:
    semaphore = LoudSemaphore.create(initial=1, maximum=5)
    with semaphore:
        assert semaphore.release(n=2) == 0
    assert semaphore.value == 3 and isinstance(semaphore, LoudSemaphore)
    semaphore.note = "an attribute of its own"  # type: ignore[attr-defined]
    semaphore.close()
    assert CALLS == ["acquire", "release 2", "release 1"]


@pytest.mark.parametrize("kind", [Mutex, Event, Semaphore])
def test_a_method_can_be_replaced_in_the_class_and_in_one_object(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = {Mutex: "release", Event: "set", Semaphore: "release"}[kind]
    made = kind.create()
    monkeypatch.setattr(kind, name, lambda self: "of the class")
    assert getattr(made, name)() == "of the class"
    monkeypatch.setitem(made.__dict__, name, lambda: "of the object")
    assert getattr(made, name)() == "of the object"
    made.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda: Mutex.acquire("no mutex"),
        lambda: Mutex.release(object()),  # type: ignore[arg-type]
        lambda: Event.set(None),
        lambda: Semaphore.release(3),  # type: ignore[arg-type]
    ],
)
def test_a_method_called_on_something_else_is_an_error(call: Any) -> None:
    with pytest.raises((TypeError, AttributeError)):
        call()


@pytest.mark.parametrize(
    "use", [lambda m: m.acquire(), lambda m: m.acquire(0), lambda m: m.release()]
)
def test_a_bound_method_outlives_the_handle_as_an_error(use: Any) -> None:
    mutex = Mutex.create()
    bound = mutex.acquire
    mutex.close()
    with pytest.raises(errors.HandleError, match="closed"):
        bound()
    with pytest.raises(errors.HandleError, match="closed"):
        use(mutex)


def test_methods_say_what_they_do_and_what_they_take() -> None:
    methods: list[Any] = [
        Mutex.acquire,
        Mutex.release,
        Event.set,
        Event.clear,
        Event.is_set,
        Event.wait,
        Semaphore.acquire,
        Semaphore.release,
    ]
    for method in methods:
        assert "Raises:" in (inspect.getdoc(method) or "")
    assert list(inspect.signature(Mutex.acquire).parameters) == [
        "self",
        "blocking",
        "timeout",
        "accept_abandoned",
    ]
    with Mutex.create() as mutex:
        assert mutex.acquire.__name__ == "acquire"
        assert inspect.signature(mutex.acquire).parameters["accept_abandoned"].default is False
        assert mutex.acquire(timeout=0, accept_abandoned=True)
        mutex.release()
    mutex.close()


def test_an_object_can_be_referred_to_weakly_and_is_collected() -> None:
    event = LoudEvent.create()
    reference = weakref.ref(event)
    event.note = event  # type: ignore[attr-defined]
    event.close()
    del event
    gc.collect()
    assert reference() is None


def test_a_mutex_with_repair_obeys_inheritance_too() -> None:
    mutex = LoudMutex.create(repair=lambda error: None)
    with mutex:
        pass
    mutex.close()
    assert CALLS == ["acquire", "release"]
