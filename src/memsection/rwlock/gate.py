# SPDX-License-Identifier: MIT
"""The mutex of a readers-writer lock: finding it, taking it, and giving it back where an operation
is undone."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from memsection.api.mutex import Mutex
from memsection.nt.owners import done
from memsection.vocabulary.errors import Error, NotFoundError

if TYPE_CHECKING:
    from memsection.api.section import Section
    from memsection.rwlock.core import Core


class TimeUp(Exception):
    """A wait has ended with nothing."""


def gate_of(section: Section, name: str, inheritable: bool) -> Mutex:
    """The mutex of the lock in a section."""
    try:
        return Mutex.open(name, inheritable=inheritable)
    except NotFoundError:
        # The lock's last user had closed the mutex, and not yet the section, when we came.
        return Mutex.create(name, exist_ok=True, inheritable=inheritable, security=section.security)


def deadline_of(limit: float | None) -> float | None:
    """When a wait of so many seconds ends."""
    return None if limit is None else time.monotonic() + limit


def take(gate: Mutex, limit: float | None) -> None:
    """Take the gate in time.

    Whether its last owner ended is not the question: the writer's word says whether anything was
    changed.

    Raises:
        TimeUp: It was not to be had.
    """
    if not done(
        partial(give_back, gate),
        gate.acquire,
        True,
        -1 if limit is None else limit,
        accept_abandoned=True,
    ):
        raise TimeUp


def give_back(gate: Mutex, _: tuple[Any, ...], taken: bool) -> None:
    """Undo ``acquire``, for the ledger."""
    if taken:
        with contextlib.suppress(Error):
            gate.release()


def undo_again(core: Core, gate: Mutex, _: tuple[Any, ...], __: None) -> None:
    """Undo ``Readers.again``, for the ledger."""
    core.readers.finish(gate)
