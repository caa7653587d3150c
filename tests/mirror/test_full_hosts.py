# SPDX-License-Identifier: MIT
"""A subscriber's host on which no room is left: what there is stays, and what is missing is said."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.hosts import Host
from support.users import lacking

FILL = """
with open(filler, 'wb', buffering=0) as file:
    try:
        while True: file.write(bytes(4096))
    except OSError: pass
"""


@pytest.fixture
def small() -> Iterator[Path]:
    """A directory for names that has room for 2 MiB."""
    directory = Path(tempfile.mkdtemp(prefix=f"memsection-small-{os.getpid()}-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=1777", "tmpfs", str(directory)]
    if subprocess.run(mount, check=False).returncode:
        directory.rmdir()
        lacking("mount", "no mount can be made here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)
        directory.rmdir()


@pytest.fixture
def cramped(small: Path, host: Callable[..., Host], port: int) -> Host:
    """The host that subscribes, with little room for names."""
    made = host(beside=SimpleNamespace(root=small))
    made.run(f"net = mirror.Network('base', connect=['tcp/127.0.0.1:{port}'])")
    return made


def test_a_name_for_which_no_room_is_left_is_an_error_and_the_last_snapshot_stays(
    cramped: Host, robot: Host
) -> None:
    robot.run(
        "a = arrays.create('prices', 1000)\n"
        "publication = keep(mirror.publish('prices', network=net, interval=None))"
    )
    cramped.run("replica = keep(mirror.subscribe('robot/prices', network=net))")
    assert cramped.value("replica.wait(timeout=60)")
    cramped.run(FILL, filler=str(cramped.root / "filler"))
    robot.run("a[:] = 7; publication.commit()")
    for waiting in (
        "replica.wait(timeout=60, after=1)",
        "asyncio.run(replica.wait_async(timeout=60, after=1))",
    ):
        refused = cramped.refusal(waiting)
        assert refused.kind == "CommitError" and "space left" in str(refused), refused
    cramped.run("p = arrays.open('prices', access='r'); found = p.sum(); del p")
    assert cramped.value("(found, replica.sequence, replica.state)") == (0.0, 1, "live")
    (cramped.root / "filler").unlink()
    assert cramped.value("until(lambda: replica.sequence == 2)")
    assert cramped.value("replica.problem") is None
    robot.run("del a")


def test_where_no_room_is_left_for_a_replica_subscribing_says_so(
    cramped: Host, robot: Host
) -> None:
    cramped.run(FILL, filler=str(cramped.root / "filler"))
    refused = cramped.refusal("mirror.subscribe('robot/prices', network=net)")
    assert refused.kind == "CommitError", refused
    (cramped.root / "filler").unlink()


def test_memory_that_python_lacks_is_the_same_error(robot: Host, base: Host) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 3 << 20)); camera.write(b'first')\n"
        "publication = keep(mirror.publish('camera', network=net))"
    )
    base.run(
        "from memsection.mirror import copies\n"
        "def full(*arguments): raise MemoryError\n"
        "whole, copies.Copy.begin = copies.Copy.begin, full\n"
        "replica = keep(mirror.subscribe('robot/camera', network=net))"
    )
    try:
        assert base.refusal("replica.wait(timeout=60)").kind == "CommitError"
    finally:
        base.run("copies.Copy.begin = whole")
    assert base.value("until(lambda: replica.state == 'live')")


def test_who_waits_for_any_of_several_things_is_woken_by_a_close(robot: Host, base: Host) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); keep(mirror.publish(camera, network=net))"
    )
    base.run(
        "replica = mirror.subscribe('robot/camera', network=net)\n"
        "replica.handle; threading.Timer(0.2, replica.close).start()"
    )
    assert base.value("wait_any([replica], timeout=60) is replica")
