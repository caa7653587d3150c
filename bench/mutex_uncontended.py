# SPDX-License-Identifier: MIT
"""What does it cost to take a mutex that nobody else wants, and to give it back?

Called as users call it, ``lock.acquire()`` and ``lock.release()``, in a loop whose cost is in every
figure alike. ``multiprocessing.Lock`` is neither recursive nor named, and is stuck for ever when
its owner dies.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from itertools import repeat
from typing import Any

from measure import Samples, arguments, compare, measure_in_turns

from memsection import Mutex

LOOPS = 2000


def loop(lock: Any) -> Callable[[], object]:
    def run() -> None:
        for _ in repeat(None, LOOPS):
            lock.acquire()
            lock.release()

    return run


def acquire_and_release(lock: Any) -> Callable[[], object]:
    acquire, release = lock.acquire, lock.release

    def run() -> None:
        for _ in repeat(None, LOOPS):
            acquire()
            release()

    return run


def each(samples: Samples) -> Samples:
    return {name: [spent / LOOPS for spent in times] for name, times in samples.items()}


def main() -> None:
    rounds = arguments(__doc__, 300).rounds
    mutex = Mutex.create("bench-uncontended")
    locks: dict[str, Any] = {
        "memsection": mutex,
        "multiprocessing.Lock": multiprocessing.Lock(),
        "multiprocessing.RLock": multiprocessing.RLock(),
        "threading.Lock": threading.Lock(),
    }
    for title, how in (
        ("lock.acquire(); lock.release()", loop),
        ("the same methods, looked up once", acquire_and_release),
    ):
        samples = measure_in_turns(
            {name: how(lock) for name, lock in locks.items()}, rounds=rounds, batch=1
        )
        compare(title, each(samples), "multiprocessing.Lock", 1.0)
    mutex.close()


if __name__ == "__main__":
    main()
