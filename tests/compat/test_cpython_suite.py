# SPDX-License-Identifier: MIT
"""CPython's own tests of SharedMemory, ShareableList and SharedMemoryManager pass with memsection's in their place.

They run for each start method on each interpreter that is found: the one that runs this, and those of
``MEMSECTION_PYTHONS`` (paths, separated like PATH), which must have the native core built for them.  An interpreter's
own copy of the tests is used; where it has none, that of CPython 3.13.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent / "src"

#: Tests that expect the resource tracker to remove a block and to complain: the defect itself.  Each fails at the
#: sentence that the tracker would have written, and nowhere before.
ABOUT_THE_TRACKER = {
    "test_shared_memory_cleaned_after_process_termination":
        "the block of a killed process is gone, as the test asks; it also asks for the tracker's warning about it",
    "test_shared_memory_tracking":
        "asks that an attacher which ends destroys the block, with the tracker's warning",
}
THE_TRACKERS_SENTENCE = "shared_memory objects to clean up at shutdown"

PYTHONS = [sys.executable, *filter(None, os.environ.get("MEMSECTION_PYTHONS", "").split(os.pathsep))]


@pytest.fixture(scope="module", params=PYTHONS, ids=lambda path: Path(path).name)
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment of this interpreter in which every process has memsection's classes."""
    place = tmp_path_factory.mktemp("python")
    base = subprocess.run([request.param, "-c", "import sys; print(sys._base_executable)"], check=True,
                          capture_output=True, text=True).stdout.strip()
    subprocess.run([base, "-m", "venv", "--without-pip", str(place)], check=True)
    found = next(place.rglob("site-packages"))
    (found / "memsection_in_place.pth").write_text(f"{SOURCE}\n{HERE / 'in_place'}\nimport memsection_in_place\n")
    return str(next(place.glob("*/python*")))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"] if sys.platform != "win32" else ["spawn"])
def test_cpythons_own_tests_pass(python: str, method: str, tmp_path: Path) -> None:
    done = subprocess.run([python, str(HERE / "run_cpython_tests.py"), method], capture_output=True, text=True,
                          timeout=280, env={**os.environ, "MEMSECTION_ROOT": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["module"] == "memsection.compat.shared_memory"
    outcome = report["outcome"]
    assert len(outcome) >= 14, outcome
    for name in ABOUT_THE_TRACKER.keys() & outcome.keys():
        assert THE_TRACKERS_SENTENCE in outcome.pop(name).splitlines()[-1], f"{name} failed elsewhere"
    assert {name: text for name, text in outcome.items() if text} == {}
    assert not list(tmp_path.iterdir()), "names were left behind"
