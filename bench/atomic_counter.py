# SPDX-License-Identifier: MIT
"""What does it cost to count in shared memory, so that no other process's count is lost?

An atomic addition to an element of an array, beside the same under a mutex that nobody else wants,
and without any protection.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat

from measure import arguments, compare, measure_in_turns

from memsection import Mutex, arrays

LOOPS = 500


def loop(step: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        for _ in repeat(None, LOOPS):
            step()

    return run


def main() -> None:
    rounds = arguments(__doc__, 300).rounds
    mutex, array = Mutex.create(), arrays.create(None, 4, "u8")

    def guarded() -> None:
        with mutex:
            array[0] += 1

    def unprotected() -> None:
        array[0] += 1

    ways = {
        "atomic_add": lambda: array.atomic_add(0, 1),
        "with mutex": guarded,
        "unprotected": unprotected,
    }
    samples = measure_in_turns(
        {name: loop(step) for name, step in ways.items()}, rounds=rounds, batch=1
    )
    compare(
        "count once",
        {name: [spent / LOOPS for spent in times] for name, times in samples.items()},
        "with mutex",
        1.0,
        ours="atomic_add",
    )
    mutex.close()


if __name__ == "__main__":
    main()
