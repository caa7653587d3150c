# SPDX-License-Identifier: MIT
"""Children forked while other threads make, open and close objects.

What must hold: a child has no descriptor of an object that its tables do not know, can do
everything, and imports nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)


def run(storm: Storm) -> None:
    from support.forks import busy, child, use_everything

    name = f"storm-{os.getpid()}"
    with busy(name):
        while storm.goes_on():
            said = child(lambda: use_everything(name))
            storm.count("forks")
            if said.startswith("unknown"):
                storm.count("leaked", example=said)
            elif said == "stuck":
                storm.count("stuck")
            else:
                storm.count("raw", bool(said), said)


if __name__ == "__main__":
    main(run)
