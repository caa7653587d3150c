# SPDX-License-Identifier: MIT
"""Ends that are passed to a process which multiprocessing is just starting.

Until that process has its end, nobody counts it: were the one that was passed closed meanwhile,
others would be told that all have gone.  So closing waits until the process has its own, or has
ended.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.api.event import Event

_PATIENCE, _LOOK = 10.0, 0.005  # seconds that close waits at most, and between its looks


class Passing:
    """An end on its way to a process that is being started."""

    def __init__(self, start: Any) -> None:
        from memsection.api.event import Event

        self._start, self._pid = start, os.getpid()
        self.taken: Event = Event.create()

    def is_under_way(self) -> bool:
        """Whether the process lives, and has no end of its own yet."""
        if self.taken.closed or self.taken.is_set() or self._pid != os.getpid():
            return False
        from multiprocessing.connection import wait

        try:
            # not poll(): it would take the exit status from another thread that joins
            return self._start.returncode is None and not wait([self._start.sentinel], 0)
        except (AttributeError, OSError, ValueError):
            return False  # it could not be started, or is forgotten

    def close(self) -> None:
        self.taken.close()


def begin(passing: list[Passing]) -> Event | None:
    """What the process that is just being started sets when it has its end; None when none is."""
    context = sys.modules.get("multiprocessing.context")
    start = context.get_spawning_popen() if context is not None else None
    if start is None:
        return None
    let_go(passing)
    passing.append(Passing(start))
    return passing[-1].taken


def let_go(passing: list[Passing]) -> bool:
    """Forget those that have arrived: whether none is left."""
    for one in passing.copy():
        if not one.is_under_way():
            passing.remove(one)
            one.close()
    return not passing


def wait_until_taken(passing: list[Passing]) -> None:
    """What ``close`` does."""
    until = time.monotonic() + _PATIENCE
    while not let_go(passing) and time.monotonic() < until:
        time.sleep(_LOOK)
    for one in passing:
        one.close()
    passing.clear()


def arrived(taken: Event) -> None:
    """In the process that was started: it has its end."""
    with taken:
        taken.set()
