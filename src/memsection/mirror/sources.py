# SPDX-License-Identifier: MIT
"""What is published: taking complete snapshots of a section that others write at any moment.

A latest value says by its protocol whether a copy is whole.  Of every other section a copy counts
only if the memory, looked at again after the copy, is still the same.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from memsection import latest
from memsection.api.handle import Handle
from memsection.api.section import Section
from memsection.content import schema
from memsection.mirror import contents
from memsection.mirror.wire import CHUNK, INLINE
from memsection.vocabulary.errors import ArgumentError, CorruptError, HandleError, WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memsection.mirror.streams import Stream

MOST_SPARE = 4  #: pieces of memory that wait for the next large snapshot
FAST = 10.0  #: seconds for which a writer that has overtaken a pull counts as too fast for that
PATIENCE = 1.0  #: seconds for which a snapshot is tried of memory that changes all the time
LOOK = 0.6  #: the same, where nobody has said that it is complete
REST = 0.03  #: seconds for which memory that nobody commits stays as it is before it counts
RESTLESS = 10.0  #: seconds after a copy was disturbed for which that goes for a commit, too
_ENOUGH, _SELDOM = 16, 0.94  #: copies, and the part of them that a seldom writer leaves alone


#: What is newest of a source: sequence, size, and the content if it is small enough to travel with
#: its announcement.
News = tuple[int, int, bytes | None]


class Snapshot:
    """A complete content, in parts of at most ``CHUNK`` bytes."""

    __slots__ = ("__weakref__", "parts", "sequence", "size")

    def __init__(self, sequence: int, parts: list[bytes]) -> None:
        self.sequence = sequence
        self.parts = parts
        self.size = sum(map(len, parts))

    def pieces(self) -> Iterable[bytes | bytearray]:
        """The content, a part at a time."""
        return self.parts


class OvertakenError(Exception):
    """The writer has used the place of a value again before all of it was sent."""


class _Large(Snapshot):
    """A large value where it lies, as long as its writer does not come near; then a copy, in memory
    that the next ones use again.

    Memory that is new for each of them costs more than everything else: the system clears it page
    by page (6.2 MB: 12 ms instead of 0.2 ms).
    """

    __slots__ = ("_memory", "_saving", "_source")

    def __init__(
        self, source: Latest, sequence: int, size: int, memory: bytearray | None = None
    ) -> None:
        super().__init__(sequence, [])
        self.size = size
        self._source, self._memory = source, memory
        self._saving = threading.Lock()  # several pulls may be of it

    def pieces(self) -> Iterable[bytearray]:
        """The content, a part at a time, which is overwritten by the next one.

        Raises:
            OvertakenError: The rest of it is not there any more.
        """
        with self._source.part() as part:
            for at in range(0, self.size, CHUNK):
                if self.size - at < CHUNK:
                    part = bytearray(self.size - at)
                if self._memory is None and self._source.comes_near(self.sequence):
                    self._save()
                if self._memory is None:
                    self._source.copy(self.sequence, at, part)
                else:
                    with memoryview(self._memory) as whole:
                        part[:] = whole[at : at + len(part)]
                yield part

    def _save(self) -> None:
        """Copy it before the writer is there."""
        with self._saving:
            if self._memory is None:
                memory = self._source.memory()
                with memoryview(memory)[: self.size] as content:
                    self._source.copy(self.sequence, 0, content)
                self._memory = memory

    def __del__(self) -> None:
        if self._memory is not None:
            self._source.spare.append(self._memory)  # nobody sends it any more


class Latest:
    """A latest value: each write is a snapshot."""

    def __init__(self, section: Section) -> None:
        self._reader = latest.from_section(section)
        self._lock = self._reader._lock
        self.size = self._lock.capacity  #: bytes of the largest value
        self.spare: deque[bytearray] = deque(maxlen=MOST_SPARE)  #: memory for whole values
        self._parts: deque[bytearray] = deque(maxlen=MOST_SPARE)
        self._fast_until = 0.0  #: the time up to which values are copied first

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
        if time.monotonic() >= self._fast_until:
            found = self._lock.look()
            if found is not None and not self.comes_near(found[0]):
                return _Large(self, *found)
        memory = self.memory()
        found = self._lock.read_into(memory, PATIENCE)
        return _Large(self, *found, memory) if found is not None else None

    def memory(self) -> bytearray:
        """Memory for a whole value."""
        with suppress(IndexError):
            return self.spare.pop()
        return bytearray(self._lock.capacity)

    @contextmanager
    def part(self) -> Iterator[bytearray]:
        """Memory for a part of a value."""
        try:
            found = self._parts.pop()
        except IndexError:
            found = bytearray(CHUNK)
        try:
            yield found
        finally:
            self._parts.append(found)

    def comes_near(self, sequence: int) -> bool:
        """Whether the writer may use the place of a value again after two more writes."""
        return self._lock.sequence - sequence + 2 >= self._lock.slots

    def copy(self, sequence: int, at: int, target: bytearray | memoryview) -> None:
        """Copy a part of the value with a number.

        Raises:
            OvertakenError: It is not there any more.  For a while all are copied whole before they
                are sent.
        """
        if not self._lock.read_part(sequence, at, target):
            self._fast_until = time.monotonic() + FAST
            raise OvertakenError

    def watch(self, sequence: int, pause: float, looks: int) -> None:
        """Wait until there is another value than the one of this number, or until it was looked for
        so many times (pauses in seconds)."""
        self._lock.watch(max(sequence, 0), pause, looks)

    def news(self, after: int | None) -> News:
        """What is newest."""
        lock = self._lock
        if lock.capacity > INLINE:
            return lock.sequence, lock.capacity, None
        try:
            found = lock.read(PATIENCE)
        except TimeoutError as failure:
            raise WaitTimeoutError(str(failure)) from None
        return (found[0], len(found[1]), found[1]) if found is not None else (0, 0, None)

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
        self._restless_until = 0.0

    @property
    def sequence(self) -> int:
        """The number of snapshots so far."""
        return self._newest.sequence if self._newest is not None else 0

    def take(self) -> Snapshot | None:
        """The newest snapshot."""
        return self._newest

    def news(self, after: int | None) -> News:
        """What is newest."""
        found = self._newest
        if found is None:
            return 0, 0, None
        return found.sequence, found.size, found.parts[0] if found.size <= INLINE else None

    def commit(self) -> int:
        """Take a snapshot now; its number.

        Raises:
            WaitTimeoutError: Somebody writes all the time.
        """
        # Who commits says that it is complete; who writes all the same is found out, and then it
        # has to be at rest, too.
        rest = REST if time.monotonic() < self._restless_until else 0.0
        if not self._take(rest, PATIENCE):
            raise WaitTimeoutError(
                f"commit {self._section.name!r}: it was written to during every attempt to "
                f"copy it, "
                f"for {PATIENCE:g} s: commit when nobody writes, or publish a latest value"
            )
        return self.sequence

    def look(self) -> bool:
        """Take a snapshot if the memory has changed, and is at rest; whether it was taken."""
        if self._newest is not None and self._is_still(self._newest.parts):
            return False
        return self._take(REST, LOOK)

    def _take(self, rest: float, patience: float) -> bool:
        """Take a snapshot of memory that stays as it is for so many seconds; whether there was one
        in time.

        A writer may be stopped by the system in the middle of what it writes, for longer than the
        copy takes; it goes on when this thread sleeps.  One that writes so seldom that next to no
        copy is disturbed, and too often for the rest, makes snapshots without it.
        """
        end = time.monotonic() + patience
        copies = whole = 0
        while True:
            parts = self._parts()
            copies += 1
            if self._is_still(parts):
                whole += 1
                if rest and not (copies >= _ENOUGH and whole >= copies * _SELDOM):
                    time.sleep(rest)
                    if not self._is_still(parts):
                        parts = []
                if parts:
                    self._newest = Snapshot(self.sequence + 1, parts)
                    return True
            else:
                rest = REST
                self._restless_until = time.monotonic() + RESTLESS
                time.sleep(0.001)
            if time.monotonic() > end:
                return False

    def _parts(self) -> list[bytes]:
        with memoryview(self._view) as whole:
            return [
                bytes(whole[at : min(at + CHUNK, self._size)]) for at in range(0, self._size, CHUNK)
            ] or [b""]

    def _is_still(self, parts: list[bytes]) -> bool:
        """Whether the memory is what was copied: from its end, so that who writes in a rhythm is
        not met in the same place again."""
        with memoryview(self._view) as whole:
            at = self._size
            for part in reversed(parts):
                at -= len(part)
                if bytes(whole[at : at + len(part)]) != part:
                    return False
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
