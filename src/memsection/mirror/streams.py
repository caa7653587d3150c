# SPDX-License-Identifier: MIT
"""Topics on the network: the newest messages of the one that is published, and what arrives put
into the local one.

A content is some messages, each after a record.  The publisher keeps the newest few MiB of them;
who is behind these goes on with what is there, so a slow link carries the newest and skips the
rest.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING

from memsection.api.section import Section
from memsection.channels import relay
from memsection.content import schema
from memsection.mirror import wire
from memsection.mirror.sources import News, Snapshot
from memsection.vocabulary.errors import CommitError, CorruptError, EndOfChannelError

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = 4 << 20  #: bytes of messages that a publisher keeps for subscribers
LEAST = 2  #: messages that it keeps, however long they are
BATCH = 256  #: messages that are taken before they are announced

Entry = tuple[int, int, bytes]  # sequence, format, message


class Stream:
    """A topic that is published.  Snapshot 1 is the topic itself; each message is one more."""

    def __init__(self, section: Section, facts: schema.Facts) -> None:
        self._topic = relay.Source(section, facts)
        self.wakes = self._topic.wakes  #: whether a wait ends at once when a message comes
        self._lock = threading.Lock()  # the publisher's thread appends, those of pulls read
        self._kept: deque[Entry] = deque()
        self._size = 0
        self._taken = self._newest = 1
        self._made: weakref.WeakValueDictionary[tuple[int, int], Snapshot] = (
            weakref.WeakValueDictionary()
        )
        with suppress(EndOfChannelError):
            while self.gather(0):
                pass
        self._begun = self._newest  #: what is newer was sent while it was published

    @property
    def sequence(self) -> int:
        """One more than the messages that were sent so far."""
        return self._newest

    def gather(self, timeout: float) -> bool:
        """Wait for messages, and keep those that are there; whether there were any.

        Raises:
            EndOfChannelError: None are there, and nobody is who could send one.
        """
        for number in range(BATCH):
            try:
                found = self._topic.take(0 if number else timeout)
            except EndOfChannelError:
                if number:
                    return True
                raise
            if found is None:
                return bool(number)
            message, kind = found
            with self._lock:
                self._taken += 1
                self._newest = self._taken + self._topic.missed
                self._kept.append((self._newest, kind, message))
                self._size += wire.FRAME + len(message)
                while self._size > KEPT and len(self._kept) > LEAST:
                    self._size -= wire.FRAME + len(self._kept.popleft()[2])
        return True

    def after(self, sequence: int, most: int) -> tuple[int, list[Entry]]:
        """The newest sequence, and the messages after a sequence: the newest of them that have so
        many bytes together, and one at least."""
        with self._lock:
            newest = list(takewhile(lambda entry: entry[0] > sequence, reversed(self._kept)))
            now = self._newest
        found: list[Entry] = []
        for entry in newest:
            most -= wire.FRAME + len(entry[2])
            if most < 0 and found:
                break
            found.append(entry)
        return now, found[::-1]

    def beginning(self, is_new: bool) -> int:
        """The sequence after which a subscriber begins: one that is new gets the history, one that
        had messages of the publication before this one all that were sent since."""
        with self._lock:
            return self._newest - self._topic.history if is_new else self._begun

    def news(self, after: int | None) -> News:
        """What is newest: the messages after a sequence, if all of them together are few enough
        bytes to travel with their announcement."""
        if after is None:
            return self.sequence, 0, None
        now, found = self.after(after, wire.INLINE)
        content = b"".join(pieces_of(found))
        if not found or found[0][0] > after + 1 or len(content) > wire.INLINE:
            return now, 0, None
        return now, len(content), content

    def since(self, sequence: int, most: int) -> Snapshot:
        """What a subscriber gets that has everything up to a sequence."""
        now, found = self.after(sequence, most)
        key = found[0][0] if found else now, now
        with self._lock:
            made = self._made.get(key)
            if made is None:
                self._made[key] = made = _Run(now, found)
        return made

    def close(self) -> None:
        """Close the section."""
        self._topic.close()


def pieces_of(entries: list[Entry]) -> Iterator[bytes]:
    """A content of some messages, in parts of at most ``CHUNK`` bytes, each made when it is
    wanted."""
    part = bytearray()
    for sequence, kind, message in entries:
        if len(part) + wire.FRAME > wire.CHUNK:
            yield bytes(part)
            part = bytearray()
        part += wire.frame(sequence, len(message), kind)
        at = 0
        with memoryview(message) as whole:
            while at < len(message):
                room = wire.CHUNK - len(part)
                part += whole[at : at + room]
                at += room
                if len(part) == wire.CHUNK:
                    yield bytes(part)
                    part = bytearray()
    if part:
        yield bytes(part)


class _Run(Snapshot):
    """Some messages as a content."""

    __slots__ = ("_entries",)

    def __init__(self, sequence: int, entries: list[Entry]) -> None:
        super().__init__(sequence, [])
        self.size = sum(wire.FRAME + len(message) for _, _, message in entries)
        self._entries = entries

    def pieces(self) -> Iterator[bytes]:
        """The content, a part at a time."""
        return pieces_of(self._entries)


class Arriving:
    """The place of messages that arrive, which are put into the local topic when all of them are
    here."""

    def __init__(
        self,
        sink: relay.Sink,
        facts: schema.Facts,
        size: int,
        after: int,
        last: int,
        spare: list[bytearray],
    ) -> None:
        self._spare = spare  #: memory of the ones before: new memory costs more than the copy
        content = spare.pop() if spare else bytearray()
        try:
            self._content = content if len(content) >= size else bytearray(size)
        except MemoryError:
            raise CommitError(f"replica: no memory for messages of {size} bytes") from None
        self._sink, self._facts, self._after, self._last = sink, facts, after, last
        self.memory = memoryview(self._content)[:size]

    def publish(self) -> int:
        """Send them here; how many were."""
        found = wire.messages(self.memory, self._last)
        exact = None
        if self._facts["spec"] == "record":
            exact = schema.from_json(self._facts["type"]).size
        if exact is not None and any(len(message) != exact for _, _, message in found):
            raise CorruptError(f"mirror: a message that is no record of {exact} bytes")
        sent, had_place = 0, True
        for sequence, kind, message in found:
            with message:
                if sequence > self._after:
                    # Where subscribers keep all places in hand, one wait for all of these is
                    # enough.
                    had_place = self._sink.put(message, kind, patiently=had_place)
                    sent += had_place
        return sent

    def close(self) -> None:
        """Let go of the memory."""
        self.memory.release()
        if not self._spare and len(self._content) <= KEPT * 2:
            self._spare.append(self._content)
