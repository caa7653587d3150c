# SPDX-License-Identifier: MIT
"""Every test of the Pythonic face gets names of its own, and is looked after."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import objects


@pytest.fixture(autouse=True)
def leaves_nothing() -> Iterator[None]:
    yield from objects.leaves_nothing()


@pytest.fixture
def name() -> str:
    return objects.unique_name()
