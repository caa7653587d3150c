# SPDX-License-Identifier: MIT
"""A signal handler that raises at random moments of every operation.

What must hold: what was begun comes to its end or leaves nothing, and nothing but what the handler raised is raised.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parents[2] / "src")]

from support.storms import Storm, main  # noqa: E402  (after the path)


def run(storm: Storm) -> None:
    from support.interruptions import Bench, by_timer

    bench = Bench(f"storm-{os.getpid()}")
    # A number that a function returns can be lost by its caller; an owned mutex that is lost is held.
    operations = {name: each for name, each in bench.operations.items()
                  if name not in ("win32 open and close", "owned mutex")}
    while storm.goes_on():
        for name, operation in operations.items():
            hits, problems, left = by_timer(bench, operation, storm.random, min(2.0, storm.left), 1000)
            storm.count("interrupted", hits)
            storm.count("raw", len(problems), f"{name}: {problems[:3]}")
            storm.count("leaked", len(left), f"{name}: {left}")
            if storm.left <= 0:
                break
    bench.close()


if __name__ == "__main__":
    main(run)
