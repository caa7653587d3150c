# SPDX-License-Identifier: MIT
"""How a number that no call of this process made becomes a handle, and what is done before a name
is opened."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from support.objects import descriptors, leaves_nothing, unique_name
from support.workers import worker

from memsection import NotFoundError, Section
from memsection.nt import kernel
from memsection.nt.linux.bodies.position import TRANSFERRED_VALUES_FROM
from memsection.nt.linux.handles import create_open, record, table
from memsection.nt.linux.names import closing
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import ALL, FILE, PROCESS

_left = pytest.fixture(autouse=True)(leaves_nothing)


@pytest.mark.parametrize("kind", [FILE, PROCESS], ids=lambda kind: kind.name)
def test_a_descriptor_without_a_tag_is_adopted_by_what_it_can_only_be(
    kind: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def adopt(fd: int, found: os.stat_result, value: int) -> record.Handle:
        asked.append(fd)
        raise record.invalid(value)

    monkeypatch.setitem(table.adopters, kind, adopt)  # type: ignore[arg-type]
    fd = (
        os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
        if kind is FILE
        else os.pidfd_open(os.getpid())
    )
    try:
        with pytest.raises(NtError) as caught:
            kernel.query_object_type(fd * 4)
    finally:
        os.close(fd)
    assert (asked, caught.value.status) == ([fd], st.INVALID_HANDLE)


def test_a_transferred_value_is_fetched_and_nothing_else_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def fetch(value: int) -> record.Handle:
        asked.append(value)
        raise record.invalid(value)

    monkeypatch.setattr(table, "fetch_given", fetch)
    with pytest.raises(NtError):
        kernel.query_object_type(TRANSFERRED_VALUES_FROM + 400)
    assert asked == [TRANSFERRED_VALUES_FROM + 400]


def test_hooks_are_called_before_a_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    name, calls = unique_name("Global\\"), []
    with Section.create(name, 4096):
        monkeypatch.setattr(create_open, "before_open", [lambda: calls.append(name)])
        Section.open(name, access="r").close()
        with pytest.raises(FileExistsError):
            Section.create(name, 4096)
    assert name in calls


def test_the_types_that_have_bodies_are_those_that_can_have_names() -> None:
    assert [kind.name for kind in ALL if kind.has_body] == [
        "Section",
        "Mutant",
        "Event",
        "Semaphore",
        "Timer",
    ]


@pytest.mark.invariant("H2")
def test_closing_the_last_handle_that_another_process_took_away_leaves_no_descriptor() -> None:
    full = unique_name()
    ended = threading.Event()
    # with it, the close may have been beside the start of a child
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        with worker() as other, Section.create(full, 4096) as section:
            at_first = descriptors() - 2  # the section's own and its name's
            taken = kernel.duplicate_object(
                s.CURRENT_PROCESS, section.handle, s.CURRENT_PROCESS, 0, 0, s.DUPLICATE_SAME_ACCESS
            )
            with section.map() as view:
                view[0] = 1
                other.run(
                    """if True:
                    from memsection.nt import kernel
                    from memsection.vocabulary import access, structs
                    process = kernel.open_process(access.PROCESS_DUP_HANDLE, 0, pid)
                    kernel.duplicate_object(process, taken, structs.CURRENT_PROCESS, 0, 0,
                                            structs.DUPLICATE_SAME_ACCESS | structs.DUPLICATE_CLOSE_SOURCE)
                """,
                    pid=os.getpid(),
                    taken=taken,
                )
            section.close()
            with pytest.raises(NtError) as caught:
                kernel.close(taken)
            assert caught.value.status == st.INVALID_HANDLE
            assert not closing.doubtful and descriptors() == at_first
        with pytest.raises(NotFoundError):
            Section.open(full)
    finally:
        ended.set()
        thread.join()
