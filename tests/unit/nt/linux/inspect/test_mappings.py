# SPDX-License-Identifier: MIT
"""Looking at memory from outside: pages that are there, mappings of an object, who waits for it."""

from __future__ import annotations

import mmap
import os
import threading

import pytest
from support.objects import leaves_nothing, unique_name
from support.workers import kill, stopped_in, until

from memsection import Event, Section, wait_any
from memsection.nt.linux.inspect import mappings
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_left = pytest.fixture(autouse=True)(leaves_nothing)
PAGE = p.PAGE_SIZE


def identity(section: Section | Event) -> tuple[int, int]:
    found = os.fstat(section.handle // 4)
    return found.st_dev, found.st_ino


def test_a_page_is_there_once_it_was_touched() -> None:
    with Section.create(size=1 << 20, commit=False) as section, section.map() as view:
        view.commit(0, 4 * PAGE)
        before = mappings.resident_pages(view.address, 4 * PAGE)
        assert len(before) == 4 and not before[3]
        view[3 * PAGE] = 1
        assert mappings.resident_pages(view.address + 3 * PAGE, 1) == b"\1"


def test_pages_that_are_not_mapped_are_no_view() -> None:
    memory = mmap.mmap(-1, PAGE)
    with pytest.raises(NtError) as caught:
        mappings.resident_pages(1, PAGE)
    assert caught.value.status == st.NOT_MAPPED_VIEW
    with pytest.raises(NtError):
        mappings.resident_pages(0, PAGE)
    memory.close()


def test_each_view_of_a_process_is_listed_with_what_it_may_do() -> None:
    with (
        Section.create(size=3 * PAGE) as section,
        section.map() as whole,
        section.map(access="r") as read,
        section.map(access="c") as copied,
    ):
        found = {
            at: (size, may)
            for at, size, may in mappings.process_views(os.getpid(), identity(section))
        }
        assert found == {
            whole.address: (3 * PAGE, p.PAGE_READWRITE),
            read.address: (3 * PAGE, p.PAGE_READONLY),
            copied.address: (3 * PAGE, p.PAGE_WRITECOPY),
        }
        child = stopped_in(lambda: None)
        try:
            assert len(mappings.process_views(child, identity(section))) == 3
        finally:
            kill(child)


def test_an_object_that_nobody_maps_has_no_views_and_nobody_waits_for_it() -> None:
    with Section.create(size=PAGE) as section:
        assert mappings.process_views(os.getpid(), identity(section)) == []
        assert mappings.waiting_threads(os.getpid(), identity(section)) == []


def test_a_process_that_is_gone_is_told_so() -> None:
    with pytest.raises(NtError) as caught:
        mappings.process_views(1 << 30, (1, 1))
    assert caught.value.status == st.INVALID_CID


@pytest.mark.parametrize("several", [False, True])
def test_a_thread_that_waits_is_found_until_it_goes_on(several: bool) -> None:
    with Event.create(unique_name()) as event, Event.create() as other:
        ids: list[int] = []

        def wait() -> None:
            ids.append(threading.get_native_id())
            wait_any([other, event]) if several else event.wait()

        thread = threading.Thread(target=wait)
        thread.start()
        until(
            lambda: ids and mappings.waiting_threads(os.getpid(), identity(event)) == ids,
            "the thread sleeps on the event",
        )
        event.set()
        thread.join()
        assert mappings.waiting_threads(os.getpid(), identity(event)) == []


@pytest.mark.parametrize(
    ("letters", "protection"),
    [
        ("---p", p.PAGE_NOACCESS),
        ("r--s", p.PAGE_READONLY),
        ("r--p", p.PAGE_READONLY),
        ("rw-s", p.PAGE_READWRITE),
        ("rw-p", p.PAGE_WRITECOPY),
        ("rwxp", p.PAGE_EXECUTE_WRITECOPY),
        ("rwxs", p.PAGE_EXECUTE_READWRITE),
        ("--xp", p.PAGE_EXECUTE),
        ("-w-s", p.PAGE_NOACCESS),
    ],
)
def test_letters_of_the_kernel_are_a_page_protection(letters: str, protection: int) -> None:
    assert mappings._protection(letters) == protection
