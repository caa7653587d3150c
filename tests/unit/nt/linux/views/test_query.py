# SPDX-License-Identifier: MIT
"""What is at an address: views, reserved pages, the system's own mappings, and nothing."""

from __future__ import annotations

import os

import pytest
from support.objects import leaves_nothing
from support.workers import kill, stopped_in

from memsection import Section
from memsection.nt.linux.views import query
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_left = pytest.fixture(autouse=True)(leaves_nothing)
PAGE = p.PAGE_SIZE


def test_every_address_of_a_view_is_told_from_its_page_on() -> None:
    with Section.create(size=4 * PAGE) as section, section.map() as view:
        for page in range(4):
            found = query.query(view.address + page * PAGE + 5)
            assert found.BaseAddress == view.address + page * PAGE
            assert found.AllocationBase == view.address
            assert found.RegionSize == (4 - page) * PAGE
            assert (found.State, found.Protect) == (p.MEM_COMMIT, p.PAGE_READWRITE)
            assert found.Type == p.MEM_MAPPED


def test_pages_that_were_written_in_a_copy_are_told_from_those_that_were_not() -> None:
    with Section.create(size=4 * PAGE) as section, section.map(access="c") as view:
        assert query.query(view.address).Protect == p.PAGE_WRITECOPY
        view[PAGE] = 1
        found = [query.query(view.address + page * PAGE) for page in range(4)]
        assert [one.Protect for one in found] == [
            p.PAGE_WRITECOPY,
            p.PAGE_READWRITE,
            p.PAGE_WRITECOPY,
            p.PAGE_WRITECOPY,
        ]
        assert [one.RegionSize // PAGE for one in found] == [1, 1, 2, 1]


def test_reserved_pages_have_no_protection_until_they_are_committed() -> None:
    with Section.create(size=1 << 20, commit=False) as section, section.map() as view:
        assert query.query(view.address).State == p.MEM_RESERVE
        view.commit(PAGE, 2 * PAGE)
        states = [query.query(view.address + page * PAGE) for page in range(4)]
        assert [one.State for one in states] == [
            p.MEM_RESERVE,
            p.MEM_COMMIT,
            p.MEM_COMMIT,
            p.MEM_RESERVE,
        ]
        assert states[0].RegionSize == PAGE and states[1].RegionSize == 2 * PAGE
        assert states[0].Protect == 0 and states[1].Protect == p.PAGE_READWRITE


def test_what_is_not_of_this_library_is_what_the_kernel_shows() -> None:
    own = id(object())  # somewhere in the interpreter's own memory
    found = query.query(own)
    assert found.State == p.MEM_COMMIT and found.Type == p.MEM_PRIVATE
    assert found.BaseAddress <= own < found.BaseAddress + found.RegionSize
    assert query.query(0).State == p.MEM_FREE


def test_another_process_has_the_view_that_it_inherited() -> None:
    with Section.create(size=2 * PAGE) as section, section.map() as view:
        child = stopped_in(lambda: None)
        try:
            found = query.query_of(child, view.address + PAGE)
            assert (found.State, found.Type) == (p.MEM_COMMIT, p.MEM_MAPPED)
            assert found.Protect == p.PAGE_READWRITE
        finally:
            kill(child)


@pytest.mark.parametrize("address", [1 << 62, 1 << 63, 0xFFFF_FFFF_FF60_0000, (1 << 64) - 1])
def test_what_no_program_can_have_is_no_address(address: int) -> None:
    with pytest.raises(NtError) as caught:
        query.query(address)
    assert caught.value.status == st.INVALID_PARAMETER


def test_a_process_that_is_gone_cannot_be_asked() -> None:
    with pytest.raises((NtError, OSError)):
        query.query_of(1 << 30, os.getpid())
