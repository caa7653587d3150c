# SPDX-License-Identifier: MIT
"""Names go with the last handle, and only then."""

from __future__ import annotations

import fcntl
import os

import pytest
from support.objects import leaves_nothing, unique_name

from memsection import Section
from memsection.nt import kernel
from memsection.nt.linux.handles import table
from memsection.nt.linux.names import namespace, unlink
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_

_left = pytest.fixture(autouse=True)(leaves_nothing)
PREFIXES = pytest.mark.parametrize("prefix", ["", "Global\\"])


def place_of(section: Section) -> namespace.Place:
    place = namespace.place_of_name(table.lookup(section.handle).obj.name)
    assert place is not None
    return place


def is_there(place: namespace.Place) -> bool:
    return bool(sys_.exists(place.dirfd, place.path))


@PREFIXES
@pytest.mark.invariant("L3")
def test_a_name_that_somebody_has_is_not_removed_by_who_asks(prefix: str) -> None:
    with Section.create(unique_name(prefix), 4096) as section:
        place = place_of(section)
        probe = descriptions.reopen(section.fileno(), os.O_RDONLY)
        assert not unlink.unlink_if_last(probe, place)
        assert is_there(place)
        os.close(probe)
    assert not is_there(place)


@PREFIXES
@pytest.mark.invariant("L1")
def test_who_locked_a_body_and_makes_no_handle_of_it_removes_the_name_if_it_was_the_last(
    prefix: str,
) -> None:
    section = Section.create(unique_name(prefix), 4096)
    place = place_of(section)
    mine = descriptions.reopen(section.fileno(), os.O_RDONLY)
    descriptions.hold(mine)
    section.close()
    assert is_there(place), "the lock counts as a handle"
    unlink.close_unused(mine, place)
    assert not is_there(place)


@pytest.mark.invariant("L3")
def test_one_of_several_that_is_not_used_removes_nothing() -> None:
    with Section.create(unique_name(), 4096) as section:
        mine = descriptions.reopen(section.fileno(), os.O_RDONLY)
        descriptions.hold(mine)
        unlink.close_unused(mine, place_of(section))
        assert is_there(place_of(section))


def test_what_has_no_name_is_only_closed() -> None:
    with Section.create(size=4096) as section:
        mine = descriptions.reopen(section.fileno(), os.O_RDONLY)
        assert descriptions.try_lock(mine, fcntl.LOCK_SH)
        unlink.close_unused(mine, None)
        with pytest.raises(OSError):
            os.fstat(mine)


def test_a_body_is_permanent_as_long_as_it_says_so() -> None:
    with Section.create(unique_name("Global\\"), 4096) as section:
        assert not unlink.is_permanent(section.fileno())
        kernel.make_permanent_object(section.handle)
        assert unlink.is_permanent(section.fileno())
        kernel.make_temporary_object(section.handle)
        assert not unlink.is_permanent(section.fileno())


def test_what_is_no_body_is_not_permanent() -> None:
    fd = os.memfd_create("garbage")
    try:
        assert not unlink.is_permanent(fd)
        os.write(fd, os.urandom(8192))
        assert not unlink.is_permanent(fd)
    finally:
        os.close(fd)
