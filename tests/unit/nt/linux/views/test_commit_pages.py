# SPDX-License-Identifier: MIT
"""Pages of reserved sections: absent until committed, then there for everybody, for system calls
too."""

from __future__ import annotations

import os
import signal

import pytest
from support.objects import leaves_nothing, unique_name
from support.workers import fork, reap, worker

from memsection import Section, win32
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.views import regions

_left = pytest.fixture(autouse=True)(leaves_nothing)
PAGE = 4096
COMMIT = f"win32.VirtualAlloc(window.address + {8 * PAGE}, {PAGE}, 0x1000, 4); window[{8 * PAGE}:{8 * PAGE} + 5] = b'there'"


@pytest.fixture(params=["kernel", "signal"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of having pages that are not there: the kernel's, and the one for systems that
    refuse it."""
    if request.param == "signal":

        def refused(address: int, length: int) -> int:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(sys_, "userfault", refused)
    return str(request.param)


def copied_by_the_system(address: int) -> bytes | None:
    """Five bytes as a system call sees them; None for EFAULT."""
    try:
        return sys_.copy_from(os.getpid(), address, 5)
    except OSError:
        return None


@pytest.mark.invariant("C2")
def test_pages_that_another_process_commits_are_there_at_the_first_touch(way: str) -> None:
    name = unique_name()
    with (
        Section.create(name, size=64 * PAGE, commit=False) as section,
        section.map() as view,
        worker() as other,
    ):
        other.run("theirs = Section.open(name); window = theirs.map()", name=name)
        other.run(COMMIT)
        assert bytes(view[8 * PAGE : 8 * PAGE + 5]) == b"there"
        other.run("window.close(); theirs.close()")


@pytest.mark.invariant("C2")
def test_where_the_kernel_knows_a_system_call_finds_what_another_process_committed() -> None:
    name = unique_name()
    with (
        Section.create(name, size=64 * PAGE, commit=False) as section,
        section.map() as view,
        worker() as other,
    ):
        if not isinstance(regions.find(view.address).guard, regions.UserfaultGuard):  # type: ignore[union-attr]
            pytest.skip("this system refuses userfaultfd, as doctor says")
        assert copied_by_the_system(view.address + 8 * PAGE) is None
        other.run("theirs = Section.open(name); window = theirs.map()", name=name)
        other.run(COMMIT)
        assert copied_by_the_system(view.address + 8 * PAGE) == b"there"
        assert copied_by_the_system(view.address + 9 * PAGE) is None
        other.run("window.close(); theirs.close()")


def test_touching_a_page_that_nobody_committed_ends_the_process_also_after_fork(way: str) -> None:
    with Section.create(size=16 * PAGE, commit=False) as section, section.map() as view:
        win32.VirtualAlloc(view.address, PAGE, win32.MEM_COMMIT, win32.PAGE_READWRITE)
        view[0] = 7
        assert reap(fork(lambda: os._exit(view[0]))) == 7
        assert reap(fork(lambda: _quietly(lambda: view[PAGE]))) in (-signal.SIGBUS, -signal.SIGSEGV)


def _quietly(touch: object) -> None:
    import faulthandler
    import resource

    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    touch()  # type: ignore[operator]
