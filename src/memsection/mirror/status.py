# SPDX-License-Identifier: MIT
"""What the processes of one host share about a replica: which it is, how it stands, and who of
them carries it.

    NAME                  the replica itself
    NAME.mirror           a latest value with the Status
    NAME.mirror.carrier   a mutex: who owns it transfers; when that process ends the next one goes
    on

Times are those of the monotonic clock, which all processes of a host have in common.
"""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from typing import Any, NamedTuple

from memsection import latest
from memsection.api.mutex import Mutex
from memsection.vocabulary.errors import (
    AbandonedMutexError,
    ArgumentError,
    CorruptError,
    Error,
    ExistsError,
    NotFoundError,
    WaitTimeoutError,
)

SUFFIX = ".mirror"
GONE, LOST = 1, 2  #: flags: the publication has ended; the link to it is lost

_RECORD = struct.Struct("<8sQQQQQQQQQI4xH")  # and the key
_MAGIC = b"MSmirror"
_LONGEST_KEY = 2000
_MOST = (1 << 64) - 1
CAPACITY = _RECORD.size + _LONGEST_KEY


class Status(NamedTuple):
    """How a replica stands.

    A tuple, because it is made anew for every snapshot and for every look at it.
    """

    key: str  #: HOST/NAME
    changes: int = 0  #: times that this record was written
    epoch: int = 0
    sequence: int = 0  #: 0 while there is no snapshot
    arrived_ns: int = 0  #: when the newest snapshot did
    heard_ns: int = 0  #: when the publisher was last heard of
    snapshots: int = 0  #: that arrived so far
    received: int = 0  #: bytes of them
    missed: int = 0  #: snapshots, or messages of a topic, that were skipped between them
    poll_ns: int = 0  #: how often the publisher is asked
    flags: int = 0

    def pack(self) -> bytes:
        """As it stands in memory."""
        key = self.key.encode()
        return _RECORD.pack(_MAGIC, *self[1:], len(key)) + key

    @classmethod
    def unpack(cls, raw: bytes) -> Status:
        """The record in some memory; CorruptError if it is none."""
        if len(raw) < _RECORD.size:
            raise CorruptError("replica: its status is damaged")
        magic, *numbers, length = _RECORD.unpack_from(raw)
        key = raw[_RECORD.size :]
        if magic != _MAGIC or len(key) != length:
            raise CorruptError("replica: its status is damaged")
        return cls._make((key.decode(errors="replace"), *numbers))

    def state(self, max_age: float) -> str:
        """``live``, ``stale`` or ``gone``."""
        if self.flags & GONE:
            return "gone"
        silent = time.monotonic_ns() - self.heard_ns
        # Who allows less than two questions take asks in vain.
        return (
            "live"
            if self.sequence
            and not self.flags & LOST
            and silent < max(max_age * 1e9, 2 * self.poll_ns)
            else "stale"
        )


class Shared:
    """The two objects beside a replica; made by the first process that wants it, found by the
    others."""

    def __init__(self, name: str, key: str) -> None:
        if len(key.encode()) > _LONGEST_KEY:
            raise ArgumentError(f"subscribe {key[:40]!r}...: the name is too long")
        self.name = name
        self.carrier = Mutex.create(f"{name}{SUFFIX}.carrier", exist_ok=True)
        try:
            self._end = self._first(key) or latest.open(f"{name}{SUFFIX}", CAPACITY, write=True)
        except BaseException:
            self.carrier.close()
            raise
        self._awaited = 0  #: the number of the status after which one was waited for
        self.status = Status(key)  #: as who carries has written it
        try:
            found = self.look()
            if found.key != key:
                raise ExistsError(
                    f"subscribe {key!r} as {name!r}: this name has the replica of {found.key!r}"
                )
        except BaseException:
            self.close()
            raise

    def _first(self, key: str) -> latest.Writer | None:
        try:
            return latest.create(f"{self.name}{SUFFIX}", CAPACITY)
        except ExistsError:
            return None

    def look(self) -> Status:
        """The status now."""
        # Not remembered: a look of another thread may be overtaken by a write, and the next write
        # would go on with what was before it.
        raw = self._end.read()
        return Status.unpack(raw) if raw is not None else self.status

    def await_change(self, timeout: float) -> None:
        """Wait until who carries has written the status since this was last called."""
        before, self._awaited = self._awaited, self._end.sequence
        if before == self._awaited:
            self._end.wait(before, timeout)

    def write(self, **changes: Any) -> Status:
        """Change the status, which wakes who waits for that; for who carries the replica."""
        return self._write(self.status._replace(changes=self.status.changes + 1 & _MOST, **changes))

    def note_arrival(
        self, epoch: int, sequence: int, size: int, count: int, skipped: int
    ) -> Status:
        """Write that so many snapshots, of so many bytes, are here up to a sequence; for who
        carries the replica."""
        before, now = self.status, time.monotonic_ns()
        return self._write(
            Status(
                before.key,
                before.changes + 1 & _MOST,
                epoch,
                sequence,
                now,
                now,
                before.snapshots + count,
                before.received + size,
                before.missed + skipped,
                before.poll_ns,
            )
        )

    def _write(self, status: Status) -> Status:
        try:
            raw = status.pack()
        except struct.error:  # what a lying publisher, or whoever scribbled, made of the numbers
            status = Status(status.key, *[min(number, _MOST) for number in status[1:]])
            raw = status.pack()
        self.status = status
        self._end.write(raw)
        return status

    def carries(self) -> bool:
        """Whether this thread carries the replica from now on."""
        try:
            taken = self.carrier.acquire(0)
        except AbandonedMutexError:
            taken = self.carrier.acquire(0, accept_abandoned=True)
        if taken:
            # The other wrote with an end of its own: ours has to know what number is next.
            with suppress(Error):  # somebody spoiled it: the end that was good before writes anew
                fresh = latest.open(f"{self.name}{SUFFIX}", CAPACITY, write=True)
                before, self._end = self._end, fresh
                before.close()
            self.status = self._resume()
        return taken

    def _resume(self) -> Status:
        """What to go on with: what who carried it before has written, if that can be read."""
        try:
            found = self.look()
        except (CorruptError, WaitTimeoutError):
            return Status(self.status.key)
        if found.key != self.status.key:
            return Status(self.status.key)
        now = time.monotonic_ns()  # nothing came later than that, whatever somebody scribbled
        return found._replace(
            arrived_ns=min(found.arrived_ns, now), heard_ns=min(found.heard_ns, now)
        )

    def repair(self) -> None:
        """Write the status anew if it is not what this process has written; for who carries."""
        try:
            is_there = self._end.read(0) == self.status.pack()
        except Error:
            is_there = False
        if not is_there:
            self.write()

    def close(self) -> None:
        """Let go of both."""
        self._end.close()
        self.carrier.close()


def status_of(name: str) -> Status | None:
    """How the replica of this name stands; None for what is no replica.

    Rights:
        As for ``latest.open``.

    Raises:
        Nothing.
    """
    try:
        with latest.open(f"{name}{SUFFIX}", CAPACITY) as end:
            raw = end.read(0.1)
            return Status.unpack(raw) if raw is not None else None
    except (NotFoundError, ArgumentError, CorruptError, WaitTimeoutError, Error):
        return None
