# SPDX-License-Identifier: MIT
"""What every program in tests/soak has: its time, a namespace of its own, its figures, and the
verdict.

A program counts what it does, prints one line ``NAME: figure=value ...`` at its end, and ends with
status 1 when one of the figures that must be 0 is not, or when it did nothing at all:

    stuck    a process or thread that did not get on
    leaked   a name, file, descriptor, process or memory that stayed
    torn     a value that nobody wrote
    lost     a value that was written and is in nobody's hands, not even in a dead process's
    disorder a value that came behind a later one, and no death explains it
    raw      an exception that is not the library's, a message on stderr, a signal that ended a
             process

    from support.storms import Storm, main

    def run(storm: Storm) -> None:
        while storm.goes_on():
            ...
            storm.count("kills")

    if __name__ == "__main__":
        main(run)
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from support.users import SOURCE, TESTS

MUST_BE_ZERO = ("stuck", "leaked", "torn", "lost", "disorder", "raw")
PROGRESS_EVERY = 15.0  #: seconds
PR_SET_CHILD_SUBREAPER = 36

#: A later process of the same user, whose operations sweep what the dead have left.
SWEEPER = """
import memsection
for number in range(40):
    for prefix in ('', 'Global\\\\'):
        with memsection.Section.create(f'{prefix}sweeper-{number}', 4096):
            pass
"""


class Storm:
    """One run of a program.

    Attributes:
        seconds: How long it runs.
        root: The namespace (MEMSECTION_ROOT), for all users, that nobody else uses.
        random: Its chance.
        pid: Its process.
    """

    def __init__(self, name: str, seconds: float, seed: int) -> None:
        self.name, self.seconds, self.pid = name, seconds, os.getpid()
        self.random = random.Random(seed)
        self.root = tempfile.mkdtemp(prefix="memsection-soak-", dir="/dev/shm")
        os.chmod(self.root, 0o1777)
        os.environ["MEMSECTION_ROOT"] = self.root
        os.environ["PYTHONPATH"] = f"{SOURCE}:{TESTS}"
        self._figures: Counter[str] = Counter()
        self._begun = self._told = 0.0
        self._examples: list[str] = []
        # nobody's children become visible here
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._descriptors = memory_descriptors()

    def keeps_what_it_has(self) -> None:
        """What this process has open now it may have at the end."""
        self._descriptors = memory_descriptors()

    def count(self, figure: str, by: int = 1, example: str = "") -> None:
        """Add to a figure; the first examples of what must not be are printed at the end."""
        self._figures[figure] += by
        if (
            example
            and by
            and len(self._examples) < 5
            and sum(one.startswith(figure) for one in self._examples) < 2
        ):
            self._examples.append(f"{figure}: {example}")

    @property
    def left(self) -> float:
        """Seconds until it should end."""
        return (self._begun or time.monotonic()) + self.seconds - time.monotonic()

    def goes_on(self) -> bool:
        """Whether there is time left; tells on stderr how far it is.

        The time begins when this is asked first, so that a short run on a busy machine does
        something.
        """
        now = time.monotonic()
        if not self._begun:
            self._begun = self._told = now
            return True
        if now - self._told > PROGRESS_EVERY:
            self._told = now
            print(
                f"  {self.name}: {now - self._begun:.0f} of {self.seconds:.0f} s, {self._words()}",
                file=sys.stderr,
                flush=True,
            )
        return self.left > 0

    def _words(self) -> str:
        return " ".join(f"{figure}={value}" for figure, value in self._figures.items())

    def finish(self) -> int:
        """Look for what stayed, print the line, and give the exit status."""
        self._end_children()
        subprocess.run([sys.executable, "-c", SWEEPER], check=True)
        for directory, _, files in os.walk(self.root):
            for file in files:
                self.count("leaked", example=os.path.join(directory, file))
        more = sorted(set(memory_descriptors()) - set(self._descriptors))
        self.count("leaked", len(more), f"descriptors {more}")
        shutil.rmtree(self.root, ignore_errors=True)
        done = sum(value for figure, value in self._figures.items() if figure not in MUST_BE_ZERO)
        zero = {figure: self._figures.pop(figure, 0) for figure in MUST_BE_ZERO}
        self._figures.update(zero)
        for example in self._examples:
            print(f"  {self.name}: {example}", file=sys.stderr)
        print(f"{self.name}: {self._words()}", flush=True)
        return 1 if any(zero.values()) or not done else 0

    def _end_children(self) -> None:
        """Whatever process is still there was lost: every program waits for its own."""
        for pid in children():
            try:
                if os.waitpid(pid, os.WNOHANG) != (0, 0):
                    continue  # ended, and only not taken: orphans come to this process
            except ChildProcessError:
                continue
            command = (
                Path(f"/proc/{pid}/cmdline")
                .read_bytes()
                .replace(b"\0", b" ")
                .decode(errors="replace")
            )
            self.count("leaked", example=f"process {pid}: {ascii(command[:100])}")
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def children(pid: int | None = None) -> list[int]:
    """The children of a process, this one by default."""
    found = []
    for tasks in Path(f"/proc/{pid or os.getpid()}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            found += [int(word) for word in tasks.read_text().split()]
    return found


def memory_descriptors(pid: int | None = None) -> list[str]:
    """The memfds and shared-memory files that a process has open, this one by default; not the
    directories of names."""
    found = []
    directory = f"/proc/{pid or os.getpid()}/fd"
    for name in os.listdir(directory):
        try:
            target = os.readlink(f"{directory}/{name}")
        except FileNotFoundError:
            continue
        if target.startswith(("/memfd:", "/dev/shm/")) and not os.path.isdir(target):
            found.append(f"{name} -> {target}")
    return found


def main(run: Callable[[Storm], None]) -> NoReturn:
    """Run a program of tests/soak: ``python tests/soak/NAME.py --seconds N``."""
    parser = argparse.ArgumentParser(description=sys.modules[run.__module__].__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    storm = Storm(Path(sys.argv[0]).stem, options.seconds, options.seed)
    try:
        run(storm)
    except BaseException:
        shutil.rmtree(storm.root, ignore_errors=True)
        raise
    sys.exit(storm.finish())
