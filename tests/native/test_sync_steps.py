# SPDX-License-Identifier: MIT
"""Each interleaving that matters of acquire, release, timeout, theft and death, forced by stopping
at named steps."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip(
        "the core of the synchronisation objects exists on Linux only", allow_module_level=True
    )

from native import steps
from native.steps import (
    EVENT,
    MANUAL,
    MUTEX,
    PULSE,
    RESET,
    SEMAPHORE,
    SET,
    WAS_ABANDONED,
    Actor,
    word,
)

compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang") or ""
pytestmark = pytest.mark.skipif(not compiler, reason="needs a C compiler")

OWNED_AND_KILLED_AT = ["acquire: after the swap", "release: before the swap"]
RECOVERING = ["recover: slot locked", "recover: before setting right"]
BUSY = -errno.ETIMEDOUT
Make = Callable[..., int]
Enter = Callable[..., Actor]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return steps.compile_core(compiler, tmp_path_factory.mktemp("steps"))


@pytest.fixture
def make(library: Path) -> Iterator[Make]:
    """Makes objects; they are gone after the test."""
    fds: list[int] = []

    def one(kind: int, **options: object) -> int:
        fds.append(steps.body(library, kind, **options))  # type: ignore[arg-type]
        return fds[-1]

    yield one
    for fd in fds:
        os.close(fd)


@pytest.fixture
def enter(library: Path) -> Iterator[Enter]:
    """Brings actors on; they are killed after the test."""
    actors: list[Actor] = []

    def one(*mutexes: int, first_slot: int = 0, **others: int) -> Actor:
        kinds = {
            **dict.fromkeys(mutexes, MUTEX),
            **{int(name.split("_")[1]): kind for name, kind in others.items()},
        }
        actors.append(Actor(library, kinds, first_slot=first_slot))
        return actors[-1]

    yield one
    for actor in actors:
        actor.kill()


def knows(kind: int, *fds: int) -> dict[str, int]:
    """Objects of a kind, for ``enter``."""
    return {f"fd_{fd}": kind for fd in fds}


# ---------------------------------------------------------------------- the mutex: owners that die


def test_an_owner_killed_before_it_took_the_mutex_leaves_it_free(make: Make, enter: Enter) -> None:
    mutex = make(MUTEX)
    victim, other = enter(mutex), enter(mutex)
    victim.start("take", mutex, stops=["acquire: before the swap"]).reaches(
        "acquire: before the swap"
    ).kill()
    assert other.do("take", mutex, 0) == 0


@pytest.mark.parametrize("step", OWNED_AND_KILLED_AT)
def test_an_owner_killed_between_the_word_and_its_note_abandons(
    make: Make, enter: Enter, step: str
) -> None:
    mutex = make(MUTEX)
    victim, other = enter(mutex), enter(mutex)
    if step.startswith("release"):
        assert victim.do("take", mutex) == 0
        victim.start("release", mutex, stops=[step])
    else:
        victim.start("take", mutex, stops=[step])
    victim.reaches(step)
    assert other.do("take", mutex, 0) == BUSY
    victim.kill()
    assert other.do("take", mutex, 0) == WAS_ABANDONED
    assert other.do("release", mutex) == 0
    assert other.do("take", mutex, 0) == 0, "an abandonment is told once"


def test_an_owner_killed_after_it_gave_back_has_abandoned_nothing(make: Make, enter: Enter) -> None:
    mutex = make(MUTEX)
    victim, waiter = enter(mutex), enter(mutex)
    assert victim.do("take", mutex) == 0
    waiter.start("take", mutex).sleeps()
    step = "release: after the swap, before the wake"
    victim.start("release", mutex, stops=[step]).reaches(step).kill()
    assert waiter.result() == 0, "nobody woke it, and it looked by itself"


def test_an_owner_killed_while_a_release_finds_waiters_abandons(make: Make, enter: Enter) -> None:
    mutex = make(MUTEX)
    victim, waiter = enter(mutex), enter(mutex)
    assert victim.do("take", mutex) == 0
    waiter.start("take", mutex).sleeps()
    victim.start("release", mutex, stops=["release: contended"]).reaches(
        "release: contended"
    ).kill()
    assert waiter.result() == WAS_ABANDONED


def test_a_thread_that_ends_as_owner_abandons_and_so_does_a_kill_in_the_middle_of_that(
    make: Make, enter: Enter
) -> None:
    mutex = make(MUTEX)
    first, second, other = enter(mutex), enter(mutex), enter(mutex)
    assert first.do("thread_takes", mutex) == 0
    assert other.do("take", mutex, 0) == WAS_ABANDONED
    assert other.do("release", mutex) == 0
    step = "thread ends: before abandoning"
    second.start("thread_takes", mutex, stops=[step]).reaches(step).kill()
    assert other.do("take", mutex, 0) == WAS_ABANDONED


def test_a_careful_wait_leaves_an_abandoned_mutex_as_it_is_for_everybody(
    make: Make, enter: Enter
) -> None:
    mutex = make(MUTEX)
    victim, careful, bold = enter(mutex), enter(mutex), enter(mutex)
    assert victim.do("take", mutex) == 0
    waiting = [enter(mutex).start("take", mutex, -1, False) for _ in range(2)]
    for one in waiting:
        one.sleeps()
    victim.kill()
    assert [one.result() for one in waiting] == [-errno.EOWNERDEAD] * 2, "each of them is told"
    assert careful.do("wait", [mutex], 0, False) == (-errno.EOWNERDEAD, 0, word(mutex) >> 32)
    assert bold.do("take", mutex, 0) == WAS_ABANDONED
    assert careful.do("take", mutex, 0, False) == BUSY


# ---------------------------------------------------------------------- the mutex: thieves and
# slots


@pytest.mark.invariant("S3")
@pytest.mark.parametrize("end", ["goes on", "is killed"])
@pytest.mark.parametrize("step", RECOVERING)
def test_a_thief_that_stops_while_it_judges_holds_up_nobody(
    make: Make, enter: Enter, step: str, end: str
) -> None:
    mutex = make(MUTEX)
    victim, thief, other, third = enter(mutex), enter(mutex), enter(mutex), enter(mutex)
    assert victim.do("take", mutex) == 0
    victim.kill()
    thief.start("take", mutex, 0, stops=[step]).reaches(step)
    assert other.do("take", mutex, 0) == WAS_ABANDONED
    if end == "goes on":
        assert thief.go(stops=[]).result() == BUSY, "it takes nothing from who has it by now"
    else:
        thief.kill()
    assert third.do("take", mutex, 0) == BUSY
    assert other.do("release", mutex) == 0
    assert third.do("take", mutex, 0) == 0


@pytest.mark.invariant("S3")
@pytest.mark.parametrize("step", RECOVERING)
def test_of_two_thieves_one_gets_the_mutex_and_one_is_told(
    make: Make, enter: Enter, step: str
) -> None:
    mutex = make(MUTEX)
    victim, first, second = enter(mutex), enter(mutex), enter(mutex)
    assert victim.do("take", mutex) == 0
    victim.kill()
    first.start("take", mutex, stops=[step]).reaches(step)
    second.start("take", mutex, stops=[step]).reaches(step)
    first.go(stops=[])
    second.go(stops=[])
    winner, loser = (first, second) if first.ends_before(second) else (second, first)
    results = [winner.result()]
    assert winner.do("release", mutex) == 0
    results.append(loser.result())
    assert results == [WAS_ABANDONED, 0]


@pytest.mark.invariant("S3")
@pytest.mark.parametrize("step", RECOVERING)
def test_a_slot_that_is_judged_cannot_be_claimed_meanwhile(
    make: Make, enter: Enter, step: str
) -> None:
    mutex = make(MUTEX)
    victim, thief, newcomer = enter(mutex, first_slot=7), enter(mutex), enter(mutex, first_slot=7)
    assert victim.do("take", mutex) == 0
    assert word(mutex) & 0xFFFF == 7
    victim.kill()
    thief.start("take", mutex, 0, stops=[step]).reaches(step)
    assert newcomer.do("take", mutex, 0) == WAS_ABANDONED
    assert word(mutex) & 0xFFFF == 8, "the slot that is judged is nobody's"
    assert thief.go(stops=[]).result() == BUSY
    assert word(mutex) & 0xFFFF == 8


# ---------------------------------------------------------------------- who may only read the file


@pytest.fixture
def reader() -> Iterator[Callable[..., int]]:
    """Locks slots as a process can that may only read the object: for reading, through a read-only
    descriptor."""
    opened: list[int] = []

    def lock(fd: int, first: int = 0, count: int = 0) -> int:
        own = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
        opened.append(own)
        # F_OFD_SETLK
        fcntl.fcntl(
            own, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, (1 << 62) + first, count, 0)
        )
        return own

    yield lock
    for own in opened:
        os.close(own)


@pytest.mark.invariant("S3")
def test_a_reader_s_locks_do_not_hide_the_death_of_an_owner(
    make: Make, enter: Enter, reader: Callable[..., int]
) -> None:
    mutex = make(MUTEX)
    victim, waiter, other = (
        enter(mutex, first_slot=7),
        enter(mutex, first_slot=9),
        enter(mutex, first_slot=11),
    )
    assert [one.do("take", mutex) or one.do("release", mutex) for one in (waiter, other)] == [0, 0]
    assert victim.do("take", mutex) == 0
    waiter.start("take", mutex).sleeps()
    # all slots that nobody has, and 7 as soon as its owner is dead
    for first, count in ((0, 9), (10, 1), (12, 0)):
        with contextlib.suppress(BlockingIOError):
            reader(mutex, first, count)
    victim.kill()
    reader(mutex, 7, 1)
    assert waiter.result() == WAS_ABANDONED
    assert other.do("take", mutex, 0) == BUSY
    assert waiter.do("release", mutex) == 0 and other.do("take", mutex, 0) == 0


def test_a_newcomer_finds_the_slot_that_readers_left(
    make: Make, enter: Enter, reader: Callable[..., int]
) -> None:
    mutex = make(MUTEX)
    reader(mutex, 0, 40_000)
    reader(mutex, 40_001, 0)
    newcomer = enter(mutex, first_slot=39_999)
    assert newcomer.do("take", mutex, 0) == 0
    assert word(mutex) & 0xFFFF == 40_000


def test_a_newcomer_is_told_when_readers_lock_every_slot(
    make: Make, enter: Enter, reader: Callable[..., int]
) -> None:
    mutex = make(MUTEX)
    held = reader(mutex)
    newcomer = enter(mutex)
    assert newcomer.do("take", mutex, 0) == -errno.EBUSY
    fcntl.fcntl(held, 37, struct.pack("hhqqi4x", fcntl.F_UNLCK, os.SEEK_SET, 1 << 62, 0, 0))
    assert newcomer.do("take", mutex, 0) == 0


# ---------------------------------------------------------------------- newcomers


@pytest.mark.invariant("S3")
@pytest.mark.parametrize("end", ["goes on", "is killed"])
def test_a_newcomer_that_gets_the_slot_of_a_dead_owner_tells_of_it_first(
    make: Make, enter: Enter, end: str
) -> None:
    mutex = make(MUTEX)
    victim, newcomer, waiter = (
        enter(mutex, first_slot=7),
        enter(mutex, first_slot=7),
        enter(mutex, first_slot=9),
    )
    assert victim.do("take", mutex) == 0
    waiter.start("take", mutex).sleeps()
    victim.kill()
    # It may come too late: the waiter looks at short intervals.  Then the slot is free of any
    # meaning.
    newcomer.start("take", mutex, 0, stops=["claim: slot locked"]).reaches("claim: slot locked")
    if end == "is killed":
        newcomer.kill()
        assert waiter.result() == WAS_ABANDONED
        return
    newcomer.go()
    results = [newcomer.result()]
    if results != [BUSY]:
        newcomer.do("release", mutex)
    results.append(waiter.result())
    assert results.count(WAS_ABANDONED) == 1, "one of them is told, and the other is not"


@pytest.mark.invariant("S3")
def test_a_thief_that_comes_late_takes_nothing_from_a_living_owner(
    make: Make, enter: Enter
) -> None:
    mutex = make(MUTEX)
    victim, slow, fast = enter(mutex), enter(mutex), enter(mutex, first_slot=11)
    assert victim.do("take", mutex) == 0
    slow.start("take", mutex, 0, stops=["acquire: before the swap"]).reaches(
        "acquire: before the swap"
    )
    victim.kill()
    assert fast.do("take", mutex, 0) == WAS_ABANDONED
    slow.go(stops=[])
    assert slow.result() == BUSY
    assert word(mutex) & 0xFFFF == 11
    assert fast.do("release", mutex) == 0


# ---------------------------------------------------------------------- the mutex: sleeping,
# waking, time


@pytest.mark.invariant("S4")
@pytest.mark.parametrize("step", ["sleep: before marking", "sleep: before sleeping"])
def test_a_release_between_looking_and_sleeping_is_not_missed(
    make: Make, enter: Enter, step: str
) -> None:
    mutex = make(MUTEX)
    owner, waiter = enter(mutex), enter(mutex)
    assert owner.do("take", mutex) == 0
    waiter.do("sleep_on")
    waiter.do("spin", 0)
    waiter.start("take", mutex, stops=[step]).reaches(step)
    assert owner.do("release", mutex) == 0
    waiter.go(stops=["sleep: before sleeping"] if step == "sleep: before sleeping" else [])
    assert waiter.result() == 0, "without sleeping again"


@pytest.mark.invariant("S4")
def test_a_waiter_killed_after_it_was_woken_takes_nobodys_turn(make: Make, enter: Enter) -> None:
    mutex = make(MUTEX)
    owner, first, second = enter(mutex), enter(mutex), enter(mutex)
    assert owner.do("take", mutex) == 0
    first.start("take", mutex).sleeps()
    second.start("take", mutex).sleeps()
    assert owner.do("release", mutex) == 0
    first.kill()
    assert second.result() in (0, WAS_ABANDONED)


def test_when_the_time_is_up_a_mutex_given_back_at_that_moment_is_taken(
    make: Make, enter: Enter
) -> None:
    mutex = make(MUTEX)
    owner, waiter = enter(mutex), enter(mutex)
    assert owner.do("take", mutex) == 0
    waiter.start("take", mutex, 500, stops=["sleep: before sleeping"]).reaches(
        "sleep: before sleeping"
    )
    assert owner.do("release", mutex) == 0
    waiter.go(stops=[])
    assert waiter.result() == 0


@pytest.mark.invariant("S4")
def test_a_waiter_whose_time_is_up_leaves_the_next_one_its_turn(make: Make, enter: Enter) -> None:
    mutex = make(MUTEX)
    owner, hasty, patient = enter(mutex), enter(mutex), enter(mutex)
    patient.do("sleep_on")
    assert owner.do("take", mutex) == 0
    hasty.start("take", mutex, 500).sleeps()
    patient.start("take", mutex).sleeps()
    first = hasty.result()
    assert first == BUSY
    assert owner.do("release", mutex) == 0
    assert patient.result() == 0


def test_an_owner_killed_at_the_moment_the_time_is_up_is_noticed(make: Make, enter: Enter) -> None:
    mutex = make(MUTEX)
    owner, waiter = enter(mutex), enter(mutex)
    assert owner.do("take", mutex) == 0
    waiter.do("sleep_on")
    waiter.start("take", mutex, 500, stops=["sleep: before sleeping"]).reaches(
        "sleep: before sleeping"
    )
    owner.kill()
    waiter.go(stops=[])
    assert waiter.result() == WAS_ABANDONED


# ---------------------------------------------------------------------- events and semaphores


def test_a_setter_killed_between_setting_and_waking_has_set_the_event(
    make: Make, enter: Enter
) -> None:
    for flags in (0, MANUAL):
        event = make(EVENT, flags=flags)
        setter, waiter = enter(**knows(EVENT, event)), enter(**knows(EVENT, event))
        waiter.start("take", event).sleeps()
        step = "event: after the swap, before the wake"
        setter.start("change", event, SET, stops=[step]).reaches(step).kill()
        assert waiter.result() == 0


def test_a_setter_killed_before_the_swap_has_set_nothing(make: Make, enter: Enter) -> None:
    event = make(EVENT)
    setter, waiter = enter(**knows(EVENT, event)), enter(**knows(EVENT, event))
    setter.start("change", event, SET, stops=["event: before the swap"]).reaches(
        "event: before the swap"
    ).kill()
    assert waiter.do("take", event, 0) == BUSY


def test_two_that_see_an_auto_reset_event_set_do_not_both_get_through(
    make: Make, enter: Enter
) -> None:
    event = make(EVENT, signaled=True)
    step = "wait: before taking the event"
    pair = [
        enter(**knows(EVENT, event)).start("take", event, 0, stops=[step]).reaches(step)
        for _ in range(2)
    ]
    for one in pair:
        one.go(stops=[])
    assert sorted(one.result() for one in pair) == [BUSY, 0]


@pytest.mark.invariant("S4")
def test_a_set_between_looking_and_sleeping_is_not_missed(make: Make, enter: Enter) -> None:
    for step in ("sleep: before marking", "sleep: before sleeping"):
        event = make(EVENT)
        setter, waiter = enter(**knows(EVENT, event)), enter(**knows(EVENT, event))
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
        pulser = enter(**knows(EVENT, event))
        early = [
            enter(**knows(EVENT, event))
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
    pulser, waiter = enter(**knows(EVENT, event)), enter(**knows(EVENT, event))
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
    giver = enter(**knows(SEMAPHORE, semaphore))
    waiters = [enter(**knows(SEMAPHORE, semaphore)) for _ in range(2)]
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
    giver, waiter = enter(**knows(SEMAPHORE, semaphore)), enter(**knows(SEMAPHORE, semaphore))
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
    kinds = {**knows(EVENT, event), **knows(SEMAPHORE, semaphore)}
    victim, other = enter(mutex, **kinds), enter(mutex, **kinds)
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
    kinds = {**knows(EVENT, event), **knows(SEMAPHORE, semaphore)}
    all_, other, third = enter(**kinds), enter(**kinds), enter(**kinds)
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
    all_, other = enter(**knows(EVENT, one, two)), enter(**knows(EVENT, one, two))
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
    first, second = enter(**knows(EVENT, one, two)), enter(**knows(EVENT, one, two))
    first.start("wait", [one, two], -1, True, True, stops=["all: held"]).reaches("all: held")
    second.start("wait", [two, one], -1, True, True)
    first.go(stops=[])
    assert first.result()[0] == 0
    assert first.do("change", one, SET) == first.do("change", two, SET) == 0
    assert second.result()[0] == 0


@pytest.mark.invariant("S4")
def test_a_wake_up_meant_for_one_reaches_somebody_who_can_use_it(make: Make, enter: Enter) -> None:
    event, missing = make(EVENT), make(EVENT)
    both, single, setter = (enter(**knows(EVENT, event, missing)) for _ in range(3))
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
    any_, single, setter = (enter(**knows(EVENT, one, two)) for _ in range(3))
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
    waiter, setter = enter(**knows(EVENT, one, two)), enter(**knows(EVENT, one, two))
    waiter.do("without_waitv")
    waiter.start("wait", [one, two]).sleeps()
    assert setter.do("change", two, SET) == 0
    assert waiter.result()[:2] == (0, 1)


# ---------------------------------------------------------------------- strangers


def test_a_word_that_names_this_process_for_no_reason_is_an_error_and_no_endless_wait(
    make: Make, enter: Enter
) -> None:
    mutex = make(MUTEX)
    me = enter(mutex, first_slot=5)
    assert me.do("take", mutex) == 0
    owned = word(mutex)
    assert me.do("release", mutex) == 0
    steps.scribble(mutex, owned)
    assert me.do("take", mutex) == -errno.EBADMSG
    steps.scribble(mutex, 5 | 1 << 17)
    assert me.do("take", mutex) == -errno.EBADMSG


def test_an_object_that_somebody_holds_still_and_does_not_go_on_is_an_error_or_the_end_of_the_time(
    make: Make, enter: Enter
) -> None:
    event, other = make(EVENT, signaled=True), make(EVENT, signaled=True)
    holder, peer = enter(**knows(EVENT, event, other)), enter(**knows(EVENT, event, other))
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
