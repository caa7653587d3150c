# SPDX-License-Identifier: MIT
"""Readers and writers killed at random moments: nobody is stuck, nobody reads what is half written,
every death is told."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from support.interruptions import Interrupted
from support.objects import leaves_nothing, unique_name
from support.workers import fork, reap, until

from memsection import AbandonedMutexError, RWLock, Section

_left = pytest.fixture(autouse=True)(leaves_nothing)
KILLS = int(os.environ.get("MEMSECTION_KILLS", "2000")) // 40
CELLS = 64  #: 8-byte numbers that a writer makes equal, one after the other


def _use(name: str, seed: int) -> None:
    """Read and write until it is killed; ends by itself, with status 1, when it sees what must not
    be."""
    choose = random.Random(seed)

    def repair(error: AbandonedMutexError) -> None:
        cells[:CELLS] = memoryview(bytes(8 * CELLS)).cast("q")
        cells[CELLS] += 1

    with (
        RWLock.open(name, repair=repair) as lock,
        Section.open(name + "-data") as section,
        section.map() as view,
    ):
        cells = memoryview(view)[: 8 * (CELLS + 2)].cast("q")
        while True:
            if choose.random() < 0.8:
                with lock.read:
                    seen = set(cells[:CELLS])
                    assert len(seen) == 1, f"torn: {seen}"
            else:
                with lock.write:
                    number = cells[0] + 1
                    for index in range(CELLS):
                        assert cells[index] == number - 1, (
                            "somebody else writes, or it was left half written"
                        )
                        cells[index] = number
            cells[CELLS + 1] += 1


@pytest.mark.timeout(120)
@pytest.mark.invariant("S5")
def test_kills_leave_nobody_stuck_and_nothing_half_written_unseen() -> None:
    name, choose = unique_name(), random.Random()
    with (
        RWLock.create(name) as lock,
        Section.create(name + "-data", 4096) as section,
        section.map() as view,
    ):
        cells = memoryview(view)[: 8 * (CELLS + 2)].cast("q")
        users = [fork(lambda: _use(name, choose.randrange(1 << 30))) for _ in range(4)]
        try:
            for number in range(KILLS):
                before = cells[CELLS + 1]
                until(lambda: cells[CELLS + 1] > before + 20, "progress")  # noqa: B023  # called here
                time.sleep(choose.random() * 0.003)
                victim = users.pop(number % len(users))
                os.kill(victim, signal.SIGKILL)
                assert reap(victim) == -signal.SIGKILL, "it had ended by itself"
                users.append(fork(lambda: _use(name, choose.randrange(1 << 30))))
        finally:
            for pid in users:
                os.kill(pid, signal.SIGKILL)
            statuses = [reap(pid) for pid in users]
            cells.release()
        assert statuses == [-signal.SIGKILL] * len(users)
        assert lock.acquire_write(timeout=20, accept_abandoned=True)
        lock.release_write()
        assert lock.processes == 0


@pytest.mark.invariant("O1")
@pytest.mark.parametrize("side", ["read", "write"])
@pytest.mark.parametrize("way", ["with", "acquire", "contended"])
def test_a_handler_that_raises_at_any_moment_leaves_the_lock_free_or_taken_whole(
    side: str, way: str
) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    choose, hits = random.Random(f"{side}{way}"), 0
    was = signal.signal(signal.SIGALRM, interrupt)
    try:
        with RWLock.create() as lock:
            one = getattr(lock, side)
            pid = fork(lambda: _toggle(lock)) if way == "contended" else 0
            for _ in range(300):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 1e-6 + choose.random() * 60e-6)
                    for _ in range(1000):
                        if way == "acquire":
                            one.acquire()
                            one.release()
                        else:
                            with one:
                                pass
                except Interrupted:
                    hits += 1
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                if way == "acquire":
                    while lock._core and (
                        lock._core.readers.reads_here or lock._core.readers.writes_here
                    ):
                        one.release()  # interrupted between the two calls
                assert lock._core is not None
                assert not lock._core.readers.reads_here and not lock._core.readers.writes_here
            if pid:
                os.kill(pid, signal.SIGKILL)
                reap(pid)
            assert lock.acquire_write(timeout=20, accept_abandoned=True)
            lock.release_write()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, was)
    assert hits > 100


def _toggle(lock: RWLock) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    while True:
        with lock.read:
            pass
        with lock.write:
            pass
