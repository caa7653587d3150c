# SPDX-License-Identifier: MIT
"""Holders of named objects are killed beside a process that goes on: what they leave stays few, and
is gone at the end."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)
from support.workers import fork, reap  # noqa: E402

from memsection import Error, Event, Section  # noqa: E402

MOST = 100  #: files at any time; each of the dead leaves four


def doomed(number: int) -> None:
    """Make names that nobody asks for again, and die."""
    kept = [Section.create(f"{prefix}dead-{number}", 1 << 16) for prefix in ("", "Global\\")]
    more = [Event.create(f"{prefix}dead-{number}-e") for prefix in ("", "Global\\")]
    if number % 3 == 0:
        kept[0].close()
    os.kill(os.getpid(), signal.SIGKILL)
    del kept, more


def files(root: str) -> list[str]:
    """Every name that is there."""
    return [file for _, _, found in os.walk(root) for file in found]


def run(storm: Storm) -> None:
    """Kill, use names, count."""
    living = [
        Section.create(f"{prefix}living-{number}", 4096)
        for prefix in ("", "Global\\")
        for number in range(10)
    ]
    most = 0
    number = 0
    while storm.goes_on():
        number += 1
        if reap(fork(lambda number=number: doomed(number))) != -signal.SIGKILL:  # type: ignore[misc]
            storm.count("raw", example="a child ended otherwise")
        storm.count("kills")
        try:
            Section.create(
                f"{storm.random.choice(['', 'Global' + chr(92)])}used-{number}", 4096
            ).close()
        except Error as problem:
            storm.count("raw", example=str(problem))
        if number % 16 == 0:
            most = max(most, len(files(storm.root)) - len(living))
    for section in living:
        name = section.name
        Section.open(name or "").close()
        section.close()
    end = time.monotonic() + 10
    while files(storm.root) and time.monotonic() < end:
        for prefix in ("", "Global\\"):
            Section.create(f"{prefix}last", 4096).close()
    storm.count("leaked", max(0, most - MOST), f"{most} files of the dead at a time")
    storm.count("leaked", len(files(storm.root)), f"{files(storm.root)[:5]}")
    storm.count("most_files", most)


if __name__ == "__main__":
    main(run)
