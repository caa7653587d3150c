# SPDX-License-Identifier: MIT
"""Opening an end of a queue or a topic, for the commands that send and receive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from memsection import Section, errors
from memsection.content import schema

if TYPE_CHECKING:
    from memsection.channels import Queue, Topic

_LOOK = 0.05  # seconds between looks for a name that does not exist yet


def queues() -> type[Queue[Any]]:
    """The class of queues, where there is one."""
    try:
        from memsection.channels import Queue
    except ImportError as problem:
        raise errors.Error(str(problem)) from None
    return Queue


def open_queue(
    name: str,
    role: Literal["send", "receive"],
    *,
    patient: bool = False,
    create: type | None = None,
) -> Queue[Any] | Topic[Any]:
    """An end of the queue of this name; or of the topic, which is only observed to receive.

    Args:
        patient: Whether to wait until the name exists.
        create: What the messages are of a queue that is made if there is none.
    """
    kind = queues()
    while True:
        try:
            if _is_topic(name):
                from memsection.channels import Topic

                return Topic.open(name, role="observe" if role == "receive" else role)
            return kind.open(name, role=role)
        except errors.NotFoundError:
            if create is not None:
                try:
                    return kind.create(name, create, role=role)
                except errors.ExistsError:
                    continue  # somebody else was faster
            if not patient:
                raise
        time.sleep(_LOOK)


def _is_topic(name: str) -> bool:
    try:
        with Section.open(name, access="r") as section:
            return (schema.describe(section) or {}).get("kind") == "topic"
    except errors.CorruptError:
        return False  # whoever opens it says so


@contextmanager
def tell_failures() -> Iterator[None]:
    """Have the ends of channels reach the user as what they are.

    An ``EOFError`` is taken for Ctrl-D by the library that reads the command line, and a
    ``BrokenPipeError`` for a reader of our output that has gone.
    """
    try:
        yield
    except (errors.EndOfChannelError, errors.NoReceiverError) as problem:
        raise errors.Error(str(problem.strerror), ntstatus=problem.ntstatus) from None
