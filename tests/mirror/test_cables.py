# SPDX-License-Identifier: MIT
"""Two hosts with a cable between them, which is pulled: network namespaces, a veth pair, and
certificates."""

from __future__ import annotations

import os
import re
import signal

from support.hosts import SHORT_LEASE, Host, ip
from support.users import lacking


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
    assert base.value("replica.wait(timeout=60) and until(lambda: replica.state == 'live')")
    ip(robot, "link", "set", "cable", "down")
    assert base.value("until(lambda: replica.state == 'stale')")
    robot.run("camera.write(b'2')")
    assert base.value("keep(latest.open('camera')).read()") == b"1"
    assert not base.value(
        "until(lambda: replica.state != 'stale', 1.3)"
    )  # longer than the lease: not gone either
    ip(robot, "link", "set", "cable", "up")
    assert base.value("until(lambda: replica.state == 'live')")
    assert base.value("until(lambda: replica.sequence == 2)")


def _publish_over_a_bucket(robot: Host, base: Host, rate: str, burst: str, *more: str) -> None:
    """Put a token bucket filter on the robot's cable, and have the base subscribe to its camera."""
    bucket = ["qdisc", "add", "dev", "cable", "root", "tbf", "rate", rate, "burst", burst, *more]
    shaped = ip(robot, *bucket, tool="tc")
    if shaped.returncode:
        lacking("tc", f"no token bucket filter here: {shaped.stderr.strip()}")
    robot.run(
        "camera = keep(latest.create('camera', 1 << 20)); camera.write(bytes(1 << 20))\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")


def test_values_arrive_whole_over_a_slow_cable(wired: tuple[Host, Host]) -> None:
    robot, base = wired
    _publish_over_a_bucket(robot, base, "100mbit", "64k", "latency", "50ms")
    robot.run("for n in range(1, 31): camera.write(bytes([n]) * ((1 << 20) - n)); time.sleep(0.02)")
    assert base.value("replica.wait(timeout=60, after=30)")
    assert base.value("keep(latest.open('camera')).read()") == bytes([30]) * ((1 << 20) - 30)
    assert base.value("replica.statistics")["snapshots"] <= 31


def test_messages_that_were_sent_while_the_cable_was_out_arrive_when_it_is_back(
    wired: tuple[Host, Host],
) -> None:
    robot, base = wired
    for one in (robot, base):
        one.run(SHORT_LEASE)
    robot.run(
        "from memsection.channels import Topic\n"
        "topic = keep(Topic.create('scans', bytes, capacity=1024, largest=100_000))\n"
        "publication = keep(mirror.publish(topic, network=net))"
    )
    base.run(
        "from memsection.channels import Topic\n"
        "replica = keep(mirror.subscribe('robot/scans', network=net, max_age=0.4))\n"
        "assert replica.wait(timeout=60)\n"
        "here = keep(Topic.open('scans', role='receive'))"
    )
    robot.run("topic.send(b'before')")
    assert base.value("here.receive(timeout=60)") == b"before"
    ip(robot, "link", "set", "cable", "down")
    assert base.value("until(lambda: replica.state == 'stale')")
    robot.run("for n in range(300): topic.send(b'%d' % n)\ntopic.send(bytes(100_000))")
    ip(robot, "link", "set", "cable", "up")
    base.run("found = [here.receive(timeout=60) for _ in range(301)]")
    assert base.value("found == [b'%d' % n for n in range(300)] + [bytes(100_000)]")
    assert base.value("until(lambda: replica.state == 'live' and replica.sequence == 303)")
    assert base.value("(replica.statistics['missed'], here.missed)") == (0, 0)


def test_of_more_messages_than_are_kept_while_the_cable_is_out_the_newest_arrive(
    wired: tuple[Host, Host],
) -> None:
    robot, base = wired
    for one in (robot, base):
        one.run(SHORT_LEASE)
    robot.run(
        "from memsection.channels import Topic\n"
        "topic = keep(Topic.create('scans', bytes, capacity=64, largest=1_000_000))\n"
        "publication = keep(mirror.publish(topic, network=net))"
    )
    base.run(
        "from memsection.channels import Topic\n"
        "replica = keep(mirror.subscribe('robot/scans', network=net, max_age=0.4))\n"
        "assert replica.wait(timeout=60)\n"
        "here = keep(Topic.open('scans', role='receive'))"
    )
    ip(base, "link", "set", "cable", "down")
    assert base.value("until(lambda: replica.state == 'stale')")
    robot.run(
        "for n in range(20):\n"
        "    topic.send(bytes([n]) * 1_000_000)\n"
        "    assert until(lambda: publication.sequence == n + 2)"
    )
    ip(base, "link", "set", "cable", "up")
    base.run("found = [here.receive(timeout=60)]")
    base.run("while found[-1][0] != 19: found.append(here.receive(timeout=60))")
    assert base.value("all(one == one[:1] * 1_000_000 for one in found)")
    numbers = base.value("[one[0] for one in found]")
    assert numbers == sorted(set(numbers))
    skipped, dropped = base.value("(replica.statistics['missed'], here.missed)")
    assert 0 < skipped <= numbers[0]  # the newest of them are kept, and every one of those came
    assert len(numbers) + skipped + dropped == 20  # what was too much at once here is told too


def test_values_arrive_whole_over_a_cable_that_loses_packets(wired: tuple[Host, Host]) -> None:
    """The queue of the token bucket is three packets long, and drops what comes while it is full:
    TCP makes it one that loses packets all the time."""
    robot, base = wired
    _publish_over_a_bucket(robot, base, "40mbit", "5k", "limit", "5k")
    base.run("reader, torn = keep(latest.open('camera')), 0")
    for number in range(2, 8):
        robot.run(f"camera.write(bytes([{number}]) * (1 << 20))")
        base.run("replica.wait(timeout=60, after=replica.sequence)")
        base.run("torn += len(set(reader.read())) != 1")
    assert base.value("until(lambda: replica.sequence == 7)")
    assert base.value("(torn, replica.state)") == (0, "live")
    told = ip(robot, "-s", "qdisc", "show", "dev", "cable", tool="tc").stdout
    dropped = re.search(r"dropped (\d+)", told)
    assert dropped is not None and int(dropped[1]) > 0, told


def test_values_arrive_over_a_lossy_and_slow_cable(wired: tuple[Host, Host]) -> None:
    robot, base = wired
    words = "qdisc add dev cable root netem delay 20ms loss 2%".split()
    emulated = ip(robot, *words, tool="tc")
    if emulated.returncode:
        lacking("netem", f"no network emulator (tc netem) here: {emulated.stderr.strip()}")
    _publish(robot)
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    robot.run("for n in range(2, 20): camera.write(b'%d' % n)")
    assert base.value("until(lambda: replica.sequence == 19)")


def test_nobody_is_looked_for_on_the_network(wired: tuple[Host, Host]) -> None:
    """Who is reached stands in the settings: no socket sends or takes datagrams."""
    robot, base = wired
    _publish(robot)
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    for one in wired:
        for table in ("udp", "udp6"):
            assert one.value(f"open('/proc/self/net/{table}').read().count(chr(10))") == 1, table
        tcp = one.value("open('/proc/self/net/tcp').read().count(chr(10))")
        assert tcp > 1  # what it would look like


def test_a_subscriber_that_is_killed_leaves_nothing(robot: Host, base: Host) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 1 << 21)); camera.write(bytes(1 << 21))\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run(
        "replica = keep(mirror.subscribe('robot/camera', network=net)); replica.wait(timeout=60)"
    )
    os.kill(base.pid, signal.SIGKILL)
    base.program.process.wait(60)
    robot.run("for n in range(5): camera.write(bytes(1 << 21)); time.sleep(0.01)")
    assert robot.value("until(lambda: len(net._shared[0].session.info.peers_zid()) == 0)")
    # What a crash leaves are empty locators, which the next opening sweeps.
    left = [path for path in base.root.rglob("*") if path.is_file()]
    assert all(path.stat().st_size < 4096 for path in left)
    for path in left:
        path.unlink()
