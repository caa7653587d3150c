# SPDX-License-Identifier: MIT
"""What does ``memsection ls`` cost with thousands of names, beside the same command with none?

Two processes hold the names: sections, a third of them with an array in it.  Each sample is the
processor time of a command of its own.  With ``--against PATH`` the ``memsection`` of another build
lists the same names in turns with this one.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from measure import Samples, arguments, compare

from memsection import Section, arrays

NAMES, HOLDERS = 9000, 2
OWN = str(Path(sys.executable).with_name("memsection"))


def hold(first: int, last: int, ready: int) -> None:
    """Keep names until the end."""
    kept = [
        arrays.create(f"a{number}", 16) if number % 3 == 0 else Section.create(f"s{number}", 4096)
        for number in range(first, last)
    ]
    os.write(ready, b"x")
    while kept:
        signal.pause()


def spent(*words: str) -> float:
    """Seconds of processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    other = ""
    if "--against" in sys.argv:
        at = sys.argv.index("--against")
        other = sys.argv[at + 1]
        del sys.argv[at : at + 2]
    rounds = arguments(__doc__, 5).rounds
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    commands = {"ls --help": (OWN, "ls", "--help"), f"ls of {NAMES} names": (OWN, "ls")}
    if other:
        commands["the other build's ls"] = (other, "ls")
    reader, ready = os.pipe()
    holders = []
    for number in range(HOLDERS):
        holder = os.fork()
        if not holder:
            hold(number * NAMES // HOLDERS, (number + 1) * NAMES // HOLDERS, ready)
        holders.append(holder)
    try:
        for _ in holders:
            os.read(reader, 1)
        samples: Samples = {name: [] for name in commands}
        for _ in range(rounds):
            for name, words in commands.items():
                samples[name].append(spent(*words))
    finally:
        for holder in holders:
            os.kill(holder, signal.SIGKILL)
            os.waitpid(holder, 0)
    compare(f"ls of {NAMES} names", samples, next(reversed(commands)) if other else "ls --help")


if __name__ == "__main__":
    main()
