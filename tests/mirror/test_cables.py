# SPDX-License-Identifier: MIT
"""Two hosts with a cable between them, which is pulled: network namespaces, a veth pair, and
certificates."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.hosts import SHORT_LEASE, Host, secure
from support.users import lacking

ROBOT, BASE, PORT = "10.77.0.1", "10.77.0.2", 7447


def _ip(host: Host, *words: str, tool: str = "ip") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["nsenter", "-t", str(host.pid), "-n", tool, *words],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.fixture
def wired(host: Callable[..., Host], keys: Path) -> Iterator[tuple[Host, Host]]:
    """Robot and base, each in a network namespace of its own, joined by a cable."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nsenter"):
        lacking("root", "network namespaces need root, ip and nsenter")
    made = [host(prefix=("unshare", "-n")) for _ in range(2)]
    done = _ip(
        made[0],
        "link",
        "add",
        "cable",
        "type",
        "veth",
        "peer",
        "name",
        "cable",
        "netns",
        str(made[1].pid),
    )
    if done.returncode:
        lacking("root", f"no veth pair can be made here: {done.stderr.strip()}")
    for one, address in zip(made, (ROBOT, BASE), strict=True):
        for words in (
            ("link", "set", "lo", "up"),
            ("addr", "add", f"{address}/24", "dev", "cable"),
            ("link", "set", "cable", "up"),
        ):
            assert _ip(one, *words).returncode == 0
    made[0].run(f"net = {secure(keys, 'robot', listen=[f'{ROBOT}:{PORT}'])}")
    made[1].run(f"net = {secure(keys, 'base', connect=[f'{ROBOT}:{PORT}'])}")
    yield made[0], made[1]


def _publish(robot: Host) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'1')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )


def test_a_cable_that_is_pulled_makes_it_stale_and_back_in_live_again(
    wired: tuple[Host, Host],
) -> None:
    robot, base = wired
    for one in (robot, base):
        one.run(SHORT_LEASE)
    _publish(robot)
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net, max_age=0.4))")
    assert base.value("replica.wait(timeout=20) and until(lambda: replica.state == 'live')")
    _ip(robot, "link", "set", "cable", "down")
    assert base.value("until(lambda: replica.state == 'stale')")
    robot.run("camera.write(b'2')")
    assert base.value("keep(latest.open('camera')).read()") == b"1"
    assert not base.value(
        "until(lambda: replica.state != 'stale', 1.3)"
    )  # longer than the lease: not gone either
    _ip(robot, "link", "set", "cable", "up")
    assert base.value("until(lambda: replica.state == 'live')")
    assert base.value("until(lambda: replica.sequence == 2)")


def test_values_arrive_whole_over_a_slow_cable(wired: tuple[Host, Host]) -> None:
    robot, base = wired
    if _ip(
        robot,
        "qdisc",
        "add",
        "dev",
        "cable",
        "root",
        "tbf",
        "rate",
        "100mbit",
        "burst",
        "64k",
        "latency",
        "50ms",
        tool="tc",
    ).returncode:
        lacking("tc", "this kernel has no token bucket filter")
    robot.run(
        "camera = keep(latest.create('camera', 1 << 20)); camera.write(bytes(1 << 20))\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=20)")
    robot.run("for n in range(1, 31): camera.write(bytes([n]) * ((1 << 20) - n)); time.sleep(0.02)")
    assert base.value("replica.wait(timeout=20, after=30)")
    assert base.value("keep(latest.open('camera')).read()") == bytes([30]) * ((1 << 20) - 30)
    assert base.value("replica.statistics")["snapshots"] <= 31


def test_values_arrive_over_a_lossy_and_slow_cable(wired: tuple[Host, Host]) -> None:
    robot, base = wired
    if _ip(
        robot,
        "qdisc",
        "add",
        "dev",
        "cable",
        "root",
        "netem",
        "delay",
        "20ms",
        "loss",
        "2%",
        tool="tc",
    ).returncode:
        lacking("netem", "this kernel has no network emulator (tc netem)")
    _publish(robot)
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=20)")
    robot.run("for n in range(2, 20): camera.write(b'%d' % n)")
    assert base.value("until(lambda: replica.sequence == 19)")


class History(RuleBasedStateMachine):
    """Writes, cuts, heals, kills and restarts in any order, against what a replica may show."""

    robot: Host
    base: Host
    begin: Callable[[], Host]

    @initialize()
    def start(self) -> None:
        self.plugged, self.alive, self.written, self.epochs = True, True, 1, set()
        type(self).robot.run("camera.write(b'1')")

    @rule(times=st.integers(1, 3))
    @precondition(lambda self: self.alive)
    def write(self, times: int) -> None:
        for _ in range(times):
            self.written += 1
            self.robot.run(f"camera.write(b'{self.written}')")

    @rule()
    @precondition(lambda self: self.plugged)
    def cut(self) -> None:
        _ip(self.base, "link", "set", "cable", "down")
        self.plugged = False

    @rule()
    @precondition(lambda self: not self.plugged)
    def heal(self) -> None:
        _ip(self.base, "link", "set", "cable", "up")
        self.plugged = True

    @rule()
    @precondition(lambda self: self.alive)
    def close(self) -> None:
        self.robot.run("publication.close()")
        self.alive = False

    @rule()
    @precondition(lambda self: not self.alive)
    def restart(self) -> None:
        self.written += 1
        self.robot.run(
            f"camera.write(b'{self.written}'); publication = keep(mirror.publish(camera, "
            f"network=net))"
        )
        self.alive = True

    @invariant()
    def the_replica_says_how_it_stands(self) -> None:
        if not hasattr(self, "written"):
            return
        if self.plugged and self.alive:
            assert self.base.value(
                "until(lambda: replica.state == 'live' and reader.read() == value)",
                value=b"%d" % self.written,
            )
        else:
            assert self.base.value("until(lambda: replica.state != 'live')")
            assert self.base.value("reader.read()") is not None
        epoch, sequence = self.base.value("(replica.epoch, replica.sequence)")
        self.epochs.add((epoch, sequence))
        assert sequence == max(number for one, number in self.epochs if one == epoch), (
            "it never goes back"
        )

    def teardown(self) -> None:
        if hasattr(self, "written"):
            if not self.plugged:
                self.heal()
            if not self.alive:
                self.restart()


def test_any_history_of_cuts_and_restarts_leaves_a_replica_that_says_how_it_stands(
    wired: tuple[Host, Host],
) -> None:
    History.robot, History.base = wired
    _publish(wired[0])
    wired[1].run(
        "replica = keep(mirror.subscribe('robot/camera', network=net, max_age=0.4)); "
        "replica.wait(timeout=20)\n"
        "reader = keep(latest.open('camera'))"
    )
    examples = int(os.environ.get("MEMSECTION_MIRROR_EXAMPLES", "2"))
    run_state_machine_as_test(
        History,
        settings=settings(  # type: ignore[no-untyped-call]
            max_examples=examples,
            stateful_step_count=5,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_subscriber_that_is_killed_leaves_nothing(robot: Host, base: Host) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 1 << 21)); camera.write(bytes(1 << 21))\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run(
        "replica = keep(mirror.subscribe('robot/camera', network=net)); replica.wait(timeout=20)"
    )
    os.kill(base.pid, signal.SIGKILL)
    base.program.process.wait(20)
    robot.run("for n in range(5): camera.write(bytes(1 << 21)); time.sleep(0.01)")
    assert robot.value("until(lambda: len(net._shared[0].session.info.peers_zid()) == 0)")
    # What a crash leaves are empty locators, which the next opening sweeps.
    left = [path for path in base.root.rglob("*") if path.is_file()]
    assert all(path.stat().st_size < 4096 for path in left)
    for path in left:
        path.unlink()
