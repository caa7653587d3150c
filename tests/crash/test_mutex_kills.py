# SPDX-License-Identifier: MIT
"""Owners and waiters killed at random moments, by the thousand; what the survivors see is in
``storm.py``.

``tests/soak/mutex_kills.py`` goes on for as long as one likes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from support.users import SOURCE

KILLS = int(os.environ.get("MEMSECTION_KILLS", "2000"))


@pytest.mark.timeout(300)
@pytest.mark.invariant("S3")
@pytest.mark.invariant("S4")
def test_thousands_of_kills_leave_nobody_stuck_no_two_owners_and_no_untold_abandonment() -> None:
    seed = random.randrange(1 << 32)
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("storm.py")), str(KILLS), str(seed)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0 and done.stdout, f"seed {seed}: {done.stderr}"
    found = json.loads(done.stdout)
    assert found["errors"] == [], f"seed {seed}"
    assert found["stuck"] == 0, f"seed {seed}"
    assert found["kills"] == KILLS
    assert found["told"] > KILLS // 100, (
        "owners were hardly ever killed: the storm shows too little"
    )
