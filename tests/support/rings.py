# SPDX-License-Identifier: MIT
"""What a queue's memory says of those who are at work on it, as ``ms_channel.h`` has it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from memsection.channels import Queue

MEMBERS, MEMBER = 512, struct.Struct("<IIII")  # role, pid, token, reserved
RING, ENTRY = 20480, 128
READING, HELD, TAKING = 3, 4, 5
IN_PLACE = 0xFFFFFFFF
UNIT, NOTE, LINE, PAGE = 4224, 32, 64, 4096
SLOTS = 1024


def taken_by(queue: Queue[Any], pid: int) -> Iterator[memoryview]:
    """The first bytes of every message that ends of this process are taking, or have in hand; it has
    to stand still meanwhile.  For queues without large places."""
    memory = memoryview(queue._view)
    slots = {
        slot
        for slot in range(1, SLOTS)
        if MEMBER.unpack_from(memory, MEMBERS + slot * MEMBER.size)[1] == pid
    }
    words = RING + queue.capacity * ENTRY
    units = _units_behind(memory, words)
    for at in range(RING, words, ENTRY):
        word, length = struct.unpack_from("<QI", memory, at)
        if word >> 16 & 15 != READING or word & 0xFFFF not in slots:
            continue
        if length == IN_PLACE:
            (unit,) = struct.unpack_from("<Q", memory, at + 16)
            yield _place(memory, words, units, unit)
        else:
            yield memory[at + 16 : at + 16 + length]
    for unit in range(units):
        (word,) = struct.unpack_from("<Q", memory, words + 8 * unit)
        if word & 15 in (HELD, TAKING) and word >> 10 & 0xFFFFFF in slots:
            yield _place(memory, words, units, unit)


def _units_behind(memory: memoryview, words: int) -> int:
    small, large = struct.unpack_from("<QQ", memory, 16)
    assert not large, "it has large places"
    return int(small)


def _place(memory: memoryview, words: int, units: int, unit: int) -> memoryview:
    notes = _up(words + 8 * units, LINE)
    first = _up(_up(notes + NOTE * units, LINE), PAGE)
    return memory[first + UNIT * unit : first + UNIT * (unit + 1)]


def _up(number: int, to: int) -> int:
    return -(-number // to) * to
