# SPDX-License-Identifier: MIT
"""Sections through the Pythonic face: what is made, opened and mapped, and what is refused with
which words."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest
from support import objects

from memsection import ALLOCATION_GRANULARITY, PAGE_SIZE, Section, errors
from memsection.nt import kernel
from memsection.vocabulary import access as a
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st


def test_two_handles_to_one_name_share_their_memory(name: str) -> None:
    with (
        Section.create(name, 4096) as one,
        Section.open(name) as other,
        one.map() as mine,
        other.map() as theirs,
    ):
        mine[10:15] = b"hello"
        assert bytes(theirs[10:15]) == b"hello"
        assert one.same_object(other)
        assert one.created and not other.created


def test_a_size_is_rounded_up_to_whole_pages() -> None:
    with Section.create(size=PAGE_SIZE + 1) as section:
        assert section.size == len(section) == 2 * PAGE_SIZE
        assert bool(section)


def test_a_section_without_a_name_has_none() -> None:
    with Section.create(size=1) as section:
        assert section.name is None
        assert repr(section) == f"<memsection.Section unnamed handle={section.handle:#x}>"


@pytest.mark.parametrize("prefix", ["", "Local\\", "Global\\"])
def test_a_name_is_what_open_takes(prefix: str) -> None:
    name = objects.unique_name(prefix)
    with Section.create(name, 1) as section:
        assert section.name == name.removeprefix("Local\\")
        assert section.name is not None
        with Section.open(section.name) as again:
            assert again.same_object(section)


@pytest.mark.parametrize(
    "leaf", ["Grüße 我", "a/b", "..", ".", "a b", "%41", "x" * 300, "line\nbreak", "[bold]"]
)
def test_any_name_that_windows_accepts_is_accepted(leaf: str) -> None:
    name = objects.unique_name() + leaf
    with Section.create(name, 1) as section:
        assert section.name == name
        with pytest.raises(FileExistsError):
            Section.create(name, 1)


@pytest.mark.invariant("L1")
def test_the_name_goes_with_the_last_handle_although_a_view_is_mapped(name: str) -> None:
    section = Section.create(name, 4096)
    second = section.duplicate()
    view = section.map()
    section.close()
    Section.open(name).close()
    second.close()
    with pytest.raises(FileNotFoundError):
        Section.open(name)
    with Section.create(name, 8192) as new:
        assert new.created and new.size == 8192
    view.close()


@pytest.mark.invariant("L2")
def test_the_bytes_stay_until_the_last_view_goes(name: str) -> None:
    with Section.create(name, 4096) as section:
        view = section.map()
        view[:4] = b"kept"
    assert bytes(view[:4]) == b"kept"
    part = view[:4]
    view.close()
    assert bytes(part) == b"kept"
    part.release()


# ---------------------------------------------------------------------- refusals


def test_creating_a_name_again_is_an_error_unless_allowed(name: str) -> None:
    with Section.create(name, 4096):
        with pytest.raises(FileExistsError) as caught:
            Section.create(name, 4096)
        assert caught.value.winerror == 183
        assert name in str(caught.value)
        with Section.create(name, 4000, exist_ok=True) as again:
            assert not again.created
            assert again.size == 4096


def test_a_name_that_nobody_has_is_not_found(name: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        Section.open(name)
    assert (caught.value.winerror, caught.value.ntstatus) == (2, st.OBJECT_NAME_NOT_FOUND)
    assert str(caught.value) == f"[WinError 2] open section '{name}': no object of that name"


@pytest.mark.parametrize("size", [0, -1])
def test_a_section_has_at_least_one_byte(name: str, size: int) -> None:
    with pytest.raises(ValueError, match=f"asked for {size} bytes") as caught:
        Section.create(name, size)
    assert isinstance(caught.value, errors.ArgumentError)


@pytest.mark.linux_only("Wine, which stands in for Windows here, charges nothing at creation")
def test_more_memory_than_the_machine_has_is_refused_at_once(name: str) -> None:
    with pytest.raises(MemoryError) as caught:
        Section.create(name, 1 << 42)
    assert isinstance(caught.value, errors.CommitError)
    with pytest.raises(FileNotFoundError):
        Section.open(name)


@pytest.mark.parametrize(
    "bad",
    ["", "a\\b", "\\a", "Local\\", "Global\\", "Global", pytest.param("x" * 40000, id="too long")],
)
def test_a_name_that_cannot_be_is_refused(bad: str) -> None:
    with pytest.raises(OSError):
        Section.create(bad, 4096)
    with pytest.raises(OSError):
        Section.open(bad)


def test_the_name_of_another_type_is_no_section(name: str) -> None:
    from memsection.vocabulary import structs as s

    attributes = s.ObjectAttributes(name, kernel.named_objects_directory(), 0, None)
    _, event = kernel.create_event(a.EVENT_ALL_ACCESS, attributes, 0, False)
    try:
        with pytest.raises(errors.HandleError) as caught:
            Section.open(name)
        assert caught.value.winerror == 6
        with pytest.raises(errors.HandleError):
            Section.create(name, 4096, exist_ok=True)
    finally:
        kernel.close(event)


@pytest.mark.parametrize("access", ["", "w", "wr", "q", "rr"])
def test_an_access_of_other_words_is_refused(access: str) -> None:
    with pytest.raises(ValueError, match="access"):
        Section.create(size=1, access=access)


def test_a_class_makes_nothing_by_itself() -> None:
    with pytest.raises(TypeError, match=r"Section\.create"):
        Section()


def test_open_needs_a_name() -> None:
    with pytest.raises(TypeError, match="name"):
        Section.open(None)  # type: ignore[arg-type]  # the mistake in question


# ---------------------------------------------------------------------- mapping


def test_a_part_can_be_mapped(name: str) -> None:
    with Section.create(name, 3 * ALLOCATION_GRANULARITY) as section:
        with section.map() as whole:
            whole[ALLOCATION_GRANULARITY] = 42
        with section.map(ALLOCATION_GRANULARITY, 10) as part:
            assert len(part) == 10
            assert part[0] == 42
        with section.map(2 * ALLOCATION_GRANULARITY) as rest:
            assert len(rest) == ALLOCATION_GRANULARITY


@pytest.mark.parametrize(
    ("offset", "length", "winerror"),
    [
        (1, None, 1132),
        (4096, None, 1132),
        (0, 3 * ALLOCATION_GRANULARITY, 5),
        (-ALLOCATION_GRANULARITY, None, 5),
        (0, 0, 5),
        (0, -1, 5),
    ],
)
def test_a_view_that_does_not_fit_is_refused(
    offset: int, length: int | None, winerror: int
) -> None:
    with Section.create(size=2 * ALLOCATION_GRANULARITY) as section:
        with pytest.raises(ValueError) as caught:
            section.map(offset, length)
        assert isinstance(caught.value, errors.Error)
        assert caught.value.winerror == winerror


def test_a_read_only_handle_gives_no_writable_view(name: str) -> None:
    with Section.create(name, 4096), Section.open(name, access="r") as reader:
        assert reader.access == "r"
        with pytest.raises(PermissionError, match="SECTION_MAP_WRITE.*grants") as caught:
            reader.map(access="rw")
        assert caught.value.winerror == 5
        with reader.map() as view:
            assert view.readonly
            with pytest.raises(TypeError):
                view[0] = 1


@pytest.mark.linux_only("descriptors")
@pytest.mark.invariant("R2")
def test_a_read_only_handle_gives_no_writable_map_by_going_round_the_library(name: str) -> None:
    with Section.create(name, 4096), Section.open(name, access="r") as reader:
        with pytest.raises(PermissionError):
            mmap.mmap(reader.fileno(), 4096, prot=mmap.PROT_WRITE)
        with mmap.mmap(reader.fileno(), 4096, prot=mmap.PROT_READ) as direct:
            assert direct[0] == 0


def test_writes_to_a_copying_view_stay_there(name: str) -> None:
    with (
        Section.create(name, 4096) as section,
        section.map(access="c") as copy,
        section.map() as shared,
    ):
        copy[0] = 1
        assert shared[0] == 0
        assert not copy.readonly


def test_executable_views_need_executable_sections() -> None:
    with Section.create(size=4096) as section, pytest.raises(PermissionError):
        section.map(access="rx")
    with Section.create(size=4096, access="rwx") as section, section.map(access="rx") as view:
        assert view.readonly


def test_reserved_memory_is_there_when_it_is_asked_for() -> None:
    with Section.create(size=1 << 20, commit=False) as section, section.map() as view:
        view.commit(0, 100)
        view[:4] = b"here"
        assert bytes(view[:4]) == b"here"


def test_a_size_and_an_access_mask_can_be_asked_of_a_handle(name: str) -> None:
    with Section.create(name, 4096), Section.open(name, access=a.SECTION_MAP_READ) as section:
        assert section.granted_access == a.SECTION_MAP_READ
        assert section.access == "r"
        with pytest.raises(PermissionError, match="SECTION_QUERY"):
            _ = section.size
        with section.map() as view:
            assert len(view) == PAGE_SIZE


def test_a_handle_that_can_map_nothing_says_so(name: str) -> None:
    with Section.create(name, 4096), Section.open(name, access=a.SECTION_QUERY) as section:
        assert section.access == ""
        with pytest.raises(ValueError, match="no views"):
            section.map()


# ---------------------------------------------------------------------- files


def test_a_section_of_a_file_shows_and_changes_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with Section.from_file(path, access="rw") as section, section.map() as view:
        assert section.size == len(view) == 10
        assert bytes(view) == b"0123456789"
        view[0:1] = b"X"
        view.flush()
        assert path.read_bytes() == b"X123456789"


def test_a_section_of_a_file_is_read_only_by_default(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with Section.from_file(path) as section, section.map() as view:
        assert view.readonly and bytes(view) == b"abc"
        with pytest.raises(PermissionError):
            section.map(access="rw")
    with Section.from_file(path, access="c") as section, section.map() as view:
        view[0] = 0
    assert path.read_bytes() == b"abc"


def test_a_writable_file_grows_to_the_section(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with Section.from_file(path, access="rw", size=10) as section:
        assert section.size == 10
    assert path.read_bytes() == b"abc" + bytes(7)
    with pytest.raises(errors.Error) as caught:
        Section.from_file(path, size=100)
    assert caught.value.winerror == 8


def test_a_descriptor_in_the_place_of_a_file_is_told_where_it_goes() -> None:
    with pytest.raises(TypeError, match="from_fd takes descriptors"):
        Section.from_file(5)  # type: ignore[arg-type]


def test_an_open_file_serves_as_well(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with open(path, "w+b") as file:
        file.write(b"not flushed yet")
        with Section.from_file(file, access="rw") as section, section.map() as view:
            assert bytes(view) == b"not flushed yet"
        assert not file.closed
    with open(path, "rb") as file, Section.from_file(file) as section:
        assert section.size == 15


def test_a_file_that_cannot_be_mapped_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Section.from_file(tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError):
        Section.from_file(tmp_path / "empty")
    with pytest.raises(OSError):
        Section.from_file(tmp_path)


def test_a_section_of_a_file_can_have_a_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with (
        Section.from_file(path, name=name),
        Section.open(name, access="r") as section,
        section.map() as view,
    ):
        assert bytes(view) == b"abc"


@pytest.mark.linux_only("descriptors")
def test_a_descriptor_of_another_library_becomes_a_section() -> None:
    fd = os.memfd_create("other")
    try:
        os.write(fd, b"from elsewhere")
        with Section.from_fd(fd) as section, section.map() as view:
            assert section.access == "rw"
            assert bytes(view) == b"from elsewhere"
            view[:4] = b"FROM"
        assert os.pread(fd, 4, 0) == b"FROM"
    finally:
        os.close(fd)


@pytest.mark.linux_only("descriptors")
def test_a_read_only_descriptor_becomes_a_read_only_section(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    fd = os.open(path, os.O_RDONLY)
    try:
        with Section.from_fd(fd) as section:
            assert section.access == "r"
        with pytest.raises(PermissionError):
            Section.from_fd(fd, access="rw")
    finally:
        os.close(fd)
    with pytest.raises(OSError):
        Section.from_fd(fd)


@pytest.mark.linux_only("descriptors")
def test_the_descriptor_behind_a_section_has_its_bytes_at_the_start() -> None:
    with Section.create(size=4096) as section, section.map() as view:
        view[:5] = b"bytes"
        with mmap.mmap(section.fileno(), 4096) as direct:
            assert direct[:5] == b"bytes"


@pytest.mark.linux_only("Windows has no seals")
def test_a_sealed_section_gives_nobody_a_new_writable_view(name: str) -> None:
    with Section.create(name, 4096) as section, section.map() as view:
        section.seal()
        view[0] = 7
        with pytest.raises(PermissionError):
            section.map()
        with Section.open(name, access="r") as reader, reader.map() as read:
            assert read[0] == 7


# ---------------------------------------------------------------------- the rest


@pytest.mark.linux_only(
    "Wine keeps generic rights in a descriptor, which Windows maps to the type's own"
)
def test_security_is_what_was_asked_for(name: str) -> None:
    from memsection import Security

    with Section.create(name, 4096, security=Security(owner="rw", everyone="r")) as section:
        rights = {who: mask for allowed, who, mask in section.security.entries() if allowed}
        assert a.SECTION_QUERY | a.SECTION_MAP_READ | a.READ_CONTROL in rights.values()
        section.security = "D:(A;;GA;;;WD)"
        with Section.open(name, access="r") as reader:
            assert not reader.granted_access & a.READ_CONTROL
            assert "WD" in reader.security.sddl


def test_security_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        Section.create(name, 4096, security="D:(not)")


def test_a_duplicate_carries_what_was_asked(name: str) -> None:
    with Section.create(name, 4096) as section:
        with section.duplicate("r", inheritable=True) as reader:
            assert (reader.access, reader.inheritable) == ("r", True)
            assert reader.same_object(section)
        with section.duplicate() as same:
            assert (same.access, same.granted_access) == ("rw", section.granted_access)


@pytest.mark.linux_only(
    "Wine grants the owner all standard rights, Windows READ_CONTROL and WRITE_DAC"
)
def test_an_existing_section_that_grants_less_than_a_creator_gets_can_still_be_found(
    name: str,
) -> None:
    sid = kernel.current_user()
    with Section.create(name, 4096, security=f"D:(A;;CCDCLC;;;{sid})") as made:
        with Section.create(name, 4096, exist_ok=True) as found:
            assert not found.created and found.access == "rw"
            assert not found.granted_access & a.DELETE
        with pytest.raises(PermissionError):
            Section.create(name, 4096, access="rwx", exist_ok=True)
        assert made.granted_access & a.DELETE


def test_every_word_of_access_has_rights_and_a_protection() -> None:
    from memsection.api import section

    assert section.RIGHTS.keys() == section.PROTECTIONS.keys()
    for word, rights in section.RIGHTS.items():
        assert not p.needed_access(section.PROTECTIONS[word]) & ~rights
        assert section.access_words(rights) == word.replace("c", "r")
