# SPDX-License-Identifier: MIT
"""Names that nobody else uses, and what a test may not leave behind."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import sys
import time
from collections.abc import Iterator

from memsection.nt import kernel

_numbers = itertools.count()


def unique_name(prefix: str = "") -> str:
    """An object name that no other test, and no other run, uses."""
    return f"{prefix}test-{os.getpid()}-{next(_numbers)}"


def handles() -> set[tuple[str, int]]:
    """The objects that this process has handles to, by type and value.

    On Windows the interpreter's own locks are unnamed semaphores and events, which come and go with
    its threads.
    """
    return {
        (entry.type_name, entry.handle)
        for entry in kernel.process_handles(os.getpid())
        if entry.type_name in ("Section", "Mutant", "Event", "Semaphore")
        and (sys.platform != "win32" or entry.name or entry.type_name in ("Section", "Mutant"))
    }


def descriptors() -> int:
    """How many descriptors this process has open; 0 where there is no such thing."""
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


def leaves_nothing() -> Iterator[None]:
    """The body of a fixture: fails when handles, descriptors or names of this process are left
    behind."""
    kernel.named_objects_directory()
    kernel.list_directory()  # what the library keeps for itself is there from here on
    gc.collect()
    before, open_before = handles(), descriptors()
    yield
    gc.collect()
    left = handles() - before
    assert not left, f"handles are left behind: {left}"
    mine = [found for found in kernel.list_directory() if f"test-{os.getpid()}-" in found.name]
    assert not mine, f"names are left behind: {mine}"
    # the threads of a pool of processes close theirs in their own time
    deadline = time.monotonic() + 60
    while descriptors() > open_before and time.monotonic() < deadline:
        time.sleep(0.02)
        gc.collect()
    assert descriptors() <= open_before, "descriptors are left behind"


def starts_futures() -> None:
    """The body of a module's fixture: what this process keeps for all futures is there before
    anything is counted."""
    from memsection.channels.futures import in_background

    in_background(asyncio.sleep(0)).result(60)
