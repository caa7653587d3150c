# SPDX-License-Identifier: MIT
"""The random histories of tests/stateful, which are other ones each time: threads, forks, kills,
signals that raise.

What must hold: the model and every process agree after every step.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "src")]

from support.storms import Storm, main  # noqa: E402  (after the path)

AT_ONCE = {"test_sync_history": 4, "test_objects": 1}  #: histories of a few seconds


def run(storm: Storm) -> None:
    while storm.goes_on():
        for machine, histories in AT_ONCE.items():
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pytest",
                    "-q",
                    "-x",
                    "-p",
                    "no:cacheprovider",
                    f"--hypothesis-seed={storm.random.randrange(1 << 30)}",
                    str(TESTS / "stateful" / f"{machine}.py"),
                ],
                capture_output=True,
                text=True,
                cwd=TESTS.parent,
                env=os.environ | {"MEMSECTION_HISTORIES": str(histories)},
            )
            storm.count("histories", histories)
            storm.count("raw", done.returncode != 0, f"{machine}: {done.stdout[-3000:]}")
            if storm.left <= 0:
                break


if __name__ == "__main__":
    main(run)
