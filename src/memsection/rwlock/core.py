# SPDX-License-Identifier: MIT
"""What all objects of this process for one readers-writer lock share: who reads and who writes
here."""

from __future__ import annotations

import errno
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from memsection._native import readers as native
from memsection.api.wait import Changing
from memsection.rwlock.tasks import TaskOrder
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import AccessError, CorruptError, Error

if TYPE_CHECKING:
    import asyncio

    from memsection.api.section import Section
    from memsection.api.view import View


class Core(Changing):
    """What all objects of this process for one lock share: the memory, and who reads and writes
    here."""

    def __init__(self, section: Section, view: View) -> None:
        self._memory = memoryview(view)
        try:
            self.readers = native.Readers(view, section.fileno())
        except ValueError as problem:
            raise CorruptError(f"open {section.name!r}: {problem}") from None
        except OSError as problem:
            if isinstance(problem, Error):
                raise
            raise _no_slot(section.name, problem) from None
        self.orders: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, TaskOrder] = (
            weakref.WeakKeyDictionary()
        )

    # the number of readers that left while somebody wanted to write

    def _awaited(self, after: int | None) -> tuple[memoryview, int]:
        at = native.DEPARTURES_AT
        return self._memory[at : at + 8], self.readers.departures if after is None else after

    def _has_risen(self, above: int) -> bool:
        return self.readers.departures > above

    def order(self) -> TaskOrder:
        import asyncio

        return self.orders.setdefault(asyncio.get_running_loop(), TaskOrder())

    # undoing, for the ledger

    def undo_enter(self, _: tuple[Any, ...], entered: bool | None) -> None:
        if entered is not False:
            self.readers.leave()

    def undo_block(self, _: tuple[Any, ...], before: int) -> None:
        self.readers.restore(before if before & native.WRITES else 0)


def _no_slot(name: str | None, problem: OSError) -> Error:
    if problem.errno == errno.EBUSY:
        return AccessError(
            f"open {name!r}: a process that may only read the lock's section holds locks on "
            "its file, so that nobody can"
        )
    if problem.errno == errno.EUSERS:
        return Error(
            f"open {name!r}: more processes use the lock than it has room for",
            ntstatus=st.INSUFFICIENT_RESOURCES,
        )
    return Error(f"open {name!r}: {problem}")


_cores: weakref.WeakValueDictionary[tuple[int, int], Core] = weakref.WeakValueDictionary()
_making = threading.Lock()


def core_of(section: Section, view: View) -> Core:
    facts = os.fstat(section.fileno())
    key = facts.st_dev, facts.st_ino
    with _making:
        core = _cores.get(key)
        if core is None:
            core = _cores[key] = Core(section, view)
        return core


def _forget_in_child() -> None:
    """Who reads and writes in the parent does not here."""
    global _making
    _making = threading.Lock()
    for core in list(_cores.values()):
        core.readers.forked()
        core.orders.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
