# SPDX-License-Identifier: MIT
"""How a helper is started: by a thread of its own, where no signal handler raises, and where Wine
can have the pages that it needs."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import _thread
import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from memsection.api.operations import done, finish
from memsection.vocabulary.errors import Error

T = TypeVar("T")
_ADDR_NO_RANDOMIZE, _NOTHING = 0x0040000, 0xFFFFFFFF  #: personality(2): the latter asks alone


class _Call(Generic[T]):
    """A function that a thread calls, and what it gave."""

    def __init__(self, function: Callable[[], T], undo: Callable[[T], object]) -> None:
        self._function, self._undo = function, undo
        self.given: list[T] = []
        self.raised: list[BaseException] = []
        self._pid = os.getpid()
        self._running = _thread.allocate_lock()
        self._running.acquire()

    def run(self) -> None:
        """What the thread does."""
        try:
            self.given.append(self._function())
        except BaseException as problem:
            self.raised.append(problem)
        finally:
            self._running.release()

    def wait(self) -> None:
        """Wait for it; again is harmless."""
        while not self.given and not self.raised:
            if self._pid != os.getpid():
                raise Error("wine: a helper was being started when this process was forked")
            self._running.acquire(timeout=1)

    def undo(self, *_: object) -> None:
        """Undo what it did, once it has ended."""
        if self._pid == os.getpid():
            self.wait()
            for each in self.given:
                self._undo(each)


def beside(function: Callable[[], T], undo: Callable[[T], object]) -> T:
    """What a function gives that a thread of its own calls: Python runs signal handlers in the main
    thread alone, and one that raises in the middle of ``subprocess`` leaves descriptors behind.

    What it did is undone with the operation that this is a part of, which has to be whole.
    """
    call = _Call(function, undo)
    try:
        done(call.undo, _thread.start_new_thread, call.run, ())
    except RuntimeError:  # no thread can be started any more
        return function()
    call.wait()
    for problem in call.raised:
        raise problem
    return call.given[0]


@contextlib.contextmanager
def addresses_not_randomised() -> Iterator[None]:
    """What this thread starts meanwhile has its heap where it always is.

    A process of Wine's needs the page at 0x7ffe0000.  Where the kernel puts a program's heap
    anywhere within a gigabyte, the heap of Wine's loader covers that page once in some ten thousand
    starts, and the program ends before its first instruction.

    The setting is the thread's own, and a child has it through execve (personality(2)).  A
    container may forbid it: then the program starts as any other does.
    """
    change = ctypes.CDLL(None).personality
    before = change(ctypes.c_ulong(_NOTHING))
    # What a container forbids is asked for again: it changes nothing either.
    usual = ctypes.c_ulong(before if before != -1 else _NOTHING)
    try:
        if before != -1:
            change(ctypes.c_ulong(before | _ADDR_NO_RANDOMIZE))
        yield
    finally:
        finish(change, usual)  # whatever a signal handler raises just now


def bits_of(prefix: str) -> int:
    """Which helper a prefix takes: one of 32 bits has no directory for the other 32-bit
    programs."""
    return 64 if os.path.isdir(os.path.join(prefix, "drive_c", "windows", "syswow64")) else 32
