# SPDX-License-Identifier: MIT
"""``tools/again.py``: what failed runs once more, and what that says."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

PATH = Path(__file__).parents[3] / "tools" / "again.py"
spec = importlib.util.spec_from_file_location("again", PATH)
assert spec is not None and spec.loader is not None
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

PASSES = "def test_passes(): pass\n"
FAILS = "def test_fails_{}(): assert False\n"
FAILS_ONCE = """
from pathlib import Path
def test_fails_once():
    mark = Path(__file__).with_suffix(".mark")
    failed_before, _ = mark.exists(), mark.touch()
    assert failed_before
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Sequence[str]], int]:
    """Runs pytest over the tests in tmp_path."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def run(options: Sequence[str]) -> int:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", *options]
        return subprocess.run(
            command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True
        ).returncode

    return run


def run_twice(run: Callable[[Sequence[str]], int], folder: Path, tests: str) -> tuple[int, int]:
    """The exit statuses of a run of these tests and of what failed in it."""
    (folder / "test_these.py").write_text(tests)
    first = run([])
    return first, tool.run_again(folder / ".pytest_cache", run)


def test_one_that_passes_alone_is_named(
    run: Callable[[Sequence[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_twice(run, tmp_path, PASSES + FAILS_ONCE) == (1, 0)
    unstable = capsys.readouterr().out.rpartition("UNSTABLE")[2]
    assert "test_these.py::test_fails_once" in unstable and "test_passes" not in unstable


def test_one_that_fails_again_has_failed(
    run: Callable[[Sequence[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_twice(run, tmp_path, FAILS_ONCE + FAILS.format(1)) == (1, 1)
    assert "UNSTABLE" not in capsys.readouterr().out


def test_many_do_not_run_again(run: Callable[[Sequence[str]], int], tmp_path: Path) -> None:
    many = "".join(FAILS.format(number) for number in range(tool.MOST))
    assert run_twice(run, tmp_path, many + FAILS_ONCE) == (1, 1)
    assert run([]) == 1  # the one that fails once has had its second run only now
    assert len(tool.last_failures(tmp_path / ".pytest_cache")) == tool.MOST


def test_a_file_that_cannot_be_collected_has_failed(
    run: Callable[[Sequence[str]], int], tmp_path: Path
) -> None:
    first, again = run_twice(run, tmp_path, "import nothing_of_this_name\n")
    assert first and again


def test_a_run_that_names_no_failed_test_has_failed(tmp_path: Path) -> None:
    assert tool.run_again(tmp_path, lambda options: pytest.fail("nothing can be run")) == 1
