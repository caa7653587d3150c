# SPDX-License-Identifier: MIT
"""``Queue``, ``JoinableQueue`` and ``SimpleQueue`` in the place of ``multiprocessing.queues``'s,
over channels.

Signatures and exceptions are those of the originals.  What is better: nobody waits for the dead,
arrays are not pickled, and a queue can be passed on at any time, not only to a child that is being
started.

Whose end may be waited for is learned from use.  A process that has a queue may still send; once it
has taken a message and sent none it only receives.  So a worker's ``get`` ends with ``EOFError``
when everybody who might have sent has ended, however that happened.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from collections import deque
from multiprocessing import util

from memsection.channels import Queue as Channel
from memsection.compat.task_count import Takers, TaskCount
from memsection.content.endpoint import keep_with
from memsection.vocabulary.errors import EndOfChannelError, Error, NoReceiverError, WaitTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.api.section import Section

__all__ = ["JoinableQueue", "Queue", "SimpleQueue"]

Empty, Full = queue.Empty, queue.Full
STRICT_VARIABLE = "MEMSECTION_QUEUE_STRICT"

#: positions in a queue without maxsize; what comes above that waits in its process
_UNLIMITED_CAPACITY = 1024
_MOST_MEMORY = 4 << 20  #: bytes for places in a queue, unless few messages need less
_PLACE = 4096
_LOOK_SECONDS = 0.05
_ALONE_SECONDS = 1.0  #: how long a process that is starting has to take its queue out of the pickle


def _capacity(maxsize: int) -> tuple[int, int]:
    """Positions and bytes of memory for a queue."""
    capacity = maxsize if maxsize > 0 else _UNLIMITED_CAPACITY
    return capacity, max(min(capacity * _PLACE, _MOST_MEMORY), 4 << 16)


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + max(0.0, timeout)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _has_children() -> bool:
    """Whether a child of this process runs that may not have taken the queue yet."""
    import multiprocessing

    return bool(multiprocessing.active_children())


class _Ends:
    """The ends that one process has of one queue: what its role is, as far as that is known."""

    undecided: Channel[Any] | None = None
    sender: Channel[Any] | None = None
    receiver: Channel[Any] | None = None

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

    def close(self) -> None:
        """Close them all."""
        for end in {
            id(end): end for end in (self.undecided, self.sender, self.receiver) if end is not None
        }.values():
            try:
                end.close()
            except Error:
                pass  # protected from close, or gone: nobody is left to be told
        self.undecided = self.sender = self.receiver = None

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.close()


class _Base:
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

    def empty(self) -> bool:
        """Whether no message waits."""
        return not len(self._open().any())

    def _take(self, deadline: float | None) -> Any:
        """The next message; Empty when the time is up, EndOfChannelError when nobody is left who
        may send one."""
        alone = 0.0
        while True:
            try:
                return self._open().to_receive().receive(_left(deadline))
            except WaitTimeoutError:
                raise Empty from None
            except EndOfChannelError:
                now = time.monotonic()
                alone = alone or now
                if deadline is None and now - alone > _ALONE_SECONDS and not _has_children():
                    raise
                if deadline is not None and now >= deadline:
                    raise Empty from None
                time.sleep(
                    _LOOK_SECONDS
                    if deadline is None
                    else min(_LOOK_SECONDS, max(0.0, deadline - now))
                )


class Queue(_Base):
    """``multiprocessing.Queue``.

    Args:
        maxsize: Messages that may wait; as many as come with 0.
        ctx: Accepted for the original's sake; not needed.
    """

    def __init__(self, maxsize: int = 0, *, ctx: Any = None) -> None:
        self._maxsize = maxsize if maxsize > 0 else 0
        self._make(self._maxsize)

    def _at_fork(self) -> None:
        self._buffer: deque[Any] = deque()
        self._condition = threading.Condition()
        self._feeder: threading.Thread | None = None
        self._joins_at_exit = True
        self._at_exit: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self._maxsize, self._open().any().section, self._more())

    def _more(self) -> tuple[Any, ...]:
        """What else goes into the pickle."""
        return ()

    def _with_more(self) -> None:
        """Take it out again."""

    # ------------------------------------------------------------------ putting

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Send an object.

        Without ``maxsize`` this never waits: what the channel cannot take yet waits in this
        process, and a thread sends it. What cannot be pickled is given to
        ``_on_queue_feeder_error``, as in the original; with the environment variable
        ``MEMSECTION_QUEUE_STRICT=1`` the pickle's error is raised from here.

        Raises:
            queue.Full: There is no room, and the time is up.
            ValueError: The queue is closed.
            EOFError: It is full, and everybody who received from it has ended.
        """
        end = self._open().to_send()
        if not self._maxsize:
            self._put_unlimited(end, obj)
            return
        try:
            self._send(end, obj, timeout if block else 0)
        except WaitTimeoutError:
            raise Full from None
        except NoReceiverError as error:
            raise EOFError(str(error)) from None

    def put_nowait(self, obj: Any) -> None:
        """``put`` that does not wait."""
        self.put(obj, False)

    def _put_unlimited(self, end: Channel[Any], obj: Any) -> None:
        with self._condition:
            if not self._buffer:
                try:
                    self._send(end, obj, 0)
                    return
                except (WaitTimeoutError, NoReceiverError):
                    pass
            self._buffer.append(obj)
            if self._feeder is None:
                self._start_feeder()
            self._condition.notify_all()

    def _send(self, end: Channel[Any], obj: Any, timeout: float | None) -> None:
        """Send, and see to what cannot be pickled."""
        try:
            end.send(obj, timeout)
        except (WaitTimeoutError, NoReceiverError, EndOfChannelError):
            raise
        except Exception as error:
            self._refuse(error, obj)

    def _refuse(self, error: Exception, obj: Any) -> None:
        self._not_put()
        if os.environ.get(STRICT_VARIABLE) == "1":
            raise error
        self._on_queue_feeder_error(error, obj)

    def _not_put(self) -> None:
        """An object that was to be sent was not."""

    @staticmethod
    def _on_queue_feeder_error(e: Exception, obj: Any) -> None:
        """Called for an object that cannot be pickled; prints the error.  For subclasses to
        override."""
        traceback.print_exception(e, file=sys.stderr)

    # ------------------------------------------------------------------ the thread for what waits
    # in this process

    def _start_feeder(self) -> None:
        self._feeder = threading.Thread(target=self._feed, name="QueueFeederThread", daemon=True)
        self._feeder.start()
        if self._at_exit is None and self._joins_at_exit:
            self._at_exit = util.Finalize(
                self, Queue._flush, (self._condition, self._buffer), exitpriority=-5
            )

    @staticmethod
    def _flush(condition: threading.Condition, buffer: deque[Any]) -> None:
        """Wait until the thread has sent everything, or given up."""
        with condition:
            while buffer:
                condition.wait(_LOOK_SECONDS)

    def _feed(self) -> None:
        buffer, condition = self._buffer, self._condition
        while True:
            with condition:
                if not buffer:
                    self._feeder = None
                    if self._closed:
                        self._ends.close()
                    condition.notify_all()
                    return
                obj = buffer[0]
            try:
                self._send(self._ends.to_send(), obj, 1.0)
            except WaitTimeoutError:
                continue
            except (NoReceiverError, EndOfChannelError):
                with condition:  # nobody is left to take it
                    buffer.clear()
                continue
            except Exception:
                pass  # strict, and nobody to raise it to: it was told
            with condition:
                if buffer:
                    buffer.popleft()

    # ------------------------------------------------------------------ getting

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next object.

        Raises:
            queue.Empty: There is none, and the time is up.
            ValueError: The queue is closed.
            EOFError: There is none, no time was given, and everybody who might send one has ended.
        """
        self._open()
        return self._take(_deadline(timeout if block else 0))

    def get_nowait(self) -> Any:
        """``get`` that does not wait."""
        return self.get(False)

    # ------------------------------------------------------------------ looking

    def qsize(self) -> int:
        """How many objects wait, those that wait in this process included."""
        return len(self._open().any()) + len(self._buffer)

    def empty(self) -> bool:
        """Whether none waits for a receiver."""
        return not len(self._open().any())

    def full(self) -> bool:
        """Whether ``maxsize`` wait."""
        return bool(self._maxsize) and len(self._open().any()) >= self._maxsize

    # ------------------------------------------------------------------ ending

    def close(self) -> None:
        """Put and get no more in this process; what waits in it is still sent."""
        if self._closed:
            return
        self._closed = True
        if self._feeder is None and not self._buffer:
            self._ends.close()

    def join_thread(self) -> None:
        """Wait until what was put here has been sent.

        Raises:
            AssertionError: The queue is not closed.
        """
        assert self._closed, f"Queue {self!r} not closed"
        Queue._flush(self._condition, self._buffer)
        self._ends.close()

    def cancel_join_thread(self) -> None:
        """Let the process end before what was put here has been sent; it may be lost."""
        self._joins_at_exit = False
        if self._at_exit is not None:
            self._at_exit.cancel()
            self._at_exit = None


def _rebuilt(kind: type[Any], maxsize: int, section: Section, more: tuple[Any, ...]) -> Any:
    """Unpickle: the same queue in another process."""
    self = object.__new__(kind)
    self._maxsize = maxsize
    self._attach(Channel.from_section(section, object, role="both"))
    self._with_more(*more)
    return self


class JoinableQueue(Queue):
    """``multiprocessing.JoinableQueue``: a queue that counts what was put and not yet done."""

    def __init__(self, maxsize: int = 0, *, ctx: Any = None) -> None:
        super().__init__(maxsize, ctx=ctx)
        self._tasks = TaskCount.create()

    def _at_fork(self) -> None:
        super()._at_fork()
        self._takers = Takers()

    def _more(self) -> tuple[Any, ...]:
        return (self._tasks,)

    def _with_more(self, tasks: TaskCount) -> None:  # type: ignore[override]
        self._tasks = tasks

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """As ``Queue.put``; one more task is not done.

        Raises:
            WaitTimeoutError: A process that is stopped, or lies, keeps the count (TimeoutError).
        """
        self._open()
        self._tasks.add(1)  # first: a worker must never be done with what was not counted
        try:
            super().put(obj, block, timeout)
        except (Full, EOFError, ValueError):
            self._tasks.add(-1)
            raise

    def _not_put(self) -> None:
        self._tasks.add(-1)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """As ``Queue.get``; whoever has taken an object tells with ``task_done`` that it is
        done."""
        self._takers.took()
        try:
            return super().get(block, timeout)
        except BaseException:
            self._takers.did()
            raise

    def task_done(self) -> None:
        """Tell that one object that was taken is done.

        Raises:
            ValueError: More was done than was put.
        """
        self._tasks.done()
        self._takers.did()

    def _may_be_done_here(self) -> bool:
        """Whether another thread of this process has a task, or may take one that waits.

        That a thread runs says neither: it may be anybody's, and run as long as the process.
        """
        return threading.active_count() > 1 and (self._takers.have_any or self.qsize() > 0)

    def join(self) -> None:
        """Wait until everything that was put is done.

        Raises:
            EOFError: Tasks are not done, and nobody is left who could do them: no other process has
                the queue, and in this one no thread has taken a task or could take one that waits.
        """
        ends = self._open()
        alone = 0.0
        while not self._tasks.wait(_LOOK_SECONDS):
            channel = ends.any()
            if (
                max(channel.senders, channel.receivers) > 1
                or _has_children()
                or self._may_be_done_here()
            ):
                alone = 0.0
                continue
            now = time.monotonic()
            alone = alone or now
            if now - alone > _ALONE_SECONDS:
                raise EOFError(
                    f"{self._tasks.value} tasks are not done, and the processes that took them "
                    f"have ended"
                )


class SimpleQueue(_Base):
    """``multiprocessing.SimpleQueue``: ``put`` waits while the queue is full.

    Args:
        ctx: Accepted for the original's sake; not needed.
    """

    def __init__(self, *, ctx: Any = None) -> None:
        self._make(0)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt_simple, (type(self), self._open().any().section)

    def put(self, obj: Any) -> None:
        """Send an object.

        Raises:
            ValueError: The queue is closed.
            EOFError: It is full, and everybody who received from it has ended.
        """
        try:
            self._open().to_send().send(obj)
        except NoReceiverError as error:
            raise EOFError(str(error)) from None

    def get(self) -> Any:
        """Take the next object.

        Raises:
            ValueError: The queue is closed.
            EOFError: There is none, and everybody who might send one has ended.
        """
        self._open()
        return self._take(None)

    def close(self) -> None:
        """Put and get no more in this process."""
        self._closed = True
        self._ends.close()


def _rebuilt_simple(kind: type[Any], section: Section) -> Any:
    """Unpickle: the same queue in another process."""
    self = object.__new__(kind)
    self._attach(Channel.from_section(section, object, role="both"))
    return self
