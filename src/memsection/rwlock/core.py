# SPDX-License-Identifier: MIT
"""What all objects of this process for one readers-writer lock share: who reads and who writes
here."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from memsection._native import readers as native
from memsection.api.descriptors import with_descriptors
from memsection.api.waitable import Changing, units
from memsection.nt import kernel
from memsection.rwlock.bell import hang_bell
from memsection.rwlock.tasks import TaskOrder
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import AccessError, CorruptError, Error, HandleError
from memsection.vocabulary.forks import run_in_child
from memsection.vocabulary.text import about

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
            fd = -1 if native.BY_NAME else section.fileno()
            self.readers = with_descriptors(section, lambda: native.Readers(view, fd))
            if native.BY_NAME:
                hang_bell(self.readers, section)
        except ValueError as problem:
            raise CorruptError(f"{about('open', section.name)}: {problem}") from None
        except OSError as problem:
            if isinstance(problem, Error):
                raise
            raise _no_slot(section.name, problem) from None
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()  #: the open objects for the lock
        self.orders: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, TaskOrder] = (
            weakref.WeakKeyDictionary()
        )

    # the number of readers that left while somebody wanted to write, or the bell that they ring

    def _awaited_number(self, after: int | None) -> tuple[memoryview, int]:
        at = native.DEPARTURES_AT
        return self._memory[at : at + 8], self.readers.departures if after is None else after

    def _has_risen(self, above: int) -> bool:
        return self.readers.departures > above

    def _waiting(self, after: int | None = None) -> Any:
        return self.readers.bell or super()._waiting(after)

    def _wait(self, after: int | None, timeout: float | None) -> bool:
        if not self.readers.bell:
            return super()._wait(after, timeout)
        return kernel.wait_for_single_object(self.readers.bell, units(timeout)) != st.TIMEOUT

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
            f"{about('open', name)}: a process that may only read the lock's section holds locks "
            "on its file, so that nobody can"
        )
    if problem.errno == errno.ENOSPC:
        return Error(
            f"{about('open', name)}: more processes use the lock than it has room for",
            ntstatus=st.INSUFFICIENT_RESOURCES,
        )
    return Error(f"{about('open', name)}: {problem}")


_cores: weakref.WeakValueDictionary[tuple[int, int], Core] = weakref.WeakValueDictionary()
_making = threading.Lock()


def core_of(section: Section, view: View) -> Core:
    """The one for the lock in a section, which this process may have by another handle already."""
    if native.BY_NAME:
        return _core_by_comparison(section, view)
    facts = os.fstat(section.fileno())
    key = facts.st_dev, facts.st_ino
    with _making:
        core = _cores.get(key)
        if core is None:
            core = _cores[key] = Core(section, view)
        return core


#: where a section has no number: each under one of its own
_numbers = itertools.count()


def _core_by_comparison(section: Section, view: View) -> Core:
    # Not by what is in the memory: somebody may have copied that from another lock.
    with _making:
        for core in list(_cores.values()):
            if any(_is_of(user, section) for user in list(core.users)):
                return core
        core = _cores[-1, next(_numbers)] = Core(section, view)
        return core


def _is_of(user: Any, section: Section) -> bool:
    with contextlib.suppress(HandleError):  # it is being closed
        return section.same_object(user.section)
    return False


@run_in_child
def _forget_in_child() -> None:
    """Who reads and writes in the parent does not here."""
    global _making
    _making = threading.Lock()
    for core in list(_cores.values()):
        core.readers.forked()
        core.orders.clear()
