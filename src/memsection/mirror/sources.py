# SPDX-License-Identifier: MIT
"""What is published: taking complete snapshots of a section that others write at any moment.

A latest value says by its protocol whether a copy is whole.  Of every other section a copy counts
only if the memory, looked at again after the copy, is still the same.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from memsection import latest
from memsection.api.handle import Handle
from memsection.api.section import Section
from memsection.content import schema
from memsection.mirror import contents
from memsection.mirror.wire import CHUNK
from memsection.vocabulary.errors import ArgumentError, CorruptError, HandleError, WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memsection.mirror.streams import Stream

MOST_SPARE = 4  #: pieces of memory that wait for the next large snapshot
PATIENCE = 1.0  #: seconds for which a snapshot is tried of memory that changes all the time


class Snapshot:
    """A complete content, in parts of at most ``CHUNK`` bytes; it never changes."""

    __slots__ = ("__weakref__", "parts", "sequence", "size")

    def __init__(self, sequence: int, parts: list[bytes]) -> None:
        self.sequence = sequence
        self.parts = parts
        self.size = sum(map(len, parts))

    def pieces(self) -> Iterable[bytes]:
        """The content, a part at a time."""
        return self.parts


class _InMemory(Snapshot):
    """A large content, in memory that the next ones use again.

    Memory that is new for each of them costs more than everything else: the system clears it page
    by page (6.2 MB: 12 ms instead of 0.2 ms).
    """

    __slots__ = ("_memory", "_spare")

    def __init__(
        self, sequence: int, memory: bytearray, size: int, spare: deque[bytearray]
    ) -> None:
        super().__init__(sequence, [])
        self.size = size
        self._memory, self._spare = memory, spare

    def pieces(self) -> Iterable[bytes]:
        """The content, a part at a time; each is copied when it is wanted."""
        with memoryview(self._memory) as whole:
            for at in range(0, self.size, CHUNK):
                yield bytes(whole[at : min(at + CHUNK, self.size)])

    def __del__(self) -> None:
        self._spare.append(self._memory)  # nobody sends it any more


class Latest:
    """A latest value: each write is a snapshot."""

    polled = True

    def __init__(self, section: Section) -> None:
        self._reader = latest.from_section(section)
        self._lock = self._reader._lock
        self._spare: deque[bytearray] = deque(maxlen=MOST_SPARE)

    @property
    def sequence(self) -> int:
        """The number of the newest value, 0 while there is none."""
        return int(self._lock.sequence)

    def take(self) -> Snapshot | None:
        """The newest value; None while there is none.

        Raises:
            WaitTimeoutError: It is written all the time, or somebody scribbled on it.
        """
        try:
            if self._lock.capacity > CHUNK:
                return self._take_large()
            found = self._lock.read(PATIENCE)
        except TimeoutError as failure:
            raise WaitTimeoutError(str(failure)) from None
        return Snapshot(found[0], [found[1]]) if found is not None else None

    def _take_large(self) -> Snapshot | None:
        memory = self._spare.pop() if self._spare else bytearray(self._lock.capacity)
        found = self._lock.read_into(memory, PATIENCE)
        return _InMemory(found[0], memory, found[1], self._spare) if found is not None else None

    def close(self) -> None:
        """Close the section."""
        self._reader.close()


class Block:
    """Any other section: a snapshot is what was there when somebody said so, or when it was found
    changed."""

    def __init__(self, section: Section, size: int) -> None:
        self._section, self._size = section, size
        self._view = section.map(access="r")
        self._newest: Snapshot | None = None

    @property
    def sequence(self) -> int:
        """The number of snapshots so far."""
        return self._newest.sequence if self._newest is not None else 0

    def take(self) -> Snapshot | None:
        """The newest snapshot."""
        return self._newest

    def commit(self) -> int:
        """Take a snapshot now; its number.

        Raises:
            WaitTimeoutError: Somebody writes all the time.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            parts = self._parts()
            if self._is_still(parts):
                self._newest = Snapshot(self.sequence + 1, parts)
                return self._newest.sequence
            if time.monotonic() > deadline:
                raise WaitTimeoutError(
                    f"commit {self._section.name!r}: it was written to during every attempt to "
                    f"copy it, "
                    f"for {PATIENCE:g} s: commit when nobody writes, or publish a latest value"
                )
            time.sleep(0.001)

    def look(self) -> bool:
        """Take a snapshot if the memory has changed, and is at rest; whether it was taken."""
        if self._newest is not None and self._is_still(self._newest.parts):
            return False
        try:
            self.commit()
        except WaitTimeoutError:
            return False  # somebody is writing it: the next look may find it at rest
        return True

    def _parts(self) -> list[bytes]:
        with memoryview(self._view) as whole:
            return [
                bytes(whole[at : min(at + CHUNK, self._size)]) for at in range(0, self._size, CHUNK)
            ] or [b""]

    def _is_still(self, parts: list[bytes]) -> bool:
        with memoryview(self._view) as whole:
            at = 0
            for part in parts:
                if bytes(whole[at : at + len(part)]) != part:
                    return False
                at += len(part)
        return True

    def close(self) -> None:
        """Close the section."""
        self._view.close()
        self._section.close()


def section_of(what: object) -> Section:
    """A handle of our own, for reading, to what the user means: a name, a section, or what lies in
    one.

    Raises:
        ArgumentError: It is nothing that other hosts can have.
    """
    if isinstance(what, str):
        try:
            return Section.open(what, access="r")
        except HandleError:
            raise ArgumentError(
                f"publish {what!r}: it is a mutex, an event or a semaphore; these end at the "
                f"host, because who holds one may "
                "be cut off at any moment. Let one host decide, and publish what it decided as "
                "a latest value"
            ) from None
    section = what if isinstance(what, Section) else getattr(what, "section", None)
    if isinstance(section, Section):
        return section.duplicate("r")
    if isinstance(what, Handle):
        raise ArgumentError(
            f"publish: a {type(what).__name__} ends at the host, because who holds one may be "
            f"cut off at any "
            "moment. Let one host decide, and publish what it decided as a latest value"
        )
    raise ArgumentError(
        f"publish: {type(what).__name__} is neither a name, nor a section, nor in one"
    )


def source_of(section: Section, name: str) -> tuple[Latest | Block | Stream, schema.Facts]:
    """The source in a section, which it owns from now on, and the facts to publish about it.

    Raises:
        ArgumentError: Its kind does not travel.
        CorruptError: Its description makes no sense.
    """
    described = schema.describe(section)
    facts = contents.facts_of(name, described)
    if facts["kind"] == contents.LATEST:
        source = Latest(section)
        facts["capacity"] = (
            source._lock.capacity
        )  # what the memory says, not what its description does
        facts["slots"] = source._lock.slots
        return source, facts
    if facts["kind"] == contents.TOPIC:
        from memsection.mirror.streams import Stream  # channels, which not every system has

        return Stream(section, facts), facts
    size = section.size if described is None else described["size"]
    if type(size) is not int or not 0 <= size <= section.size:
        raise CorruptError(f"publish {name!r}: its description tells of {str(size)[:20]} bytes")
    return Block(section, size), facts
