# SPDX-License-Identifier: MIT
"""The record behind a block's data: what a section cannot say of itself.

It is the last 64 bytes of the section: the exact size, an identity, whether the block is unlinked.
It is in shared memory, so it is checked on each use; the worst it can do to a reader is a wrong
size within the section.
"""

from __future__ import annotations

import struct
import time
from typing import NamedTuple

from memsection.api.view import publish, published

_LAYOUT = struct.Struct("<Q16sI28x8s")  # size, identity, unlinked, magic
# written last: a record without it is still in the making
_MAGIC = (0x4B434F4C424D534D).to_bytes(8, "little")
_PAGE = 4096
SIZE = _LAYOUT.size
_UNLINKED_AT = SIZE - 24  # the flag, counted from the end


class Record(NamedTuple):
    """What a section's record says."""

    size: int
    identity: bytes  #: b"" for a section that has no record
    unlinked: bool


def section_size(size: int) -> int:
    """Bytes of the section for a block of this size."""
    return -(-(size + SIZE) // _PAGE) * _PAGE


def write(buffer: memoryview, size: int, identity: bytes) -> None:
    """Give a new section its record."""
    _LAYOUT.pack_into(buffer, len(buffer) - SIZE, size, identity, 0, bytes(8))
    publish(buffer, len(buffer) - 8, _MAGIC)


def read(buffer: memoryview) -> Record:
    """The record at the end of a section; one without is a block as a whole."""
    magic = bytes(8)
    for _ in range(20):
        # before the rest, which is complete only if the magic says so
        magic = published(buffer, len(buffer) - 8)
        if any(magic):
            break
        time.sleep(0.0001)  # it may be in the making; a section that is no block costs these 2 ms
    size, identity, unlinked, _ = _LAYOUT.unpack_from(buffer, len(buffer) - SIZE)
    if magic != _MAGIC or not 0 < size <= len(buffer) - SIZE < size + _PAGE:
        return Record(len(buffer), b"", False)
    return Record(size, identity, unlinked != 0)


def mark_unlinked(buffer: memoryview) -> None:
    """Let nobody find the block from now on."""
    struct.pack_into("<I", buffer, len(buffer) - _UNLINKED_AT, 1)


def is_unlinked(buffer: memoryview) -> bool:
    """Whether it is marked; any end of a section that has a record will do."""
    return bool(buffer[len(buffer) - _UNLINKED_AT])
