# SPDX-License-Identifier: MIT
"""Timers: each interleaving that matters of setting, cancelling, taking and death, forced by
stopping at named steps."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import pytest

if sys.platform != "linux":
    pytest.skip(
        "the core of the synchronisation objects exists on Linux only", allow_module_level=True
    )

from native import steps
from native.compiling import needs_compiler
from native.steps import EVENT, MANUAL, TIMER, Actor, scribble, word

pytestmark = needs_compiler

BUSY = -errno.ETIMEDOUT
SIGNALED, SET = 1, 2
LOCKED, ARMED, SECOND = 1 << 17, 1 << 21, 1 << 22
LONG = 3_600_000  #: ms
#: between two instructions of whoever sets a timer
SETTING = ["timer: held", "timer: before writing the setting", "timer: half of the setting written"]
Make = Callable[..., int]
Enter = Callable[..., Actor]


@pytest.mark.invariant("S6")
@pytest.mark.parametrize("step", SETTING)
def test_a_setter_killed_before_its_setting_is_named_leaves_the_old_one(
    make: Make, enter: Enter, step: str
) -> None:
    timer = make(TIMER)
    victim, other = enter(timer), enter(timer)
    assert victim.do("set_timer", timer, LONG) == 0
    victim.start("set_timer", timer, 0, 7, stops=[step]).reaches(step)
    victim.kill()
    assert other.do("take", timer, 100) == BUSY
    assert other.do("look_timer", timer) == SET, "the old one, which is not due"
    assert not word(timer) & LOCKED
    assert other.do("set_timer", timer, 0) == 0
    assert other.do("take", timer, 0) == 0


@pytest.mark.invariant("S6")
def test_who_sleeps_learns_of_an_earlier_time(make: Make, enter: Enter) -> None:
    timer = make(TIMER)
    setter, waiter = enter(timer), enter(timer)
    waiter.do("sleep_on")
    assert setter.do("set_timer", timer, LONG) == 0
    waiter.start("take", timer).sleeps()
    assert setter.do("set_timer", timer, 1) == 0
    assert waiter.result() == 0


@pytest.mark.invariant("S4")
@pytest.mark.parametrize("step", ["sleep: before marking", "sleep: before sleeping"])
def test_a_time_set_between_looking_and_sleeping_is_not_missed(
    make: Make, enter: Enter, step: str
) -> None:
    timer = make(TIMER)
    setter, waiter = enter(timer), enter(timer)
    waiter.do("sleep_on")
    waiter.do("spin", 0)
    waiter.start("take", timer, stops=[step]).reaches(step)
    assert setter.do("set_timer", timer, 1) == 0
    waiter.go(stops=[])
    assert waiter.result() == 0


@pytest.mark.invariant("S6")
@pytest.mark.parametrize("period", [0, LONG])
def test_of_two_that_found_it_due_one_gets_it(make: Make, enter: Enter, period: int) -> None:
    timer = make(TIMER)
    first, second = enter(timer), enter(timer)
    step = "timer: before holding" if period else "wait: before taking the timer"
    assert first.do("set_timer", timer, 0, period) == 0
    first.start("take", timer, 0, stops=[step]).reaches(step)
    second.start("take", timer, 0, stops=[step]).reaches(step)
    first.go(stops=[])
    assert first.result() == 0
    second.go(stops=[])
    assert second.result() == BUSY


@pytest.mark.invariant("S6")
def test_what_was_due_before_it_was_set_again_is_not_taken(make: Make, enter: Enter) -> None:
    timer = make(TIMER)
    slow, setter = enter(timer), enter(timer)
    assert setter.do("set_timer", timer, 0) == 0
    step = "wait: before taking the timer"
    slow.start("take", timer, 0, stops=[step]).reaches(step)
    assert setter.do("set_timer", timer, LONG) == 1
    slow.go(stops=[])
    assert slow.result() == BUSY
    assert setter.do("look_timer", timer) == SET


@pytest.mark.invariant("S6")
def test_who_cancels_late_cancels_what_is_set_then(make: Make, enter: Enter) -> None:
    timer = make(TIMER)
    slow, setter = enter(timer), enter(timer)
    assert setter.do("set_timer", timer, LONG) == 0
    step = "timer: before cancelling"
    slow.start("cancel_timer", timer, stops=[step]).reaches(step)
    assert setter.do("set_timer", timer, 0) == 0
    slow.go(stops=[])
    assert slow.result() == 1, "the new one is due, and stays signaled"
    assert setter.do("look_timer", timer) == SIGNALED
    assert setter.do("take", timer, 0) == 0 and setter.do("take", timer, 0) == BUSY


@pytest.mark.invariant("S6")
@pytest.mark.parametrize("step", [*SETTING, "timer: before holding"])
def test_a_taker_of_a_periodic_timer_killed_while_it_takes_takes_nothing(
    make: Make, enter: Enter, step: str
) -> None:
    timer = make(TIMER)
    victim, other = enter(timer), enter(timer)
    assert other.do("set_timer", timer, 0, LONG) == 0
    victim.start("take", timer, 0, stops=[step]).reaches(step)
    victim.kill()
    assert other.do("take", timer, 100) == 0
    assert other.do("take", timer, 0) == BUSY


@pytest.mark.invariant("S3")
@pytest.mark.parametrize("period", [0, LONG])
def test_a_wait_for_all_takes_a_timer_with_the_rest_or_not_at_all(
    make: Make, enter: Enter, period: int
) -> None:
    timer, event = make(TIMER), make(EVENT, flags=MANUAL)
    one = enter(timer, event)
    assert one.do("set_timer", timer, 0, period) == 0
    assert one.do("wait", [timer, event], 20, True, True)[0] == BUSY
    assert one.do("look_timer", timer) & SIGNALED
    one.do("change", event, steps.SET)
    assert one.do("wait", [timer, event], 1000, True, True)[0] == 0
    assert one.do("take", timer, 0) == BUSY
    assert one.do("look_timer", timer) == (SET if period else 0)


@pytest.mark.invariant("S3")
def test_a_wait_for_all_killed_while_it_moves_the_due_time_has_taken_nothing(
    make: Make, enter: Enter
) -> None:
    timer, event = make(TIMER), make(EVENT, flags=MANUAL, signaled=True)
    victim, other = enter(timer, event), enter(timer, event)
    assert other.do("set_timer", timer, 0, LONG) == 0
    step = "timer: half of the setting written"
    victim.start("wait", [timer, event], 0, True, True, stops=[step]).reaches(step)
    victim.kill()
    assert other.do("take", timer, 100) == 0
    assert other.do("take", timer, 0) == BUSY


@pytest.mark.invariant("M1")
def test_settings_that_make_no_sense_are_damage_until_it_is_set_again(
    make: Make, enter: Enter
) -> None:
    timer = make(TIMER)
    one = enter(timer)
    corrupt = -errno.EBADMSG
    for due, repeat in (
        (1 << 63, 0),
        ((1 << 64) - 1, 1),
        (0, 2 << 32),
        (0, 1 << 31),
        (0, (1 << 64) - 1),
    ):
        assert one.do("set_timer", timer, 0) >= 0
        at = steps.STATE_AT + 96 + (16 if word(timer) & SECOND else 0)
        os.pwrite(timer, due.to_bytes(8, "little") + repeat.to_bytes(8, "little"), at)
        assert one.do("take", timer, 0) == corrupt
        assert one.do("take", timer, 50) == corrupt
        assert one.do("look_timer", timer) == corrupt


@pytest.mark.invariant("M1")
@pytest.mark.parametrize("clock", [0, 1])
@pytest.mark.parametrize("period", [0, 1, 0x7FFFFFFF])
@pytest.mark.parametrize("due", [0, 1, (1 << 63) - 1])
def test_the_ends_of_what_can_be_written_make_no_number_too_large(
    make: Make, enter: Enter, due: int, period: int, clock: int
) -> None:
    timer = make(TIMER)
    one = enter(timer)
    assert one.do("set_timer", timer, 0) == 0
    at = steps.STATE_AT + 96 + (16 if word(timer) & SECOND else 0)
    setting = due.to_bytes(8, "little") + (clock << 32 | period).to_bytes(8, "little")
    os.pwrite(timer, setting, at)
    assert one.do("take", timer, 20) == (0 if due < 2 else BUSY)
    assert one.do("look_timer", timer) >= 0


@pytest.mark.invariant("M1")
def test_words_that_no_timer_has_are_damage(make: Make, enter: Enter) -> None:
    timer, event = make(TIMER), make(EVENT)
    one = enter(timer, event)
    for value in (1 << 18, 1 << 20, 1 << 23, 7, LOCKED):
        scribble(timer, value)
        for operation in ("take", "set_timer"):
            assert one.do(operation, timer, 0) == -errno.EBADMSG
        assert one.do("cancel_timer", timer) == -errno.EBADMSG
    for value in (ARMED, SECOND):
        scribble(event, value)
        assert one.do("take", event, 0) == -errno.EBADMSG, "and an event has none of a timer's"
