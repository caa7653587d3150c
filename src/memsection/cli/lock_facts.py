# SPDX-License-Identifier: MIT
"""Who reads and who writes under a readers-writer lock, looked up in its section without taking a
slot in it.

What is in the memory was written by strangers: a word counts as a reader only while the kernel says
that its slot is taken: on Linux by a lock on a byte of the section's file, on Windows by an event.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import Any

from memsection import Process, Section, errors
from memsection._native import readers as native
from memsection.cli.channel_facts import is_there

_FLOCK = struct.Struct("hhqqi4x")
_TOKEN_AT = 8  #: two numbers of 8 bytes, behind the magic number and the version
_FREE, _READ, _WAITED, _WRITTEN, _ABANDONED = "free", "read", "waited for", "written", "abandoned"


def words(facts: dict[str, Any]) -> str:
    """What ``look`` found in a line; printable."""
    readers, writer, state = facts.get("readers", 0), facts.get("writer"), facts.get("state")
    found = ["readers-writer lock"]
    if readers:
        found.append(f"{readers} process{'es' * (readers != 1)} read{'s' * (readers == 1)}")
    if state == _WAITED:
        found.append(f"process {writer} waits to write")
    if state == _WRITTEN:
        found.append(f"process {writer} writes")
    if state == _ABANDONED:
        found.append(f"process {writer} died writing")
    return ", ".join(found)


def look(section: Section) -> dict[str, Any]:
    """How many processes read, who writes or waits to, and which of it is so; {} where there is no
    lock."""
    whole = _bytes_of(section)
    if len(whole) < native.size() or _kind(whole) != (native.MAGIC, native.VERSION):
        return {}
    word = _word(whole, native.WRITER_AT, 8)
    highest = min(_word(whole, native.HIGHEST_AT, 4), native.SLOTS)
    readers = sum(
        bool(_word(whole, native.SLOTS_AT + slot * native.SLOT_SIZE, 8))
        and _is_taken(section, whole, slot)
        for slot in range(1, highest + 1)
    )
    pid = word & 0x7FFFFFFF
    lives = bool(pid) and _lives(pid)
    if word & native.WRITES and pid:
        state = _WRITTEN if lives else _ABANDONED
    else:
        state = _WAITED if lives else _READ if readers else _FREE
    writer = None if state in (_FREE, _READ) else pid
    return {"readers": readers, "writer": writer, "state": state}


def _kind(whole: bytes) -> tuple[int, int]:
    return _word(whole, 0, 4), _word(whole, 4, 4)


def _word(whole: bytes, at: int, size: int) -> int:
    return int.from_bytes(whole[at : at + size], sys.byteorder)


def _bytes_of(section: Section) -> bytes:
    if sys.platform == "linux":
        return os.pread(section.fileno(), native.size(), 0)
    if section.size < native.size():
        return b""
    with section.map(0, native.size()) as view:
        return bytes(view)


def _is_taken(section: Section, whole: bytes, slot: int) -> bool:
    if sys.platform == "linux":
        import fcntl

        asked = _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, native.LOCKS_AT + slot, 1, 0)
        found = _FLOCK.unpack(fcntl.fcntl(section.fileno(), fcntl.F_OFD_GETLK, asked))
        return bool(found[0] != fcntl.F_UNLCK)
    token = "".join(f"{_word(whole, at, 8):016x}" for at in (_TOKEN_AT, _TOKEN_AT + 8))
    return is_there(token, slot)


def _lives(pid: int) -> bool:
    try:
        with Process(pid) as process:
            return process.alive
    except errors.AccessError:
        return True
    except (errors.Error, OSError):
        return False
