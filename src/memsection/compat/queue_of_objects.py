# SPDX-License-Identifier: MIT
"""``multiprocessing.Queue`` over a channel: what the channel cannot take yet waits in its process,
and a thread sends it."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections import deque
from multiprocessing import util
from multiprocessing.reduction import ForkingPickler

from memsection.channels import Queue as Channel
from memsection.channels.limits import CAPACITY_MOST
from memsection.compat.queue_ends import LOOK_SECONDS, Base, ClosedError, Full, deadline_of
from memsection.vocabulary.errors import EndOfChannelError, Error, NoReceiverError, WaitTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.api.section import Section
    from memsection.compat.task_count import Task

STRICT_VARIABLE = "MEMSECTION_QUEUE_STRICT"


def _can_be_pickled(obj: Any) -> bool:
    """Whether what was raised while it was sent cannot have been its pickle's fault."""
    try:
        ForkingPickler.dumps(obj)
    except Exception:
        return False
    return True


class Queue(Base):
    """``multiprocessing.Queue``.

    Args:
        maxsize: Messages that may wait; as many as come with 0.  More than 4,194,304 are as many.
        ctx: Accepted for the original's sake; not needed.
    """

    def __init__(self, maxsize: int = 0, *, ctx: Any = None) -> None:
        self._maxsize = min(maxsize, CAPACITY_MOST) if maxsize > 0 else 0
        self._make(self._maxsize)

    def _at_fork(self) -> None:
        self._buffer: deque[Any] = deque()
        self._condition = threading.Condition()
        self._feeder: threading.Thread | None = None
        self._was_put_to = False
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
        self._put(obj, timeout if block else 0, None)

    def _put(self, obj: Any, timeout: float | None, task: Task | None) -> None:
        """Send an object, which may be a task: then it is told there that it went."""
        end = self._open().to_send()
        self._was_put_to = True
        if not self._maxsize:
            self._put_unlimited(end, obj, task)
            return
        try:
            self._send(end, obj, timeout, task)
        except WaitTimeoutError:
            raise Full from None
        except NoReceiverError as error:
            raise EOFError(str(error)) from None

    def put_nowait(self, obj: Any) -> None:
        """``put`` that does not wait."""
        self.put(obj, False)

    def _put_unlimited(self, end: Channel[Any], obj: Any, task: Task | None) -> None:
        with self._condition:
            if not self._buffer:
                try:
                    self._send(end, obj, 0, task)
                    return
                except (WaitTimeoutError, NoReceiverError):
                    pass
            # The thread first: what is in the buffer while none runs would stay there.
            self._start_feeder()
            if task is None:
                self._buffer.append(obj)
            else:
                task.put_by(self._buffer.append, obj)
            self._condition.notify_all()

    def _send(
        self, end: Channel[Any], obj: Any, timeout: float | None, task: Task | None = None
    ) -> None:
        """Send, and see to what cannot be pickled."""
        try:
            if task is None:
                end.send(obj, timeout)
            else:
                task.send(end, obj, timeout)
        except (WaitTimeoutError, NoReceiverError, EndOfChannelError):
            raise
        except Exception as error:
            if not isinstance(error, Error) and _can_be_pickled(obj):
                raise  # it came from elsewhere: from a signal handler
            self._not_put(task)
            if os.environ.get(STRICT_VARIABLE) == "1":
                raise
            self._on_queue_feeder_error(error, obj)

    def _not_put(self, task: Task | None) -> None:
        """An object that was to be sent was not."""

    @staticmethod
    def _on_queue_feeder_error(e: Exception, obj: Any) -> None:
        """Called for an object that cannot be pickled; prints the error.  For subclasses to
        override."""
        traceback.print_exception(e, file=sys.stderr)

    # --------------------------------------------------- the thread for what waits in this process

    def _start_feeder(self) -> None:
        """See that the thread runs; the condition is held, so it does not end."""
        if self._feeder is None or not self._feeder.is_alive():
            self._feeder = threading.Thread(
                target=self._feed, name="QueueFeederThread", daemon=True
            )
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
                condition.wait(LOOK_SECONDS)

    def _feed(self) -> None:
        buffer, condition = self._buffer, self._condition
        while True:
            with condition:
                if not buffer:
                    self._feeder = None
                    if self._closed:
                        self._ends.close(look_on=True)
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
            except Exception as error:  # strict, and here is nobody to raise it to
                self._on_queue_feeder_error(error, obj)
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
        return self._take(deadline_of(timeout if block else 0))

    def get_nowait(self) -> Any:
        """``get`` that does not wait."""
        return self.get(False)

    # ------------------------------------------------------------------ looking

    def qsize(self) -> int:
        """How many objects wait, those that wait in this process included."""
        return self._ends.count() + len(self._buffer)

    def empty(self) -> bool:
        """Whether none waits for a receiver.

        Raises:
            OSError: The queue is closed, and something was put into it by this process.
        """
        if self._closed and self._was_put_to:
            raise ClosedError("handle is closed")
        return not self._ends.count()

    def full(self) -> bool:
        """Whether ``maxsize`` wait."""
        return bool(self._maxsize) and self._ends.count() >= self._maxsize

    # ------------------------------------------------------------------ ending

    def close(self) -> None:
        """Put and get no more in this process; what waits in it is still sent.

        As with the original ``qsize`` and ``full`` still tell, and ``empty`` does where nothing was
        put.
        """
        if self._closed:
            return
        self._closed = True
        if self._feeder is None and not self._buffer:
            self._ends.close(look_on=True)

    def join_thread(self) -> None:
        """Wait until what was put here has been sent.

        Raises:
            AssertionError: The queue is not closed.
        """
        assert self._closed, f"Queue {self!r} not closed"
        Queue._flush(self._condition, self._buffer)
        self._ends.close(look_on=True)

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
