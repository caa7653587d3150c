# SPDX-License-Identifier: MIT
"""How ``share`` tells ``cat`` the exact length, and how a pipe of any length goes through a
section.

A section has whole pages, a file has not.  The data starts at offset 0, so that a program which
knows nothing of this can map it; the last 64 bytes of the section are a trailer with the length.
For a stream the data is a ring, two events say that something came and that something went, and the
counts in the trailer only grow.  Whoever may write to the section may scribble on the trailer: each
field is checked before use.
"""

from __future__ import annotations

import os
import struct
import time
from typing import Any

from memsection import Event, Section, View, errors

MAGIC = b"memsection:bytes"
# magic, version, state, length, written, taken, producer pid, reserved
_LAYOUT = struct.Struct("<16sIIQQQQQ")
SIZE = _LAYOUT.size
assert SIZE == 64
VERSION = 1
FILLING, WHOLE, STREAM, ENDED, TAKEN = 1, 2, 3, 4, 5
# indices: the state in 32-bit, the others in 64-bit units
_STATE, _LENGTH, _WRITTEN, _TAKEN, _PID = 5, 3, 4, 5, 6
POLL_SECONDS = 0.2  #: how often a waiting side looks whether the other one is still alive


class Content:
    """The trailer of a mapped section."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.room = len(view) - SIZE
        tail = memoryview(view)[-SIZE:]
        self._words, self._longs = tail.cast("I"), tail.cast("Q")

    @classmethod
    def write(cls, view: View, state: int, length: int) -> Content:
        """Put a trailer at the end of a section."""
        memoryview(view)[-SIZE:] = _LAYOUT.pack(MAGIC, VERSION, state, length, 0, 0, os.getpid(), 0)
        return cls(view)

    @classmethod
    def read(cls, view: View, name: str) -> Content | None:
        """The trailer of a section, None if it has none.

        Raises:
            CorruptError: It has one that makes no sense.
        """
        if len(view) < SIZE or bytes(memoryview(view)[-SIZE:][:16]) != MAGIC:
            return None
        content = cls(view)
        if content._words[4] != VERSION or not FILLING <= content.state <= TAKEN:
            raise errors.CorruptError(
                f"cat '{name}': a trailer of version {content._words[4]}, state {content.state}"
            )
        if content.length > content.room:
            raise errors.CorruptError(
                f"cat '{name}': a trailer that tells of {content.length} bytes, where at most "
                f"{content.room} can be"
            )
        return content

    def release(self) -> None:
        """Let go of the view."""
        self._words.release()
        self._longs.release()

    @property
    def state(self) -> int:
        return self._words[_STATE]

    @state.setter
    def state(self, value: int) -> None:
        self._words[_STATE] = value

    @property
    def length(self) -> int:
        """Bytes of content; of a stream, those that the ring has."""
        return self._longs[_LENGTH]

    @length.setter
    def length(self, value: int) -> None:
        self._longs[_LENGTH] = value

    @property
    def written(self) -> int:
        return self._longs[_WRITTEN]

    @written.setter
    def written(self, value: int) -> None:
        self._longs[_WRITTEN] = value

    @property
    def taken(self) -> int:
        return self._longs[_TAKEN]

    @taken.setter
    def taken(self, value: int) -> None:
        self._longs[_TAKEN] = value

    @property
    def producer(self) -> int:
        return self._longs[_PID]


class Ring:
    """One side of a stream: the ring's place for the next bytes, and the waiting for the other
    side."""

    def __init__(self, section: Section, content: Content, came: Event, went: Event) -> None:
        self.section, self.content, self.came, self.went = section, content, came, went
        self.capacity = content.length
        if not self.capacity:
            raise errors.CorruptError(f"stream '{section.name}': a ring without room")

    def filled_bytes(self) -> int:
        """Bytes that were written and not taken yet."""
        count = self.content.written - self.content.taken
        if not 0 <= count <= self.capacity:
            raise errors.CorruptError(
                f"stream '{self.section.name}': {self.content.written} bytes written, "
                f"{self.content.taken} taken, in a ring of {self.capacity}"
            )
        return count

    def put(self, read_into: Any) -> int:
        """Have ``read_into(buffer)`` fill free room; how much it did, 0 at its end.  Waits for
        room."""
        while (free := self.capacity - self.filled_bytes()) == 0:
            self.went.wait(POLL_SECONDS)
        start = self.content.written % self.capacity
        with memoryview(self.content.view)[
            start : start + min(free, self.capacity - start)
        ] as place:
            count: int = read_into(place)
        if count:
            self.content.written += count
            self.came.set()
        return count

    def end(self) -> None:
        """Say that nothing more comes."""
        self.content.state = ENDED
        self.came.set()

    def take(self, write: Any, producer_lives: Any) -> int:
        """Have ``write(buffer)`` take what is there; how much, 0 at the end of the stream.  Waits
        for bytes.

        Raises:
            Error: The producer ended without saying so.
        """
        while (count := self.filled_bytes()) == 0:
            if self.content.state in (ENDED, TAKEN):
                self.content.state = TAKEN
                self.went.set()
                return 0
            lives = producer_lives()
            if (
                not self.came.wait(POLL_SECONDS)
                and not lives
                and not self.filled_bytes()
                and self.content.state != ENDED
            ):
                raise errors.Error(
                    f"cat '{self.section.name}': the process {self.content.producer} that wrote it "
                    f"ended in the middle, after {self.content.written} bytes"
                )
        start = self.content.taken % self.capacity
        size = min(count, self.capacity - start)
        with memoryview(self.content.view)[start : start + size] as part:
            write(part)
        self.content.taken += size
        self.went.set()
        return size

    def wait_until_taken(self) -> None:
        """Wait until a reader has come to the end."""
        while self.content.state != TAKEN:
            self.went.wait(POLL_SECONDS)


def announcement(name: str) -> Event:
    """An event that exists as long as a new section has no trailer yet: to be closed when it
    has."""
    return Event.create(f"{name}.filling", exist_ok=True)


def find(view: View, name: str) -> Content | None:
    """The trailer of a section, waiting for one that is announced; None if the section has none."""
    while True:
        announced = True
        try:
            Event.open(f"{name}.filling").close()
        except errors.Error:
            announced = False
        # Looked for after the announcement: one that is gone by then has left a trailer.
        found = Content.read(view, name)
        if found is not None or not announced:
            return found
        time.sleep(POLL_SECONDS / 20)


def event_names(name: str) -> tuple[str, str]:
    """The names of a stream's two events."""
    return f"{name}.came", f"{name}.went"
