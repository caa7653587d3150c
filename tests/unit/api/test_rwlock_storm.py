# SPDX-License-Identifier: MIT
"""Readers and writers of a readers-writer lock that are killed at random moments, on both systems:
``tests/soak/rwlock_kills.py`` does it for long."""

from __future__ import annotations

import os
import random

import pytest
from support.rwlock_storm import storm

KILLS = int(os.environ.get("MEMSECTION_KILLS", "2000")) // 100


@pytest.mark.timeout(600)
@pytest.mark.invariant("S5")
def test_kills_leave_nobody_stuck_and_nothing_torn() -> None:
    seed = random.randrange(1 << 30)
    found = storm(KILLS, seed)
    assert (found["stuck"], found["torn"], found["kills"]) == (0, 0, KILLS), (seed, found)
    assert found["read"] and found["written"] and found["told"], (seed, found)
