# SPDX-License-Identifier: MIT
"""The long storms of tests/soak in a short form: each runs for a moment, and nothing is stuck,
lost, leaked or raw."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.storms import MUST_BE_ZERO
from support.users import lacking

IN_ORDER = ("lost", "disorder")  #: what only programs with messages tell
PROGRAMS = sorted((Path(__file__).resolve().parent.parent / "soak").glob("*.py"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "program", [pytest.param(program, id=program.stem) for program in PROGRAMS]
)
def test_a_storm_leaves_nothing_stuck_leaked_torn_or_raw(
    program: Path, pytestconfig: pytest.Config
) -> None:
    if os.geteuid() != 0 and "NEEDS_ROOT" in program.read_text():
        lacking("root", "needs root to become other users")
    seconds = pytestconfig.getoption("--soak")
    done = subprocess.run(
        [sys.executable, program, "--seconds", str(seconds)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    line = done.stdout.strip()
    figures = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}
    assert line.startswith(f"{program.stem}: ")
    # A replica skips values: none is lost or out of order there.
    named = [name for name in MUST_BE_ZERO if name not in IN_ORDER or name in figures]
    assert {figures.pop(name) for name in named} == {0}
    assert sum(figures.values()) > 0, "it did nothing"
