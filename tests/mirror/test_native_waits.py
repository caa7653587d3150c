# SPDX-License-Identifier: MIT
"""Death by SIGKILL while every thread of a program sleeps in the system or in zenoh: whoever else
has the replica goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.hosts import Host

SIZE = 24 << 20
#: In the dying program: how it waits, in a thread, and the condition under which it has begun to.
WAITS = {
    "for the next value": (
        "waiting = threading.Thread(target=lambda: replica.wait(after=1), daemon=True)",
        "replica.sequence == 1",
    ),
    "of a reader": (
        "reader = keep(latest.open('camera'))\n"
        "waiting = threading.Thread(target=lambda: reader.wait(1), daemon=True)",
        "replica.sequence == 1",
    ),
    "for the next part": (
        "waiting = threading.Thread(target=lambda: replica.wait(after=1), daemon=True)",
        "replica._receiver._filling",
    ),
}


def _until_all_sleep(pid: int) -> None:
    """Wait until no thread of a process runs (proc(5): ``syscall`` is ``running`` then)."""
    end = time.monotonic() + 60
    while True:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        if all((one / "syscall").read_text()[:7] != "running" for one in threads):
            return
        assert time.monotonic() < end, "some thread always runs"


@pytest.mark.parametrize("how", WAITS)
def test_a_program_that_is_killed_in_a_native_wait_holds_up_nobody(
    how: str, robot: Host, base: Host, host: Callable[..., Host]
) -> None:
    robot.run(
        f"camera = keep(latest.create('camera', {SIZE})); camera.write(b'1' * {SIZE})\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    second = host(beside=base)
    second.run(
        "net = mirror.Network(**net2)",
        net2=base.value("{'host': 'base', 'connect': list(net.connect), 'connect_timeout': 1.0}"),
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    second.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert second.value("replica.wait(timeout=60) and not replica.carries")
    begin, condition = WAITS[how]
    base.run(f"{begin}\nwaiting.start()")
    stopped = how == "for the next part"
    if stopped:  # in the middle of a value, of which nothing more comes
        base.run(
            "fill = replica._receiver._fill\n"
            "def slowly(memory, replies, news, fill=fill, sleep=time.sleep):\n"
            "    sleep(0.3)\n"
            "    fill(memory, replies, news)\n"
            "replica._receiver._fill = slowly"
        )
        robot.run(f"camera.write(b'2' * {SIZE})")
        assert base.value(f"until(lambda: {condition})")
        os.kill(robot.pid, signal.SIGSTOP)
    try:
        assert base.value(f"until(lambda: {condition})")
        _until_all_sleep(base.pid)
        os.kill(base.pid, signal.SIGKILL)
        base.program.process.wait(60)
        # What it had is there and whole, whoever died over the next one, and whether or not the
        # publisher can be reached.
        assert second.value(f"keep(latest.open('camera')).read() == b'1' * {SIZE}")
    finally:
        if stopped:
            os.kill(robot.pid, signal.SIGCONT)
    assert second.value("until(lambda: replica.carries)")
    robot.run(f"camera.write(b'3' * {SIZE})")
    second.run("reader = keep(latest.open('camera'))")
    assert second.value(f"until(lambda: reader.read() == b'3' * {SIZE})")
    assert second.value("(replica.state, replica.problem)") == ("live", None)


def test_the_newest_snapshots_outlive_who_carries_them_and_their_publication(
    robot: Host, base: Host, host: Callable[..., Host]
) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'1')\n"
        "a = arrays.create('prices', 10)\n"
        "publications = [keep(mirror.publish(camera, network=net)),\n"
        "                keep(mirror.publish('prices', network=net, interval=None))]"
    )
    second = host(beside=base)
    second.run(
        "net = mirror.Network(**net2)",
        net2=base.value("{'host': 'base', 'connect': list(net.connect), 'connect_timeout': 0.3}"),
    )
    for program in (base, second):
        program.run(
            "replicas = [keep(mirror.subscribe(f'robot/{one}', network=net))\n"
            "            for one in ('camera', 'prices')]"
        )
        assert program.value("all(one.wait(timeout=60) for one in replicas)")
    robot.run("camera.write(b'2'); a[:] = 2; publications[1].commit()")
    held = "all(one._standby._opened_for[1] >= 2 or one._standby._is_every_one for one in replicas)"
    assert second.value(f"until(lambda: all(one.sequence == 2 for one in replicas) and {held})")
    robot.run("for one in publications: one.close()\ndel a")
    os.kill(base.pid, signal.SIGKILL)
    base.program.process.wait(60)
    second.run("p = arrays.open('prices', access='r'); found = p.sum(); del p")
    assert second.value("(found, keep(latest.open('camera')).read())") == (20.0, b"2")
    assert second.value("until(lambda: all(one.state != 'live' for one in replicas))")
