# SPDX-License-Identifier: MIT
"""Runs the few tests of a run that failed beside others once more, on their own.

    python tools/again.py        # after sh tools/test.sh has failed

A test that fails here as well has failed.  One that passes is named as unstable, and is a defect
of the test or of the library all the same: it is to be mended, though it does not stop the gate.
More than MOST failures, and a run that ended without saying which tests failed, have failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST = 3  #: above so many failures it is not the machine


def last_failures(cache: Path) -> list[str]:
    """The names of the tests that failed in the last run with this cache directory of pytest."""
    try:
        return sorted(json.loads((cache / "v" / "cache" / "lastfailed").read_text("utf-8")))
    except FileNotFoundError:
        return []


def run_again(cache: Path, run: Callable[[Sequence[str]], int]) -> int:
    """The exit status after the failed tests were given to *run*, which takes pytest's options."""
    names = last_failures(cache)
    if not names or len(names) > MOST:
        print(f"{len(names)} failed tests are known; up to {MOST} are run once more")
        return 1
    print("== once more, on their own:", *names, sep="\n   ", flush=True)
    status = run(["--last-failed", "--last-failed-no-failures=none"])
    if not status:
        print("UNSTABLE: failed beside other tests, passed alone:", *names, sep="\n   ", flush=True)
    return status


def _run(options: Sequence[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *options], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(run_again(ROOT / ".pytest_cache", _run))
