# SPDX-License-Identifier: MIT
"""A readers-writer lock: many threads of many processes read, or one writes; never stuck when one
of them is killed.

It owns who waits for whom.  The writers exclude one another by a ``Mutex``, the gate; who reads is
counted in a section (``_native.readers``).  A writer takes the gate, keeps new readers out and
waits until those inside have left, so writers are not starved; readers that have to wait do so at
the gate, so nobody goes round them twice.  Tasks of one event loop are ``tasks``' business.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from memsection._native import readers as native
from memsection.api.appearing import open_in_time_async
from memsection.api.mutex import Mutex
from memsection.api.section import Section
from memsection.content import schema
from memsection.nt.owners import done, undo_here, whole
from memsection.rwlock.core import Core, core_of
from memsection.rwlock.gate import TimeUp, deadline_of, gate_of, give_back, take, undo_again
from memsection.rwlock.sides import SLICE, ReadSide, WriteSide
from memsection.rwlock.state import LockState
from memsection.vocabulary import status as st
from memsection.vocabulary.arguments import object_name, waiting_time
from memsection.vocabulary.errors import AccessError, Error
from memsection.vocabulary.text import about

if TYPE_CHECKING:
    from typing import Self

    from memsection.api.security import Security
    from memsection.rwlock.state import Repair

_KIND = "rwlock"
_GATE = ".gate"  #: behind the lock's name: that of its mutex
_METHODS = (("acquire_read", "release_read"), ("acquire_write", "release_write"))


class RWLock(LockState, native.Sided):
    r"""A lock for what is read often and changed seldom: any number read at once, or one writes,
    among all threads of all processes that have it.

    ``with lock.read:`` and ``with lock.write:`` take it.  A process that is killed while it reads
    is forgotten; when the one that writes is, whoever comes next is told (``AbandonedMutexError``),
    because what the lock protects may be half changed.  A waiting writer keeps new readers out.  A
    thread that reads may read again, one that writes may write and read; one that reads cannot go
    on to write.
    """

    created: bool  #: whether this object made the lock
    if TYPE_CHECKING:

        @property
        def read(self) -> ReadSide: ...
        @property
        def write(self) -> WriteSide: ...

    def __init__(self) -> None:
        raise TypeError("RWLock() makes nothing: use RWLock.create(...) or RWLock.open(...)")

    @classmethod
    def create(
        cls,
        name: str | None = None,
        *,
        exist_ok: bool = False,
        inheritable: bool = False,
        security: Security | str | bytes | None = None,
        repair: Repair | None = None,
    ) -> Self:
        r"""Make a lock, with a name or without one.

        Args:
            name: What other processes open it by; its mutex has the same name with ``.gate``.
            exist_ok: Whether a lock that has the name already is opened instead; see ``created``.
            inheritable: Whether child processes get its handles.
            security: Who may open it by name; this user alone when omitted.  Who may use it has to
                write to it.
            repair: Called, with the lock taken for writing, whenever this object takes it after a
                writer that ended: it sees to what the lock protects.  Returns it, the lock is taken
                as usual; raises it, the lock stays so.

        Rights:
            None for a new lock.  An existing one must grant what ``Section.open`` and
            ``Mutex.open`` ask for.

        Raises:
            ExistsError: The name, or that of its mutex, is taken (FileExistsError).
            ArgumentError: The name is that of something else in a section; or it or the security
                makes no sense.
            AccessError: An existing lock does not grant the access.

        Example:
            >>> from memsection import RWLock
            >>> with RWLock.create() as lock:
            ...     with lock.read, lock.read:
            ...         lock.processes
            ...     with lock.write:
            ...         lock.acquire_read(timeout=0)  # who writes may read
            1
            True
        """
        object_name(name)
        gate = Mutex.create(
            None if name is None else name + _GATE,
            exist_ok=exist_ok,
            inheritable=inheritable,
            security=security,
        )
        try:
            section, view = schema.make(
                schema.section_attributes(
                    name, exist_ok=exist_ok, inheritable=inheritable, security=security
                ),
                native.size(),
                {"kind": _KIND},
                fill=lambda fresh: native.format(fresh.memory, os.urandom(16)),
            )
            if not section.created:
                view.close()
            return cls._over(section, gate, repair)
        except BaseException:
            gate.close()
            raise

    @classmethod
    def open(
        cls,
        name: str,
        *,
        inheritable: bool = False,
        repair: Repair | None = None,
        timeout: float | None = 0,
    ) -> Self:
        """Open a lock by its name.

        Args:
            name: As given to ``create``.
            inheritable: Whether child processes get its handles.
            repair: As for ``create``.
            timeout: Seconds to wait until something has the name; not at all when omitted, for ever
                when None.

        Rights:
            As for ``Section.open`` with ``"rw"`` and ``Mutex.open``: readers write to the lock,
            too.

        Raises:
            NotFoundError: Nothing has this name (FileNotFoundError).
            NameTimeoutError: Nothing had it within the time; a ``NotFoundError`` and a
                ``WaitTimeoutError``.
            AccessError: The lock does not grant the access (PermissionError).
            ArgumentError: The name is that of something else in a section (ValueError).
            CorruptError: The lock is damaged.
        """
        section = Section.open(name, access="rw", inheritable=inheritable, timeout=timeout)
        try:
            gate = gate_of(section, name + _GATE, inheritable)
        except BaseException:
            section.close()
            raise
        try:
            return cls._over(section, gate, repair)
        except BaseException:
            gate.close()
            raise

    @classmethod
    async def open_async(
        cls,
        name: str,
        *,
        inheritable: bool = False,
        repair: Repair | None = None,
        timeout: float | None = None,
    ) -> Self:
        """As ``open``, waiting for the name without blocking the event loop, for ever when
        ``timeout`` is omitted.

        Rights:
            As for ``open``.

        Raises:
            NameTimeoutError: Nothing had the name within the time.
            Error: As ``open`` otherwise.
        """
        return await open_in_time_async(
            lambda: cls.open(name, inheritable=inheritable, repair=repair), name, timeout
        )

    @classmethod
    def _over(cls, section: Section, gate: Mutex, repair: Repair | None) -> Self:
        """The lock in a section, which is closed if there is none."""
        try:
            view = schema.attach(section, _KIND)[0]
            core = core_of(section, view)
        except BaseException:
            section.close()
            raise
        self = cls.__new__(cls)
        self.section, self.created = section, section.created
        self._gate, self._repair = gate, repair
        self._core = core
        core.users.add(self)
        reads, writes = (
            core.readers
            if all(getattr(cls, one) is getattr(RWLock, one) for one in names)
            else None
            for names in _METHODS
        )
        self._have_sides((ReadSide, WriteSide), (reads, writes), gate)
        return self

    # ------------------------------------------------------------------ reading

    @whole
    def acquire_read(
        self,
        blocking: bool | float | None = True,
        timeout: float | None = -1,
        *,
        accept_abandoned: bool = False,
    ) -> bool:
        """Take the lock for reading, beside others that read, as soon as nobody writes or waits to
        write.

        The arguments are those of ``threading.Lock``.

        Args:
            blocking: Whether to wait; a number that is no bool is the timeout.
            timeout: Seconds to wait; for ever when omitted, -1 or None, not at all when 0.
            accept_abandoned: Whether to read although the last writer ended while it wrote.  The
                next one is told again.

        Returns:
            Whether it was taken; False when the time was up.

        Rights:
            None: what the handles permitted when the lock was opened.

        Raises:
            AbandonedMutexError: The last writer ended while it wrote.  The lock was not taken.
            ArgumentError: A timeout that is negative and not -1, or one for a call that does not
                wait (ValueError).
            TypeError: A timeout that is no number.
            HandleError: The lock is closed.
        """
        limit = waiting_time(blocking, timeout)
        core, gate = self._require_open()
        if done(core.undo_enter, core.readers.enter):
            return True
        try:
            self._read_through_gate(core, gate, limit, accept_abandoned)
        except TimeUp:
            return False
        return True

    @whole
    def _read_through_gate(
        self, core: Core, gate: Mutex, limit: float | None, accept_abandoned: bool
    ) -> None:
        end = deadline_of(limit)
        take(gate, limit)
        try:
            if self._needs_writer(core, False, accept_abandoned):
                self._begin(core, end, accept_abandoned)
                core.readers.restore(0)
            done(core.undo_enter, core.readers.enter_through, gate)
        except BaseException:
            undo_here(give_back, gate, (), True)
            raise

    def release_read(self) -> None:
        """Give it back once; when all who read have, a writer can have it.

        Rights:
            None.

        Raises:
            AccessError: This thread does not read (PermissionError).
            HandleError: The lock is closed.
        """
        if not self._require_open()[0].readers.leave():
            raise AccessError(
                f"{about('release', self.name)}: this thread has not taken the lock for reading",
                ntstatus=st.MUTANT_NOT_OWNED,
            )

    # ------------------------------------------------------------------ writing

    @whole
    def acquire_write(
        self,
        blocking: bool | float | None = True,
        timeout: float | None = -1,
        *,
        accept_abandoned: bool = False,
    ) -> bool:
        """Take the lock for writing, alone: once more if this thread writes, else as soon as nobody
        else has it.

        Args:
            blocking: As for ``acquire_read``.
            timeout: As for ``acquire_read``.
            accept_abandoned: Whether to take it although the last writer ended while it wrote, and
                what the lock protects may be half changed.

        Returns:
            Whether it was taken; False when the time was up.

        Rights:
            None: what the handles permitted when the lock was opened.

        Raises:
            AbandonedMutexError: The last writer ended while it wrote.  The lock was not taken, and
                everybody is told until somebody takes it for writing with ``accept_abandoned``.
            Error: This thread reads: it would wait for itself.
            ArgumentError: As ``acquire_read``.
            TypeError: As ``acquire_read``.
            HandleError: The lock is closed.
        """
        limit = waiting_time(blocking, timeout)
        core, gate = self._require_open()
        if core.readers.writes_here:
            done(partial(undo_again, core, gate), core.readers.again, gate)
            return True
        self._refuse_upgrade(core)
        try:
            self._write_through_gate(core, gate, limit, accept_abandoned)
        except TimeUp:
            return False
        return True

    @whole
    def _write_through_gate(
        self, core: Core, gate: Mutex, limit: float | None, accept_abandoned: bool
    ) -> None:
        end = deadline_of(limit)
        take(gate, limit)
        try:
            self._begin(core, end, accept_abandoned)
        except BaseException:
            undo_here(give_back, gate, (), True)
            raise

    def release_write(self) -> None:
        """Give it back once; when that was as often as it was taken, others can have it.

        Rights:
            None.

        Raises:
            AccessError: This thread does not write (PermissionError).
            HandleError: The lock is closed.
        """
        core, gate = self._require_open()
        if not core.readers.finish(gate):
            raise AccessError(
                f"{about('release', self.name)}: this thread has not taken the lock for writing",
                ntstatus=st.MUTANT_NOT_OWNED,
            )

    def _begin(self, core: Core, end: float | None, accept_abandoned: bool) -> None:
        """With the gate taken: keep new readers out, wait until the others have left, and write."""
        readers = core.readers
        before = done(core.undo_block, readers.block)
        try:
            self._tell_if_abandoned(before, accept_abandoned)
            self._await_readers(core, end)
            self._repair_if_needed(before, accept_abandoned)
        except BaseException:
            undo_here(core.undo_block, (), before)
            raise
        readers.begin(os.getpid())

    def _await_readers(self, core: Core, end: float | None) -> None:
        while True:
            seen = core.readers.departures
            if core.readers.gone(True):
                return
            left = SLICE if end is None else min(SLICE, end - time.monotonic())
            if left <= 0:
                raise TimeUp
            core._wait(seen, left)

    def _refuse_upgrade(self, core: Core) -> None:
        if core.readers.reads_here:
            raise Error(
                f"{about('acquire', self.name)} for writing: this thread reads, and would wait "
                "for itself; release it first, and look again at what was read",
                ntstatus=st.POSSIBLE_DEADLOCK,
            )

    def close(self) -> None:
        """Close the lock.  Closing again does nothing.

        When it is closed by every object of this process that has it, what threads here read is
        given back, and what one writes becomes abandoned at that thread's end.

        Rights:
            None.
        """
        self._core = None
        self._close_sides()
        self._gate.close()
        self.section.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """The same lock in whatever process takes it, through any pickler; its handles travel as
        others do."""
        return _rebuild, (type(self), self.section, self._gate)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            "<memsection.RWLock closed>"
            if self._core is None
            else f"<{about('memsection.RWLock', self.name)}>"
        )


def _rebuild(cls: type[RWLock], section: Section, gate: Mutex) -> RWLock:
    return cls._over(section, gate, None)
