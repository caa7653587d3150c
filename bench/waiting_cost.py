# SPDX-License-Identifier: MIT
"""How much of a processor does a wait use?

Waits of 5 ms, one after another, as a partner releases a semaphore; and one wait of two seconds
that nothing ends.  The alternative is a semaphore of ``multiprocessing``, which sleeps in the
kernel from the beginning.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable

from measure import Samples, arguments, compare, span
from two_processes import meet, processors

from memsection import Semaphore

WAITS, PAUSE = 100, 0.005


def cpu_of(wait: Callable[[], object], send: Callable[[], object]) -> float:
    """Seconds of processor time for one wait."""
    spent = [0.0]

    def here() -> None:
        before = time.process_time()
        for _ in range(WAITS):
            wait()
        spent[0] = time.process_time() - before

    def there() -> None:
        for _ in range(WAITS):
            time.sleep(PAUSE)
            send()

    meet(here, there, processors())
    return spent[0] / WAITS


def main() -> None:
    rounds = arguments(__doc__, 10).rounds
    ours = Semaphore.create(f"bench-wait-{os.getpid()}", 0)
    semaphore = multiprocessing.Semaphore(0)
    samples: Samples = {"memsection": [], "multiprocessing.Semaphore": []}
    for _ in range(rounds):
        samples["memsection"].append(cpu_of(ours.acquire, ours.release))
        samples["multiprocessing.Semaphore"].append(cpu_of(semaphore.acquire, semaphore.release))
    compare(f"processor time of a wait of {span(PAUSE)}", samples, "multiprocessing.Semaphore")
    before = time.process_time()
    ours.acquire(2.0)
    print(f"processor time of a wait of 2 s: {span(time.process_time() - before)}\n")
    ours.close()


if __name__ == "__main__":
    main()
