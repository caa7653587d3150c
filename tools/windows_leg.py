#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs all tests that are for Windows in a Windows Python in Wine: the Windows leg of the gate.

    python tools/windows_leg.py [OPTION OF PYTEST]...

Its parts run side by side, each in a session of Wine on a processor of its own.  What it must run
at least is in tests/windows_floor.txt; what it leaves out, and why, in tests/support/platforms.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import wine
from again import run_again

#: What runs at the same time, each part in a session of its own.
PARTS = (
    ("tests/conformance", "tests/unit/data", "tests/cli", "tests/compat"),
    ("tests/unit", "--ignore=tests/unit/data"),
)
PART_SECONDS = 2400  #: a part that takes longer hangs
FLOOR = wine.ROOT / "tests" / "windows_floor.txt"


class Part:
    """Some of the tests, on one processor."""

    def __init__(self, number: int, arguments: Sequence[str]) -> None:
        processors = sorted(os.sched_getaffinity(0))
        self._processor = processors[number % len(processors)]
        self._report = wine.CACHE / f"wine-report-{number}.xml"
        self._output = wine.CACHE / f"wine-output-{number}.txt"
        self._cache = wine.CACHE / f"wine-pytest-{number}"
        self._arguments = ["-o", f"cache_dir={wine.windows_path(self._cache)}", *arguments]
        self._report.unlink(missing_ok=True)
        shutil.rmtree(self._cache, ignore_errors=True)
        self._process = self._start([f"--junitxml={wine.windows_path(self._report)}"])

    def _start(self, options: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start pytest in Wine; its output goes into a file, because the parts run side by side."""
        prefix = ["taskset", "-c", str(self._processor), sys.executable, wine.__file__, "alone"]
        with self._output.open("wb") as stream:
            return subprocess.Popen(
                [*prefix, "pytest", "-q", *options, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> int:
        """Wait for the end, force it after PART_SECONDS, print the output; the exit status."""
        try:
            status = self._process.wait(PART_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        print(self._output.read_text("utf-8", "replace"), end="", flush=True)
        return status

    def count(self) -> int:
        """How many tests really ran; none when the part was ended."""
        if not self._report.exists():
            return 0
        suites = list(ElementTree.parse(self._report).getroot().iter("testsuite"))
        return sum(int(suite.get("tests", 0)) - int(suite.get("skipped", 0)) for suite in suites)

    def run_again(self) -> int:
        """Run the failed tests once more, as again.run_again; the exit status."""

        def run(options: Sequence[str]) -> int:
            self._process = self._start(options)
            return self.wait()

        return run_again(self._cache, run)


def leg(arguments: Sequence[str]) -> int:
    """Run all parts; fails too when fewer tests ran than the floor file says."""
    parts = [Part(number, [*paths, *arguments]) for number, paths in enumerate(PARTS)]
    # All have ended before any failed test runs again: on its own means on the whole machine.
    statuses = [part.wait() for part in parts]
    ran = sum(part.count() for part in parts)
    failed = 0
    for part, status in zip(parts, statuses, strict=True):
        failed += (part.run_again() if status == 1 else status) != 0
    floor = int(FLOOR.read_text().split()[0])
    print(f"Windows leg: {ran} tests ran, at least {floor} have to")
    if ran < floor:
        print(
            f"Windows leg: {floor - ran} tests fewer than before; if they went for a reason, lower "
            f"{FLOOR.name}"
        )
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    wine.setup()
    sys.exit(leg(sys.argv[1:]))
