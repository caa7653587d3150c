# SPDX-License-Identifier: MIT
"""What does it cost to read under a readers-writer lock, alone and beside other processes that
read?

The plain alternative is a mutex, under which readers wait for each other.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import repeat
from typing import Any

from measure import Samples, arguments, compare, measure_in_turns

from memsection import Mutex, RWLock

LOOPS = 2000
OTHERS = max(1, (os.cpu_count() or 2) - 1)


def loop(lock: Any) -> Callable[[], object]:
    def run() -> None:
        for _ in repeat(None, LOOPS):
            with lock:
                pass

    return run


def beside(lock: Any, rounds: int, name: str) -> Samples:
    """The same while other processes do nothing else."""
    others = []
    for _ in range(OTHERS):
        pid = os.fork()
        if not pid:
            try:
                run = loop(lock)
                while True:
                    run()
            finally:
                os._exit(1)
        others.append(pid)
    try:
        return each(measure_in_turns({name: loop(lock)}, rounds=rounds, batch=1))
    finally:
        for pid in others:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def each(samples: Samples) -> Samples:
    return {name: [spent / LOOPS for spent in times] for name, times in samples.items()}


def main() -> None:
    rounds = arguments(__doc__, 200).rounds
    with RWLock.create() as lock:
        mutex = Mutex.create()
        cases = {"mutex": loop(mutex), "read": loop(lock.read), "write": loop(lock.write)}
        compare(
            "with lock: pass, alone", each(measure_in_turns(cases, rounds=rounds, batch=1)), "mutex"
        )
        found = beside(mutex, rounds // 4, "mutex") | beside(lock.read, rounds // 4, "read")
        compare(f"the same beside {OTHERS} others that do it", found, "mutex")
        mutex.close()


if __name__ == "__main__":
    main()
