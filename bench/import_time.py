# SPDX-License-Identifier: MIT
"""How long does ``import memsection`` take in a fresh interpreter, and how long until a section can
be made?

``import memsection`` alone imports next to nothing: what is used is imported then, so the second
figure is that of a program which does use it.  The alternative is
``import multiprocessing.shared_memory``.  Each sample is an interpreter of its own, which times the
one statement from inside.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import Samples, arguments, compare

SOURCE = str(Path(__file__).resolve().parent.parent / "src")
TIMED = (
    "import sys, time; sys.path.append({path!r}); start = time.perf_counter(); {statement}; "
    "print(time.perf_counter() - start)"
)
STATEMENTS = {
    "memsection": "import memsection",
    "with Section": "from memsection import Section",
    "memsection.channels": "import memsection.channels",
    "with Queue": "from memsection.channels import Queue",
    "multiprocessing.shared_memory": "import multiprocessing.shared_memory",
}


def seconds(name: str, cache: str) -> float:
    """One import in a fresh interpreter, with byte code at hand, as an installed package has it."""
    code = TIMED.format(path=SOURCE, statement=STATEMENTS[name])
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    environment["PYTHONPYCACHEPREFIX"] = cache
    return float(
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            text=True,
            env=environment,
        ).stdout
    )


def main() -> None:
    rounds = arguments(__doc__, 40).rounds
    names = tuple(STATEMENTS)
    samples: Samples = {name: [] for name in names}
    with TemporaryDirectory() as cache:
        for name in names:
            seconds(name, cache)  # makes the byte code
        for number in range(rounds):
            for name in names if number % 2 else reversed(names):
                samples[name].append(seconds(name, cache))
    compare("import", samples, "multiprocessing.shared_memory", 0.4)


if __name__ == "__main__":
    main()
