# SPDX-License-Identifier: MIT
"""What the three kinds of queues have in common: the ends that a process has of one, and taking.

Whose end may be waited for is learned from use.  A process that has a queue may still send; once it
has taken a message and sent none it only receives.  So a worker's ``get`` ends with ``EOFError``
when everybody who might have sent has ended, however that happened.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from multiprocessing import util

from memsection.channels import Queue as Channel
from memsection.content.endpoint import keep_with
from memsection.vocabulary.arguments import seconds
from memsection.vocabulary.errors import ArgumentError, EndOfChannelError, Error, WaitTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.api.section import Section

Empty, Full = queue.Empty, queue.Full

#: positions in a queue without maxsize; what comes above that waits in its process
_UNLIMITED_CAPACITY = 1024
_MOST_MEMORY = 4 << 20  #: bytes for places in a queue, unless few messages need less
_PLACE = 4096
LOOK_SECONDS = 0.05
ALONE_SECONDS = 1.0  #: how long a process that is starting has to take its queue out of the pickle


def _capacity(maxsize: int) -> tuple[int, int]:
    """Positions and bytes of memory for a queue."""
    capacity = maxsize if maxsize > 0 else _UNLIMITED_CAPACITY
    return capacity, max(min(capacity * _PLACE, _MOST_MEMORY), 4 << 16)


def deadline_of(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + max(0.0, seconds(timeout))


def _seconds_left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def has_children() -> bool:
    """Whether a child of this process runs that may not have taken the queue yet."""
    import multiprocessing

    return bool(multiprocessing.active_children())


class ClosedError(OSError, ValueError):
    """What is raised where the original's pipe would be closed: its users catch OSError, and those
    of its queues ValueError."""


class _Ends:
    """The ends that one process has of one queue: what its role is, as far as that is known."""

    undecided: Channel[Any] | None = None
    sender: Channel[Any] | None = None
    receiver: Channel[Any] | None = None
    _seen: Section | None = None  # of ends that are closed: to look at the queue

    def __init__(self, first: Channel[Any]) -> None:
        self.undecided = first
        self.lock = threading.Lock()

    def any(self) -> Channel[Any]:
        """An end to ask about the queue, or to pass on."""
        found = self.undecided or self.sender or self.receiver
        assert found is not None
        return found

    def to_send(self) -> Channel[Any]:
        """The end that sends."""
        if self.sender is None:
            with self.lock:
                if self.sender is None:
                    self.sender = self.undecided or self._another("send")
                    if self.undecided is not None and self.receiver is None:
                        self.receiver = self.undecided  # it is "both", and stays so
                    self.undecided = None
        return self.sender

    def to_receive(self) -> Channel[Any]:
        """The end that receives; from now on this process does not count as one that may send,
        unless it did."""
        if self.receiver is None:
            with self.lock:
                if self.receiver is None:
                    self.receiver = self._another("receive")
                    if self.undecided is not None:
                        self.undecided.close()
                        self.undecided = None
        return self.receiver

    def _another(self, role: Any) -> Channel[Any]:
        return Channel.from_section(self.any().section.duplicate(), object, role=role)

    def count(self) -> int:
        """How many messages wait, after the ends were closed too."""
        end = self.undecided or self.sender or self.receiver
        if end is not None and self._seen is None:
            try:
                return len(end)
            except ArgumentError:
                pass  # closed meanwhile, by the thread that had sent the rest
        assert self._seen is not None
        # One that only receives: no receiver waits for it.
        with Channel.from_section(self._seen.duplicate(), object, role="receive") as end:
            return len(end)

    def close(self, *, look_on: bool = False) -> None:
        """Close them all; whoever wants to can still look."""
        if look_on and self._seen is None:
            self._seen = self.any().section.duplicate()
        elif not look_on and self._seen is not None:
            self._seen.close()
        for end in {
            id(end): end for end in (self.undecided, self.sender, self.receiver) if end is not None
        }.values():
            try:
                end.close()
            except Error:
                pass  # protected from close, or gone: nobody is left to be told
        self.undecided = self.sender = self.receiver = None

    def __del__(self) -> None:
        if sys is not None and not sys.is_finalizing():  # None: modules are being taken apart
            self.close()


class Base:
    """What the three kinds have in common."""

    _ends: _Ends
    _closed: bool

    def _make(self, maxsize: int) -> None:
        capacity, memory = _capacity(maxsize)
        self._attach(Channel.create(None, object, capacity=capacity, memory=memory))

    def _attach(self, channel: Channel[Any]) -> None:
        self._ends = _Ends(channel)
        self._closed = False
        self._at_fork()
        # Not by the collector's order: a handle that is collected open is told as a mistake of the
        # program's.
        keep_with(self, self._ends)
        util.register_after_fork(self, type(self)._after_fork)

    def _at_fork(self) -> None:
        """What a process has for itself."""

    def _after_fork(self) -> None:
        self._at_fork()
        self._ends.lock = threading.Lock()
        if not self._closed:
            # An end of the child's own, at once: whoever waits must not believe that nobody is left
            # who may send.
            ends = self._ends
            inherited = ends.any()
            fresh: Channel[Any] = Channel.from_section(
                inherited.section.duplicate(), object, role="both"
            )
            ends.close()
            ends.undecided = fresh

    def _open(self) -> _Ends:
        if self._closed:
            raise ValueError(f"{type(self).__name__} {self!r} is closed")
        return self._ends

    def _take(self, deadline: float | None) -> Any:
        """The next message; Empty when the time is up, EndOfChannelError when nobody is left who
        may send one."""
        alone = 0.0
        while True:
            try:
                return self._open().to_receive().receive(_seconds_left(deadline))
            except WaitTimeoutError:
                raise Empty from None
            except EndOfChannelError:
                now = time.monotonic()
                alone = alone or now
                if deadline is None and now - alone > ALONE_SECONDS and not has_children():
                    raise
                if deadline is not None and now >= deadline:
                    raise Empty from None
                time.sleep(
                    LOOK_SECONDS
                    if deadline is None
                    else min(LOOK_SECONDS, max(0.0, deadline - now))
                )
