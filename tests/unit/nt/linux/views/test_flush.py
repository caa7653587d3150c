# SPDX-License-Identifier: MIT
"""Flushing: exactly the pages of a file's view that were asked for, and nothing of a view that
went."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.objects import leaves_nothing

from memsection import Section, View
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.views import flush, regions
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.protection import PAGE_SIZE

_left = pytest.fixture(autouse=True)(leaves_nothing)


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    path = tmp_path / "file"
    path.write_bytes(bytes(4 * PAGE_SIZE))
    with Section.from_file(path, access="rw") as section, section.map() as mapped:
        yield mapped


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The ranges that the kernel is asked to write."""
    asked: list[tuple[int, int]] = []
    real = sys_.msync

    def msync(address: int, size: int) -> None:
        asked.append((address, size))
        real(address, size)

    monkeypatch.setattr(sys_, "msync", msync)
    return asked


@pytest.mark.parametrize(
    ("offset", "size", "first", "count"),
    [
        (0, 0, 0, 4),
        (PAGE_SIZE + 1, 0, 1, 3),
        (0, 1, 0, 1),
        (PAGE_SIZE - 1, 2, 0, 2),
        (2 * PAGE_SIZE, PAGE_SIZE, 2, 1),
        (3 * PAGE_SIZE, 1 << 40, 3, 1),
    ],
)
def test_whole_pages_around_the_range_are_written(
    view: View, written: list[tuple[int, int]], offset: int, size: int, first: int, count: int
) -> None:
    flush.flush(view.address + offset, size)
    assert written == [(view.address + first * PAGE_SIZE, count * PAGE_SIZE)]


def test_memory_without_a_file_and_a_view_to_read_write_nothing(
    written: list[tuple[int, int]], tmp_path: Path
) -> None:
    (tmp_path / "read").write_bytes(bytes(PAGE_SIZE))
    with Section.create(size=PAGE_SIZE) as section, section.map() as memory:
        flush.flush(memory.address, 0)
    with Section.from_file(tmp_path / "read") as section, section.map(access="r") as read:
        flush.flush(read.address, 0)
    assert written == []


@pytest.mark.parametrize("address", [0, 1 << 46, (1 << 64) - 1])
def test_where_no_view_is_nothing_is_flushed(address: int) -> None:
    with pytest.raises(NtError) as caught:
        flush.flush(address, 0)
    assert caught.value.status == st.NOT_MAPPED_VIEW


@pytest.mark.invariant("M2")
def test_a_view_that_another_thread_unmapped_meanwhile_is_told_so(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = regions.find(view.address)
    assert region is not None

    def msync(address: int, size: int) -> None:
        view.close()
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(sys_, "msync", msync)
    with pytest.raises(NtError) as caught:
        flush.flush_region(region, 0, 0)
    assert caught.value.status == st.NOT_MAPPED_VIEW


def test_an_error_of_the_disk_is_not_swallowed(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    def msync(address: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(sys_, "msync", msync)
    with pytest.raises(OSError) as caught:
        flush.flush(view.address, 0)
    assert caught.value.errno == errno.EIO


def test_pages_that_will_be_needed_may_be_any_that_are_mapped(view: View) -> None:
    flush.prefetch([(view.address + 1, 1), (view.address, 4 * PAGE_SIZE)])
    with pytest.raises(NtError) as caught:
        flush.prefetch([(view.address, 1), (1 << 46, PAGE_SIZE)])
    assert caught.value.status == st.ACCESS_VIOLATION
