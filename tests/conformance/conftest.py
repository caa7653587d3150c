# SPDX-License-Identifier: MIT
"""The fixtures of these tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import engine  # noqa: E402  (after the path)


@pytest.fixture(autouse=True, scope="session")
def _runners_end() -> Iterator[None]:
    yield
    engine.end_servers()
