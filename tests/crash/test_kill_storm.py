# SPDX-License-Identifier: MIT
"""Processes that create, open and close the same names, killed at random moments, again and
again.

What each holds stands in memory that all share, so that the parent can see two objects under one
name at once.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import time

import pytest
from support.objects import leaves_nothing, unique_name
from support.workers import fork, until

from memsection import Section
from memsection.nt.linux.names import namespace

_left = pytest.fixture(autouse=True)(leaves_nothing)
WORKERS, NAMES = 4, 2
ROUNDS = int(os.environ.get("MEMSECTION_KILL_ROUNDS", "60"))
# inode that is held, operations done, a serial number that changes with every holding
_SLOT = struct.Struct("<QQQ")


class Board:
    """Shared memory with a slot for each worker and name."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 4096 * 4)

    def slot(self, worker: int, name: int) -> tuple[int, int, int]:
        return _SLOT.unpack_from(self.memory, (worker * NAMES + name) * 64)  # type: ignore[return-value]

    def write(self, worker: int, name: int, inode: int, done: int, serial: int) -> None:
        _SLOT.pack_into(self.memory, (worker * NAMES + name) * 64, inode, done, serial)


def work(board: Board, names: list[str], number: int, seed: int) -> None:
    """Create or open, look, close, for ever."""
    chance = random.Random(seed)
    done = 0
    while True:
        index = chance.randrange(NAMES)
        try:
            if chance.random() < 0.6:
                section = Section.create(names[index], size=4096, exist_ok=True)
                created = section.created
            else:
                section, created = Section.open(names[index]), False
        except FileNotFoundError:
            done += 1
            board.write(number, index, 0, done, done)
            continue
        with section, section.map() as view:
            board.write(number, index, os.fstat(section.fileno()).st_ino, done, done)
            first = bytes(view[:8])
            # Two that both believe they created it would find each other's mark.
            assert not created or first == bytes(8), f"created, but somebody wrote {first!r} before"
            if created:
                view[:8] = struct.pack("<II", os.getpid(), done & 0xFFFFFFFF)
            if chance.random() < 0.3:
                time.sleep(chance.random() * 0.002)
            done += 1
            board.write(number, index, 0, done, done)


def two_at_once(board: Board, index: int) -> str | None:
    """Two workers that hold different objects under one name, both all the time between two
    looks."""
    first = [board.slot(worker, index) for worker in range(WORKERS)]
    second = [board.slot(worker, index) for worker in range(WORKERS)]
    held = {one[0] for one, two in zip(first, second, strict=True) if one == two and one[0]}
    return f"{held}" if len(held) > 1 else None


@pytest.mark.timeout(300)
@pytest.mark.invariant("L1")
@pytest.mark.invariant("N2")
@pytest.mark.parametrize("prefix", ["", "Global\\"])
def test_kill_9_at_random_moments_leaves_no_name_without_an_object_and_no_two_creators(
    prefix: str,
) -> None:
    names = [unique_name(prefix) for _ in range(NAMES)]
    board = Board()
    chance = random.Random(20261120)
    pids = {n: fork(lambda n=n: work(board, names, n, n)) for n in range(WORKERS)}  # type: ignore[misc]
    try:
        for round_ in range(ROUNDS):
            deadline = time.monotonic() + chance.random() * 0.01
            while time.monotonic() < deadline:
                for index in range(NAMES):
                    assert (found := two_at_once(board, index)) is None, (
                        f"two objects under one name: {found}"
                    )
            victim = chance.randrange(WORKERS)
            os.kill(pids[victim], signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(pids.pop(victim), 0)[1])
            assert status == -signal.SIGKILL, "a worker ended by itself"
            for index in range(NAMES):
                board.write(victim, index, 0, 0, 0)
            pids[victim] = fork(lambda n=victim, s=round_ + WORKERS: work(board, names, n, s))  # type: ignore[misc]
        before = [
            sum(board.slot(worker, index)[1] for index in range(NAMES)) for worker in range(WORKERS)
        ]
        for worker in range(WORKERS):
            until(
                lambda w=worker: sum(board.slot(w, i)[1] for i in range(NAMES)) > before[w],  # type: ignore[misc]
                f"worker {worker} goes on",
            )
    finally:
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids.values()]
    assert ended == [-signal.SIGKILL] * WORKERS
    for name in names:
        with pytest.raises(FileNotFoundError):
            Section.open(name)
    directory = namespace.path_of("global" if prefix else "local")
    assert [file for file in os.listdir(directory) if f"test-{os.getpid()}-" in file] == []
