# SPDX-License-Identifier: MIT
"""Events, semaphores and waiting for several: each interleaving that matters of changing, waiting,
timeout and death, forced by stopping at named steps."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

import pytest

if sys.platform != "linux":
    pytest.skip(
        "the core of the synchronisation objects exists on Linux only", allow_module_level=True
    )

from native.compiling import needs_compiler
from native.steps import EVENT, MANUAL, MUTEX, PULSE, RESET, SEMAPHORE, SET, Actor, word

pytestmark = needs_compiler

BUSY = -errno.ETIMEDOUT
Make = Callable[..., int]
Enter = Callable[..., Actor]


# ---------------------------------------------------------------------- events and semaphores


def test_a_setter_killed_between_setting_and_waking_has_set_the_event(
    make: Make, enter: Enter
) -> None:
    for flags in (0, MANUAL):
        event = make(EVENT, flags=flags)
        setter, waiter = enter(event), enter(event)
        waiter.start("take", event).sleeps()
        step = "event: after the swap, before the wake"
        setter.start("change", event, SET, stops=[step]).reaches(step).kill()
        assert waiter.result() == 0


def test_a_setter_killed_before_the_swap_has_set_nothing(make: Make, enter: Enter) -> None:
    event = make(EVENT)
    setter, waiter = enter(event), enter(event)
    setter.start("change", event, SET, stops=["event: before the swap"]).reaches(
        "event: before the swap"
    ).kill()
    assert waiter.do("take", event, 0) == BUSY


def test_two_that_see_an_auto_reset_event_set_do_not_both_get_through(
    make: Make, enter: Enter
) -> None:
    event = make(EVENT, signaled=True)
    step = "wait: before taking the event"
    pair = [enter(event).start("take", event, 0, stops=[step]).reaches(step) for _ in range(2)]
    for one in pair:
        one.go(stops=[])
    assert sorted(one.result() for one in pair) == [BUSY, 0]


@pytest.mark.invariant("S4")
def test_a_set_between_looking_and_sleeping_is_not_missed(make: Make, enter: Enter) -> None:
    for step in ("sleep: before marking", "sleep: before sleeping"):
        event = make(EVENT)
        setter, waiter = enter(event), enter(event)
        waiter.do("sleep_on")
        waiter.do("spin", 0)
        waiter.start("take", event, stops=[step]).reaches(step)
        assert setter.do("change", event, SET) == 0
        waiter.go(stops=["sleep: before sleeping"] if step == "sleep: before sleeping" else [])
        assert waiter.result() == 0


def test_a_pulse_lets_those_through_who_had_begun_to_wait_and_nobody_after(
    make: Make, enter: Enter
) -> None:
    for flags in (0, MANUAL):
        event = make(EVENT, flags=flags)
        pulser = enter(event)
        early = [
            enter(event)
            .start("take", event, 1000, stops=["sleep: before sleeping"])
            .reaches("sleep: before sleeping")
            for _ in range(2)
        ]
        assert pulser.do("change", event, PULSE) == 0
        assert pulser.do("take", event, 0) == BUSY
        for one in early:
            one.go(stops=[])
        through = [one.result() for one in early].count(0)
        assert through == (2 if flags else 1)


def test_a_reset_after_a_pulse_takes_nothing_back(make: Make, enter: Enter) -> None:
    event = make(EVENT, flags=MANUAL)
    pulser, waiter = enter(event), enter(event)
    waiter.start("take", event, stops=["sleep: before sleeping"]).reaches("sleep: before sleeping")
    assert pulser.do("change", event, PULSE) == 0
    assert pulser.do("change", event, RESET) == 0
    waiter.go(stops=[])
    assert waiter.result() == 0


@pytest.mark.invariant("S4")
def test_a_second_unit_released_before_the_first_one_is_taken_wakes_the_second_waiter(
    make: Make, enter: Enter
) -> None:
    semaphore = make(SEMAPHORE, maximum=9)
    giver = enter(semaphore)
    waiters = [enter(semaphore) for _ in range(2)]
    for waiter in waiters:
        waiter.do("sleep_on")
        waiter.do("spin", 0)
        waiter.start("take", semaphore, stops=["wait: before taking the unit"]).sleeps()
    assert giver.do("give", semaphore) == 0
    assert giver.do("give", semaphore) == 0, "nobody is marked as sleeping now, but one does"
    for waiter in waiters:
        waiter.reaches("wait: before taking the unit").go(stops=[])
    assert [waiter.result() for waiter in waiters] == [0, 0]
    assert word(semaphore) >> 32 == 0


def test_a_releaser_killed_between_releasing_and_waking_has_released(
    make: Make, enter: Enter
) -> None:
    semaphore = make(SEMAPHORE, maximum=1)
    giver, waiter = enter(semaphore), enter(semaphore)
    waiter.start("take", semaphore).sleeps()
    step = "semaphore: after the swap, before the wake"
    giver.start("give", semaphore, stops=[step]).reaches(step).kill()
    assert waiter.result() == 0


# ---------------------------------------------------------------------- all at once


@pytest.mark.parametrize(
    "step", ["all: before holding", "all: held", "all: everything held", "all: before letting go"]
)
def test_a_wait_for_all_killed_before_it_took_anything_leaves_all_as_it_was(
    make: Make, enter: Enter, step: str
) -> None:
    event, semaphore, mutex = (
        make(EVENT, signaled=True),
        make(SEMAPHORE, maximum=3, units=2),
        make(MUTEX),
    )
    known = event, semaphore
    victim, other = enter(mutex, *known), enter(mutex, *known)
    victim.start("wait", [event, semaphore, mutex], 0, True, True, stops=[step]).reaches(
        step
    ).kill()
    assert other.do("give", semaphore) == 0, "the maximum holds: nothing was taken, and one is free"
    assert other.do("give", semaphore) == -errno.EOVERFLOW
    assert other.do("wait", [mutex, event, semaphore], 0, True, True) == (0, 0, 0)
    assert other.do("take", event, 0) == BUSY
    assert word(semaphore) >> 32 == 2


@pytest.mark.parametrize("step", ["all: held", "all: everything held"])
def test_while_a_wait_for_all_decides_others_wait_for_its_decision(
    make: Make, enter: Enter, step: str
) -> None:
    event, semaphore = make(EVENT, signaled=True), make(SEMAPHORE, maximum=3, units=1)
    known = event, semaphore
    all_, other, third = enter(*known), enter(*known), enter(*known)
    all_.start("wait", [event, semaphore], 0, True, True, stops=[step]).reaches(step)
    other.start("change", event, RESET, stops=["locked: before sleeping"])
    third.start("take", event, 5000)
    if word(event) & 1 << 17:
        other.reaches("locked: before sleeping").go(stops=[])
    all_.go(stops=[])
    assert all_.result()[0] in (0, BUSY)
    assert other.result() == 0
    third.kill()


def test_a_wait_for_all_that_fails_lets_go_of_what_it_held(make: Make, enter: Enter) -> None:
    one, two = make(EVENT, signaled=True), make(EVENT, signaled=True)
    all_, other = enter(one, two), enter(one, two)
    all_.start("wait", [one, two], 0, True, True, stops=["all: held"]).reaches("all: held")
    free = two if word(one) & 1 << 17 else one
    assert other.do("take", free, 0) == 0
    all_.go(stops=[])
    assert all_.result()[0] == BUSY
    held = one if free == two else two
    assert other.do("take", held, 0) == 0


def test_waits_for_all_of_the_same_objects_in_different_orders_do_not_lock_each_other_out(
    make: Make, enter: Enter
) -> None:
    one, two = make(EVENT, signaled=True), make(EVENT, signaled=True)
    first, second = enter(one, two), enter(one, two)
    first.start("wait", [one, two], -1, True, True, stops=["all: held"]).reaches("all: held")
    second.start("wait", [two, one], -1, True, True)
    first.go(stops=[])
    assert first.result()[0] == 0
    assert first.do("change", one, SET) == first.do("change", two, SET) == 0
    assert second.result()[0] == 0


@pytest.mark.invariant("S4")
def test_a_wake_up_meant_for_one_reaches_somebody_who_can_use_it(make: Make, enter: Enter) -> None:
    event, missing = make(EVENT), make(EVENT)
    both, single, setter = (enter(event, missing) for _ in range(3))
    both.do("sleep_on")
    single.do("sleep_on")
    # sleeps on the first one that is missing
    both.start("wait", [event, missing], -1, True, True).sleeps()
    single.start("take", event).sleeps()
    assert setter.do("change", event, SET) == 0
    assert single.result() == 0
    both.kill()


def test_a_wait_for_any_that_was_woken_twice_passes_one_wake_up_on(
    make: Make, enter: Enter
) -> None:
    one, two = make(EVENT), make(EVENT)
    any_, single, setter = (enter(one, two) for _ in range(3))
    any_.do("sleep_on")
    single.do("sleep_on")
    any_.start("wait", [one, two]).sleeps()
    single.start("take", two).sleeps()
    assert setter.do("change", two, SET) == 0
    assert setter.do("change", one, SET) == 0
    result, index, _ = any_.result()
    assert result == 0
    if index == 1:  # it was faster, and took the one that both wait for
        assert setter.do("change", two, SET) == 0
    assert single.result() == 0


def test_without_futex_waitv_a_wait_for_any_is_woken_all_the_same(make: Make, enter: Enter) -> None:
    one, two = make(EVENT), make(EVENT)
    waiter, setter = enter(one, two), enter(one, two)
    waiter.do("without_waitv")
    waiter.start("wait", [one, two]).sleeps()
    assert setter.do("change", two, SET) == 0
    assert waiter.result()[:2] == (0, 1)


# ---------------------------------------------------------------------- strangers


def test_an_object_that_somebody_holds_still_and_does_not_go_on_is_an_error_or_the_end_of_the_time(
    make: Make, enter: Enter
) -> None:
    event, other = make(EVENT, signaled=True), make(EVENT, signaled=True)
    holder, peer = enter(event, other), enter(event, other)
    peer.do("patience", 20_000_000)
    holder.start("wait", [event, other], 0, True, True, stops=["all: everything held"]).reaches(
        "all: everything held"
    )
    assert peer.do("change", event, SET) == -errno.EDEADLK
    assert peer.do("take", event, 20) == BUSY
    assert peer.do("wait", [event, other], 0, True, True)[0] == BUSY
    holder.go(stops=[])
    assert holder.result()[0] == 0
    assert peer.do("change", event, SET) == 0
