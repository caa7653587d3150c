# SPDX-License-Identifier: MIT
"""``read_security``: a descriptor read through a handle without READ_CONTROL is what a duplicate
with that right gives, and is refused where no such duplicate can be made."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from memsection import Event, Mutex, Process, Section, Security
from memsection.nt import kernel
from memsection.vocabulary import access as a
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError

PARTS = s.OWNER_SECURITY_INFORMATION | s.GROUP_SECURITY_INFORMATION | s.DACL_SECURITY_INFORMATION
DESCRIPTORS = {
    "D:(A;;GA;;;OW)": True,
    "D:(A;;GR;;;OW)": True,
    "D:(A;;0x7;;;OW)": False,  # OWNER RIGHTS: the owner has these, and READ_CONTROL no more
    "D:(A;;0x5;;;OW)": False,
    "D:NO_ACCESS_CONTROL": True,
    "D:": True,
    "D:(A;;GR;;;WD)": True,
}


def through_a_duplicate(handle: int) -> bytes | int:
    """The descriptor, or the status of the refusal."""
    try:
        duplicate = kernel.duplicate_object(
            s.CURRENT_PROCESS, handle, s.CURRENT_PROCESS, a.READ_CONTROL, 0, 0
        )
    except NtError as failure:
        return failure.status
    try:
        return kernel.query_security_object(duplicate, PARTS)
    finally:
        kernel.close(duplicate)


def directly(handle: int) -> bytes | int:
    """The same without one."""
    try:
        return kernel.read_security(handle, PARTS)
    except NtError as failure:
        return failure.status


@pytest.mark.parametrize("text", DESCRIPTORS)
@pytest.mark.parametrize("access", [a.SECTION_MAP_READ, a.SECTION_MAP_READ | a.READ_CONTROL])
def test_the_answer_is_that_of_a_duplicate(text: str, access: int) -> None:
    with (
        Section.create(None, 4096, security=Security.from_sddl(text)) as made,
        made.duplicate(access) as section,
    ):
        expected = through_a_duplicate(section.handle)
        if access & a.READ_CONTROL:
            assert directly(section.handle) == kernel.query_security_object(section.handle, PARTS)
        else:
            assert directly(section.handle) == expected


@pytest.mark.linux_only("OWNER RIGHTS restrict an owner; Wine does not know them")
@pytest.mark.parametrize(("text", "readable"), DESCRIPTORS.items())
def test_who_is_not_granted_the_right_reads_nothing(text: str, readable: bool) -> None:
    with (
        Section.create(None, 4096, security=Security.from_sddl(text)) as made,
        made.duplicate(a.SECTION_MAP_READ) as section,
    ):
        assert isinstance(directly(section.handle), bytes) == readable


@pytest.mark.parametrize("kind", [Event, Mutex])
def test_what_is_waited_for_is_asked_the_same_way(kind: type[Event] | type[Mutex]) -> None:
    with closing(kind.create()) as made, closing(made.duplicate(a.SYNCHRONIZE)) as one:
        found = directly(one.handle)
        assert isinstance(found, bytes) and found == through_a_duplicate(one.handle)


def test_a_process_is_asked_the_same_way() -> None:
    with Process(os.getpid()) as process:
        found = directly(process.handle)
        assert isinstance(found, bytes) and found == through_a_duplicate(process.handle)
