# SPDX-License-Identifier: MIT
"""What an ordinary end of a process does, and what the next process does after a crash."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.names import leaves_nothing_among_own_names
from support.objects import unique_name
from support.workers import worker

from memsection.nt.linux.names import namespace

_left = pytest.fixture(autouse=True)(leaves_nothing_among_own_names)


def files(directory: str) -> set[str]:
    return {
        file for file in os.listdir(namespace.path_of(directory)) if f"test-{os.getpid()}-" in file
    }


@pytest.mark.invariant("L1")
def test_an_ordinary_end_removes_the_names_of_what_was_never_closed() -> None:
    local, shared = unique_name(), unique_name("Global\\")
    program = (
        f"from memsection import Section, Event\na = Section.create({local!r}, size=4096)\n"
        f"b = Section.create({shared!r}, size=4096)\nv = b.map()\nc = "
        f"Event.create({local + '-e'!r})"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert files("local") == files("global") == set()


@pytest.mark.invariant("L6")
def test_the_next_process_with_a_global_name_removes_what_a_killed_one_left() -> None:
    left, other = unique_name("Global\\"), unique_name("Global\\")
    with worker() as victim:
        victim.run("s = Section.create(name, size=4096)", name=left)
        victim.kill()
    assert files("global") == {namespace.GLOBAL_PREFIX + left.removeprefix("Global\\")}
    with worker() as fresh:
        fresh.run("s = Section.create(name, size=4096)", name=other)
        assert files("global") == {namespace.GLOBAL_PREFIX + other.removeprefix("Global\\")}
        fresh.run("s.close()")
