# SPDX-License-Identifier: MIT
"""Hosts whose clocks tell different times: nothing of a replica depends on them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support.hosts import Host

import memsection.mirror

#: Files that ask for the date: certificates are good until one.
DATED = {"credentials.py"}
#: A host's clock is hours wrong, and is set while programs run.
MOVE = """
_real, _real_ns = time.time, time.time_ns
def moved(by):
    time.time = lambda: _real() + by
    time.time_ns = lambda: int((_real() + by) * 1e9)
"""


def test_the_mirror_asks_the_monotonic_clock_alone() -> None:
    for path in Path(memsection.mirror.__file__).parent.glob("*.py"):
        asked = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
        }
        wrong = asked & {"time_ns", "now", "utcnow", "today", "gmtime", "localtime", "st_mtime"}
        assert not wrong or path.name in DATED, f"{path.name}: {wrong}"
        assert "time.time(" not in path.read_text() or path.name in DATED, path.name


@pytest.mark.parametrize("hours", [-48, 48])
@pytest.mark.parametrize("whose", ["the publisher's", "the subscriber's"])
def test_a_clock_that_is_wrong_and_is_set_changes_neither_age_nor_state(
    whose: str, hours: int, robot: Host, base: Host
) -> None:
    moved = robot if whose == "the publisher's" else base
    moved.run(MOVE + f"moved({hours * 3600})")
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'1')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net, max_age=1.0))")
    assert base.value("replica.wait(timeout=60) and until(lambda: replica.state == 'live')")
    base.run("first = replica.age; time.sleep(0.01)")
    assert base.value("0 <= first < replica.age < 60")
    moved.run("moved(0)")  # somebody sets the clock
    assert base.value("0 <= first < replica.age < 60 and replica.state == 'live'")
    robot.run("camera.write(b'2')")
    assert base.value("replica.wait(timeout=60, after=1) and 0 <= replica.age < 60")
    assert base.value("replica.state") == "live"
    robot.run("publication.close()")
    assert base.value("until(lambda: replica.state == 'gone')")
    moved.run("time.time, time.time_ns = _real, _real_ns")  # other tests use this program
