# SPDX-License-Identifier: MIT
"""Functions that no signal handler interrupts: Python runs handlers in the main thread alone, so a
thread of its own calls them."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import _thread
import os

from memsection._native.ledger import done
from memsection.vocabulary.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")


class _Call:
    """A function that a thread calls, and what it gave."""

    def __init__(self, function: Callable[[], Any], undo: Callable[[Any], object]) -> None:
        self._function, self._undo = function, undo
        self.given: list[Any] = []
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
                raise Error("start a program: one was being started when this process was forked")
            self._running.acquire(timeout=1)

    def undo(self, *_: object) -> None:
        """Undo what it did, once it has ended."""
        if self._pid == os.getpid():
            self.wait()
            for each in self.given:
                self._undo(each)


def beside(function: Callable[[], T], undo: Callable[[T], object]) -> T:
    """What a function gives that a thread of its own calls: a handler that raises in the middle of
    ``subprocess`` leaves descriptors behind, and a process.

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
    given: T = call.given[0]
    return given
