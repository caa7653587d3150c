# SPDX-License-Identifier: MIT
"""How long after its owner was killed can a mutex be had?

By somebody who has been waiting for it, counted from the kill; and by somebody who comes
afterwards.  The alternative is ``fcntl.flock``, which the kernel drops at the kill;
``multiprocessing.Lock`` is never had again.
"""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable

from measure import Samples, arguments, median, percentile, span, table

from memsection import Mutex

TARGET = 0.1


def kill_and_wait(take: Callable[[], object], wait: Callable[[], object], *, before: bool) -> float:
    """Seconds from the kill, or from the attempt after it, until ``wait`` comes back."""
    ready, told = os.pipe()
    child = os.fork()
    if not child:
        take()
        os.write(told, b"t")
        time.sleep(60)
        os._exit(0)
    os.read(ready, 1)
    os.close(ready)
    os.close(told)
    at = [0.0]

    def kill() -> None:
        at[0] = time.perf_counter()
        os.kill(child, signal.SIGKILL)

    if before:
        kill()
        os.waitpid(child, 0)
        at[0] = time.perf_counter()
    else:
        # at any moment between two looks
        threading.Timer(0.02 + 0.05 * os.urandom(1)[0] / 255, kill).start()
    wait()
    spent = time.perf_counter() - at[0]
    if not before:
        os.waitpid(child, 0)
    return spent


def main() -> None:
    rounds = arguments(__doc__, 60).rounds
    mutex = Mutex.create(f"bench-abandoned-{os.getpid()}")
    file = tempfile.NamedTemporaryFile()
    samples: Samples = {}

    def take_file() -> None:
        fcntl.flock(os.open(file.name, os.O_RDWR), fcntl.LOCK_EX)

    def wait_file() -> None:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.flock(file, fcntl.LOCK_UN)

    def wait_mutex() -> None:
        mutex.acquire(accept_abandoned=True)
        mutex.release()

    for _ in range(rounds):
        for before, when in ((False, "somebody waits"), (True, "somebody comes later")):
            for name, take, wait in (
                ("memsection", mutex.acquire, wait_mutex),
                ("fcntl.flock", take_file, wait_file),
            ):
                samples.setdefault(f"{name}, {when}", []).append(
                    kill_and_wait(take, wait, before=before)
                )
    print(
        table(
            ["", "median", "99th percentile"],
            [
                [name, span(median(times)), span(percentile(times, 0.99))]
                for name, times in samples.items()
            ],
        )
    )
    worst = max(max(times) for name, times in samples.items() if name.startswith("memsection"))
    print(
        f"\ntarget: at most {TARGET} s; {'reached' if worst <= TARGET else 'MISSED'} at "
        f"{worst:.3f} s\n"
    )
    mutex.close()
    file.close()


if __name__ == "__main__":
    main()
