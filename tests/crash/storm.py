# SPDX-License-Identifier: MIT
"""A program that kills thousands of owners and waiters of a mutex, an event and a semaphore at
random moments.

Its workers keep a ledger in shared memory that shows what must not be: two owners, an abandonment
nobody was told of, a count above its maximum, a waiter that is stuck.  Prints one JSON object.
``test_mutex_kills.py`` runs it.

    python storm.py KILLS SEED
"""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import random
import signal
import struct
import sys
import time
from typing import Any

from memsection._native import sync

WORKERS, MAXIMUM = 6, 3
STUCK_AFTER = 60.0  #: seconds
OWNER, ERRORS, TOLD, TAKEN, PROGRESS = 0, 8, 16, 24, 64  # where in the ledger
KINDS = {
    0: "two owners",
    1: "an abandonment was not told",
    2: "a count above the maximum",
    3: "an unexpected result",
}


def body(kind: int, **options: int) -> tuple[sync.State, int]:
    fd = os.memfd_create("storm")
    os.ftruncate(fd, 4096)
    os.pwrite(fd, sync.state_bytes(kind, **options), 3072)
    return sync.State(fd, 0, kind), fd


class Storm:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.mutex = body(sync.MUTEX)
        self.event = body(sync.EVENT)
        self.semaphore = body(sync.SEMAPHORE, maximum=MAXIMUM, word=MAXIMUM << 32)
        self.ledger = mmap.mmap(-1, 4096)
        self.workers: list[int] = [0] * WORKERS

    # ------------------------------------------------------------------ the ledger

    def cell(self, at: int) -> int:
        return int(struct.unpack_from("<Q", self.ledger, at)[0])

    def put(self, at: int, value: int) -> None:
        struct.pack_into("<Q", self.ledger, at, value)

    def error(self, kind: int) -> None:
        self.put(ERRORS, self.cell(ERRORS) | 1 << kind)

    # ------------------------------------------------------------------ what workers do

    def wait(
        self, *items: tuple[sync.State, int], all: bool = False, seconds: float | None = None
    ) -> tuple[int, int]:
        deadline = sync.FOREVER if seconds is None else sync.now() + int(seconds * 1e9)
        result, index, _ = sync.wait(list(items), all=all, accept_abandoned=True, deadline=deadline)
        if result < 0 and result != -errno.ETIMEDOUT:
            self.error(3)
        return result, index

    def own(self, told: bool) -> None:
        """With the mutex taken: nobody else has it, and whoever had it gave it back or its death
        was told."""
        before, me = self.cell(OWNER), os.getpid()
        if before and not told:
            self.error(1)
        self.put(OWNER, me)
        if told:
            self.put(TOLD, self.cell(TOLD) + 1)
        self.put(TAKEN, self.cell(TAKEN) + 1)
        if self.random.random() < 0.5:
            time.sleep(self.random.random() * 0.0003)
        if self.cell(OWNER) != me:
            self.error(0)
        self.put(OWNER, 0)
        if self.mutex[0].release_mutex() != 1:
            self.error(3)

    def give(self) -> None:
        result = self.semaphore[0].release_semaphore(self.semaphore[1], 1)
        if result < 0 and result != -errno.EOVERFLOW or result >= MAXIMUM:
            self.error(2)

    def act(self) -> None:
        what = self.random.randrange(6)
        if what == 0:
            result, _ = self.wait(self.mutex)
            self.own(result == 1)
        elif what == 1:
            self.wait(self.semaphore)
            self.give()
        elif what == 2:
            self.wait(self.event)
            self.event[0].change_event(self.event[1], sync.SET)
        elif what == 3:
            result, index = self.wait(self.event, self.semaphore, self.mutex)
            if index == 2:
                self.own(result == 1)
            elif index == 1:
                self.give()
        elif what == 4:
            result, _ = self.wait(self.semaphore, self.mutex, all=True)
            self.own(result == 1)
            self.give()
        else:
            result, _ = self.wait(self.mutex, seconds=self.random.random() * 0.002)
            if result >= 0:
                self.own(result == 1)
        if self.semaphore[0].look()[0] >> 32 > MAXIMUM:
            self.error(2)

    def work(self, number: int) -> None:
        self.random = random.Random(self.random.random() + number)
        at = PROGRESS + 8 * number
        while True:
            self.act()
            self.put(at, self.cell(at) + 1)

    # ------------------------------------------------------------------ what kills them

    def start(self, number: int) -> None:
        self.random.random()
        pid = os.fork()
        if not pid:
            try:
                self.work(number)
            finally:
                os._exit(1)
        self.workers[number] = pid

    def kill(self, number: int) -> None:
        os.kill(self.workers[number], signal.SIGKILL)
        _, status = os.waitpid(self.workers[number], 0)
        if not os.WIFSIGNALED(status):
            self.error(3)

    def feed(self) -> None:
        """What killed workers took with them comes back."""
        self.give()
        self.event[0].change_event(self.event[1], sync.SET)

    def run(self, kills: int) -> dict[str, Any]:
        begun = time.monotonic()
        for number in range(WORKERS):
            self.start(number)
        for count in range(kills):
            if self.random.random() < 0.7:
                time.sleep(self.random.random() * 0.001)
            number = self.random.randrange(WORKERS)
            self.kill(number)
            self.start(number)
            self.feed()
            if count % 500 == 0 and self.wait(self.mutex, seconds=STUCK_AFTER)[0] >= 0:
                # The ledger may name a dead owner; whoever takes the mutex next must not think that
                # it was not told.
                self.put(OWNER, 0)
                self.mutex[0].release_mutex()
        stuck = self.everybody_moves()
        for number in range(WORKERS):
            self.kill(number)
        errors = [text for kind, text in KINDS.items() if self.cell(ERRORS) >> kind & 1]
        return {
            "kills": kills,
            "errors": errors,
            "stuck": stuck,
            "told": self.cell(TOLD),
            "taken": self.cell(TAKEN),
            "seconds": time.monotonic() - begun,
        }

    def everybody_moves(self) -> int:
        """After the last kill every worker gets on; how many do not."""
        before = [self.cell(PROGRESS + 8 * number) for number in range(WORKERS)]
        deadline = time.monotonic() + STUCK_AFTER
        waiting = set(range(WORKERS))
        while waiting and time.monotonic() < deadline:
            self.feed()
            time.sleep(0.001)
            waiting -= {
                number for number in waiting if self.cell(PROGRESS + 8 * number) > before[number]
            }
        return len(waiting)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        print(json.dumps(Storm(int(sys.argv[2])).run(int(sys.argv[1]))))
