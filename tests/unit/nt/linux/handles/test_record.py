# SPDX-License-Identifier: MIT
"""The record of a handle: what it grants, what it says of itself, and what the descriptor
carries."""

from __future__ import annotations

import os

import pytest
from support.objects import leaves_nothing, unique_name

from memsection import Event, Section
from memsection.nt import kernel
from memsection.nt.linux.bodies import position
from memsection.nt.linux.handles import record, state, table
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import EVENT, SECTION

_left = pytest.fixture(autouse=True)(leaves_nothing)


@pytest.mark.invariant("R1")
def test_what_is_not_granted_is_refused_with_both_lists_of_rights() -> None:
    name = unique_name()
    with Section.create(name, 4096), Section.open(name, access="r") as reader:
        handle = table.lookup(reader.handle, SECTION)
        handle.require(a.SECTION_MAP_READ)
        handle.require(0)
        with pytest.raises(NtError) as caught:
            handle.require(a.SECTION_MAP_READ | a.SECTION_MAP_WRITE, "map: ")
        assert caught.value.status == st.ACCESS_DENIED and caught.value.name == name
        asked, _, granted = (caught.value.detail or "").partition("the handle grants")
        assert "map: " in asked and "SECTION_MAP_WRITE" in asked
        assert "SECTION_MAP_READ" in granted and "SECTION_MAP_WRITE" not in granted


@pytest.mark.invariant("H1")
def test_the_descriptor_carries_what_the_record_says() -> None:
    with Section.create(size=4096) as section:
        handle = table.lookup(section.handle, SECTION)

        def carried() -> tuple[int, int, bool] | None:
            return position.decode(os.lseek(handle.fd, 0, os.SEEK_CUR))

        assert carried() == (handle.access, -1, False)
        handle.protected = True
        handle.publish()
        assert carried() == (handle.access, -1, True)
        handle.protected = False
        handle.publish()
        assert carried() == (handle.access, -1, False)


def test_a_handle_to_another_type_is_told_by_both_names() -> None:
    with Event.create() as event:
        failure = record.mismatch(table.lookup(event.handle), SECTION)
        assert failure.status == st.OBJECT_TYPE_MISMATCH
        assert "a section" in str(failure).lower() and "event" in str(failure).lower()


@pytest.mark.parametrize("value", [0, 1, 0x7FFC, -7, 1 << 47, (1 << 64) - 4, 1 << 70])
def test_a_number_that_is_no_handle_is_told_so(value: int) -> None:
    with pytest.raises(NtError) as caught:
        table.lookup(value)
    assert caught.value.status == st.INVALID_HANDLE


def test_two_handles_are_one_object_and_each_is_forgotten_alone() -> None:
    name = unique_name()
    with Event.create(name) as first:
        mine = table.lookup(first.handle, EVENT)
        second = Event.open(name)
        other = table.lookup(second.handle, EVENT)
        assert mine is not other and mine.obj is other.obj
        assert mine.obj.handles == {mine, other}
        assert {mine, other} <= set(state.all_handles())
        assert state.find_identity(mine.obj.identity) is mine.obj
        second.close()
        assert mine.obj.handles == {mine} and other not in state.all_handles()
        identity = mine.obj.identity
    assert state.find_identity(identity) is None


def test_a_handle_under_another_value_is_that_one_only() -> None:
    with Event.create() as event:
        value = event.handle
        handle = table.lookup(value, EVENT)
        state.rename(handle, value | 1 << 48)
        try:
            assert table.lookup(value | 1 << 48, EVENT) is handle
        finally:
            state.rename(handle, value)
        assert table.lookup(value, EVENT) is handle
        assert kernel.query_object(value).HandleCount == 1
