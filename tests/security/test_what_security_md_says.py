# SPDX-License-Identifier: MIT
"""SECURITY.md: each of its sentences has a test; those that no other test is about have theirs
here."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable

import pytest
from support.users import TESTS, Program

Start = Callable[..., Program]
OWNER, OTHER = 12345, 12346


def test_each_sentence_has_a_test_and_each_mark_a_sentence() -> None:
    text = (TESTS.parent / "SECURITY.md").read_text()
    sentences = [int(number) for number in re.findall(r"^\*\*(\d+)\.\*\*", text, re.MULTILINE)]
    assert sorted(sentences) == list(range(1, len(sentences) + 1)), (
        "each number from 1 on stands once"
    )
    marked = set()
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "sentence"
                and isinstance(node.args[0], ast.Constant)
            ):
                marked.add(node.args[0].value)
    assert marked == set(sentences)


@pytest.mark.sentence(7)
def test_a_global_name_can_be_occupied_and_its_owner_asked_for(start: Start) -> None:
    mallory, victim = start(OTHER), start(OWNER)
    mallory.run("made = Section.create('Global\\\\wanted', 4096, security='D:NO_ACCESS_CONTROL')")
    assert victim.refusal("Section.create('Global\\\\wanted', 4096)").winerror == 183
    victim.run("found = Section.create('Global\\\\wanted', 4096, exist_ok=True)")
    assert victim.value("found.created, found.security.owner") == (False, str(OTHER))
    victim.run("found.close()")
    mallory.run("made.close()")


@pytest.mark.sentence(11)
def test_a_reader_keeps_a_name_by_its_handle(root: str, start: Start) -> None:
    owner, reader = start(OWNER), start(OTHER)
    owner.run("made = Section.create('Global\\\\kept', 4096, security=Security(everyone='r'))")
    reader.run("s = Section.open('Global\\\\kept', access='r')")
    owner.run("made.close()")
    assert owner.refusal("Section.create('Global\\\\kept', 4096)").winerror == 183
    reader.run("s.close()")
    owner.run("made = Section.create('Global\\\\kept', 8192); made.close()")


@pytest.mark.sentence(16)
def test_who_may_wait_could_signal_by_going_round_the_library(root: str, start: Start) -> None:
    owner, waiter = start(OWNER), start(OTHER)
    owner.run("made = Event.create('Global\\\\bell', security='D:(A;;GA;;;OW)(A;;0x100000;;;WD)')")
    waiter.run("h = win32.OpenEvent(0x100000, False, 'Global\\\\bell')")
    assert waiter.refusal("win32.SetEvent(h)").winerror == 5  # the library keeps the rights apart
    waiter.run(
        "os.close(os.open(path, os.O_RDWR)); win32.CloseHandle(h)", path=f"{root}/memsection.bell"
    )
    owner.run("made.close()")


@pytest.mark.sentence(17)
def test_processes_of_one_user_reach_each_others_objects(start: Start) -> None:
    one, other = start(OWNER), start(OWNER)
    one.run("made = Section.create(size=4096, security='D:'); view = made.map()")
    other.run("", pid=one.pid, handle=one.value("made.handle"))
    other.run(
        "os.chmod(f'/proc/{pid}/fd/{handle // 4}', 0o600); fd = os.open(f'/proc/{pid}/fd/{handle "
        "// 4}', os.O_RDWR)\n"
        "os.pwrite(fd, b'reached', 0); os.close(fd)"
    )
    assert one.value("bytes(view[:7])") == b"reached"
    one.run("view.close(); made.close()")


@pytest.mark.sentence(20)
def test_root_is_refused_by_the_library_and_not_by_the_kernel(root: str, start: Start) -> None:
    owner, administrator, bare = start(OWNER), start(0), start(0, capabilities=0)
    owner.run("made = Section.create('Global\\\\mine', 4096)")
    file = f"{root}/memsection.mine"
    for program in (administrator, bare):
        assert program.refusal("Section.open('Global\\\\mine', access='r')").winerror == 5
    administrator.run("os.close(os.open(file, os.O_RDWR))", file=file)
    assert bare.refusal("os.open(file, os.O_RDONLY)", file=file).errno == 13
    owner.run("made.close()")
    assert not os.path.exists(file)


@pytest.mark.sentence(29)
def test_who_may_only_read_a_mutex_holds_up_newcomers_with_an_error_and_nobody_else(
    root: str, start: Start
) -> None:
    owner, user, newcomer, reader = start(OWNER), start(OWNER), start(OWNER), start(OTHER)
    owner.run("made = Mutex.create('Global\\\\held', security='D:(A;;GA;;;OW)(A;;0x1;;;WD)')")
    user.run("mine = Mutex.open('Global\\\\held'); mine.acquire(); mine.release()")
    reader.run("import contextlib, fcntl, struct")
    reader.run(
        "with contextlib.closing(Mutex.open('Global\\\\held', access=1)) as seen: assert "
        "seen.owner is None\n"
        "fd = os.open(path, os.O_RDONLY)\n"
        "for first in range(1 << 16):\n"
        "    try: fcntl.fcntl(fd, 37, struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, (1 << 62) + first, "
        "1, 0))\n"
        "    except BlockingIOError: taken = first, *locals().get('taken', ())\n"
        "assert len(taken) == 2",
        path=f"{root}/memsection.held",
    )
    owner.run("made.acquire()")
    refused = newcomer.refusal("Mutex.open('Global\\\\held')")
    assert (refused.kind, refused.winerror) == (
        "AccessError",
        5,
    ) and "may only read" in refused.text
    newcomer.run("held = win32.OpenMutex(0x100000, False, 'Global\\\\held')")
    assert newcomer.refusal("win32.WaitForSingleObject(held, 0)").winerror == 5
    newcomer.run("win32.CloseHandle(held)")
    assert user.value("mine.acquire(0)") is False
    owner.kill()
    reader.run(
        "for first in taken:\n"
        "    try: fcntl.fcntl(fd, 37, struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, (1 << 62) + first, "
        "1, 0))\n"
        "    except BlockingIOError: pass\n"
    )
    assert user.refusal("mine.acquire(60)").kind == "AbandonedMutexError"
    assert user.value("mine.acquire(0, accept_abandoned=True)") is True
    reader.run("os.close(fd)")
    newcomer.run("late = Mutex.open('Global\\\\held')")
    assert newcomer.value("late.acquire(0)") is False
    user.run("mine.release(); mine.close()")
    assert newcomer.value("late.acquire(60)") is True
    newcomer.run("late.release(); late.close()")


@pytest.mark.sentence(42)
def test_who_may_only_read_a_readers_writer_lock_holds_up_newcomers_with_an_error_and_nobody_else(
    root: str, start: Start
) -> None:
    owner, user, newcomer, reader = start(OWNER), start(OWNER), start(OWNER), start(OTHER)
    owner.run(
        "from memsection import RWLock\n"
        "made = RWLock.create('Global\\\\rw', security=Security(everyone='r'))"
    )
    user.run("from memsection import RWLock; mine = RWLock.open('Global\\\\rw')")
    newcomer.run("from memsection import RWLock")
    reader.run("from memsection import RWLock")
    assert reader.refusal("RWLock.open('Global\\\\rw')").winerror == 5
    reader.run(
        "import fcntl, struct\n"
        "fd = os.open(path, os.O_RDONLY)\n"
        "lock = lambda first: fcntl.fcntl(fd, 37, struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, (1 << "
        "62) + first, 1, 0))\n"
        "taken = []\n"
        "for first in range(1 << 11):\n"
        "    try: lock(first)\n"
        "    except BlockingIOError: taken.append(first)\n"
        "assert len(taken) == 2",
        path=f"{root}/memsection.rw",
    )
    refused = newcomer.refusal("RWLock.open('Global\\\\rw')")
    assert refused.kind == "AccessError" and "may only read" in refused.text
    owner.run("made.acquire_read()")
    assert user.value("mine.acquire_write(timeout=0.01)") is False
    owner.kill()
    reader.run("for first in taken:\n    try: lock(first)\n    except BlockingIOError: pass")
    assert user.value("mine.acquire_write(timeout=60)") is True
    user.run("mine.release_write(); mine.close()")
    reader.run("os.close(fd)")


@pytest.mark.sentence(42)
def test_who_may_write_a_readers_writer_lock_ends_no_wait_of_others_late(
    root: str, start: Start
) -> None:
    owner, other = start(OWNER), start(OTHER)
    owner.run(
        "from memsection import RWLock\n"
        "made = RWLock.create('Global\\\\rw', security=Security(everyone='rw'))"
    )
    other.run(
        "from memsection import RWLock\n"
        "mine = RWLock.open('Global\\\\rw'); view = mine.section.map(); view[64:72] = b'\\1' * 8"
    )
    assert owner.refusal("made.acquire_read(timeout=60)").kind == "AbandonedMutexError"
    assert owner.value("made.acquire_write(timeout=60, accept_abandoned=True)") is True
    owner.run("made.release_write()")
    other.run("mine.acquire_read()")
    assert owner.value("made.acquire_write(timeout=0.01)") is False
    other.run(
        "view[64:72] = b'\\0\\0\\0\\0\\1\\0\\0\\0'; view.close(); mine.release_read(); mine.close()"
    )
    assert owner.value("made.acquire_read(timeout=60, accept_abandoned=True)") is True
    owner.run("made.release_read(); made.close()")
