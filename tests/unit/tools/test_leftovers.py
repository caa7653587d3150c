# SPDX-License-Identifier: MIT
"""A test run that leaves something behind fails and names it, also where its tests ran side by
side."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.users import SOURCE, TESTS

pytest.importorskip("xdist")
GOOD = """
import support.leftovers
support.leftovers.SECONDS = 0.3

def test_good():
    from memsection import Section
    Section.create(size=4096).close()
"""
BAD = (
    GOOD
    + """
import os, subprocess

def test_bad():
    global child
    child = subprocess.Popen(["sleep", "301"])
    subprocess.run(["sh", "-c", "sleep 302 & :"])
    os.memfd_create("lost")
    open(f"/dev/shm/test-{os.getpid()}-kept", "w").close()
"""
)


def run(directory: Path, content: str, *options: str) -> tuple[int, str]:
    directory.joinpath("conftest.py").write_text("from tests_conftest import *\n")
    directory.joinpath("test_it.py").write_text(content)
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTEST_", "MEMSECTION_TEST_RUN", "MEMSECTION_ROOT"))
    }
    directory.joinpath("tests_conftest.py").write_text((TESTS / "conftest.py").read_text())
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore",
            *options,
            str(directory),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=280,
        env={**environment, "PYTHONPATH": f"{SOURCE}:{TESTS}:{directory}"},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.linux_only("looks for processes and descriptors in /proc")
@pytest.mark.parametrize("workers", ["0", "1"])
def test_what_a_run_leaves_fails_it_by_name(tmp_path: Path, workers: str) -> None:
    status, text = run(tmp_path, BAD, "-n", workers)
    for path in re.findall(r"file (/dev/shm/\S+)", text):
        os.unlink(path)
    for pid in re.findall(r"process (\d+): 'sleep", text):
        os.kill(int(pid), signal.SIGKILL)
    assert status == 1 and "2 passed" in text
    for word in ("left behind by this run", "sleep 301", "sleep 302", "memfd:lost", "-kept"):
        assert word in text


@pytest.mark.linux_only("looks for processes and descriptors in /proc")
def test_a_run_that_leaves_nothing_passes(tmp_path: Path) -> None:
    status, text = run(tmp_path, GOOD, "-n", "1")
    assert (status, "left behind" in text) == (0, False), text
