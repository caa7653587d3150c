# SPDX-License-Identifier: MIT
"""``Queue``, ``JoinableQueue`` and ``SimpleQueue`` in the place of ``multiprocessing.queues``'s,
over channels.

Signatures and exceptions are those of the originals.  What is better: nobody waits for the dead,
arrays are not pickled, and a queue can be passed on at any time, not only to a child that is being
started.
"""

from __future__ import annotations

from memsection.channels import Queue as Channel
from memsection.compat.queue_ends import Base, ClosedError, Empty, Full
from memsection.compat.queue_of_objects import Queue
from memsection.compat.queue_of_tasks import JoinableQueue
from memsection.vocabulary.errors import NoReceiverError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.api.section import Section

__all__ = ["Empty", "Full", "JoinableQueue", "Queue", "SimpleQueue"]

for kind in Queue, JoinableQueue:
    kind.__module__ = __name__  # where pickles, and people, find them
del kind


class SimpleQueue(Base):
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
            OSError: The queue is closed; a ValueError too.
            EOFError: It is full, and everybody who received from it has ended.
        """
        try:
            self._open().to_send().send(obj)
        except NoReceiverError as error:
            raise EOFError(str(error)) from None

    def get(self) -> Any:
        """Take the next object.

        Raises:
            OSError: The queue is closed; a ValueError too.
            EOFError: There is none, and everybody who might send one has ended.
        """
        self._open()
        return self._take(None)

    def empty(self) -> bool:
        """Whether no object waits.

        Raises:
            OSError: The queue is closed.
        """
        return not self._open().count()

    def _open(self) -> Any:
        if self._closed:
            raise ClosedError(f"handle is closed: SimpleQueue {self!r}")
        return self._ends

    def close(self) -> None:
        """Put and get no more in this process."""
        self._closed = True
        self._ends.close()


def _rebuilt_simple(kind: type[Any], section: Section) -> Any:
    """Unpickle: the same queue in another process."""
    self = object.__new__(kind)
    self._attach(Channel.from_section(section, object, role="both"))
    return self
