# SPDX-License-Identifier: MIT
"""Events and semaphores through the Pythonic face."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import pytest
from support.workers import until, worker

from memsection import Event, Mutex, Section, Semaphore, errors
from memsection.vocabulary import access as a


def waiting(*waits: Any) -> list[threading.Thread]:
    """Threads that each wait for something."""
    threads = [threading.Thread(target=wait) for wait in waits]
    for thread in threads:
        thread.start()
    return threads


def test_a_manual_reset_event_stays_set_until_it_is_cleared() -> None:
    with Event.create() as event:
        assert not event.is_set() and event.wait(0) is False
        event.set()
        assert event.is_set() and event.wait() and event.wait(0)
        event.clear()
        assert event.wait(0.01) is False


def test_an_auto_reset_event_lets_one_wait_through() -> None:
    with Event.create(manual_reset=False, initial=True) as event:
        assert event.is_set()
        assert event.wait(0) is True and event.wait(0) is False
        event.set()
        event.set()
        assert event.wait(0) is True and event.wait(0) is False


def test_setting_an_auto_reset_event_wakes_exactly_one_of_several_threads() -> None:
    with Event.create(manual_reset=False) as event:
        through: list[bool] = []
        threads = waiting(*[lambda: through.append(event.wait(60))] * 3)
        for number in range(1, 4):
            event.set()
            until(lambda number=number: len(through) >= number, "somebody gets through")  # type: ignore[misc]
            time.sleep(0.05)
            assert through == [True] * number
        for thread in threads:
            thread.join()


def test_a_pulse_that_nobody_waits_for_leaves_the_event_clear() -> None:
    for manual in (True, False):
        with Event.create(manual_reset=manual, initial=True) as event:
            event.pulse()
            assert event.wait(0) is False


def test_what_exists_keeps_its_kind_and_its_state(name: str) -> None:
    with (
        Event.create(name, manual_reset=False, initial=True) as first,
        Event.create(name, manual_reset=True, initial=False, exist_ok=True) as second,
    ):
        assert first.created and not second.created
        assert second.wait(0) and not second.wait(0)


def test_events_wake_across_processes(name: str) -> None:
    there, back = f"{name}-there", f"{name}-back"
    with (
        Event.create(there, manual_reset=False) as ping,
        Event.create(back, manual_reset=False) as pong,
        worker() as other,
    ):
        other.run("ping, pong = Event.open(there), Event.open(back)", there=there, back=back)
        for _ in range(20):
            ping.set()
            other.run("assert ping.wait(60); pong.set()")
            assert pong.wait(60)


def test_the_right_to_set_and_the_right_to_wait_are_two(name: str) -> None:
    with (
        Event.create(name) as event,
        Event.open(name, access="r") as looker,
        Event.open(name, access="w") as setter,
    ):
        for call in (looker.set, looker.clear, looker.pulse, lambda: setter.wait(0), setter.is_set):
            with pytest.raises(errors.AccessError):
                call()
        setter.set()
        assert looker.wait(0) and looker.is_set() and event.is_set()


def test_a_semaphore_counts(name: str) -> None:
    semaphore = Semaphore.create(name, 2, 5)
    assert (semaphore.value, semaphore.maximum) == (2, 5)
    assert [semaphore.acquire(0) for _ in range(3)] == [True, True, False]
    assert semaphore.release() == 0
    assert semaphore.release(3) == 1
    with semaphore:
        assert semaphore.value == 3
    assert semaphore.value == 4
    semaphore.close()


@pytest.mark.parametrize("n", [2, 0, -1, 1 << 40, -1 << 70])
def test_releasing_too_many_or_none_is_an_error_and_changes_nothing(n: int) -> None:
    semaphore = Semaphore.create(initial=1, maximum=2)
    said = "maximum" if n > 0 else f"n is {n}, it takes 1 or more"
    with pytest.raises(errors.ArgumentError, match=said) as caught:
        semaphore.release(n)
    assert caught.value.winerror == (298 if n > 0 else 87)
    assert semaphore.value == 1
    semaphore.close()


def test_a_number_of_units_may_be_whatever_is_an_index() -> None:
    class Two:
        def __index__(self) -> int:
            return 2

    with contextlib.closing(Semaphore.create(initial=0, maximum=5)) as semaphore:
        assert semaphore.release(Two()) == 0  # type: ignore[arg-type]
        assert semaphore.release(True) == 2
        assert semaphore.value == 3
        with pytest.raises(TypeError):
            semaphore.release(1.0)  # type: ignore[arg-type]
        assert semaphore.value == 3


@pytest.mark.parametrize(("initial", "maximum"), [(0, 0), (2, 1), (-1, 1), (0, -1), (1, 1 << 31)])
def test_counts_must_make_sense(initial: int, maximum: int) -> None:
    with pytest.raises(errors.ArgumentError):
        Semaphore.create(None, initial, maximum)


def test_as_many_waiters_get_through_as_units_are_released() -> None:
    semaphore = Semaphore.create(initial=0, maximum=9)
    through: list[bool] = []
    threads = waiting(*[lambda: through.append(semaphore.acquire(0.3))] * 4)
    semaphore.release(2)
    for thread in threads:
        thread.join()
    assert sorted(through) == [False, False, True, True]
    semaphore.close()


def test_what_a_killed_process_had_taken_stays_taken(name: str) -> None:
    semaphore = Semaphore.create(name, 1, 1)
    with worker() as other:
        other.run("s = Semaphore.open(name); s.acquire()", name=name)
        other.kill()
    assert semaphore.acquire(0.02) is False
    semaphore.release()
    assert semaphore.acquire(0)
    semaphore.close()


def test_units_and_rights_of_a_semaphore(name: str) -> None:
    semaphore = Semaphore.create(name, 1, 2)
    taker, giver = Semaphore.open(name, access="r"), Semaphore.open(name, access="w")
    for call in (taker.release, lambda: giver.acquire(0), lambda: giver.value):
        with pytest.raises(errors.AccessError):
            call()
    assert giver.release() == 1 and taker.acquire(0) and taker.value == 1
    for one in (semaphore, taker, giver):
        one.close()


@pytest.mark.linux_only("natively Windows says that a name is taken, whatever by")
def test_all_types_share_one_namespace(name: str) -> None:
    makers: dict[Any, Any] = {
        Section: lambda **options: Section.create(name, 4096, **options),
        Mutex: lambda **options: Mutex.create(name, **options),
        Event: lambda **options: Event.create(name, **options),
        Semaphore: lambda **options: Semaphore.create(name, **options),
    }
    for kind, make in makers.items():
        one = make()
        for other, make_other in makers.items():
            if other is not kind:
                with pytest.raises(errors.HandleError):
                    other.open(name)
                with pytest.raises(errors.ExistsError):
                    make_other()
                with pytest.raises(errors.HandleError):
                    make_other(exist_ok=True)
        one.close()


def test_an_object_that_was_closed_is_an_error() -> None:
    event, semaphore = Event.create(), Semaphore.create()
    kept = (event.set, event.clear, event.is_set, event.wait, semaphore.acquire, semaphore.release)
    event.close()
    semaphore.close()
    for call in (*kept, event.set, event.pulse, semaphore.acquire):
        with pytest.raises(errors.HandleError):
            call()


def test_access_is_one_of_the_words_or_a_mask(name: str) -> None:
    with Event.create(name) as event:
        with pytest.raises(errors.ArgumentError):
            Event.open(name, access="x")
        with Event.open(name, access=a.SYNCHRONIZE) as other:
            assert event.same_object(other)
            assert other.wait(0) is False


def test_a_handle_that_came_from_elsewhere_works_too(name: str) -> None:
    with Event.create(name) as event:
        with Event.from_handle(event.duplicate().detach()) as other:
            other.set()
            assert event.is_set()
        with pytest.raises(errors.HandleError):
            Mutex.from_handle(event.handle)
