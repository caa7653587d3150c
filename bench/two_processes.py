# SPDX-License-Identifier: MIT
"""For the benchmarks in which two processes meet: a partner on a processor of its own, or on the
same one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable


def processors() -> tuple[int, int]:
    """Two processors that this process may use; the same one twice where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def meet(
    mine: Callable[[], object], partners: Callable[[], object], cpus: tuple[int, int] | None
) -> float:
    """Seconds from the moment both run until this process's part is done; the partner is a forked
    child.

    Without ``cpus`` both run where the scheduler puts them.
    """
    usable = os.sched_getaffinity(0)
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            if cpus:
                os.sched_setaffinity(0, {cpus[1]})
            os.write(ready[1], b"r")
            os.read(go[0], 1)
            partners()
        finally:
            os._exit(0)
    try:
        if cpus:
            os.sched_setaffinity(0, {cpus[0]})
        os.read(ready[0], 1)
        os.write(go[1], b"g")
        start = time.perf_counter()
        mine()
        return time.perf_counter() - start
    finally:
        os.waitpid(child, 0)
        os.sched_setaffinity(0, usable)
        for end in (*ready, *go):
            os.close(end)
