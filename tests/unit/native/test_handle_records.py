# SPDX-License-Identifier: MIT
"""The table of handles in native code: looked up, and taken out of it."""

from __future__ import annotations

import fcntl
import os

import pytest
from support.objects import unique_name

from memsection import Section
from memsection._native import records
from memsection.nt import kernel


@pytest.mark.invariant("H2")
def test_only_a_handle_that_nobody_took_away_is_live() -> None:
    with Section.create(None, 4096) as section:
        value = section.handle
        found = records.live_handle(value)
        assert found.value == value and records.live_handle(value + 3) is found
        kept = os.dup(found.fd)
        position = os.lseek(kept, 0, os.SEEK_CUR)
        os.lseek(kept, 0, os.SEEK_SET)
        assert records.live_handle(value) is None  # it says that it is none
        os.lseek(kept, position, os.SEEK_SET)
        os.close(kept)
        assert records.live_handle(value) is found
    assert records.live_handle(value) is None


def test_values_that_no_handle_has_lead_to_none() -> None:
    for value in (0, -1, 4 * 60000, 1 << 70):
        assert records.live_handle(value) is None


def test_a_closed_descriptor_is_no_live_handle_and_forgetting_again_is_harmless() -> None:
    section = Section.create(unique_name(), 4096)
    found = records.live_handle(section.detach())
    descriptor = os.dup(found.fd)
    os.close(found.fd)
    assert records.live_handle(found.value) is None
    os.dup2(descriptor, found.fd, inheritable=False)
    os.close(descriptor)
    assert records.live_handle(found.value) is found
    kernel.close(found.value)
    records.forget(found)
    records.forget(found)
    assert not found.obj.handles


@pytest.mark.invariant("L5")
def test_views_are_mapped_through_one_description_without_a_lock() -> None:
    with Section.create(None, 8192) as section:
        handle = records.live_handle(section.handle)
        reader, writer = (records.view_descriptor(handle, writes) for writes in (False, True))
        assert len({reader, writer, handle.fd}) == 3
        assert (reader, writer) == (handle.obj.view_ro, handle.obj.view_rw)
        assert records.view_descriptor(handle, False) == reader  # and no second one
        fcntl.flock(handle.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # neither has a lock
        fcntl.flock(handle.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
