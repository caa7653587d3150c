# SPDX-License-Identifier: MIT
"""Mutexes: each interleaving that matters of acquire, release, timeout, theft and death, forced by
stopping at named steps."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import sys
from collections.abc import Callable, Iterator

import pytest

if sys.platform != "linux":
    pytest.skip(
        "the core of the synchronisation objects exists on Linux only", allow_module_level=True
    )

from native.compiling import needs_compiler
from native.steps import MUTEX, WAS_ABANDONED, Actor, scribble, word

pytestmark = needs_compiler

OWNED_AND_KILLED_AT = ["acquire: after the swap", "release: before the swap"]
RECOVERING = ["recover: slot locked", "recover: before setting right"]
BUSY = -errno.ETIMEDOUT
Make = Callable[..., int]
Enter = Callable[..., Actor]


# ---------------------------------------------------------------------- files that are cut


def test_an_object_whose_file_is_cut_while_it_is_opened_costs_no_process(
    make: Make, enter: Enter
) -> None:
    mutex = make(MUTEX)
    actor = enter()
    actor.start("open", mutex, MUTEX, stops=["open: mapped"]).reaches("open: mapped")
    os.ftruncate(mutex, 0)
    assert actor.go().result() == 0


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


def owned_and_awaited(make: Make, enter: Enter) -> tuple[int, Actor, Actor]:
    """A mutex, who owns it, and who sleeps until it is free."""
    mutex = make(MUTEX)
    owner, waiter = enter(mutex), enter(mutex)
    assert owner.do("take", mutex) == 0
    waiter.start("take", mutex).sleeps()
    return mutex, owner, waiter


def test_an_owner_killed_after_it_gave_back_has_abandoned_nothing(make: Make, enter: Enter) -> None:
    mutex, victim, waiter = owned_and_awaited(make, enter)
    step = "release: after the swap, before the wake"
    victim.start("release", mutex, stops=[step]).reaches(step).kill()
    assert waiter.result() == 0, "nobody woke it, and it looked by itself"


def test_an_owner_killed_while_a_release_finds_waiters_abandons(make: Make, enter: Enter) -> None:
    mutex, victim, waiter = owned_and_awaited(make, enter)
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


def test_a_wait_that_does_not_accept_it_leaves_an_abandoned_mutex_to_everybody(
    make: Make, enter: Enter
) -> None:
    mutex = make(MUTEX)
    victim, refusing, accepting = enter(mutex), enter(mutex), enter(mutex)
    assert victim.do("take", mutex) == 0
    waiting = [enter(mutex).start("take", mutex, -1, False) for _ in range(2)]
    for one in waiting:
        one.sleeps()
    victim.kill()
    assert [one.result() for one in waiting] == [-errno.EOWNERDEAD] * 2, "each of them is told"
    assert refusing.do("wait", [mutex], 0, False) == (-errno.EOWNERDEAD, 0, word(mutex) >> 32)
    assert accepting.do("take", mutex, 0) == WAS_ABANDONED
    assert refusing.do("take", mutex, 0, False) == BUSY


# -------------------------------------------------------------------- the mutex: thieves and slots


@pytest.mark.invariant("S3")
@pytest.mark.parametrize("end", ["goes on", "is killed"])
@pytest.mark.parametrize("step", RECOVERING)
def test_a_thief_that_stops_while_it_recovers_holds_up_nobody(
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
def test_a_slot_that_is_recovered_cannot_be_claimed_meanwhile(
    make: Make, enter: Enter, step: str
) -> None:
    mutex = make(MUTEX)
    victim, thief, newcomer = enter(mutex, first_slot=7), enter(mutex), enter(mutex, first_slot=7)
    assert victim.do("take", mutex) == 0
    assert word(mutex) & 0xFFFF == 7
    victim.kill()
    thief.start("take", mutex, 0, stops=[step]).reaches(step)
    assert newcomer.do("take", mutex, 0) == WAS_ABANDONED
    assert word(mutex) & 0xFFFF == 8, "the slot that is recovered is nobody's"
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


# --------------------------------------------------------------- the mutex: sleeping, waking, time


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


# ---------------------------------------------------------------------- strangers


def test_a_word_that_names_this_process_for_no_reason_is_an_error_and_no_endless_wait(
    make: Make, enter: Enter
) -> None:
    mutex = make(MUTEX)
    me = enter(mutex, first_slot=5)
    assert me.do("take", mutex) == 0
    owned = word(mutex)
    assert me.do("release", mutex) == 0
    scribble(mutex, owned)
    assert me.do("take", mutex) == -errno.EBADMSG
    scribble(mutex, 5 | 1 << 17)
    assert me.do("take", mutex) == -errno.EBADMSG
