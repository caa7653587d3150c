# SPDX-License-Identifier: MIT
"""Two hosts that only connect, and a zenoh router between them, with the configuration that the
documentation gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.hosts import Host, secure
from support.users import TESTS

ROUTER = """
import zenoh
config = zenoh.Config.from_json5(json.dumps(said))
router = keep(zenoh.open(config))
"""


def _configuration(keys: Path, port: int) -> dict[str, object]:
    page = (TESTS.parent / "docs" / "explanation" / "mirror-scale.md").read_text(encoding="utf-8")
    said = json.loads(page.split("```json\n")[1].split("```")[0])
    said["listen"]["endpoints"] = [f"tls/127.0.0.1:{port}"]
    tls = said["transport"]["link"]["tls"]
    for name, value in tls.items():
        if isinstance(value, str):
            tls[name] = str(keys / value)
    return said  # type: ignore[no-any-return]


@pytest.fixture
def routed(host: Callable[..., Host], keys: Path, port: int) -> tuple[Host, Host, Host]:
    """Robot, base, and evil, which is on the network too."""
    host().run(ROUTER, said=_configuration(keys, port))
    made = []
    for name in ("robot", "base", "evil"):
        one = host()
        one.run(f"net = {secure(keys, name, connect=[f'tls/127.0.0.1:{port}'])}")
        made.append(one)
    return made[0], made[1], made[2]


def test_a_replica_behind_a_router_is_as_any_other(routed: tuple[Host, Host, Host]) -> None:
    robot, base, _ = routed
    robot.run(
        "camera = keep(latest.create('camera', 3_000_000)); camera.write(b'1' * 3_000_000)\n"
        "small = keep(latest.create('small', 64)); small.write(b'one')\n"
        "publications = [keep(mirror.publish(one, network=net)) for one in (camera, small)]"
    )
    base.run(
        "large = keep(mirror.subscribe('robot/camera', network=net)); small = "
        "keep(mirror.subscribe('robot/small', "
        "network=net)); reader = keep(latest.open('camera', timeout=60))"
    )
    assert base.value("large.wait(timeout=60) and small.wait(timeout=60)"), base.value(
        "(str(large.problem), large.state)"
    )
    robot.run("camera.write(b'2' * 3_000_000); small.write(b'two')")
    assert base.value("large.wait(timeout=60, after=1) and small.wait(timeout=60, after=1)")
    assert base.value("reader.read()") == b"2" * 3_000_000
    robot.run("publications[1].close()")
    assert base.value("until(lambda: small.state == 'gone')")
    assert base.value("large.state") == "live"


@pytest.mark.sentence(35)
def test_a_router_lets_nobody_publish_for_another_host(routed: tuple[Host, Host, Host]) -> None:
    _, base, evil = routed
    evil.run(
        "object.__setattr__(net, 'host', 'robot')\n"
        "from memsection.mirror import credentials, network\n"
        "whole, credentials.check = credentials.check, lambda *a: None\n"
        "camera = keep(latest.create('camera', 64)); camera.write(b'forged')\n"
        "publication = keep(mirror.publish(camera, network=net)); credentials.check = whole"
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert not base.value("replica.wait(timeout=0.7)")
    assert base.value("(replica.state, replica.epoch)") == ("stale", 0)
