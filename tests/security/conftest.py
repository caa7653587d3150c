# SPDX-License-Identifier: MIT
"""The fixtures of these tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from support.namespaces import pool, root, start  # noqa: F401  (fixtures)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a lock or a name gives up soon."""
    from memsection.nt.linux.handles import create_open
    from memsection.nt.linux.system import descriptions

    monkeypatch.setattr(descriptions, "LOCK_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(create_open, "NAME_BUSY_TIMEOUT_SECONDS", 0.05)
