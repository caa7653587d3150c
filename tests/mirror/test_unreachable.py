# SPDX-License-Identifier: MIT
"""Why an endpoint cannot be reached, as it is found out while it is still tried."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from memsection.mirror.unreachable import Search


@pytest.fixture
def silent() -> Iterator[str]:
    """An endpoint whose program takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"tcp/127.0.0.1:{listener.getsockname()[1]}"


def _cause(*endpoints: str, timeout: float = 1.0) -> str | None:
    search = Search(endpoints, None, timeout)
    for thread in search._threads:
        thread.join()
    found = search.problem()
    return found and f"{found[0]}: {found[1].text}"


def test_a_program_that_says_nothing_is_told_from_a_port_that_is_closed(
    silent: str, port: int
) -> None:
    assert "takes the connection" in (_cause(silent) or "")
    assert "refused" in (_cause(f"tcp/127.0.0.1:{port}") or "")


def test_what_is_certain_is_told_before_what_may_be_as_it_should(silent: str, port: int) -> None:
    closed = f"tcp/127.0.0.1:{port}"
    assert (_cause(silent, closed) or "").startswith(closed)


def test_where_the_attempt_did_not_begin_nothing_is_looked_for(silent: str) -> None:
    assert Search((silent,), None, 3600).problem() is None
