# SPDX-License-Identifier: MIT
"""The command line with hardly a descriptor left, or with a full disk: a sentence that names it, a
remedy, and status 1."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOLD = """
import sys
from memsection import arrays
held = arrays.create("held", 100)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held() -> Iterator[None]:
    """An array that another program holds."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield
    process.stdin.close()
    process.stdout.close()
    assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("command", "descriptors"),
    [
        ("show held", 5),
        ("keep held", 7),
        ("save held {path}/held.npy", 6),
        ("mirror publish held --network {path}/mirror.toml", 24),
    ],
)
def test_a_command_ends_with_a_sentence_that_names_the_limit(
    held: None, tmp_path: Path, command: str, descriptors: int
) -> None:
    (tmp_path / "mirror.toml").write_text('host = "robot"\nlisten = ["tcp/127.0.0.1:17999"]\n')
    words = command.format(path=tmp_path).split(" ")
    done = subprocess.run(
        [sys.executable, "-m", "memsection", *words],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)),
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr and done.stderr.startswith("memsection: "), done.stderr
    assert "as many files open as it may" in done.stderr or "Too many open files" in done.stderr
    assert "raised" in done.stderr, done.stderr


@pytest.mark.parametrize("command", ["ls --json", "cat held", "doctor"])
def test_output_that_is_full_is_told_in_a_sentence(held: None, command: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "memsection", *command.split(" ")],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("memsection: ") and "No space left" in done.stderr
    assert "Make room" in done.stderr and "Traceback" not in done.stderr
