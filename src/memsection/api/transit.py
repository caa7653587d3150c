# SPDX-License-Identifier: MIT
"""Handles in transit: held by their sender until the receiver of a pickle has taken them.

What travels is the process id, the value of a duplicate, and where the receiver notes that it has
one of its own: a slot in a section of the sender's, with a number that is drawn for this once.  A
sender that lives on looks at the notes whenever it sends or closes something; a child of
multiprocessing that ends waits for them for two seconds.  What is pickled, and as what, is
``passing``'s business (docs/decisions/0041).
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import time

from memsection.api.handle import after_close
from memsection.nt import kernel
from memsection.nt.owners import done, drop_quietly, own, settled, undo_here, unless_locked, whole
from memsection.vocabulary import access as a
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import ArgumentError, HandleError, NtError, public_error
from memsection.vocabulary.forks import run_in_child

if sys.platform != "win32":
    import resource

#: What travels: process id, duplicate, the notes' handle and their secret, slot, number.
Ticket = tuple[int, int, int, bytes, int, int]

#: The duplicates of this process that are on their way, by slot, the oldest first.
in_transit: dict[int, Sent] = {}

_NOTES_SIZE = 1 << 16
_NOTES_ACCESS = a.SECTION_QUERY | a.SECTION_MAP_READ | a.SECTION_MAP_WRITE
_SECRET = 16  # bytes at the start of the notes: whose they are
_SLOTS = (_NOTES_SIZE - _SECRET) // 8
#: The most that is in transit, far more than pipes hold before their writers block.  The oldest
#: goes then: what is discarded costs a program no more than this, nor its own descriptors.
_MOST = 4096
_SHARE = 4  # of the descriptors that this process may have, at most a quarter
_WAIT_AT_EXIT = 2.0  # seconds
#: How long something stays in transit, in seconds: while a process that may be its receiver lives;
#: when there was one, and none lives any more; and when none was ever known: a pickle that goes
#: nowhere, or by ways of the program's own.
_TO_THE_LIVING, _TO_THE_DEAD, _TO_NOBODY = 600.0, 1.0, 30.0
_LOOKED_AT_ONCE = 32  # so many are looked through whenever something is sent
# elsewhere the value would be another handle's by the time that the sender looks
_TAKES_AWAY = os.name == "posix"


def take(ticket: Ticket) -> int:
    """A handle of this process for one in transit, which is noted; 0 when it is not in transit
    there (any more).

    Rights:
        ``PROCESS_DUP_HANDLE`` on the sender.

    Raises:
        AccessError: This process may not look into the sender's handles.
    """
    pid, handle, notes_handle, secret, slot, token = ticket
    try:
        process = kernel.open_process(a.PROCESS_DUP_HANDLE, 0, pid)
        try:
            section = kernel.duplicate_object(
                process, notes_handle, s.CURRENT_PROCESS, _NOTES_ACCESS, 0, 0
            )
            try:
                notes = _map_notes(section)
            finally:
                kernel.close(section)
            at = _SECRET + 8 * slot
            if notes[:_SECRET] == secret and struct.unpack_from("=Q", notes, at)[0] == token:
                mine = _take_away(process, pid, handle)
                struct.pack_into("=Q", notes, at, 0)
                return mine
        finally:
            kernel.close(process)
    except NtError as failure:
        problem = public_error(failure)
        # no such process, or it has no such notes any more
        if not isinstance(problem, (HandleError, ArgumentError)):
            raise problem from None
    finally:
        if in_transit:
            close_collected()  # an occasion for what this process sent itself
    return 0


def _map_notes(section: int) -> memoryview:
    """The memory of the notes, for as long as the memoryview is used.

    Raises:
        NtError: The section is smaller, or permits no such view.
    """
    _, address, _ = kernel.map_view(
        section, s.CURRENT_PROCESS, 0, 0, 0, 0, _NOTES_SIZE, p.VIEW_UNMAP, 0, p.PAGE_READWRITE
    )
    try:
        return memoryview(kernel.view_buffer(address, _NOTES_SIZE, readonly=False))
    except BaseException:
        undo_here(kernel.unmap_view, s.CURRENT_PROCESS, address)
        raise


def _take_away(process: int, pid: int, handle: int) -> int:
    """Duplicate a handle that is in transit in some process; that process lets go of it as soon as
    it can.

    Raises:
        NtError: It has no such handle, or this process may not have it.
    """
    if _TAKES_AWAY and pid != os.getpid():
        try:
            return kernel.duplicate_object(
                process,
                handle,
                s.CURRENT_PROCESS,
                0,
                0,
                s.DUPLICATE_SAME_ACCESS | s.DUPLICATE_CLOSE_SOURCE,
            )
        except NtError as failure:
            if failure.status != st.ACCESS_DENIED:  # the kernel may allow looking and no more
                raise
    return kernel.duplicate_object(
        process, handle, s.CURRENT_PROCESS, 0, 0, s.DUPLICATE_SAME_ACCESS
    )


class Sent:
    """A duplicate in transit, which is closed with this object."""

    __slots__ = ("_handle",)
    _handle: int
    __del__ = drop_quietly  # native: whatever raises between two bytecodes, it is closed


def _duplicate(handle: int) -> Sent:
    sent = Sent()
    own(
        sent,
        kernel.duplicate_object(
            s.CURRENT_PROCESS, handle, s.CURRENT_PROCESS, 0, 0, s.DUPLICATE_SAME_ACCESS
        ),
    )
    return sent


def _is_anybody_there() -> bool:
    """Whether a process of multiprocessing lives that may be a receiver: a child, or the parent.

    Their ends are only looked at: who waits for a child still gets its status.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    sentinels = [
        child._popen.sentinel
        for child in list(process._children)
        if getattr(child, "_popen", None) is not None and child._popen.returncode is None
    ]
    parent = process.parent_process()
    if parent is not None:
        sentinels.append(parent.sentinel)
    from multiprocessing.connection import wait

    try:
        return len(wait(sentinels, timeout=0)) < len(sentinels) if sentinels else False
    except (OSError, ValueError):
        return True  # a sentinel that somebody closed tells nothing: joblib's pools have such


def _limit(count: int) -> int:
    """The most that may be in transit, where ``count`` are."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 <= soft // _SHARE <= count < _MOST and soft != hard:
            # As where the kernel refuses one: nobody else has to find that there are no more.
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        if soft >= 0:
            return max(1, min(_MOST, soft // _SHARE))
    return _MOST


class Transit:
    """The duplicates of this process that are on their way, and the notes of receivers on what they
    took."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may send something while its thread does
        self._notes_handle = 0  # a handle, so that nothing is left to the collector
        self._notes = memoryview(b"")
        self._secret = b""
        self._token = 0
        self._sent = in_transit
        # slot to (when it was sent, whether a receiver was known since)
        self._since: dict[int, tuple[float, bool]] = {}
        self._nobody_since = 0.0
        self._pid = 0

    def put(self, handle: int) -> Ticket:
        """Duplicate a handle for whoever takes it."""
        return done(self._take_back, self._put, handle)

    @whole
    def _put(self, handle: int) -> Ticket:
        slot, sent = -1, None
        try:
            with self._lock:
                self.make_notes()
                if self._token % (len(self._sent) // _LOOKED_AT_ONCE + 1) == 0:
                    self._sweep()
                while len(self._sent) >= _limit(len(self._sent)):
                    self._let_go(next(iter(self._sent)))  # the oldest one
                try:
                    sent = _duplicate(handle)
                except NtError as failure:
                    if failure.status != st.TOO_MANY_OPENED_FILES or not self._sent:
                        raise
                    self._let_go(next(iter(self._sent)))
                    sent = _duplicate(handle)
                self._token += 1
                token, since = self._token, (time.monotonic(), _is_anybody_there())
                slot = token % _SLOTS
                after_close.add(self.close_collected)
                while self._sent.setdefault(slot, sent) is not sent:
                    slot = (slot + 1) % _SLOTS
                struct.pack_into("=Q", self._notes, _SECRET + 8 * slot, token)
                self._since[slot] = since
                return self._pid, sent._handle, self._notes_handle, self._secret, slot, token
        except BaseException:
            if sent is not None and self._sent.get(slot) is sent:
                self._let_go(slot)
            raise

    def _take_back(self, asked: object, result: Ticket) -> None:
        """The operation that sent this has failed: nobody will get it."""
        _, duplicate, _, _, slot, token = result
        sent = self._sent.get(slot)
        if sent is not None and sent._handle == duplicate and self._note(slot) in (0, token):
            self._let_go(slot)

    def _note(self, slot: int) -> int:
        """The token of what is in this slot; 0 when its receiver has it."""
        return int(struct.unpack_from("=Q", self._notes, _SECRET + 8 * slot)[0])

    @settled
    def make_notes(self) -> None:
        """Make the section where receivers note what they took, once.

        The lock does not keep a signal handler of the same thread from doing it in between: the
        first one stays.
        """
        if self._notes_handle:
            return
        _, section = kernel.create_section(
            _NOTES_ACCESS, None, _NOTES_SIZE, p.PAGE_READWRITE, p.SEC_COMMIT, 0
        )
        try:
            notes = _map_notes(section)
        except BaseException:
            undo_here(kernel.close, section)
            raise
        secret, token, pid = (
            os.urandom(_SECRET),
            int.from_bytes(os.urandom(6), "little"),
            os.getpid(),
        )
        notes[:_SECRET] = secret
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            # A child: what it puts into a queue last should arrive.  Queues are flushed at priority
            # -5.
            from multiprocessing.util import Finalize

            Finalize(None, self._wait, exitpriority=-20)
        if self._notes_handle:
            kernel.close(section)
            return
        self._notes, self._secret, self._token, self._pid, self._notes_handle = (
            notes,
            secret,
            token,
            pid,
            section,
        )

    def _sweep(self) -> None:
        """Close what was taken, and what nobody will take any more."""
        now = time.monotonic()
        somebody = _is_anybody_there() if self._sent else False
        if somebody:
            self._nobody_since = 0.0
        elif not self._nobody_since:
            self._nobody_since = now
        for slot in list(self._since):  # without what a signal handler has found half sent
            sent, known = self._since.get(slot, (now, False))
            if somebody and not known:
                known = True
                self._since[slot] = sent, known
            if somebody:
                is_over = now - sent > _TO_THE_LIVING
            elif known:
                is_over = now - max(sent, self._nobody_since) > _TO_THE_DEAD
            else:
                is_over = now - sent > _TO_NOBODY
            if is_over or not self._note(slot):
                self._let_go(slot)

    def _let_go(self, slot: int) -> None:
        struct.pack_into("=Q", self._notes, _SECRET + 8 * slot, 0)
        self._since.pop(slot, None)
        self._sent.pop(slot, None)
        if not self._sent:
            after_close.discard(self.close_collected)

    def close_collected(self) -> None:
        """Close what was taken, unless somebody is just doing it."""
        unless_locked(self._lock, self._sweep)

    def _wait(self) -> None:
        deadline = time.monotonic() + _WAIT_AT_EXIT
        pause = 0.0005
        while True:
            with self._lock:
                self._sweep()
            if not self._sent or time.monotonic() > deadline:
                return
            time.sleep(pause)
            pause = min(2 * pause, 0.02)

    def forget(self) -> None:
        """In a forked child: what is in transit is the parent's."""
        self._lock = threading.RLock()
        notes, self._notes_handle = self._notes_handle, 0
        self._sent.clear()
        self._since.clear()
        after_close.discard(self.close_collected)
        self._notes = memoryview(b"")
        if notes:
            try:
                kernel.close(notes)
            except NtError:
                pass  # nobody can be told in the middle of a fork


_own = Transit()
put, close_collected = _own.put, _own.close_collected
run_in_child(_own.forget)
