# SPDX-License-Identifier: MIT
"""Other processes through the Pythonic face: whether they live, and what they hold."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from memsection import AccessError, Event, Process, Section, debug_privilege, errors
from memsection.nt import kernel
from memsection.vocabulary import access as a
from memsection.vocabulary import structs as s

CHILD = """
import sys
from memsection import Section, Event
with Section.create(size=8192) as unnamed, Section.create(sys.argv[1], 4096, access="rwx") as named, unnamed.map() as v:
    v[:4] = b"mine"
    print(unnamed.handle, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def child(name: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.communicate(timeout=60)


def test_the_sections_of_another_process_are_found(
    child: tuple[subprocess.Popen[str], int], name: str
) -> None:
    popen, handle = child
    with Process(popen.pid) as process:
        found = {held.name: held for held in process.sections()}
    assert found[None].handle == handle
    assert (found[None].size, found[None].access, found[None].pid) == (8192, "rw", popen.pid)
    assert (found[name].size, found[name].access) == (4096, "rwx")
    # Windows keeps no record of who made an object, and may not tell which it is
    if sys.platform == "linux":
        assert found[name].creator_pid == popen.pid
        assert found[None].identity != found[name].identity


def test_a_handle_of_another_process_is_taken_over(
    child: tuple[subprocess.Popen[str], int],
) -> None:
    popen, handle = child
    with Section.from_process(popen.pid, handle) as section, section.map() as view:
        assert bytes(view[:4]) == b"mine"
        assert section.access == "rw"
    with Section.from_process(popen.pid, handle, access="r") as section:
        assert section.access == "r"
        with pytest.raises(PermissionError):
            section.map(access="rw")


def test_a_process_lives_until_it_ends(child: tuple[subprocess.Popen[str], int]) -> None:
    popen, _ = child
    with Process(popen.pid) as process:
        assert process.alive and process.pid == popen.pid
        assert not process.wait(0)
        assert popen.stdin is not None
        popen.stdin.close()
        popen.stdin = None
        assert process.wait(60)
        assert not process.alive


def test_a_process_that_does_not_exist_is_refused() -> None:
    for pid in (0x7FFFFFF0, -1):
        with pytest.raises(ValueError) as caught:
            Process(pid)
        assert isinstance(caught.value, errors.Error) and caught.value.winerror == 87


def test_a_process_id_is_a_number() -> None:
    with pytest.raises(TypeError, match="process id: an int is needed, not str"):
        Process("1")  # type: ignore[arg-type]


def test_own_handles_are_found_with_their_flags(name: str) -> None:
    with Event.create(name) as event, Process(os.getpid()) as process:
        event.inheritable = True
        (held,) = [held for held in process.handles() if held.name == name]
        assert (held.type, held.access, held.inheritable, held.protected) == (
            "Event",
            "",
            True,
            False,
        )
        assert held.granted_access == event.granted_access


def test_a_closed_process_is_an_error() -> None:
    process = Process(os.getpid())
    process.close()
    assert repr(process) == f"<memsection.Process {os.getpid()} closed>"
    for use in (process.handles, process.sections, process.wait, lambda: process.alive):
        with pytest.raises(errors.HandleError):
            use()


def test_a_process_may_be_left_to_the_collector() -> None:
    assert Process(os.getpid()).alive


def _privileges() -> list[tuple[int, int]]:
    """What is switched on: asking for it again changes nothing, and so tells nothing."""
    token = kernel.open_process_token(s.CURRENT_PROCESS, a.TOKEN_ADJUST_PRIVILEGES | a.TOKEN_QUERY)
    try:
        luid = kernel.lookup_privilege("SeDebugPrivilege")
        _, changed = kernel.adjust_privileges(token, [(luid, s.SE_PRIVILEGE_ENABLED)])
        if changed:
            kernel.adjust_privileges(token, changed)
        return changed
    finally:
        kernel.close(token)


def test_the_debug_privilege_is_on_inside_the_block_and_what_it_was_after_it() -> None:
    before = _privileges()
    try:
        with debug_privilege():
            assert not _privileges()
    except AccessError as refused:
        assert "CAP_SYS_PTRACE" in str(refused)
    assert _privileges() == before
