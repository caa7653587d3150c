# SPDX-License-Identifier: MIT
"""Every test of channels leaves nothing behind."""

from __future__ import annotations

import pytest
from support.objects import leaves_nothing

nothing_left = pytest.fixture(autouse=True)(leaves_nothing)
