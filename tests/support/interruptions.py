# SPDX-License-Identifier: MIT
"""Operations during which a signal handler raises, at any moment, and what the process has
afterwards.

Each operation gives back whatever it was given, so that after it, interrupted or not, the process
has what it had.
"""

from __future__ import annotations

import gc
import os
import pickle
import random
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import FrameType
from typing import Any

import memsection
from memsection import Event, Mutex, Process, Section, Semaphore, Timer, wait_all, wait_any, win32
from memsection.api import transit
from memsection.nt import kernel

if sys.platform == "win32":
    from support.holdings_on_windows import holdings
else:
    from memsection.nt.linux.handles import state
    from memsection.nt.linux.names import namespace

LIBRARY = os.path.dirname(os.path.abspath(memsection.__file__))


#: The names of the operations that tests are made of.
OPERATIONS = [
    "create",
    "create unnamed",
    "create Global",
    "create reserved",
    "create of a file",
    "open",
    "open Global",
    "map",
    "map Global",
    "map a copy",
    "duplicate",
    "duplicate with less",
    "mutex",
    "owned mutex",
    "event",
    "semaphore",
    "timer",
    "set a timer",
    "open a mutex",
    "from a process",
    "pickle and load" if sys.platform == "win32" else "send and receive",
    "process",
    "wait for any",
    "wait for all",
    "with a mutex",
]


class Interrupted(BaseException):
    """What the handler raises."""


class Bench:
    """Objects to operate on, and the operations: each a function of no arguments."""

    def __init__(self, name: str) -> None:
        self.name = name
        with ExitStack() as stack:
            enter = stack.enter_context
            self.section = enter(Section.create(f"{name}-k", 4096))
            self.shared = enter(Section.create(f"Global\\{name}-k", 4096))
            self.mutex, self.event = (
                Mutex.create(f"{name}-km"),
                Event.create(f"{name}-ke", manual_reset=False),
            )
            self.semaphore = Semaphore.create(f"{name}-ks", initial=1)
            self.timer = Timer.create(f"{name}-kt")
            for each in (self.mutex, self.event, self.semaphore, self.timer):
                stack.callback(each.close)
            self.one, self.other = socket.socketpair()
            enter(self.one)
            enter(self.other)
            self.stack = stack.pop_all()
        self.owned: list[Mutex] = []
        self.operations: dict[str, Callable[[], object]] = {
            "create": lambda: Section.create(name, 4096).close(),
            "create unnamed": lambda: Section.create(size=4096).close(),
            "create Global": lambda: Section.create("Global\\" + name, 4096).close(),
            "create reserved": lambda: Section.create(size=1 << 20, commit=False).close(),
            "create of a file": lambda: Section.from_file(__file__).close(),
            "open": lambda: Section.open(f"{name}-k").close(),
            "open Global": lambda: Section.open(f"Global\\{name}-k").close(),
            "map": lambda: self.section.map().close(),
            "map Global": lambda: self.shared.map().close(),
            "map a copy": lambda: self.section.map(access="c").close(),
            "duplicate": lambda: self.section.duplicate().close(),
            "duplicate with less": lambda: self.section.duplicate("r").close(),
            "mutex": lambda: Mutex.create(name).close(),
            "owned mutex": self._owned_mutex,
            "event": lambda: Event.create(name).close(),
            "semaphore": lambda: Semaphore.create("Global\\" + name).close(),
            "timer": lambda: Timer.create(name).close(),
            "set a timer": self._set_a_timer,
            "open a mutex": lambda: Mutex.open(f"{name}-km").close(),
            "from a process": lambda: Section.from_process(
                os.getpid(), self.section.handle
            ).close(),
            "process": lambda: Process(os.getpid()).close(),
            "wait for any": lambda: self._wait(wait_any),
            "wait for all": lambda: self._wait(wait_all),
            "with a mutex": self._with_mutex,
            "win32 open and close": self._win32,
            **self._transfers(),
        }

    def close(self) -> None:
        self.stack.close()

    def _owned_mutex(self) -> None:
        self.owned.append(Mutex.create(self.name, initial_owner=True))
        self.settle()

    if sys.platform == "win32":

        def _transfers(self) -> dict[str, Callable[[], object]]:
            return {"pickle and load": lambda: pickle.loads(pickle.dumps(self.section)).close()}

    else:

        def _transfers(self) -> dict[str, Callable[[], object]]:
            return {"send and receive": self._send}

        def _send(self) -> None:
            self.section.send(self.one)
            Section.recv(self.other).close()

    def _wait(self, wait: Callable[..., object]) -> None:
        wait([self.semaphore, self.mutex], timeout=0)
        self.settle()

    def _set_a_timer(self) -> None:
        self.timer.set(0, period=0.5)
        self.timer.wait(timeout=0)
        self.timer.cancel()

    def _with_mutex(self) -> None:
        with self.mutex:
            pass

    def _win32(self) -> None:
        # The value may be lost between the function and its caller, as any number may: it is opened
        # by one name, so that what is lost can be found.
        win32.CloseHandle(win32.OpenFileMapping(4, False, f"{self.name}-k"))

    def settle(self) -> None:
        """Give back what a wait took that came to its end; a socket is emptied of what was sent and
        not received."""
        while self.owned:
            with suppress(PermissionError):
                self.owned[0].release()
            self.owned.pop().close()
        while self.mutex.owner is not None:
            with suppress(PermissionError):
                self.mutex.release()
        while self.semaphore.value < 1:
            self.semaphore.release()
        if sys.platform == "win32":
            for slot in list(transit.in_transit):  # what was pickled and not loaded
                transit._own._let_go(slot)
            return
        self.other.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                for fd in socket.recv_fds(self.other, 1000, 10)[1]:
                    os.close(fd)
        self.other.setblocking(True)


if sys.platform != "win32":

    def holdings(name: str) -> dict[str, object]:
        """The descriptors, handles, names and mappings of this process, and whether nothing is
        locked."""
        fds = set()
        for fd in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):
                where = os.readlink(f"/proc/self/fd/{fd}")
                if "/proc/" not in where:  # the one that lists
                    fds.add((fd, where))
        with open("/proc/self/maps") as maps:
            mapped = sum("memfd:memsection" in line or "memsection." in line for line in maps)
        return {
            "descriptors": fds,
            "handles": {
                (each.type_name, each.handle) for each in kernel.process_handles(os.getpid())
            },
            "names": {
                file
                for which in ("local", "global")
                for file in os.listdir(namespace.path_of(which))
                if name in file
            },
            "mappings": mapped,
            "objects": len(state.objects_by_identity),
        }


def difference(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    """What is there more, or less."""
    return {
        key: after[key] ^ before[key] if isinstance(before[key], set) else (before[key], after[key])  # type: ignore[operator]
        for key in before
        if before[key] != after[key]
    }


def by_timer(
    bench: Bench,
    operation: Callable[[], object],
    choose: random.Random,
    seconds: float,
    rounds: int,
) -> tuple[int, list[str], dict[str, object]]:
    """Interrupt an operation at random moments: (how often it was, what else it raised, what is
    left behind)."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    def once(delay: float) -> None:
        try:
            signal.setitimer(signal.ITIMER_REAL, delay)
            operation()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    hits, problems = 0, []
    was = signal.signal(signal.SIGALRM, interrupt)
    # What the handler raises in a finalizer goes nowhere but there.
    unraisable, sys.unraisablehook = (
        sys.unraisablehook,
        lambda problem: (
            None
            if isinstance(problem.exc_value, Interrupted)
            else problems.append(repr(problem.object))
        ),
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            once(60)
            bench.settle()
            gc.collect()
            before = holdings(bench.name)
            length = 1.0
            for _ in range(5):  # on a busy machine one of them may be in another's turn
                began = time.perf_counter()
                once(60)
                length = min(length, time.perf_counter() - began)
                bench.settle()
            began = time.perf_counter()
            while rounds > 0 and seconds > time.perf_counter() - began:
                rounds -= 1
                try:
                    once(1e-6 + choose.random() * 1.1 * length)
                except Interrupted:
                    hits += 1
                except Exception as problem:
                    problems.append(repr(problem))
                signal.setitimer(signal.ITIMER_REAL, 0)
                bench.settle()
            gc.collect()
            return hits, problems, difference(before, holdings(bench.name))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, was)
        sys.unraisablehook = unraisable


def at_call(number: int, operation: Callable[[], object]) -> bool:
    """Run an operation and raise at the n-th place where a handler can run; whether there was
    one."""
    count = 0

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        if event not in ("call", "c_return") or not frame.f_code.co_filename.startswith(LIBRARY):
            return
        count += 1
        if count == number:
            sys.setprofile(None)
            raise Interrupted

    sys.setprofile(profile)
    try:
        operation()
        return False
    except Interrupted:
        return True
    finally:
        sys.setprofile(None)
