# SPDX-License-Identifier: MIT
"""Owners and waiters of a mutex, an event and a semaphore, killed at random moments:
``tests/crash/storm.py`` for long.

What must hold: never two owners, no abandonment that nobody was told of, no count above its
maximum, nobody stuck.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "src")]

from support.storms import Storm, main  # noqa: E402  (after the path)

KILLS = 500  #: at a time


def run(storm: Storm) -> None:
    while storm.goes_on():
        seed = storm.random.randrange(1 << 32)
        done = subprocess.run(
            [sys.executable, str(TESTS / "crash" / "storm.py"), str(KILLS), str(seed)],
            capture_output=True,
            text=True,
        )
        storm.count(
            "raw", done.returncode != 0 or bool(done.stderr), f"seed {seed}: {done.stderr[-300:]}"
        )
        if not done.stdout:
            continue
        found = json.loads(done.stdout)
        storm.count("kills", found["kills"])
        storm.count("taken", found["taken"])
        storm.count("told", found["told"])
        storm.count("stuck", found["stuck"], f"seed {seed}")
        storm.count("torn", len(found["errors"]), f"seed {seed}: {found['errors']}")


if __name__ == "__main__":
    main(run)
