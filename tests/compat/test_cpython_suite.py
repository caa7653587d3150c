# SPDX-License-Identifier: MIT
"""CPython's own tests of SharedMemory, ShareableList and SharedMemoryManager pass with memsection's in their place.

They run for each start method on the interpreter that runs this, and on those of ``MEMSECTION_PYTHONS`` (paths,
separated like PATH), in which memsection must be installed.  An interpreter's own tests are run, unless it comes
without (Debian's), and those of CPython 3.13, which know ``track``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import memsection

HERE = Path(__file__).resolve().parent

#: Tests that expect the resource tracker to remove a block and to complain: the defect itself.  Each fails at the
#: sentence that the tracker would have written, and nowhere before.
ABOUT_THE_TRACKER = {
    "test_shared_memory_cleaned_after_process_termination": "the block of a killed process is gone, as the test asks; it also asks for the tracker's warning about it",
    "test_shared_memory_tracking": "asks that an attacher which ends destroys the block, with the tracker's warning",
}
THE_TRACKERS_SENTENCE = "shared_memory objects to clean up at shutdown"

SUITES = [
    "cpython_3_13",
    *(["test._test_multiprocessing"] if find_spec("test._test_multiprocessing") else []),
]
PYTHONS = [
    sys.executable,
    *filter(None, os.environ.get("MEMSECTION_PYTHONS", "").split(os.pathsep)),
]
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
WHERE = "import memsection, sys; print(sys._base_executable); print(memsection.__file__)"


@pytest.fixture(scope="module", params=PYTHONS, ids=lambda path: Path(path).name)
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment of this interpreter in which every process has memsection's classes."""
    place = tmp_path_factory.mktemp("python")
    base, package = sys._base_executable, memsection.__file__  # type: ignore[attr-defined]
    if request.param != sys.executable:
        base, package = subprocess.run(
            [request.param, "-c", WHERE],
            check=True,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
        ).stdout.splitlines()
    subprocess.run([base, "-m", "venv", "--without-pip", str(place)], check=True)
    found = next(place.rglob("site-packages"))
    (found / "memsection_in_place.pth").write_text(
        f"{Path(package).parent.parent}\n{HERE / 'in_place'}\nimport memsection_in_place\n"
    )
    return str(
        next(
            path
            for path in (place / "bin" / "python", place / "Scripts" / "python.exe")
            if path.exists()
        )
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(
    "method", ["fork", "forkserver", "spawn"] if sys.platform != "win32" else ["spawn"]
)
def test_cpythons_own_tests_pass(python: str, method: str, suite: str, tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "MEMSECTION_ROOT": str(tmp_path)}
    done = subprocess.run(
        [python, str(HERE / "run_cpython_tests.py"), suite, method],
        capture_output=True,
        text=True,
        timeout=280,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["module"] == "memsection.compat.shared_memory"
    outcome = report["outcome"]
    assert len(outcome) >= 13, outcome
    for name in ABOUT_THE_TRACKER.keys() & outcome.keys():
        assert THE_TRACKERS_SENTENCE in outcome.pop(name).splitlines()[-1], (
            f"{name} failed elsewhere"
        )
    assert {name: text for name, text in outcome.items() if text} == {}
    left = subprocess.run(
        [python, "-c", "from memsection.nt import kernel; print(kernel.list_directory())"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (left.stdout, left.stderr) == ("[]\n", "")
