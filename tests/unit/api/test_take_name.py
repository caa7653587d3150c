# SPDX-License-Identifier: MIT
"""A name for a section that has none, and one that goes over from a section to the next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.workers import worker

from memsection import AccessError, ArgumentError, Error, ExistsError, NotFoundError, Section
from memsection.nt import kernel

NAME = f"take-name-{os.getpid()}"  #: of this process: others run these tests at the same time

pytestmark = pytest.mark.linux_only("a section of Windows is named when it is made")


@pytest.fixture
def names() -> Iterator[Path]:
    """The directory of Local names, which must have nothing of these tests left."""
    with Section.create(f"{NAME}-probe", 1):
        pass
    from memsection.nt.linux.names import namespace

    directory = Path(namespace.path_of("local"))
    yield directory
    assert not [file for file in os.listdir(directory) if NAME in file]


def _filled(text: bytes) -> Section:
    section = Section.create(size=4096)
    with section.map() as view:
        view[: len(text)] = text
    return section


def _content(name: str, length: int = 3) -> bytes:
    with Section.open(name, access="r") as section, section.map() as view:
        return bytes(view[:length])


def test_a_section_is_visible_once_it_has_a_name(names: Path) -> None:
    with _filled(b"one") as section:
        assert section.name is None
        section.take_name(NAME)
        assert section.name == NAME
        assert _content(NAME) == b"one"
    with pytest.raises(NotFoundError):
        Section.open(NAME)


@pytest.mark.invariant("L7")
def test_the_name_goes_over_and_the_predecessor_lives_on(names: Path) -> None:
    with _filled(b"one") as first, _filled(b"two") as second:
        first.take_name(NAME)
        with Section.open(NAME, access="r") as reader, reader.map() as view:
            second.take_name(NAME, predecessor=first)
            assert bytes(view[:3]) == b"one"
            assert _content(NAME) == b"two"
            first.close()
            assert _content(NAME) == b"two"
        assert _content(NAME) == b"two"


@pytest.mark.invariant("L7")
def test_a_process_that_has_the_predecessor_opens_the_successor(names: Path) -> None:
    with (
        worker() as other,
        _filled(b"one") as first,
        _filled(b"two") as second,
        _filled(b"six") as third,
    ):
        first.take_name(NAME)
        other.run(f"s = Section.open({NAME!r}, access='r'); v = s.map()")
        for heir, before in ((second, first), (third, second)):
            heir.take_name(NAME, predecessor=before)
            with heir.map() as view:
                now = bytes(view[:3])
            other.run(
                f"t = Section.open({NAME!r}, access='r'); w = t.map(); found = bytes(w[:3]); "
                f"w.close(); t.close()"
            )
            assert other.value("found") == now
            assert other.value("bytes(v[:3])") == b"one"
        other.run("v.close(); s.close()")
        assert _content(NAME) == b"six"


@pytest.mark.invariant("L7")
def test_the_name_goes_with_the_last_handle_to_the_successor(names: Path) -> None:
    with worker() as other, _filled(b"one") as first, _filled(b"two") as second:
        first.take_name(NAME)
        other.run(f"old = Section.open({NAME!r}, access='r')")
        second.take_name(NAME, predecessor=first)
        second.close()
        with pytest.raises(NotFoundError):
            Section.open(NAME)
        with Section.create(NAME, 4096):  # the name is free, whoever has the predecessor
            other.run("old.close()")
            _content(NAME)


def test_what_the_dead_left_under_the_name_is_no_obstacle(names: Path) -> None:
    with worker() as other:
        other.run(f"s = Section.create({NAME!r}, 4096)")
    with _filled(b"one") as section:
        section.take_name(NAME)
        assert _content(NAME) == b"one"


@pytest.mark.invariant("L7")
@pytest.mark.parametrize("killed_before", ["rename", "link"])
def test_death_in_the_middle_leaves_a_name_that_works(names: Path, killed_before: str) -> None:
    with worker() as other:
        other.run(
            f"a = Section.create({NAME!r}, 4096); b = Section.create(size=4096)\n"
            "from memsection.nt.linux.system import syscalls"
        )
        with Section.open(NAME, access="rw") as kept:
            other.run(f"syscalls.{killed_before} = lambda *a, **k: os.kill(os.getpid(), 9)")
            other.process.stdin.write(b"")
            with pytest.raises(BaseException, match="ended"):
                other.run(f"b.take_name({NAME!r}, predecessor=a)")
            with Section.open(NAME, access="r") as found:
                assert found.same_object(kept)
            with _filled(b"new") as heir, Section.open(NAME, access=kernel_delete()) as old:
                heir.take_name(NAME, predecessor=old)
                assert _content(NAME) == b"new"


def kernel_delete() -> int:
    from memsection.vocabulary import access as a

    return a.DELETE | a.SECTION_QUERY


def test_a_name_that_somebody_else_has_is_refused(names: Path) -> None:
    with Section.create(NAME, 4096), _filled(b"one") as section, _filled(b"two") as other:
        with pytest.raises(ExistsError):
            section.take_name(NAME)
        assert section.name is None
        with pytest.raises(ExistsError):
            section.take_name(NAME, predecessor=other)
        assert section.name is None
        section.take_name(f"{NAME}-2")
        with pytest.raises(ArgumentError, match="name already"):
            section.take_name(f"{NAME}-3")


@pytest.mark.invariant("L7")
def test_a_superseded_section_gives_its_name_to_nobody(names: Path) -> None:
    with _filled(b"one") as first, _filled(b"two") as second, _filled(b"six") as third:
        first.take_name(NAME)
        second.take_name(NAME, predecessor=first)
        with pytest.raises(ExistsError):
            third.take_name(NAME, predecessor=first)
        assert _content(NAME) == b"two"


def test_rights_are_needed_on_both(names: Path) -> None:
    with (
        Section.create(NAME, 4096) as first,
        _filled(b"two") as second,
        second.duplicate("r") as weak,
    ):
        with pytest.raises(AccessError):
            weak.take_name(NAME, predecessor=first)
        with Section.open(NAME, access="rw") as opened, pytest.raises(AccessError):
            second.take_name(NAME, predecessor=opened)


def test_global_names_and_files_are_refused(names: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(4096))
    with _filled(b"one") as section, pytest.raises(Error, match="Local"):
        section.take_name(f"Global\\{NAME}")
    with Section.from_file(tmp_path / "file", access="rw") as section, pytest.raises(ArgumentError):
        section.take_name(NAME)
    with _filled(b"one") as section, pytest.raises(ArgumentError):
        section.take_name("")
    with _filled(b"one") as section, pytest.raises(ArgumentError, match="room|bytes of name"):
        section.take_name("é" * 1000)


def test_the_list_of_names_shows_the_successor_once(names: Path) -> None:
    with _filled(b"one") as first, Section.create(size=8192) as second:
        first.take_name(NAME)
        with Section.open(NAME, access="r"):
            second.take_name(NAME, predecessor=first)
            assert [found.size for found in kernel.list_directory() if found.name == NAME] == [8192]
