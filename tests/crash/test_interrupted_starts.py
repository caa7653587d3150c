# SPDX-License-Identifier: MIT
"""A signal handler that raises while a program is being started: there is a process and its handles,
or nothing."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

import pytest
from support.objects import leaves_nothing

from memsection import win32

if sys.platform != "win32":
    from memsection.nt.linux.handles import state
    from memsection.nt.linux.types.process import Process

_left = pytest.fixture(autouse=True)(leaves_nothing)
pytestmark = pytest.mark.linux_only("counts descriptors and children in /proc")
SLEEP = "/bin/sleep"


class Interrupted(BaseException):
    """What the handler raises."""


@pytest.fixture
def interrupts() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    was = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, was)


def children() -> set[int]:
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        with (
            contextlib.suppress(FileNotFoundError),
            open(f"/proc/self/task/{task}/children") as file,
        ):
            found |= set(map(int, file.read().split()))
    return found


def start() -> None:
    win32.CreateProcess(SLEEP, "sleep 1000")  # whose handles give_back() finds


def end(*handles: int) -> None:
    with contextlib.suppress(OSError):
        win32.TerminateProcess(handles[0], 1)
    win32.WaitForSingleObject(handles[0])
    for handle in handles:
        win32.CloseHandle(handle)


def give_back() -> set[int]:
    """End the processes whose numbers were lost on the way out: their handles are there.  Those
    that nobody has a handle to."""
    values: dict[int, list[int]] = {}
    for value, handle in sorted(state.handles.items()):
        if handle.kind.name == "Process":
            assert isinstance(handle.obj, Process)
            values.setdefault(handle.obj.pid, []).insert(0, value)
        elif handle.kind.name == "Thread":
            values.setdefault(handle.obj.pid, []).append(value)
    for handles in values.values():
        assert len(handles) == 2  # of the process and of its thread, or none
        end(*handles)
    return children()


@pytest.mark.invariant("O1")
def test_a_start_that_is_interrupted_leaves_nothing(interrupts: None) -> None:
    choose, hits = random.Random(5), 0
    others = children()  # of tests before this one
    start()
    assert give_back() <= others
    before = sorted(os.listdir("/proc/self/fd"))
    began = time.monotonic()
    start()
    length = time.monotonic() - began
    assert give_back() <= others
    for _ in range(150):
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + choose.random() * length)
                start()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Interrupted:
            hits += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert give_back() <= others, f"after {hits} interruptions"
    assert hits > 10
    assert sorted(os.listdir("/proc/self/fd")) == before
