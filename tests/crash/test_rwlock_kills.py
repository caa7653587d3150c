# SPDX-License-Identifier: MIT
"""Readers and writers killed at random moments: nobody is stuck, nobody reads what is half written,
every death is told."""

from __future__ import annotations

import os
import random
import signal

import pytest
from support.interruptions import Interrupted
from support.objects import leaves_nothing
from support.rwlock_storm import storm, use
from support.workers import fork, reap

from memsection import RWLock

_left = pytest.fixture(autouse=True)(leaves_nothing)
KILLS = int(os.environ.get("MEMSECTION_KILLS", "2000")) // 40


class _Forked:
    """One who reads and writes, forked: as ``subprocess.Popen``."""

    def __init__(self, name: str, seed: int) -> None:
        self.pid = fork(lambda: use(name, seed))

    def poll(self) -> None: ...

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        assert reap(self.pid) == -signal.SIGKILL, "it had ended by itself"


@pytest.mark.timeout(600)
@pytest.mark.invariant("S5")
def test_kills_leave_nobody_stuck_and_nothing_half_written_unseen() -> None:
    found = storm(KILLS, random.randrange(1 << 30), _Forked)
    assert (found["stuck"], found["torn"], found["kills"]) == (0, 0, KILLS), found
    assert found["told"], found


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
