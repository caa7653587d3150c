# SPDX-License-Identifier: MIT
"""``memsection.testing``: the fixtures that programs use in tests of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import memsection

SOURCE = str(Path(memsection.__file__).resolve().parent.parent)
pytestmark = pytest.mark.linux_only("names of a test's own are files")


def run(tmp_path: Path, text: str) -> tuple[str, int, int]:
    """Run these tests with the plugin: what pytest wrote, its exit status and its process id."""
    (tmp_path / "test_user.py").write_text("from memsection import Event, Section\n" + text)
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "memsection.testing",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": SOURCE, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    ) as pytest_process:
        try:
            out, _ = pytest_process.communicate(timeout=60)
        except BaseException:
            pytest_process.kill()
            raise
    return out, pytest_process.returncode, pytest_process.pid


def test_a_test_has_names_of_its_own(tmp_path: Path) -> None:
    out, code, _ = run(
        tmp_path,
        """
import os, subprocess, sys
outside = Section.create("plugin-test-name", 4096)

def test_one(memsection_root, memsection_leaves_nothing):
    assert memsection_root == __import__("pathlib").Path(os.environ["MEMSECTION_ROOT"])
    with Section.create("plugin-test-name", 8192) as section, Event.create("Global\\\\plugin-test-name.g"):
        again = "from memsection import Section; s = Section.open('plugin-test-name'); print(s.size); s.close()"
        assert subprocess.check_output([sys.executable, "-c", again]) == b"8192\\n"

def test_two(memsection_root):
    Section.create("plugin-test-name", 4096).close()

def test_the_names_of_everybody_are_back():

    with Section.open("plugin-test-name") as section:
        assert section.same_object(outside)
    outside.close()
""",
    )
    assert code == 0 and "3 passed" in out, out


@pytest.mark.parametrize(
    ("fixture", "body", "says"),
    [
        (
            "memsection_root",
            "keep.append(Section.create('left', 4096))",
            "names are left behind: left",
        ),
        (
            "memsection_root",
            "keep.append(Section.create('le\\x1b[2Jft', 4096))",
            r"names are left behind: le\x1b[2Jft",
        ),
        (
            "memsection_leaves_nothing",
            "keep.append(Event.create())",
            "handles are left behind: Event without a name",
        ),
    ],
)
def test_what_is_left_fails_the_test(tmp_path: Path, fixture: str, body: str, says: str) -> None:
    out, code, pid = run(
        tmp_path,
        f"""
keep = []

def test_left({fixture}):
    {body}

def test_end():
    keep.pop().close()
""",
    )
    assert code == 1 and says in out and "1 error" in out and "2 passed" in out, out
    # Only its own: a run of the tests that was killed leaves directories to everybody after it.
    assert not list(Path("/dev/shm").glob(f"memsection-test-{pid}-*"))


def test_nothing_of_the_package_is_imported_before_a_fixture_is_used() -> None:
    program = "import sys, memsection.testing; print([name for name in sys.modules if name.startswith('memsection.')])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )
    assert done.stdout == "['memsection.testing']\n"
