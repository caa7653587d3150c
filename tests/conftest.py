# SPDX-License-Identifier: MIT
"""What every test has: the choice of tests for this system.  Fixtures stand beside the tests that
use them."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from support import leftovers, order, platforms, worker_names


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="how long crash/test_soak.py runs each program of tests/soak",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A busy machine, above all Wine on one, takes a second for what takes a millisecond.
    hypothesis.settings.register_profile(
        "slow", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("slow")
    config.addinivalue_line(
        "markers", "sentence(number): the sentence of SECURITY.md that this test shows"
    )
    config.addinivalue_line(
        "markers", "linux_only(reason): this test is about something that only Linux has"
    )

    worker_names.begin(config)
    leftovers.begin(config)
    order.begin(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    worker_names.end(config)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nothing of the run may stay: what does is named, and the run has failed."""
    if found := leftovers.left(session.config):
        text = "left behind by this run:\n" + "\n".join(f"  {word}" for word in found)
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["left"] = text
        else:
            session.config.stash.setdefault(_LEFT, []).append(text)
    if session.config.stash.get(_LEFT, []) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, which is not everywhere
def pytest_testnodedown(node: Any) -> None:
    """The same of a worker of pytest-xdist, told to the one that counts."""
    if text := getattr(node, "workeroutput", {}).get("left"):
        node.config.stash.setdefault(_LEFT, []).append(f"{node.gateway.id}: {text}")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for text in config.stash.get(_LEFT, []):
        terminalreporter.write_line(text, red=True)


_LEFT = pytest.StashKey[list[str]]()


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C raises in the tests and in the programs that they start, also where the run began with
    it ignored."""
    was = signal.signal(signal.SIGINT, signal.default_int_handler)
    blocked = (
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if hasattr(signal, "pthread_sigmask")
        else None
    )
    yield
    signal.signal(signal.SIGINT, was)
    if blocked is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if platforms.excluded(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    platforms.leave_out(config, items)
    order.arrange(config, items)


def pytest_collection_finish() -> None:
    """Take what stays for the whole run out of the collector's sight.

    Most tests collect in order to see that nothing is left; to look at thousands of tests and at
    the libraries that they import took most of the time of a run.
    """
    gc.collect()
    gc.freeze()
