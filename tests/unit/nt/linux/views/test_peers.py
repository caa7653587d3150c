# SPDX-License-Identifier: MIT
"""Reading and writing the memory of processes, with ranges that are not all there."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support.objects import leaves_nothing
from support.workers import kill, stopped_in, worker

from memsection import Section, View
from memsection._native import system
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.views import peers
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.protection import PAGE_SIZE

_left = pytest.fixture(autouse=True)(leaves_nothing)
NOBODY = 1 << 30  #: no process id


@pytest.fixture
def view() -> Iterator[View]:
    with Section.create(size=2 * PAGE_SIZE) as section, section.map() as mapped:
        yield mapped


@pytest.fixture
def before_a_gap() -> Iterator[int]:
    """The address of a page that nothing follows."""
    flags = system.MAP_PRIVATE | system.MAP_ANONYMOUS
    start = sys_.mmap(0, 2 * PAGE_SIZE, system.PROT_READ | system.PROT_WRITE, flags, -1, 0)
    sys_.mprotect(start + PAGE_SIZE, PAGE_SIZE, system.PROT_NONE)
    yield start
    sys_.munmap(start, 2 * PAGE_SIZE)


def test_what_is_written_is_read_in_this_process_and_in_another(view: View) -> None:
    assert peers.write(os.getpid(), view.address + PAGE_SIZE - 3, b"across") == 6
    assert bytes(view[PAGE_SIZE - 3 : PAGE_SIZE + 3]) == b"across"
    child = stopped_in(lambda: None)
    try:
        assert peers.read(child, view.address + PAGE_SIZE - 3, 6) == b"across"
        assert peers.write(child, view.address, b"seen") == 4
    finally:
        kill(child)
    assert bytes(view[:4]) == b"seen", "it is one section"


def test_nothing_is_read_and_written_anywhere(view: View) -> None:
    assert peers.read(os.getpid(), view.address, 0) == b""
    assert peers.write(os.getpid(), view.address, b"") == 0


@pytest.mark.parametrize(
    ("address", "size"),
    [
        (-1, 1),
        (1 << 64, 0),
        (1 << 64, 1),
        ((1 << 64) - 1, 2),
        (0, -1),
        (4096, 1 << 64),
        (0, 1 << 80),
    ],
)
def test_addresses_that_no_processor_has_are_refused(address: int, size: int) -> None:
    with pytest.raises(NtError) as caught:
        peers.read(os.getpid(), address, size)
    assert caught.value.status == st.ACCESS_VIOLATION


@pytest.mark.parametrize("address", [0, 1 << 47, (1 << 64) - PAGE_SIZE])
def test_what_is_not_mapped_cannot_be_copied(address: int) -> None:
    for call in (
        lambda: peers.read(os.getpid(), address, 8),
        lambda: peers.write(os.getpid(), address, bytes(8)),
    ):
        with pytest.raises(NtError) as caught:
            call()
        assert caught.value.status == st.PARTIAL_COPY


def test_a_range_that_ends_in_a_gap_says_how_much_there_is(before_a_gap: int) -> None:
    me, at = os.getpid(), before_a_gap + PAGE_SIZE - 4
    with pytest.raises(NtError) as caught:
        peers.read(me, at, 8)
    assert caught.value.status == st.PARTIAL_COPY and "4 of 8" in str(caught.value)
    with pytest.raises(NtError) as caught:
        peers.write(me, at, b"12345678")
    assert caught.value.status == st.PARTIAL_COPY and "4 of 8" in str(caught.value)
    assert peers.read(me, at, 4) == b"1234"


def test_pages_that_can_only_be_read_are_not_written() -> None:
    with Section.create(size=PAGE_SIZE) as section, section.map(access="r") as view:
        with pytest.raises(NtError) as caught:
            peers.write(os.getpid(), view.address, b"x")
        assert caught.value.status == st.ACCESS_VIOLATION
        assert view[0] == 0


def test_pages_that_can_be_executed_are_written_and_stay_as_they_were() -> None:
    from memsection import win32

    start = win32.VirtualAlloc(None, 2 * PAGE_SIZE, 0x3000, 0x40)
    try:
        win32.VirtualProtect(start, 2 * PAGE_SIZE, 0x20)
        assert peers.write(os.getpid(), start + PAGE_SIZE - 2, b"code") == 4
        assert peers.read(os.getpid(), start + PAGE_SIZE - 2, 4) == b"code"
        assert win32.VirtualQuery(start).Protect == 0x20
    finally:
        win32.VirtualFree(start, 0, 0x8000)


def test_more_than_anybody_has_is_refused_before_it_is_taken(view: View) -> None:
    with pytest.raises(NtError) as caught:
        peers.read(os.getpid(), view.address, 1 << 46)
    assert caught.value.status in (st.PARTIAL_COPY, st.NO_MEMORY)


def test_a_process_that_is_gone_has_no_memory() -> None:
    with pytest.raises(NtError):
        peers.read(NOBODY, 4096, 1)
    with pytest.raises(NtError):
        peers.write(NOBODY, 4096, b"x")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_the_memory_of_another_user_is_not_copied(view: View) -> None:
    with worker() as other:
        other.run("os.setresgid(54321, 54321, 54321); os.setresuid(54321, 54321, 54321)")
        other.run("from memsection.nt.linux.views import peers")
        refused = other.refusal(f"peers.read({os.getpid()}, {view.address}, 4)")
    assert "cannot be read" in refused.text
