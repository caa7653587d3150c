# SPDX-License-Identifier: MIT
"""Parts of keys that begin with ``@``, which zenoh's wildcards do not match, those of its access
control included: no name makes one, and nothing that comes with one is let through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.hosts import Host, secure

from memsection.mirror import Network, wire
from memsection.vocabulary.errors import ArgumentError

NAMES = ["@x", "@", "@/@", "*", "**", "$*", "a#b?c", "Global\\@x", "ä@"]


@pytest.mark.parametrize("host", ["@robot", "@", "ro@bot", "**", "$*"])
def test_no_host_has_such_a_name(host: str) -> None:
    with pytest.raises(ArgumentError, match="host"):
        Network(host, listen=["tcp/127.0.0.1:1"])
    with pytest.raises(ArgumentError):
        wire.split(f"{host}/camera")
    assert wire.path_of(f"{wire.ROOT}/{host}/camera/news") is None


def test_an_object_of_such_a_name_is_under_the_rules_as_any_other(
    host: Callable[..., Host], keys: Path, port: int
) -> None:
    robot, base = host(), host()
    robot.run(f"net = {secure(keys, 'robot', listen=[f'tls/127.0.0.1:{port}'])}")
    base.run(f"net = {secure(keys, 'base', connect=[f'tls/127.0.0.1:{port}'])}")
    robot.run(
        "values = [keep(latest.create(f'value{n}', 64)) for n in range(len(names))]\n"
        "for value, name in zip(values, names):\n"
        "    value.write(name.encode()); keep(mirror.publish(value, name=name, network=net))",
        names=NAMES,
    )
    base.run(
        "replicas = [keep(mirror.subscribe(f'robot/{name}', network=net, name=f'copy{n}'))\n"
        "            for n, name in enumerate(names)]",
        names=NAMES,
    )
    assert base.value("[one.wait(timeout=60) for one in replicas]") == [True] * len(NAMES)
    robot.run("for value, name in zip(values, names): value.write(name.encode() + b'!')")
    assert base.value("[one.wait(timeout=60, after=1) for one in replicas]") == [True] * len(NAMES)
    found = base.value("[keep(latest.open(f'copy{n}')).read() for n in range(len(names))]")
    assert found == [name.encode() + b"!" for name in NAMES]
    listed = base.value("sorted(one.key for one in mirror.publications(net))")
    assert listed == sorted(f"robot/{name}" for name in NAMES)


def test_a_message_whose_key_has_such_a_part_is_not_let_through(
    host: Callable[..., Host], keys: Path, port: int
) -> None:
    """Neither one of the host that may publish under that name, nor one of another's."""
    base, robot = host(), host()
    base.run(
        f"net = {secure(keys, 'base', listen=[f'tls/127.0.0.1:{port}'])}\n"
        "replica = keep(mirror.subscribe('robot/camera', network=net))\n"
        "session, arrived = net._shared[0].session, []\n"
        "listening = [session.declare_subscriber(key, lambda s: arrived.append(str(s.key_expr)))\n"
        "             for key in ('memsection/robot/**', 'memsection/robot/@x/news',\n"
        "                         'memsection/robot/@x/**', 'memsection/@robot/x/news',\n"
        "                         'memsection/robot/x/@y', '@/robot/x')]"
    )
    robot.run(
        f"net = {secure(keys, 'robot', connect=[f'tls/127.0.0.1:{port}'])}\n"
        "camera = keep(latest.create('camera', 64)); camera.write(b'1')\n"
        "publication = keep(mirror.publish(camera, network=net))\n"
        "import zenoh\n"
        "from memsection.mirror import network\n"
        "# a session that keeps no rules of its own, with robot's certificate\n"
        "network.access_control = lambda *names: {'enabled': False}\n"
        "bare = network._open(net, frozenset())"
    )
    assert base.value("replica.wait(timeout=60)")
    base.run("arrived.clear()")
    for key in (
        "memsection/robot/@x/news",
        "memsection/robot/@x/alive/1",
        "memsection/@robot/x/news",
        "memsection/robot/x/@y",
        "@/robot/x",
    ):
        robot.run("bare.put(key, b'x')", key=key)
    robot.run("bare.put('memsection/robot/last/news', b'x')")
    # The link keeps the order of messages: what was let through is there when the last one is.
    assert base.value("until(lambda: 'memsection/robot/last/news' in arrived)")
    assert base.value("sorted(set(arrived))") == ["memsection/robot/last/news"]
    base.run("for one in listening: one.undeclare()")
    robot.run("bare.close()")
