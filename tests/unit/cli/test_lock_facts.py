# SPDX-License-Identifier: MIT
"""What a section says of the readers-writer lock in it, whoever wrote there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from support.elsewhere import elsewhere
from support.objects import unique_name

from memsection import RWLock
from memsection._native import readers as native
from memsection.cli import lock_facts, ls
from memsection.nt import kernel

NOBODY = {"readers": 0, "writer": None, "state": "free"}


@pytest.fixture
def lock() -> Iterator[RWLock]:
    with RWLock.create(unique_name()) as made:
        yield made


def scribble(lock: RWLock, at: int, value: int, size: int = 8) -> None:
    with lock.section.map() as view:
        view[at : at + size] = value.to_bytes(size, sys.byteorder)


def test_it_agrees_with_the_lock(lock: RWLock) -> None:
    assert lock_facts.look(lock.section) == NOBODY
    with lock.read:
        assert lock.processes == 1
        assert lock_facts.look(lock.section) == {"readers": 1, "writer": None, "state": "read"}
    with lock.write:
        assert lock.writer == os.getpid()
        found = {"readers": 0, "writer": os.getpid(), "state": "written"}
        assert lock_facts.look(lock.section) == found
    assert lock_facts.look(lock.section) == NOBODY


def test_it_tells_of_others_until_they_are_killed(lock: RWLock) -> None:
    with elsewhere() as reader, elsewhere() as writer:
        reader.run(f"lock = RWLock.open({lock.name!r}); lock.acquire_read()")
        assert lock_facts.look(lock.section) == {"readers": 1, "writer": None, "state": "read"}
        reader.kill()
        assert lock_facts.look(lock.section) == NOBODY
        writer.run(f"lock = RWLock.open({lock.name!r}); lock.acquire_write()")
        pid = writer.value("os.getpid()")
        found = {"readers": 0, "writer": pid, "state": "written"}
        assert lock_facts.look(lock.section) == found
        writer.kill()
        found["state"] = "abandoned"
        assert lock_facts.look(lock.section) == found


def test_ls_says_who_reads_and_who_writes(lock: RWLock) -> None:
    def words() -> str:
        listed = kernel.list_directory()
        return ls.kind_words(next(one for one in listed if one.name == lock.name))

    assert words() == "Section, readers-writer lock"
    with lock.read:
        assert words() == "Section, readers-writer lock, 1 process reads"
    with lock.write:
        assert words() == f"Section, readers-writer lock, process {os.getpid()} writes"


@pytest.mark.parametrize(("at", "value"), [(0, native.MAGIC + 1), (4, native.VERSION + 1)])
def test_what_is_no_lock_of_this_version_has_no_facts(lock: RWLock, at: int, value: int) -> None:
    scribble(lock, at, value, 4)
    assert lock_facts.look(lock.section) == {}


def test_a_count_in_a_slot_that_nobody_has_is_no_reader(lock: RWLock) -> None:
    for slot in (0, 2, native.SLOTS):
        scribble(lock, native.SLOTS_AT + slot * native.SLOT_SIZE, 7)
    scribble(lock, native.HIGHEST_AT, 0xFFFFFFFF, 4)
    assert lock_facts.look(lock.section) == NOBODY


def test_who_waits_to_write_is_told_from_who_writes(lock: RWLock) -> None:
    scribble(lock, native.WRITER_AT, os.getpid())
    found = {"readers": 0, "writer": os.getpid(), "state": "waited for"}
    assert lock_facts.look(lock.section) == found
    scribble(lock, native.WRITER_AT, 0)


@pytest.mark.parametrize("word", [native.WRITES, 1 << 63, (1 << 64) - 1])
def test_any_word_of_a_stranger_has_an_answer(lock: RWLock, word: int) -> None:
    scribble(lock, native.WRITER_AT, word)
    found = lock_facts.look(lock.section)
    assert found["state"] in ("free", "abandoned", "waited for")
    assert lock_facts.words(found).isprintable()
    scribble(lock, native.WRITER_AT, 0)
