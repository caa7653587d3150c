# SPDX-License-Identifier: MIT
"""What is known of a readers-writer lock, and what is done about a writer that ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memsection._native import readers as native
from memsection.nt.owners import outside
from memsection.vocabulary import log
from memsection.vocabulary.errors import AbandonedMutexError, HandleError
from memsection.vocabulary.text import about

if TYPE_CHECKING:
    from collections.abc import Callable

    from memsection.api.mutex import Mutex
    from memsection.api.section import Section
    from memsection.rwlock.core import Core

    Repair = Callable[[AbandonedMutexError], object]


class LockState:
    """The part of ``RWLock`` that takes nothing."""

    section: Section  #: whose name and rights it has

    _core: Core | None  #: None when it is closed
    _gate: Mutex
    _repair: Repair | None

    def _require_open(self) -> tuple[Core, Mutex]:
        core = self._core
        if core is None:
            raise HandleError("RWLock: it is closed")
        return core, self._gate

    # ------------------------------------------------------------------ a writer that ended

    def _needs_writer(self, core: Core, writes: bool, accept_abandoned: bool) -> bool:
        """With the gate taken: whether it has to be taken for writing, by a writer or to repair
        what one left."""
        word = core.readers.writer
        if writes:
            self._tell_if_abandoned(word, accept_abandoned)
            return True
        if core.readers.writes_here or not word & native.WRITES:
            if word and not word & native.WRITES:
                core.readers.restore(0)  # of one that ended while it waited: nothing was changed
            return False
        self._tell_if_abandoned(word, accept_abandoned)
        return not accept_abandoned

    def _tell_if_abandoned(self, word: int, accept_abandoned: bool) -> None:
        if word & native.WRITES and not accept_abandoned and self._repair is None:
            raise self._abandoned_error(word)

    def _abandoned_error(self, word: int) -> AbandonedMutexError:
        pid = word & 0xFFFFFFFF
        return AbandonedMutexError(
            f"{about('acquire', self.name)}: process {pid} ended while it wrote, and what the lock "
            "protects may be half changed; 'accept_abandoned' takes it all the same",
            owner_pid=pid,
        )

    def _repair_if_needed(self, word: int, accept_abandoned: bool) -> None:
        if not word & native.WRITES or accept_abandoned:
            return
        assert self._repair is not None  # or it would have been told
        error = self._abandoned_error(word)
        outside(self._repair, error)
        log.tell(
            log.INFO,
            "repaired what the lock %r protects, after its writer, process %d, died",
            self.name,
            error.owner_pid,
        )

    # ------------------------------------------------------------------ about the lock

    @property
    def name(self) -> str | None:
        """The lock's name; None without one.

        Rights:
            None.

        Raises:
            HandleError: The lock is closed.
        """
        return self.section.name

    @property
    def processes(self) -> int:
        """How many processes read at this moment.

        Rights:
            None.

        Raises:
            HandleError: The lock is closed.
        """
        return self._require_open()[0].readers.processes

    @property
    def writer(self) -> int | None:
        """Process id of who writes, as it says so itself; None when nobody does.

        Rights:
            None.

        Raises:
            HandleError: The lock is closed.
        """
        core, gate = self._require_open()
        word = core.readers.writer
        return word & 0xFFFFFFFF if word & native.WRITES and gate.locked() else None

    @property
    def abandoned(self) -> bool:
        """Whether the last writer ended while it wrote, and nobody has taken the lock for writing
        since.

        Rights:
            None.

        Raises:
            HandleError: The lock is closed.
        """
        core, gate = self._require_open()
        return bool(core.readers.writer & native.WRITES) and not gate.locked()

    @property
    def closed(self) -> bool:
        """Whether the lock was closed."""
        return self._core is None
