# SPDX-License-Identifier: MIT
"""What every test has: the choice of tests for this system.  Fixtures stand beside the tests that use them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import platforms


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", type=float, default=2.0, metavar="SECONDS",
                     help="how long crash/test_soak.py runs each program of tests/soak")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sentence(number): the sentence of SECURITY.md that this test shows")
    config.addinivalue_line("markers", "linux_only(reason): this test is about something that only Linux has")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if platforms.excluded(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    platforms.leave_out(config, items)
