# SPDX-License-Identifier: MIT
"""Readers and writers of a readers-writer lock, killed at random moments:
``tests/support/rwlock_storm.py`` for long.

With STORM_PYTHON another command runs it, to have the storm on Windows:

    STORM_PYTHON='python3 tools/wine.py python' sh tools/soak.sh 600 rwlock_kills

What must hold: nobody stuck, nothing seen that nobody wrote.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "src")]

from support.storms import Storm, main  # noqa: E402  (after the path)

KILLS = 25  #: at a time
PYTHON = shlex.split(os.environ.get("STORM_PYTHON", "")) or [sys.executable]


def run(storm: Storm) -> None:
    while storm.goes_on():
        seed = storm.random.randrange(1 << 30)
        done = subprocess.run(
            [*PYTHON, "tests/support/rwlock_storm.py", str(KILLS), str(seed)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=TESTS.parent,
        )
        _wait_for_the_rest()
        line = next((line for line in done.stdout.splitlines() if line.startswith("{")), "")
        storm.count("raw", done.returncode != 0 or not line, f"seed {seed}: {done.stderr[-300:]}")
        for figure, count in json.loads(line or "{}").items():
            storm.count(figure, count, f"seed {seed}" * (figure in ("stuck", "torn")))


def _wait_for_the_rest() -> None:
    """Wine's server and services end after the last program, by themselves."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.1)
        except ChildProcessError:
            return


if __name__ == "__main__":
    main(run)
