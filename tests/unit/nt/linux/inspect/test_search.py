# SPDX-License-Identifier: MIT
"""Handles and names found by looking: what counts as a handle, and what strangers left there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.names import own_names
from support.objects import leaves_nothing, unique_name
from support.workers import worker

from memsection import Event, Section
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.inspect import search
from memsection.nt.linux.names import namespace
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.protection import PAGE_SIZE

_left = pytest.fixture(autouse=True)(leaves_nothing)


def entry_of(handle: int, pid: int = 0) -> s.HandleEntry | None:
    found = search.process_handles(pid or os.getpid())
    return next((entry for entry in found if entry.handle == handle), None)


def test_a_handle_is_told_with_its_type_name_access_and_size() -> None:
    name = unique_name()
    with Section.create(name, 3 * PAGE_SIZE) as section, Section.open(name, access="r") as reader:
        found, read = entry_of(section.handle), entry_of(reader.handle)
        assert found is not None and read is not None
        assert (found.type_name, found.size, found.attributes) == ("Section", 3 * PAGE_SIZE, 0)
        assert found.name.endswith(f"\\{name}") and found.name == read.name
        assert (
            found.granted_access & a.SECTION_MAP_WRITE
            and not read.granted_access & a.SECTION_MAP_WRITE
        )
        assert found.identity == read.identity


def test_a_handle_that_children_inherit_says_so() -> None:
    with Event.create(inheritable=True) as event:
        found = entry_of(event.handle)
        assert found is not None and found.attributes == s.OBJ_INHERIT


@pytest.mark.parametrize("kind", ["short", "long", "reserved", "file", "unnamed", "event"])
def test_a_handle_seen_by_one_read_is_told_as_by_several(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_names(), _made(kind, tmp_path) as made:
        told = entry_of(made.handle)
        monkeypatch.setattr(search, "_entry_at_a_glance", lambda *_: None)
        assert told is not None and told == entry_of(made.handle)


def _made(kind: str, directory: Path) -> Section | Event:
    if kind == "file":
        (directory / "file").write_bytes(bytes(PAGE_SIZE))
        return Section.from_file(directory / "file", name="of a file")
    if kind == "event":
        return Event.create("event")
    name = {"long": "\N{GRINNING FACE}" * 100, "unnamed": None}.get(kind, kind)
    made = Section.create(name, 3 * PAGE_SIZE, commit=kind != "reserved")
    if kind != "reserved":
        with made.map() as view:
            view[-8:] = b"the tail"
    return made


def test_what_is_known_is_passed_over() -> None:
    with Section.create(size=4096) as section:
        found = os.fstat(section.fileno())
        entries = search.process_handles(os.getpid(), {(found.st_dev, found.st_ino)})
        assert section.handle not in {entry.handle for entry in entries}


def test_only_an_inheritable_descriptor_of_a_file_could_be_a_handle(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        assert entry_of(4 * fd) is None
        os.set_inheritable(fd, True)
        found = entry_of(4 * fd)
        assert found is not None
        assert (found.type_name, found.name) == ("File", str(tmp_path / "file"))
    finally:
        os.close(fd)


@pytest.mark.invariant("H1")
def test_a_descriptor_that_says_it_is_a_handle_and_has_no_body_is_passed_over() -> None:
    from memsection.nt.linux.bodies.position import position

    fd = os.memfd_create("file")  # files on disks do not take every position
    try:
        os.write(fd, bytes(2 * PAGE_SIZE))
        os.lseek(fd, position(a.SECTION_ALL_ACCESS, -1), os.SEEK_SET)
        assert entry_of(4 * fd) is None
    finally:
        os.close(fd)


@pytest.mark.invariant("M1")
def test_a_body_that_was_scribbled_on_hides_no_other_handle() -> None:
    with Section.create(size=4096) as spoiled, Section.create(size=4096) as whole:
        size = os.fstat(spoiled.fileno()).st_size
        page = os.pread(spoiled.fileno(), PAGE_SIZE, size - PAGE_SIZE)
        os.pwrite(spoiled.fileno(), bytes(control_page.HEADER.size), size - PAGE_SIZE)
        try:
            assert entry_of(spoiled.handle) is None
            assert entry_of(whole.handle) is not None
        finally:
            os.pwrite(spoiled.fileno(), page, size - PAGE_SIZE)
        assert entry_of(spoiled.handle) is not None


def test_a_process_that_is_gone_has_no_handles() -> None:
    with pytest.raises(NtError) as caught:
        search.process_handles(1 << 30)
    assert caught.value.status == st.INVALID_CID


def test_a_name_is_listed_with_everybody_who_has_it() -> None:
    name = unique_name()
    with Section.create(name, 4096) as section, worker() as other:
        other.run(f"mine = Section.open({name!r})")
        found = {one.name.rpartition("\\")[2]: one for one in search.list_directory()}[name]
        assert found.type_name == "Section"
        assert {holder.pid for holder in found.holders} == {os.getpid(), other.pid}
        assert section.handle in {holder.handle for holder in found.holders}


def test_a_name_whose_locator_is_longer_than_a_page_is_listed() -> None:
    name = "\N{GRINNING FACE}" * 1000
    with own_names(), Section.create(name, 4096):
        assert [(one.name, one.problem) for one in search.list_directory()] == [(name, "")]


def test_files_that_are_no_objects_are_listed_as_damage_that_nobody_has() -> None:
    with own_names():
        directory = Path(namespace.path_of("local"))
        with Section.create("real", 4096):
            (directory / "empty").touch()
            (directory / "garbage").write_bytes(os.urandom(4096))
            (directory / "link").symlink_to("/etc/passwd")
            (directory / "folder").mkdir()
            os.mkfifo(directory / "fifo")
            listed = {one.name.rpartition("\\")[2]: one for one in search.list_directory()}
        assert not listed["real"].problem and listed["real"].holders
        assert "link" not in listed
        for name in ("empty", "garbage", "folder", "fifo"):
            assert "damaged" in listed[name].problem and not listed[name].holders
        for file in directory.iterdir():
            file.rmdir() if file.is_dir() else file.unlink()
