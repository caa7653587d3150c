# SPDX-License-Identifier: MIT
"""Fixtures of security and crash tests: a namespace of their own, and programs of several users."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator

import pytest

from support import users


def place(prefix: str) -> str:
    """A new directory in shared memory, with this process in its name: what a run leaves there is
    found by it."""
    return tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir="/dev/shm")


@pytest.fixture
def root() -> Iterator[str]:
    """A namespace like /dev/shm (tmpfs, root's, sticky), that must have no object left when the
    test ends."""
    path = place("memsection-test-")
    os.chmod(path, 0o1777)
    try:
        yield path
        left = [f"{directory}/{file}" for directory, _, files in os.walk(path) for file in files]
        assert not left, "left behind"
    finally:
        shutil.rmtree(path)


@pytest.fixture(scope="session")
def pool() -> Iterator[dict[object, users.Program]]:
    """Programs that wait for the next test: starting one takes a third of a second."""
    programs: dict[object, users.Program] = {}
    yield programs
    for program in programs.values():
        assert program.end() == 0, "a program ended badly"


@pytest.fixture
def start(root: str, pool: dict[object, users.Program]) -> Iterator[Callable[..., users.Program]]:
    """A program of a user, within the namespace; asked for again, another one.

    What a test leaves open in a program is closed with it; a program that ended is not used again.
    """
    lent: list[object] = []

    def begin(
        uid: int = 0,
        groups: tuple[int, ...] = (),
        capabilities: int | None = None,
        remembers: bool = True,
    ) -> users.Program:
        key: object = (
            uid,
            groups,
            capabilities,
            remembers,
            len([other for other in lent if other[0] == uid]),
        )  # type: ignore
        if key not in pool:
            pool[key] = users.start(uid, groups=groups, capabilities=capabilities)
            if not remembers:
                pool[key].run("from support import remembering; remembering.forget_everything()")
        lent.append(key)
        pool[key].enter(root)
        return pool[key]

    yield begin
    for key in lent:
        if pool[key].process.poll() is not None:
            pool.pop(key).end()
        else:
            pool[key].leave()
