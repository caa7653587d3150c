# SPDX-License-Identifier: MIT
"""How the random histories run an operation: in another thread, in a forked child, or with a signal
that raises in it.

An interrupted operation has come to its end or has done nothing.  Which, is looked for and compared
with the model; then what was not done is done, so that a history goes on in one way, whenever the
signal came.
"""

from __future__ import annotations

import gc
import itertools
import os
import signal
import threading
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any

from support.forks import busy, child, unknown_descriptors
from support.interruptions import Interrupted, at_call

_numbers = itertools.count()


def how() -> Any:
    """The strategy for how an operation runs.

    None: as it is; "thread": in another one; a whole number: a handler raises at that call in it; a
    fraction: after so many milliseconds.
    """
    from hypothesis import strategies as st  # here and below: workers have no use for it

    return st.one_of(st.none(), st.just("thread"), st.integers(1, 20), st.floats(0.001, 0.3))


def options(examples: int, steps: int) -> Any:
    """The settings of a machine: always the same histories, or as many others as
    MEMSECTION_HISTORIES says."""
    from hypothesis import HealthCheck, settings

    more = os.environ.get("MEMSECTION_HISTORIES")
    return settings(
        max_examples=int(more or examples),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=more is None,
        database=None,
    )


def in_thread(operation: Callable[[], Any]) -> Any:
    """What an operation gives, or raises, in a thread of its own."""
    given: list[Any] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            given.append(operation())
        except BaseException as problem:
            raised.append(problem)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert given or raised, "an operation in a thread did not come to its end"
    if raised:
        raise raised[0]
    return given[0]


def interrupted(operation: Callable[[], Any], when: int | float) -> bool:
    """Run an operation in which a signal handler raises, at a call or after some milliseconds;
    whether it was hit.

    The time counts in the main thread only, where handlers run; a call in any.
    """
    with warnings.catch_warnings():
        # what was made and never given is collected
        warnings.simplefilter("ignore", ResourceWarning)
        hit = at_call(when, operation) if isinstance(when, int) else _after(when / 1000, operation)
        if hit:
            gc.collect()
    return hit


def _after(delay: float, operation: Callable[[], Any]) -> bool:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    was = signal.signal(signal.SIGALRM, interrupt)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, delay)
            operation()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return False
    except Interrupted:
        return True
    finally:
        signal.signal(signal.SIGALRM, was)


class Company:
    """Other threads of this process that are at work, or not."""

    def __init__(self) -> None:
        self.stack, self.problems = ExitStack(), list[str]()

    def come(self, name: str) -> None:
        """Have a thread at work, unless there is one."""
        self.leave()
        self.problems = self.stack.enter_context(
            busy(f"{name}-company-{os.getpid()}-{next(_numbers)}", 1, pause=0.002)
        )

    def leave(self) -> None:
        """End it; what it raised is an error."""
        self.stack.close()
        assert not self.problems, self.problems


def child_says(operate: Callable[[], object]) -> str:
    """Have a forked child audit what it has and do an operation; "" when all is as it should be."""

    def audit() -> str:
        if left := unknown_descriptors():
            return f"unknown: {left}"
        operate()
        return ""

    return child(audit)
