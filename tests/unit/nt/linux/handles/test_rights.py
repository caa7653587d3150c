# SPDX-License-Identifier: MIT
"""What a caller gets of what it desires, and which open mode that needs."""

from __future__ import annotations

import struct

import pytest

from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.handles import rights
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import EVENT, MUTANT, SECTION, SEMAPHORE, TIMER
from memsection.vocabulary.security import from_sddl


def descriptor(sddl: str) -> bytes:
    given = from_sddl(sddl).to_bytes()
    return rights.security_of_new(given, SECTION).descriptor


@pytest.mark.invariant("R1")
def test_all_of_what_is_desired_is_granted_or_nothing() -> None:
    mine = rights.security_of_new(None, SECTION).descriptor
    assert rights.grant(mine, a.SECTION_MAP_READ, SECTION) == a.SECTION_MAP_READ
    assert rights.grant(mine, a.SECTION_ALL_ACCESS, SECTION) == a.SECTION_ALL_ACCESS
    nothing = descriptor("D:")
    for _ in range(2):  # nor when it was asked before
        with pytest.raises(NtError) as caught:
            rights.grant(nothing, a.SECTION_MAP_READ, SECTION)
        assert caught.value.status == st.ACCESS_DENIED


@pytest.mark.invariant("R1")
def test_what_one_caller_got_another_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = rights.security_of_new(None, SECTION).descriptor
    assert rights.grant(mine, a.SECTION_MAP_WRITE, SECTION)
    stranger = struct.pack("2I", 54321, 54321)  # user and group, as the kernel checks files with
    monkeypatch.setattr(sys_, "caller_ids", lambda: stranger)
    with pytest.raises(NtError):
        rights.grant(mine, a.SECTION_MAP_WRITE, SECTION)
    monkeypatch.undo()
    assert rights.grant(mine, a.SECTION_MAP_WRITE, SECTION)


def test_as_many_as_ever_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "_MOST_REMEMBERED", 4)
    mine = rights.security_of_new(None, SECTION).descriptor
    for access in range(1, 16):
        assert rights.grant(mine, access, SECTION) == access
    for number in range(12):
        assert descriptor(f"D:(A;;GA;;;S-1-22-1-{number})")
    assert len(rights._caller.granted) <= 4 and len(rights._caller.new) <= 4


def test_a_descriptor_that_is_none_is_refused() -> None:
    for garbage in (b"", b"\x01", bytes(20), b"\xff" * 64):
        with pytest.raises(NtError):
            rights.security_of_new(garbage, SECTION)


@pytest.mark.invariant("R2")
@pytest.mark.parametrize(
    ("kind", "access", "writes"),
    [
        (SECTION, a.SECTION_MAP_READ, False),
        (SECTION, a.SECTION_QUERY | a.READ_CONTROL, False),
        (SECTION, a.SECTION_MAP_WRITE, True),
        (EVENT, a.EVENT_QUERY_STATE, False),
        (EVENT, a.EVENT_MODIFY_STATE, True),
        (MUTANT, a.SYNCHRONIZE, True),
        (SEMAPHORE, a.READ_CONTROL, False),
        (TIMER, a.TIMER_MODIFY_STATE, True),
        (TIMER, a.TIMER_QUERY_STATE, False),
    ],
)
def test_only_what_changes_the_body_may_write_it(kind: object, access: int, writes: bool) -> None:
    assert rights.needs_write(kind, access) == writes  # type: ignore[arg-type]


@pytest.mark.invariant("S2")
def test_the_record_of_a_file_is_never_written_by_who_may_write_the_file() -> None:
    facts = control_page.Facts()
    facts.file_identity = (1, 2)
    assert not rights.needs_write(SECTION, a.SECTION_ALL_ACCESS, facts)
