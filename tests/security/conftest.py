# SPDX-License-Identifier: MIT
"""What the security tests share: a namespace of their own, and programs of several users."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator

import pytest
from support import users


@pytest.fixture
def root() -> Iterator[str]:
    """A namespace like /dev/shm (tmpfs, root's, sticky), that must have no object left when the test ends."""
    path = tempfile.mkdtemp(prefix="memsection-test-", dir="/dev/shm")
    os.chmod(path, 0o1777)
    try:
        yield path
        left = [f"{directory}/{file}" for directory, _, files in os.walk(path) for file in files]
        assert not left, "left behind"
    finally:
        shutil.rmtree(path)


@pytest.fixture
def start(root: str) -> Iterator[Callable[..., users.Program]]:
    """``users.start`` within the namespace; every program must come to a good end."""
    begun: list[users.Program] = []

    def begin(uid: int = 0, **options: object) -> users.Program:
        program = users.start(uid, root=root, **options)  # type: ignore[arg-type]
        begun.append(program)
        return program

    yield begin
    for program in reversed(begun):
        assert program.end() in (0, -9), "the program ended badly"
