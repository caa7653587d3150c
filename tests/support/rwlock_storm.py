# SPDX-License-Identifier: MIT
"""Readers and writers under a readers-writer lock, killed at random moments, on both systems.

    python rwlock_storm.py KILLS SEED

prints one JSON object: how many were killed, how often somebody read and wrote, how many dead
writers were told of, and what must be 0: who did not get on, and who saw what nobody wrote.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent.parent.parent / "src")]

from memsection import AbandonedMutexError, RWLock, Section

USERS = 4
PATIENCE = 90.0  #: seconds without progress that count as stuck; starting a program takes some
CELLS = 64  #: 8-byte numbers that a writer makes equal, one after the other
TOLD, READ, WRITTEN, TORN, WRITER = range(CELLS, CELLS + 5)  #: counts behind them, and who writes


def use(name: str, seed: int) -> None:
    """Read and write until this process is killed; end when there is something that nobody
    wrote."""
    choose = random.Random(seed)

    def repair(error: AbandonedMutexError) -> None:
        cells[:CELLS] = memoryview(bytes(8 * CELLS)).cast("q")
        cells[TOLD] += 1

    def require(fact: bool) -> None:
        if not fact:
            cells[TORN] += 1
            sys.exit("something that nobody wrote")

    with (
        RWLock.open(name, repair=repair) as lock,
        Section.open(name + "-data") as section,
        section.map() as view,
    ):
        cells = memoryview(view)[: 8 * (CELLS + 5)].cast("q")
        while True:
            if choose.random() < 0.7:
                with lock.read:
                    for _ in range(20):
                        require(len(set(cells[:CELLS])) == 1)
                cells[READ] += 1
            else:
                with lock.write:
                    before, stop = cells[0], choose.randrange(2 * CELLS)
                    for index in range(CELLS):
                        require(cells[index] == before)
                        cells[index] = before + 1
                        if index == stop:  # long enough to be killed here
                            cells[WRITER] = os.getpid()
                            time.sleep(0.005)
                    cells[WRITTEN] += 1


def storm(kills: int, seed: int, start: Callable[[str, int], Any] | None = None) -> dict[str, Any]:
    """What was seen; ``start`` makes one that uses the lock, a program of its own when omitted."""
    start = start or _start
    choose, name = random.Random(seed), f"rwlock-storm-{os.getpid()}"
    found: dict[str, Any] = {"kills": 0, "stuck": 0}
    with (
        RWLock.create(name) as lock,
        Section.create(name + "-data", 4096) as section,
        section.map() as view,
    ):
        cells = memoryview(view)[: 8 * (CELLS + 5)].cast("q")
        users = [start(name, choose.randrange(1 << 30)) for _ in range(USERS)]
        try:
            while found["kills"] < kills and not found["stuck"] and not cells[TORN]:
                found["stuck"] += not _goes_on(cells)
                time.sleep(choose.random() * 0.01)
                at = found["kills"] % USERS
                if found["kills"] % 2:  # who writes at this moment, if it still does
                    at = next((i for i, user in enumerate(users) if user.pid == cells[WRITER]), at)
                victim = users.pop(at)
                users.append(start(name, choose.randrange(1 << 30)))
                if victim.poll() is not None and not cells[TORN]:
                    raise RuntimeError(f"a user ended by itself, with {victim.returncode}")
                _end(victim)
                found["kills"] += 1
        finally:
            for user in users:
                _end(user)
            found |= {"read": cells[READ], "written": cells[WRITTEN], "told": cells[TOLD]}
            found["torn"] = cells[TORN]
            cells.release()
        if not lock.acquire_write(timeout=PATIENCE, accept_abandoned=True):
            found["stuck"] += 1
        else:
            lock.release_write()
            found["stuck"] += lock.processes
    return found


def _start(name: str, seed: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, "use", name, str(seed)])


def _end(user: Any) -> None:
    user.kill()  # SIGKILL, or TerminateProcess
    user.wait()


def _goes_on(cells: memoryview) -> bool:
    """Whether those that live read and write some more, and the one that was started begins to."""
    before, end = cells[READ] + cells[WRITTEN], time.monotonic() + PATIENCE
    while cells[READ] + cells[WRITTEN] < before + 50:
        if time.monotonic() >= end:
            return bool(cells[TORN])
        time.sleep(0.002)
    return True


if __name__ == "__main__":
    if sys.argv[1] == "use":
        use(sys.argv[2], int(sys.argv[3]))
    print(json.dumps(storm(int(sys.argv[1]), int(sys.argv[2]))))
