# SPDX-License-Identifier: MIT
"""Taking handles out of other processes: any value, and sources that change meanwhile."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from support.objects import leaves_nothing, unique_name
from support.workers import worker

from memsection import Section
from memsection.nt import kernel
from memsection.nt.linux.bodies.position import TRANSFERRED_VALUES_FROM, position
from memsection.nt.linux.handles import table
from memsection.nt.linux.transfer import copies, take
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import SECTION

_left = pytest.fixture(autouse=True)(leaves_nothing)
SAME = s.DUPLICATE_SAME_ACCESS


@pytest.fixture
def section() -> Iterator[Section]:
    with Section.create(unique_name(), 4096) as made:
        yield made


@pytest.mark.parametrize(
    "value",
    [
        0,
        3,
        4 << 20,
        TRANSFERRED_VALUES_FROM,
        TRANSFERRED_VALUES_FROM | 1 << 24 | 12,
        TRANSFERRED_VALUES_FROM | 1 << 47 | 1 << 24,
        (1 << 62) - 4,
    ],
)
def test_a_value_that_is_no_handle_there_takes_nothing(value: int) -> None:
    with worker() as other, pytest.raises(NtError) as caught:
        take.duplicate_from(other.pid, value, 0, 0, SAME)
    assert caught.value.status == st.INVALID_HANDLE


def test_a_process_that_is_gone_has_no_handles() -> None:
    with pytest.raises(NtError) as caught:
        take.duplicate_from(1 << 30, 16, 0, 0, SAME)
    assert caught.value.status == st.PROCESS_IS_TERMINATING


@pytest.mark.invariant("R1")
def test_no_more_is_granted_than_the_source_has(section: Section) -> None:
    with worker() as other:
        other.run(f"mine = Section.open({section.name!r}, access='r')")
        value = other.value("mine.handle")
        handle = take.duplicate_from(other.pid, value, 0, 0, SAME)
        try:
            assert handle.access & a.SECTION_MAP_READ
            assert not handle.access & a.SECTION_MAP_WRITE
        finally:
            table.close(handle.value)


@pytest.mark.invariant("M1")
def test_whatever_another_process_calls_a_handle_is_a_section_or_refused() -> None:
    chance = random.Random(11)
    with worker() as other:
        other.run("import os\nfd = os.memfd_create('lie', 2)\nos.ftruncate(fd, 8192)")
        fd = other.value("fd")
        for _ in range(20):
            where = position(chance.getrandbits(32), chance.choice([-1, 0, 5, 1000]))
            other.run(f"os.pwrite(fd, os.urandom(8192), 0); os.lseek(fd, {where}, 0)")
            with pytest.raises(NtError) as caught:
                take.duplicate_from(other.pid, 4 * fd, 0, 0, SAME)
            assert caught.value.status in (
                st.INVALID_HANDLE,
                st.FILE_CORRUPT_ERROR,
                st.OBJECT_TYPE_MISMATCH,
            )


@pytest.mark.invariant("H2")
def test_a_handle_that_was_taken_away_is_taken_once(section: Section) -> None:
    with worker() as other:
        other.run(f"mine = Section.open({section.name!r})")
        value = other.value("mine.handle")
        close = SAME | s.DUPLICATE_CLOSE_SOURCE
        handle = take.duplicate_from(other.pid, value, 0, 0, close)
        with pytest.raises(NtError) as caught:
            take.duplicate_from(other.pid, value, 0, 0, SAME)
        assert caught.value.status == st.INVALID_HANDLE
        table.close(handle.value)


@pytest.mark.invariant("R2")
@pytest.mark.parametrize("inherit", [False, True])
def test_a_copy_has_its_own_description_with_no_more_than_its_access(
    section: Section, inherit: bool
) -> None:
    source = table.lookup(section.handle, SECTION)
    copy = copies.copy(source, a.SECTION_MAP_READ, inherit)
    try:
        assert copy.obj is source.obj and copy.access == a.SECTION_MAP_READ
        assert os.get_inheritable(copy.fd) == inherit
        with pytest.raises(OSError):
            os.pwrite(copy.fd, b"x", 0)
        assert kernel.query_object(section.handle).HandleCount == 2
    finally:
        table.close(copy.value)
    assert kernel.query_object(section.handle).HandleCount == 1
