# SPDX-License-Identifier: MIT
"""The layout of a readers-writer lock as ``_native.readers`` tells it is where its words are."""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections.abc import Iterator

import pytest

if sys.platform != "linux":
    pytest.skip("locks of a file are what it looks at", allow_module_level=True)

import fcntl
import struct

from memsection._native import readers as native

_FLOCK = struct.Struct("hhqqi4x")

TOKEN = bytes(range(16))


@pytest.fixture
def memory() -> Iterator[tuple[int, mmap.mmap]]:
    fd = os.memfd_create("lock")
    os.ftruncate(fd, native.size())
    mapped = mmap.mmap(fd, native.size())
    native.format(memoryview(mapped), TOKEN)
    yield fd, mapped
    mapped.close()
    os.close(fd)


def number(fd: int, at: int, size: int) -> int:
    return int.from_bytes(os.pread(fd, size, at), sys.byteorder)


def slot_at(slot: int) -> int:
    return native.SLOTS_AT + slot * native.SLOT_SIZE


def locked_slots(fd: int) -> list[int]:
    """The slots whose byte somebody else has locked."""
    found = []
    for slot in range(native.SLOTS + 2):
        asked = _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, native.LOCKS_AT + slot, 1, 0)
        if _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))[0] != fcntl.F_UNLCK:
            found.append(slot)
    return found


def test_a_new_lock_begins_with_its_magic_version_and_token_and_nothing_else(
    memory: tuple[int, mmap.mmap],
) -> None:
    fd, mapped = memory
    assert mapped[:4] == b"MRWL" == native.MAGIC.to_bytes(4, sys.byteorder)
    assert number(fd, 4, 4) == native.VERSION
    assert mapped[8:24] == TOKEN
    assert not any(mapped[24:])


def test_the_slots_are_the_rest_of_the_memory() -> None:
    assert slot_at(native.SLOTS + 1) == native.size() <= 1 << 16


def test_each_reader_has_its_slot_its_lock_and_its_count(memory: tuple[int, mmap.mmap]) -> None:
    fd, mapped = memory
    first, second = (native.Readers(memoryview(mapped), fd) for _ in range(2))
    assert locked_slots(fd) == [1, 2]
    assert number(fd, native.HIGHEST_AT, 4) == 2
    assert first.enter() and second.enter() and second.enter()
    assert [number(fd, slot_at(slot), 8) for slot in range(4)] == [0, 1, 2, 0]
    del second
    assert locked_slots(fd) == [1]
    assert [number(fd, slot_at(slot), 8) for slot in range(4)] == [0, 1, 0, 0]
    first.leave()


def test_the_writer_says_so_in_its_word_and_leaving_readers_count(
    memory: tuple[int, mmap.mmap],
) -> None:
    fd, mapped = memory
    reader, writer = (native.Readers(memoryview(mapped), fd) for _ in range(2))
    assert reader.enter()
    assert writer.block() == 0
    assert number(fd, native.WRITER_AT, 8) == os.getpid(), "it waits"
    assert not reader.enter(fresh=True), "and lets nobody in"
    before = number(fd, native.DEPARTURES_AT, 8)
    assert reader.leave()
    assert number(fd, native.DEPARTURES_AT, 8) > before
    assert writer.gone(True)
    writer.begin(os.getpid())
    assert number(fd, native.WRITER_AT, 8) == native.WRITES | os.getpid()
    gate = threading.RLock()
    gate.acquire()
    assert writer.finish(gate)
    assert number(fd, native.WRITER_AT, 8) == 0
