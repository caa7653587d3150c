# SPDX-License-Identifier: MIT
"""Programs that read a replica know nothing of who subscribed: they keep what they have when that
program ends, and get what the next one brings."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.hosts import Host

PUBLISH = """
from memsection.channels import Topic
import numpy as np
camera = keep(latest.create("camera", 64)); camera.write(b"1")
prices = arrays.put("prices", np.full(10, 1.0))
scans = keep(Topic.create("scans", bytes, history=1)); scans.send(b"1")
publications = [
    keep(mirror.publish(one, network=net, interval=None)) for one in ("camera", "prices", "scans")
]
"""
SUBSCRIBE = """
replicas = [
    keep(mirror.subscribe(f"robot/{one}", network=net)) for one in ("camera", "prices", "scans")
]
assert all(one.wait(timeout=60) for one in replicas)
"""
READ = """
from memsection.channels import Topic
camera, prices = keep(latest.open("camera")), arrays.open("prices", access="r")
scans = keep(Topic.open("scans", role="receive"))
"""
CHANGE = """
camera.write(b"2"); prices[:] = 2; publications[1].commit(); scans.send(b"2")
"""


@pytest.mark.parametrize("how", ["killed", "closed"])
def test_readers_get_what_the_next_subscriber_brings(
    how: str, robot: Host, base: Host, host: Callable[..., Host]
) -> None:
    robot.run(PUBLISH)
    first, second = host(beside=base), host(beside=base)
    for one in (first, second):
        one.run("net = mirror.Network('base', connect=there)", there=base.value("net.connect"))
    first.run(SUBSCRIBE)
    base.run(READ)
    assert base.value("(camera.read(), prices.sum())") == (b"1", 10)
    if how == "killed":
        first.program.kill()
    else:
        first.run("for one in replicas: one.close()")
    assert base.value("(camera.read(), prices.sum())") == (b"1", 10)
    second.run(SUBSCRIBE)
    robot.run(CHANGE)
    assert base.value("until(lambda: camera.read() == b'2')")
    assert base.value("until(lambda: arrays.open('prices', access='r').sum() == 20)")
    assert base.value("prices.sum()") == 10  # who has a snapshot of an array keeps it
    base.run(
        "found = [scans.receive(60)]\nwhile found[-1] != b'2': found.append(scans.receive(60))"
    )
    base.run("del prices")
    robot.run("del prices")
    # What is left of the killed is swept by the next opening.
    second.run("for one in replicas: one.close()")


def test_what_is_no_replica_of_the_key_is_left_alone(robot: Host, base: Host) -> None:
    robot.run(PUBLISH)
    base.run("keep(latest.create('camera', 64, version=3)).write(b'mine')")
    base.run("import numpy as np; prices = arrays.put('prices', np.zeros(3))")
    for name in ("camera", "prices"):
        refused = base.refusal(f"mirror.subscribe('robot/{name}', network=net)")
        assert refused.kind == "ExistsError" and "something else" in refused.text
    assert base.value("latest.open('camera').read()") == b"mine"
    base.run("del prices")
    robot.run("del prices")
