# SPDX-License-Identifier: MIT
"""Processes that cannot see each other: each in a PID namespace of its own, as in two containers
that share a directory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from support import users
from support.users import Program

OUT_OF_REACH = 0xE0530001
APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture
def containers(root: str) -> Iterator[tuple[Program, Program]]:
    """Two programs that are each process 1 of a namespace of their own."""
    if subprocess.run([*APART, "true"], capture_output=True).returncode:
        users.lacking("namespaces", "no PID namespace can be made here")
    pair = [users.start(0, root=root, prefix=APART) for _ in range(2)]
    yield pair[0], pair[1]
    for program in pair:
        assert program.end() == 0


def test_a_local_name_whose_holder_cannot_be_seen_is_an_error_that_says_so(
    root: str, containers: tuple[Program, Program]
) -> None:
    one, other = containers
    assert one.value("os.getpid()") == other.value("os.getpid()") == 1
    one.run("made = Section.create('apart', 4096); view = made.map(); view[:4] = b'kept'")
    for tries in ("Section.open('apart')", "Section.create('apart', 4096, exist_ok=True)"):
        refused = other.refusal(tries)
        assert refused.ntstatus == OUT_OF_REACH and "PID namespace" in refused.text, refused
    assert os.listdir(f"{root}/memsection-0") == ["apart"]
    one.run(
        "again = Section.open('apart'); assert bytes(again.map()[:4]) == b'kept'\n"
        "again.close(); view.close(); made.close()"
    )
    other.run("Section.create('apart', 4096).close()")


def test_global_objects_are_shared_between_them(containers: tuple[Program, Program]) -> None:
    one, other = containers
    one.run("made = Section.create('Global\\\\shared', 4096); view = made.map()")
    other.run("got = Section.open('Global\\\\shared'); there = got.map(); there[:5] = b'hello'")
    assert one.value("bytes(view[:5])") == b"hello"
    one.run("view.close(); made.close()")
    other.run("there.close(); Section.open('Global\\\\shared').close(); got.close()")
    assert one.refusal("Section.open('Global\\\\shared')").winerror == 2


def test_a_mutex_has_one_owner_where_both_threads_have_the_same_number(
    containers: tuple[Program, Program],
) -> None:
    one, other = containers
    one.run("made = Mutex.create('Global\\\\lock'); made.acquire()")
    other.run("got = Mutex.open('Global\\\\lock')")
    assert one.value("__import__('threading').get_native_id()") == other.value(
        "__import__('threading').get_native_id()"
    )
    assert other.value("got.acquire(0.1)") is False
    assert other.refusal("got.release()").winerror == 288  # ERROR_NOT_OWNER
    one.run("made.release()")
    assert other.value("got.acquire(5)") is True
    other.run("got.release(); got.close()")
    one.run("made.close()")


def test_a_mutex_is_abandoned_by_an_owner_that_nobody_sees_die(
    root: str, containers: tuple[Program, Program]
) -> None:
    _, other = containers
    owner = users.start(0, root=root, prefix=APART)
    owner.run("made = Mutex.create('Global\\\\lock'); made.acquire()")
    other.run("got = Mutex.open('Global\\\\lock')")
    assert other.value("got.acquire(0.1)") is False
    owner.kill()
    refused = other.refusal("got.acquire(20)")
    assert refused.kind == "AbandonedMutexError"
    other.run("got.acquire(5, accept_abandoned=True); got.release(); got.close()")
