# SPDX-License-Identifier: MIT
"""How much slower or faster are the hot operations of one build of memsection than those of
another?

    python bench/two_builds.py --ours DIRECTORY --other DIRECTORY

The directories are what each build is imported from (a checkout's ``src``, the ``site-packages`` of
a wheel).  Each build runs in an interpreter of its own, which waits while the other has its turn; a
round gives both one batch of each operation.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from measure import Samples, heading, median, percentile, ratio, span, table

#: Defines `cases`: operation to (what one call does, how many calls are one batch).
CASES = """
import memsection
from memsection import Event, Mutex, Section, Semaphore, latest
mutex, event, semaphore = Mutex.create(), Event.create(manual_reset=True), Semaphore.create(None, 1)
section = Section.create("two-builds-" + str(__import__("os").getpid()), 4096)
view = section.map()
view[:8] = b"12345678"
newest = latest.create("two-builds-latest-" + str(__import__("os").getpid()), 64)
newest.write(bytes(64))
event.set()

def lock():
    mutex.acquire(); mutex.release()

def units():
    semaphore.acquire(); semaphore.release()

def opened():
    other = Section.open(section.name); other.map().close(); other.close()

def created():
    other = Section.create(None, 4096); other.map().close(); other.close()

def words():
    view[8:16] = view[:8]

cases = {"mutex: acquire, release": (lock, 2000), "semaphore: acquire, release": (units, 2000),
         "event: wait when set": (event.wait, 2000), "section: open, map, close": (opened, 200),
         "section: create, map, close": (created, 100), "view: 8 bytes out and in": (words, 2000),
         "latest: write 64 bytes": (lambda: newest.write(b"x" * 64), 2000), "latest: read 64 bytes": (newest.read, 2000)}
"""
DRIVER = (
    CASES
    + """
import gc, sys, time
gc.disable()
print(memsection.__file__, *cases, sep="\\t", flush=True)
for line in sys.stdin:
    call, batch = cases[line.rstrip("\\n")]
    start = time.perf_counter()
    for _ in range(batch):
        call()
    print((time.perf_counter() - start) / batch, flush=True)
"""
)


class Build:
    """An interpreter with one of the builds."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(directory.resolve())},
        )
        where, *self.cases = self.ask("")
        if not Path(where).is_relative_to(directory.resolve()):
            raise SystemExit(
                f"two_builds: {directory} holds no memsection; {where} was imported instead"
            )

    def ask(self, question: str) -> list[str]:
        """Send a line, if there is one to send, and give the parts of the answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        if question:
            print(question, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().rstrip("\n").split("\t")

    def end(self) -> None:
        """End the interpreter."""
        self.process.communicate(timeout=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--ours", type=Path, required=True)
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    print(f"two_builds.py: {heading()}\n")
    builds = {"ours": Build(options.ours), "other": Build(options.other)}
    rows = []
    for case in builds["ours"].cases:
        samples: Samples = {name: [] for name in builds}
        for number in range(options.rounds + 3):
            for name in sorted(builds, reverse=bool(number % 2)):
                spent = float(builds[name].ask(case)[0])
                if number >= 3:
                    samples[name].append(spent)
        rows.append(
            [
                case,
                span(median(samples["ours"])),
                span(median(samples["other"])),
                span(percentile(samples["other"], 0.99)),
                f"{ratio(samples, 'other', 'ours'):.2f}",
            ]
        )
    print(table(["", "ours", "other", "other, 99th percentile", "ratio of other to ours"], rows))
    for build in builds.values():
        build.end()


if __name__ == "__main__":
    main()
