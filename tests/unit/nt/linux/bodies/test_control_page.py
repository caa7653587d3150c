# SPDX-License-Identifier: MIT
"""The control page: written and read back, and every field that a stranger may have written."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator

import pytest

from memsection.nt.linux.bodies import control_page
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.protection import PAGE_SIZE

SECTION, EVENT = 1, 3
DESCRIPTOR = bytes(range(64))
NAME, PATH = "Local\\with ü and \U0001f980", "/tmp/fi\udcffle"
HEADER_FIELDS = 21


@pytest.fixture
def fd() -> Iterator[int]:
    made = os.memfd_create("body")
    yield made
    os.close(made)


def write(
    fd: int,
    *,
    name: str = NAME,
    path: str = PATH,
    descriptor: bytes = DESCRIPTOR,
    kind: int = SECTION,
    data: int = 2 * PAGE_SIZE,
    bitmap_pages: int = 0,
) -> int:
    """A body as the object manager writes it; its size."""
    draft = control_page.Draft(name, path, descriptor, bitmap_pages)
    total = data + draft.area_pages * PAGE_SIZE
    os.ftruncate(fd, total)
    draft.write(fd, data, (kind, 4, 0x8000000, data), (0, 0), (7, 1000))
    return total


def refusal(fd: int, size: int) -> NtError:
    with pytest.raises(NtError) as caught:
        facts = control_page.read(fd, size)
        control_page.name(fd, facts)
    return caught.value


@pytest.mark.parametrize("descriptor", [b"", DESCRIPTOR, bytes(5000)])
@pytest.mark.parametrize("name", ["", NAME, "n" * 3000])
@pytest.mark.parametrize("bitmap_pages", [0, 2])
def test_what_was_written_is_read(fd: int, descriptor: bytes, name: str, bitmap_pages: int) -> None:
    size = write(fd, descriptor=descriptor, name=name, bitmap_pages=bitmap_pages)
    facts = control_page.read(fd, size)
    assert control_page.name(fd, facts) == name
    assert control_page.path(fd, facts) == PATH
    assert facts.descriptor == descriptor
    assert (facts.type, facts.size, facts.body_size) == (SECTION, 2 * PAGE_SIZE, size)
    assert (facts.creator_pid, facts.creator_uid) == (7, 1000)
    assert facts.data_size == facts.bitmap_offset == 2 * PAGE_SIZE
    assert facts.bitmap_pages == bitmap_pages and facts.file_identity is None


@pytest.mark.invariant("M1")
@pytest.mark.parametrize("size", [-1, 0, 1, PAGE_SIZE - 1, PAGE_SIZE + 1])
def test_what_has_no_whole_pages_is_no_object(fd: int, size: int) -> None:
    assert refusal(fd, size).status == st.OBJECT_TYPE_MISMATCH


@pytest.mark.invariant("M1")
def test_an_empty_page_and_one_of_another_version_are_refused_with_the_reason(fd: int) -> None:
    size = write(fd)
    os.pwrite(fd, struct.pack("<I", 2), size - PAGE_SIZE + 8)
    assert "version 2" in str(refusal(fd, size))
    os.pwrite(fd, bytes(8), size - PAGE_SIZE)
    assert "magic" in str(refusal(fd, size))
    os.ftruncate(fd, 0)
    assert refusal(fd, PAGE_SIZE).status == st.FILE_CORRUPT_ERROR, "shorter than was said"


def field(fd: int, size: int, number: int, value: int) -> None:
    """Overwrite one field of the header, as a peer that may write can."""
    at = size - PAGE_SIZE
    fields = list(control_page.HEADER.unpack(os.pread(fd, control_page.HEADER.size, at)))
    fields[number] = value
    os.pwrite(fd, control_page.HEADER.pack(*fields), at)


SIZE, AREA, BITMAP, AT, LENGTH, ROOM, SUM, NAME_AT, NAME_LENGTH, PATH_AT, PATH_LENGTH = (
    7,
    *range(12, 22),
)


@pytest.mark.invariant("M1")
@pytest.mark.parametrize(
    ("number", "value"),
    [
        (SIZE, 0),
        (SIZE, PAGE_SIZE),
        (SIZE, (1 << 64) - 1),
        (AREA, 0),
        (AREA, 4),
        (AREA, 0xFFFFFFFF),
        (BITMAP, 1),
        (BITMAP, 0xFFFFFFFF),
        (AT, 0xFFFFFFFF),
        (LENGTH, 0xFFFFFFFF),
        (LENGTH, 2000),
        (ROOM, 0xFFFFFFFF),
        (SUM, 0),
        (NAME_AT, 3073),
        (NAME_LENGTH, 0xFFFFFFFF),
        (PATH_AT, 0xFFFFFFFF),
        (PATH_LENGTH, 1537),
    ],
)
def test_a_field_that_makes_no_sense_is_found_out(fd: int, number: int, value: int) -> None:
    size = write(fd)
    field(fd, size, number, value)
    assert refusal(fd, size).status == st.FILE_CORRUPT_ERROR


@pytest.mark.invariant("M1")
def test_no_byte_of_the_header_makes_a_text_reach_beyond_its_body(fd: int) -> None:
    size, chance = write(fd, kind=EVENT), random.Random(20240229)
    whole = os.pread(fd, control_page.HEADER.size, size - PAGE_SIZE)
    for _ in range(400):
        changed = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(8, len(changed))] = chance.randrange(256)
        os.pwrite(fd, changed, size - PAGE_SIZE)
        try:
            facts = control_page.read(fd, size)
            found = control_page.name(fd, facts), control_page.path(fd, facts)
        except NtError as failure:
            assert failure.status == st.FILE_CORRUPT_ERROR
            continue
        assert facts.data_size >= 0 and facts.size <= 1 << 62
        assert sum(len(text) for text in found) <= 2 * control_page.STATE_OFFSET


@pytest.mark.invariant("M1")
def test_a_name_that_is_no_text_is_refused(fd: int) -> None:
    size = write(fd, path="")
    os.pwrite(fd, b"\xff\xfe", size - PAGE_SIZE + 1536)
    assert "no text" in str(refusal(fd, size))


@pytest.mark.parametrize("long", [False, True])
def test_a_descriptor_is_replaced_as_often_as_one_likes_and_only_where_there_is_room(
    fd: int, long: bool
) -> None:
    size = write(fd, descriptor=bytes(1500) if long else DESCRIPTOR)
    for new in (b"one", b"two" * 100, b""):
        facts = control_page.read(fd, size)
        control_page.write_descriptor(fd, facts, new)
        found = control_page.read(fd, size)
        assert found.descriptor == new
        assert control_page.name(fd, found) == NAME
    with pytest.raises(NtError) as caught:
        control_page.write_descriptor(fd, control_page.read(fd, size), bytes(1 << 16))
    assert caught.value.status == st.BUFFER_TOO_SMALL
    assert control_page.read(fd, size).descriptor == b""


def test_a_name_is_given_taken_back_and_refused_where_it_does_not_fit(fd: int) -> None:
    size = write(fd, name="", path="")
    facts = control_page.read(fd, size)
    for name in (NAME, "x" * control_page.TEXT_ROOM, ""):
        control_page.write_name(fd, facts, name)
        assert control_page.name(fd, control_page.read(fd, size)) == name
    with pytest.raises(NtError) as caught:
        control_page.write_name(fd, facts, "x" * (control_page.TEXT_ROOM + 1))
    assert caught.value.status == st.OBJECT_NAME_INVALID


def test_flags_are_replaced_alone(fd: int) -> None:
    size = write(fd)
    control_page.write_flags(fd, control_page.read(fd, size), control_page.PERMANENT)
    facts = control_page.read(fd, size)
    assert facts.flags == control_page.PERMANENT
    assert (control_page.name(fd, facts), facts.descriptor) == (NAME, DESCRIPTOR)


def test_what_is_known_is_given_while_it_is_so_and_every_change_is_read(fd: int) -> None:
    size = write(fd)
    known = control_page.read(fd, size)
    assert control_page.current(fd, known) is known
    control_page.write_flags(fd, known, control_page.PERMANENT)
    assert control_page.current(fd, known).flags == control_page.PERMANENT
    control_page.write_flags(fd, known, 0)
    control_page.write_descriptor(fd, known, DESCRIPTOR[::-1])
    changed = control_page.current(fd, known)
    assert changed.descriptor == DESCRIPTOR[::-1]
    os.pwrite(fd, b"\xff", size - PAGE_SIZE)
    with pytest.raises(NtError) as failure:
        control_page.current(fd, changed)
    assert failure.value.status == st.FILE_CORRUPT_ERROR
