# SPDX-License-Identifier: MIT
"""What does one acquire + release cost when two processes do nothing else with the same mutex?

Each process is on a processor of its own and takes it the same number of times; the time of both is
divided by the number of both.
"""

from __future__ import annotations

import multiprocessing
import os
import random
from itertools import repeat
from typing import Any

from measure import Samples, arguments, compare
from two_processes import meet, processors

from memsection import Mutex

LOOPS = 20000


def hammer(lock: Any) -> None:
    for _ in repeat(None, LOOPS):
        lock.acquire()
        lock.release()


def main() -> None:
    rounds = arguments(__doc__, 60).rounds
    mutex = Mutex.create(f"bench-contended-{os.getpid()}")
    locks: dict[str, Any] = {
        "memsection": mutex,
        "multiprocessing.Lock": multiprocessing.Lock(),
        "multiprocessing.RLock": multiprocessing.RLock(),
    }
    samples: Samples = {name: [] for name in locks}
    order = list(locks)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            lock = locks[name]
            spent = meet(
                lambda lock=lock: hammer(lock), lambda lock=lock: hammer(lock), processors()
            )  # type: ignore[misc]
            samples[name].append(spent / (2 * LOOPS))
    compare(
        "acquire + release, two processes at it, two processors",
        samples,
        "multiprocessing.Lock",
        1.2,
    )
    mutex.close()


if __name__ == "__main__":
    main()
