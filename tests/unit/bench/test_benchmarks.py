# SPDX-License-Identifier: MIT
"""The benchmarks run and print what they promise; what they measure is nobody's business here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import memsection

BENCH = Path(__file__).resolve().parents[3] / "bench"
SOURCE = str(Path(memsection.__file__).resolve().parent.parent)

pytestmark = pytest.mark.linux_only("the alternatives that are measured beside are POSIX's")


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            *([code] if code.endswith(".py") else ["-c", code]),
            *arguments,
        ],
        cwd=BENCH,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([SOURCE, str(BENCH)])},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "name",
    [
        "section_open_close.py",
        "import_time.py",
        "bandwidth.py",
        "mutex_uncontended.py",
        "mutex_contended.py",
        "atomic_counter.py",
        "event_ping_pong.py",
        "event_recovery.py",
    ],
)
def test_a_benchmark_prints_machine_median_and_ratio(name: str) -> None:
    text = run(name, "--rounds", "2")
    assert f"Python {'.'.join(map(str, sys.version_info[:3]))}, commit" in text
    assert "| median" in text and "99th percentile" in text and "ratio to" in text
    assert "target for " in text and ": at most" in text


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    text = run(
        "from measure import ratio, median, percentile, span\n"
        "samples = {'a': [2.0, 20.0, 6.0], 'b': [1.0, 10.0, 2.0]}\n"
        "print(ratio(samples, 'a', 'b'), median([3, 1, 2]), percentile(range(100), 0.99), "
        "span(2.5e-6), span(3e-8))"
    )
    assert text.split() == ["2.0", "2", "99", "2.5", "us", "30", "ns"]


def test_every_peer_that_is_there_is_asked_and_the_picture_shows_it() -> None:
    text = run(
        "import xml.dom.minidom\n"
        "import against_everybody as everybody\n"
        "from peers import available\n"
        "peers, missing = available()\n"
        "peers = {name: peers[name] for name in ('ours', 'shared_memory', 'mmap_by_hand', 'mp')}\n"
        "rows = {'create': everybody.measure_in_turns(everybody.creating(peers, 4096, False), rounds=2, "
        "batch=1)}\n"
        "with everybody.talking(everybody._conversations(peers, 'signals')) as cases:\n"
        "    rows['wake'] = everybody.measure_in_turns(cases, rounds=2, batch=1)\n"
        "print(everybody.report(rows, ''))\n"
        "picture = everybody.dots(rows, 'memsection', 'C (floor)', 'here')\n"
        "print(len(xml.dom.minidom.parseString(picture).getElementsByTagName('circle')))\n"
    )
    assert text.splitlines()[-1] == "6"
    for name in ("**memsection**", "mp.shared_memory", "mmap by hand", "mp Lock, Event, Pipe"):
        assert f"| {name}" in text
