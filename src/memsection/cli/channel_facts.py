# SPDX-License-Identifier: MIT
"""What can be seen of a channel from outside, without an end of it and without changing a byte.

Everything here was written by strangers: it is read once, checked, and shown, never believed.  Only
whether the owner of an end lives is the kernel's word: see ``_lives``.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from memsection import Event, Section, errors
from memsection.content import schema
from memsection.vocabulary.text import shown

Memory = Any  #: a descriptor of the section, on Windows a view of it
KINDS = ("queue", "topic", "service")
LAYOUT = 1  #: version of the memory's layout that this file can read
MOST_POSITIONS = 8192  #: of a longer ring only what the hints say is counted
MOST_PLACES = 1 << 16
_HEADER = struct.Struct(
    "<IIII QQQ I 20x Q 56x Q II"
)  # ms_channel.h: magic to down, tail, head, again, repaired
_MAGIC, _PAGE, _ENTRY, _MEMBERS, _MEMBER = 0x4C4E4843, 4096, 128, 512, struct.Struct("<IIII")
_ENDS_MOST, _CAPACITY_MOST, _UNITS_MOST = 1023, 1 << 22, 1 << 22
_FULL, _HELD, _AGAIN = 2, 4, 6  # states of positions; of places
_LOCKS = (1 << 62) + (1 << 32)
_FLOCK = struct.Struct("hhqqi4x")
_TOKEN = 72  # of what this channel's events are called on Windows
_ROLES = {1: "send", 2: "receive", 3: "both"}


@dataclass
class ChannelEnd:
    """One that says that it has the channel open."""

    pid: int
    role: str
    alive: bool
    in_hand: int = 0
    behind: int | None = None  #: messages of a topic that it has not read yet
    missed: int | None = None


@dataclass
class ChannelFacts:
    """A channel from outside."""

    kind: str
    spec: str
    capacity: int | None = None
    largest: int | None = None
    redeliver: int | None = None
    slow: str | None = None
    history: int | None = None
    version: int | None = None
    shut_down: bool | None = None
    waiting: int | None = None
    in_hand: int | None = None
    repaired: int | None = None  #: places that the dead had in hand and others took back
    problem: str | None = None
    ends: list[ChannelEnd] = field(default_factory=list)

    def summary(self) -> str:
        """``queue of bytes, 3 of 1024 waiting, 1 in hand``: printable."""
        words = [f"{self.kind} of {shown(self.spec, 40)}"]
        if self.waiting is not None:
            there = "there" if self.kind == "topic" else "waiting"
            words.append(f"{self.waiting} of {self.capacity} {there}")
        if self.in_hand:
            words.append(f"{self.in_hand} in hand")
        if self.repaired:
            words.append(f"{self.repaired} repaired")
        if self.shut_down:
            words.append("shut down")
        if self.problem:
            words.append(self.problem)
        return ", ".join(words)

    def json(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def look(section: Section) -> ChannelFacts | None:
    """The channel in a section, None if it has none."""
    if sys.platform != "win32":
        return _look(section, section.fileno())
    with section.map(access="r") as view:
        return _look(section, view)


def _look(section: Section, memory: Memory) -> ChannelFacts | None:
    # Before anything is mapped: a page that nobody has touched would get memory by our look.
    if _bytes(memory, section.size - schema.FOOTER.size, 8) != schema.MAGIC:
        return None
    described = schema.describe(section)
    if described is None or described.get("kind") not in KINDS:
        return None
    if described["kind"] == "service":
        from memsection.cli import service_facts

        return service_facts.look(memory, section.size, described)
    spec = str(described.get("spec"))
    if described.get("name") and spec == "record":
        spec = f"record {described['name']}"
    found = ChannelFacts(described["kind"], spec)
    for key in ("capacity", "largest", "redeliver", "history", "version"):
        setattr(found, key, _number(described.get(key)))
    if described.get("slow") in ("drop", "wait"):
        found.slow = described["slow"]
    if found.kind == "service":
        return found
    if described.get("layout") != LAYOUT:
        found.problem = (
            f"a layout of version {shown(described.get('layout'), 20)}, which is not known here"
        )
    elif not _reader(found.kind)(memory, section.size, described.get("shape"), found):
        found.problem = "damaged"
    return found


def _number(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 62 else None


def _bytes(memory: Memory, at: int, count: int) -> bytes:
    """So many bytes, or as many as there are; by a call, which gives no page memory."""
    at = max(at, 0)
    if sys.platform != "win32":
        return os.pread(memory, count, at)
    end = min(at + count, len(memory))
    return bytes(memory[at:end]) if at < end and memory._is_committed(at, end) else b""


def _words(memory: Memory, at: int, count: int) -> array[int]:
    """So many 64-bit words, or as many as there are."""
    raw = _bytes(memory, at, 8 * count)
    return array("Q", raw[: len(raw) // 8 * 8])


def _reader(kind: str) -> Callable[[int, int, object, ChannelFacts], bool]:
    if kind == "topic":
        from memsection.cli import topic_facts

        return topic_facts.read
    return _read


def header(
    memory: Memory, size: int, positions: int, capacity: int, found: ChannelFacts
) -> tuple[int, int, int, int] | None:
    """Down, tail, head and again, of a channel of that many positions; None if there is none."""
    raw = _bytes(memory, 0, _HEADER.size)
    if len(raw) != _HEADER.size or _members_end() + positions * _ENTRY > size:
        return None
    magic, version, there, _, _, _, _, down, tail, head, again, repaired = _HEADER.unpack(raw)
    if (magic, version, there, found.capacity) != (_MAGIC, LAYOUT, capacity, capacity):
        return None
    found.repaired = repaired
    return down, tail, head, again


def _read(memory: Memory, size: int, shape: object, found: ChannelFacts) -> bool:
    """Fill in what the memory says; whether it makes sense."""
    if not isinstance(shape, list) or len(shape) != 5 or any(_number(one) is None for one in shape):
        return False
    capacity, _, small, large, _ = shape
    if not 1 <= capacity <= _CAPACITY_MOST or max(small, large) > _UNITS_MOST:
        return False
    numbers = header(memory, size, capacity, capacity, found)
    if numbers is None:
        return False
    down, tail, head, again = numbers
    ring = _members_end()
    places = _words(memory, ring + capacity * _ENTRY, min(small + large, MOST_PLACES))
    waiting = _waiting(memory, ring, capacity, head, tail)
    found.waiting = min(
        waiting + (sum(word & 15 == _AGAIN for word in places) if again else 0), capacity
    )
    found.waiting = 0 if down & 2 else found.waiting
    found.shut_down = bool(down)
    holders = [word >> 10 & 0xFFFFFF for word in places if word & 15 == _HELD]
    found.in_hand = len(holders)
    found.ends = _ends(memory, holders)
    return True


def _members_end() -> int:
    """Where the ring begins."""
    return -(-(_MEMBERS + (_ENDS_MOST + 1) * _MEMBER.size) // _PAGE) * _PAGE


def _waiting(memory: Memory, ring: int, capacity: int, head: int, tail: int) -> int:
    if capacity > MOST_POSITIONS:
        return min((tail - head) % (1 << 64), capacity)  # hints
    words = _words(memory, ring, capacity * _ENTRY // 8)[:: _ENTRY // 8]
    return sum(word >> 16 & 15 == _FULL for word in words)


def slots(memory: Memory) -> list[int]:
    """The slots of those who say that they have the channel open, in order."""
    raw = _bytes(memory, _MEMBERS, (_ENDS_MOST + 1) * _MEMBER.size)
    members = _MEMBER.iter_unpack(raw[: len(raw) // _MEMBER.size * _MEMBER.size])
    return [slot for slot, (role, _, _, _) in enumerate(members) if slot and role & 3]


def _ends(memory: Memory, holders: list[int]) -> list[ChannelEnd]:
    raw = _bytes(memory, _MEMBERS, (_ENDS_MOST + 1) * _MEMBER.size)
    found = []
    for slot, (role, pid, _, _) in enumerate(
        _MEMBER.iter_unpack(raw[: len(raw) // _MEMBER.size * _MEMBER.size])
    ):
        if slot and role & 3:
            found.append(
                ChannelEnd(pid, _ROLES[role & 3], _lives(memory, slot), holders.count(slot))
            )
    return found


def _lives(memory: Memory, slot: int) -> bool:
    """Whether somebody has a slot: the lock on its byte, which the kernel drops when its owner
    ends; on Windows an event of its name, which is gone then."""
    if sys.platform == "win32":
        first, second = (*_words(memory, _TOKEN, 2), 0, 0)[:2]
        return is_there(f"{first:016x}{second:016x}", slot)
    import fcntl

    try:
        answer = fcntl.fcntl(
            memory, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _LOCKS + slot, 1, 0)
        )
    except OSError as failure:
        if failure.errno == errno.EINTR:
            raise
        return False
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def is_there(token: str, slot: int) -> bool:
    """Whether there is the event by which the owner of a slot is known to live.

    That it is there is the proof; for this moment it stays so whoever dies.
    """
    try:
        Event.open(f"Global\\memsection.lives.{token}.{slot}").close()
    except errors.NotFoundError:
        return False
    except errors.Error:
        return True  # another user's, or no event: the name is taken
    return True
