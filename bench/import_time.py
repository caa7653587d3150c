# SPDX-License-Identifier: MIT
"""How long does ``import memsection`` take in a fresh interpreter?

The alternative is ``import multiprocessing.shared_memory``.  Each sample is an interpreter of its own, which times
the one import statement from inside.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from measure import arguments, compare

SOURCE = str(Path(__file__).resolve().parent.parent / "src")
TIMED = "import sys, time; sys.path.append({path!r}); start = time.perf_counter(); import {name}; " \
        "print(time.perf_counter() - start)"


def seconds(name: str) -> float:
    """One import in a fresh interpreter."""
    code = TIMED.format(path=SOURCE, name=name)
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)


def main() -> None:
    rounds = arguments(__doc__, 40).rounds
    names = ("memsection", "multiprocessing.shared_memory")
    for name in names:
        seconds(name)  # byte code and the page cache
    samples = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 else reversed(names):
            samples[name].append(seconds(name))
    compare("import", samples, "multiprocessing.shared_memory", 0.4)


if __name__ == "__main__":
    main()
