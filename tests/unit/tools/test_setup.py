# SPDX-License-Identifier: MIT
"""What building says when something is missing: two sentences, and no log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def _build(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "setup.py", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, **environment},
    )


@pytest.mark.linux_only("the compiler of Windows says so itself")
@pytest.mark.parametrize("command", ["bdist_wheel", "build_ext", "editable_wheel"])
def test_without_a_compiler_two_sentences_say_what_is_missing(command: str) -> None:
    done = _build(command, CC="no-such-compiler -pthread")
    assert done.returncode == 1 and not done.stdout
    assert "needs a C compiler, and there is no 'no-such-compiler'" in done.stderr
    assert "install a wheel" in done.stderr and len(done.stderr.splitlines()) == 1


def test_without_cython_it_says_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "Cython").mkdir()
    (tmp_path / "Cython" / "__init__.py").write_text("raise ImportError('none')\n")
    done = _build("build_ext", PYTHONPATH=str(tmp_path))
    assert (
        done.returncode == 1
        and "needs Cython" in done.stderr
        and len(done.stderr.splitlines()) == 1
    )
    assert "Traceback" not in done.stderr


@pytest.mark.linux_only("the Windows interpreter of the tests has no Cython")
def test_what_needs_no_compiler_asks_for_none() -> None:
    done = _build("--version", CC="no-such-compiler")
    assert done.returncode == 0, done.stderr
