# SPDX-License-Identifier: MIT
"""The file behind a section: found again by who opens the section, and verified."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.objects import leaves_nothing, unique_name
from support.workers import worker

from memsection import Error, Section
from memsection.nt.linux.names import file_data
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_left = pytest.fixture(autouse=True)(leaves_nothing)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "file"
    found.write_bytes(b"content".ljust(4096, b"."))
    return found


@pytest.mark.invariant("S2")
def test_a_file_that_was_moved_is_found_by_who_has_it(path: Path) -> None:
    name = unique_name()
    with worker() as owner:
        owner.run(f"mine = Section.from_file({str(path)!r}, name={name!r})")
        path.rename(path.with_name("moved"))
        path.write_bytes(b"another")
        with Section.open(name) as section, section.map(access="r") as view:
            assert bytes(view[:7]) == b"content"


@pytest.mark.invariant("S2")
def test_a_file_that_was_removed_is_had_by_who_has_a_handle(path: Path) -> None:
    name = unique_name()
    with Section.from_file(path, name=name):
        path.unlink()
        with Section.open(name) as section, section.map(access="r") as view:
            assert bytes(view[:7]) == b"content"


@pytest.mark.invariant("S2")
@pytest.mark.parametrize("planted", ["another file", "a link", "a directory", "a pipe"])
def test_what_came_in_the_place_of_the_file_is_not_opened(
    path: Path, planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique_name()
    monkeypatch.setattr(file_data, "descriptor_info", lambda pid, fd: None)  # nobody to ask
    with Section.from_file(path, name=name):
        path.rename(path.with_name("moved"))
        if planted == "another file":
            path.write_bytes(bytes(4096))
        elif planted == "a link":
            path.symlink_to("/etc/passwd")
        elif planted == "a directory":
            path.mkdir()
        else:
            os.mkfifo(path)
        with pytest.raises(Error) as caught:
            Section.open(name)
        assert caught.value.ntstatus == st.FILE_INVALID


@pytest.mark.invariant("S2")
@pytest.mark.parametrize(
    ("owner", "mode", "writable", "honest"),
    [
        (4000, 0o600, False, False),
        (4000, 0o644, False, True),
        (4000, 0o644, True, False),
        (4000, 0o666, True, True),
        (4001, 0o600, True, True),
        (0, 0o600, True, True),
    ],
)
def test_a_section_of_another_user_leads_to_what_that_user_may_have(
    path: Path, owner: int, mode: int, writable: bool, honest: bool
) -> None:
    facts = os.stat_result((mode, 1, 1, 1, 4001, 4001, 0, 0, 0, 0))

    def check() -> None:
        file_data._require_honest(facts, owner, str(path), writable=writable)

    if honest or owner == os.geteuid():
        check()
        return
    with pytest.raises(NtError) as caught:
        check()
    assert caught.value.status == st.ACCESS_DENIED and str(owner) in str(caught.value)
