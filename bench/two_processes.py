# SPDX-License-Identifier: MIT
"""For the benchmarks in which two processes meet: a partner on a processor of its own, or on the
same one."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

LIMIT = 60.0  #: seconds that a batch may take: whoever waits for what never comes is ended
#: What both do when they are done; the partner ends without the interpreter's own clearing up.
at_the_end: list[Callable[[], object]] = []


class StalledError(Exception):
    """A batch did not end in time."""


def processors() -> tuple[int, int]:
    """Two processors that this process may use; the same one twice where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def _raise_stalled(*_: object) -> NoReturn:
    raise StalledError(f"not done in {LIMIT:g} s")


@contextlib.contextmanager
def limit_batch(children: list[int]) -> Iterator[None]:
    """A batch with these partners, who have ended when it has.

    Raises:
        StalledError: It was not done in ``LIMIT`` seconds.
    """
    usable = os.sched_getaffinity(0)
    before = signal.signal(signal.SIGALRM, _raise_stalled)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    except BaseException:
        for child in children:
            os.kill(child, signal.SIGKILL)  # it may wait for us
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        for child in children:
            os.waitpid(child, 0)
        os.sched_setaffinity(0, usable)


def partner(part: Callable[[], object], cpu: int | None, ready: int, go: int) -> int:
    """A forked child that says when it is ready, and begins when it is told to; its process id."""
    child = os.fork()
    if child:
        return child
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, LIMIT)  # ends it, whatever it waits in
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        os.write(ready, b"r")
        os.read(go, 1)
        part()
        for last in at_the_end:
            last()
    finally:
        os._exit(0)


def meet(
    mine: Callable[[], object],
    partners: Callable[[], object],
    cpus: tuple[int, int] | None,
    warm_up: tuple[Callable[[], object], Callable[[], object]] | None = None,
) -> float:
    """Seconds from the moment both run until this process's part is done; the partner is a forked
    child.

    Without ``cpus`` both run where the scheduler puts them.  ``warm_up`` is what both do first, which
    is not counted: some make their connections with the first message.

    Raises:
        StalledError: One of them was not done in ``LIMIT`` seconds.
    """
    ready, go = os.pipe(), os.pipe()

    def whole() -> None:
        if warm_up:
            warm_up[1]()
        partners()

    child = partner(whole, cpus[1] if cpus else None, ready[1], go[0])
    try:
        with limit_batch([child]):
            if cpus:
                os.sched_setaffinity(0, {cpus[0]})
            os.read(ready[0], 1)
            os.write(go[1], b"g")
            if warm_up:
                warm_up[0]()
            start = time.perf_counter()
            mine()
            return time.perf_counter() - start
    finally:
        for last in at_the_end:
            last()
        at_the_end.clear()
        for end in (*ready, *go):
            os.close(end)
