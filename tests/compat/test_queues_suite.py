# SPDX-License-Identifier: MIT
"""CPython's own tests of Queue, JoinableQueue and SimpleQueue pass with memsection's in their
place."""

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
SOURCE = Path(memsection.__file__).resolve().parents[1]
#: The interpreter's own tests, unless it comes without (Debian's).
SUITE = (
    "test._test_multiprocessing"
    if find_spec("test._test_multiprocessing")
    else "cpython_queues_3_11"
)
#: It looks at the two pipe ends inside a SimpleQueue, which ours does not have.
ABOUT_THE_PIPE = "test_closed"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_cpythons_own_tests_of_queues_pass(method: str, tmp_path: Path) -> None:
    place = tmp_path / "python"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", str(place)],
        check=True,
    )
    found = next(place.rglob("site-packages"))
    (found / "in_place.pth").write_text(
        "\n".join(
            [
                str(SOURCE),
                *(path for path in sys.path if path.endswith("site-packages")),
                str(HERE / "queues_in_place"),
                "import memsection_queues_in_place",
                "",
            ]
        )
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [place / "bin" / "python", HERE / "run_queue_tests.py", SUITE, method],
        capture_output=True,
        text=True,
        timeout=280,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["module"] == "memsection.compat.queues"
    outcome = report["outcome"]
    assert len(outcome) >= 13, outcome
    assert "no attribute '_reader'" in outcome.pop(ABOUT_THE_PIPE)
    assert {name: text for name, text in outcome.items() if text} == {}
