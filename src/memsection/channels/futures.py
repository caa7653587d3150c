# SPDX-License-Identifier: MIT
"""Futures of answers: one thread of this process runs an event loop that waits for all of them."""

from __future__ import annotations

import asyncio
import os
import threading

from memsection.vocabulary.forks import run_in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Coroutine
    from typing import Any

_lock = threading.Lock()
_loops: dict[
    int, asyncio.AbstractEventLoop
] = {}  # process to its loop: a forked child has no thread of its parent's


def in_background(work: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
    """Run a coroutine in the thread that waits: a future of what it gives.  Cancelling the future
    cancels it.
    """
    return asyncio.run_coroutine_threadsafe(work, _loop())


def _loop() -> asyncio.AbstractEventLoop:
    found = _loops.get(os.getpid())
    if found is not None:
        return found
    with _lock:
        found = _loops.get(os.getpid())
        if found is None:
            found = asyncio.new_event_loop()
            threading.Thread(
                target=found.run_forever, name="memsection-answers", daemon=True
            ).start()
            _loops[os.getpid()] = found
    return found


@run_in_child
def _after_fork() -> None:
    """The lock may have been held; and the loop's descriptors are the parent's."""
    global _lock
    _lock = threading.Lock()
    for loop in _loops.values():
        _abandoned.append(loop)
    _loops.clear()


_abandoned: list[
    asyncio.AbstractEventLoop
] = []  # kept: closing them would write to what the parent's thread reads
