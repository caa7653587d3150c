# SPDX-License-Identifier: MIT
"""After a pause, do round trips between two processes become as fast again as they were?

Two processes wake each other through two events.  Then one of them pauses for 50 ms, in which the
other falls asleep and its processor with it, and they go on.  What is compared is the time of a
trip before the pause, in the first trips after it, and later.  Pinned to two processors, to the
same one, where the scheduler puts them, and set free after both were on one processor.  How often
this side slept in the later trips is printed besides: on a machine with other work a trip may take
longer although nobody sleeps any more.
"""

from __future__ import annotations

import os
import resource
import time
from itertools import repeat
from typing import Any

from measure import Samples, arguments, compare, median
from two_processes import meet, processors

from memsection import Event

WARM, EARLY, LATER, PAUSE = 3000, 300, 3000, 0.05


def slept() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


def one_round(
    cpus: tuple[int, int] | None, free: bool, samples: Samples, sleeps: list[float]
) -> None:
    usable = os.sched_getaffinity(0)
    ping = Event.create(f"bench-ping-{os.getpid()}", manual_reset=False)
    pong = Event.create(f"bench-pong-{os.getpid()}", manual_reset=False)

    def trips(count: int) -> float:
        start = time.perf_counter()
        for _ in repeat(None, count):
            ping.set()
            pong.wait()
        return (time.perf_counter() - start) / count

    def here() -> None:
        trips(WARM)
        if free:
            os.sched_setaffinity(0, usable)
        samples["before the pause"].append(trips(LATER))
        time.sleep(PAUSE)
        samples[f"the {EARLY} trips after it"].append(trips(EARLY))
        before = slept()
        samples["later"].append(trips(LATER))
        sleeps.append((slept() - before) / LATER)

    def there() -> None:
        def answer(count: int) -> None:
            for _ in repeat(None, count):
                ping.wait()
                pong.set()

        answer(WARM)
        if free:
            os.sched_setaffinity(0, usable)
        answer(LATER + EARLY + LATER)

    meet(here, there, cpus)
    ping.close()
    pong.close()


def main() -> None:
    rounds = arguments(__doc__, 15).rounds
    first, second = processors()
    cases: dict[str, tuple[Any, bool, float]] = {
        "two processors": ((first, second), False, 1.5),
        "one processor": ((first, first), False, 1.2),
        "free to move": (None, False, 1.5),
        "set free on one processor": ((first, first), True, 1.5),
    }
    results: dict[str, Samples] = {
        title: {"before the pause": [], f"the {EARLY} trips after it": [], "later": []}
        for title in cases
    }
    sleeps: dict[str, list[float]] = {title: [] for title in cases}
    for _ in range(rounds):
        for title, (cpus, free, _) in cases.items():
            one_round(cpus, free, results[title], sleeps[title])
    for title, (_, _, target) in cases.items():
        compare(f"a round trip, {title}", results[title], "before the pause", target, ours="later")
        slowest = max(results[title]["later"]) / median(results[title]["before the pause"])
        print(f"the slowest round came back to {slowest:.2f} times the median before;")
        print(f"sleeps in a later trip: {median(sleeps[title]):.4f} (median of the rounds)\n")


if __name__ == "__main__":
    main()
