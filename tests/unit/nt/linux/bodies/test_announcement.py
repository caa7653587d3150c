# SPDX-License-Identifier: MIT
"""Statements that somebody writes into a section: true as long as who says it lives."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from support.objects import leaves_nothing, unique_name
from support.workers import kill, stopped_in, worker

from memsection import Section
from memsection.nt.linux.bodies.announcement import Announcement, is_made

_left = pytest.fixture(autouse=True)(leaves_nothing)


@pytest.fixture
def section() -> Iterator[Section]:
    with Section.create(unique_name(), 4096) as made:
        yield made


def test_it_is_made_until_the_last_of_several_closes_it(section: Section) -> None:
    fd = section.fileno()
    assert not is_made(fd)
    first, second = Announcement(fd), Announcement(fd)
    assert is_made(fd)
    first.close()
    first.close()
    assert is_made(fd)
    second.close()
    assert not is_made(fd)


def test_it_ends_with_its_object(section: Section) -> None:
    said = Announcement(section.fileno())
    assert is_made(section.fileno())
    del said
    gc.collect()
    assert not is_made(section.fileno())


def test_another_process_that_only_reads_sees_and_says_it(section: Section) -> None:
    with worker() as other:
        other.run(
            "from memsection.nt.linux.bodies.announcement import Announcement, is_made\n"
            f"mine = Section.open({section.name!r}, access='r')"
        )
        assert other.value("is_made(mine.fileno())") is False
        said = Announcement(section.fileno())
        assert other.value("is_made(mine.fileno())") is True
        said.close()
        other.run("said = Announcement(mine.fileno())")
        assert is_made(section.fileno())
        other.kill()
        assert not is_made(section.fileno()), "the dead say nothing"


def test_a_forked_child_does_not_go_on_saying_it(section: Section) -> None:
    said = Announcement(section.fileno())
    child = stopped_in(lambda: None)
    try:
        said.close()
        assert not is_made(section.fileno())
    finally:
        kill(child)


def test_a_descriptor_that_is_none_is_refused_and_nothing_stays_open() -> None:
    with pytest.raises(OSError):
        Announcement(-1)
