# SPDX-License-Identifier: MIT
"""The settings of a network as users write them, in a file and in Python; and what other programs
of a host make of them."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from support.hosts import Host

from memsection import mirror
from memsection.mirror import Network, make_keys
from memsection.vocabulary.errors import ArgumentError

START = "host = 'robot'\nlisten = ['127.0.0.1:1']\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"host = '\xff'", "mirror.toml.*utf-8"),
        (START + "connect_timeout = '5'", "mirror.toml: connect_timeout: a number of seconds"),
        (START + "connect_timeout = inf", "connect_timeout=inf: .* at most 3600"),
        (START + "max_size = '1'", "mirror.toml: max_size: an int"),
        (START + "max_size = 1.5", "mirror.toml: max_size: an int"),
        (START + f"max_size = {1 << 63}", "max_size"),
        (START + "certificate = 5\nkey = 5\nauthority = 5", "certificate=5"),
        (START + "certificate = ''\nkey = ''\nauthority = ''", "certificate=''"),
        ("host = 'robot'\nlisten = 5", "listen=5: a list"),
        ("host = 'robot'\nlisten = {a = 1}", "listen=.*: a list"),
        ("host = 'robot'\nlisten = ['127.0.0.1:65536']", "65536.*ADDRESS:PORT"),
        ("host = 'robot'\nlisten = ['127.0.0.1:\u0663']", "ADDRESS:PORT"),
        ("host = 'robot'\nlisten = ['::1:1']", "brackets"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_the_key(
    text: str | bytes, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "mirror.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ArgumentError, match=says):
        Network.from_file(file)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="directory"):
        Network.from_file(tmp_path)


def test_an_endpoint_that_is_said_twice_is_one() -> None:
    found = Network("robot", listen=["127.0.0.1:1", "tcp/127.0.0.1:1", "[::1]:1"])
    assert found.listen == ("tcp/127.0.0.1:1", "tcp/[::1]:1")


def test_the_users_directory_is_the_users(tmp_path: Path) -> None:
    file = tmp_path / "mirror.toml"
    other = tmp_path / "other" / "c.pem"
    file.write_text(START + f"certificate = '~/a.pem'\nkey = 'b.key'\nauthority = '{other}'")
    found = Network.from_file(file)
    assert found.certificate == os.path.expanduser("~/a.pem")
    assert (found.key, found.authority) == (str(tmp_path / "b.key"), str(other))


def test_a_network_is_passed_to_another_process() -> None:
    net = Network("robot", listen=["127.0.0.1:1"], connect_timeout=2, max_size=1000)
    assert pickle.loads(pickle.dumps(net)) == net


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: mirror.publish("x", network="mirror.toml"), "from_file"),  # type: ignore[arg-type]
        (lambda: mirror.subscribe("a/x", network=None), "from_file"),  # type: ignore[arg-type]
        (lambda: mirror.publications("mirror.toml"), "from_file"),  # type: ignore[arg-type]
        (lambda: mirror.subscribe(5, network=_net()), "HOST/NAME"),  # type: ignore[arg-type]
        (lambda: mirror.subscribe("a/x", network=_net(), name=5), "name"),  # type: ignore[arg-type]
        (lambda: mirror.subscribe("a/x", network=_net(), max_age="2"), "max_age"),  # type: ignore[arg-type]
        (lambda: mirror.publish("x", network=_net(), interval="1"), "interval"),  # type: ignore[arg-type]
        (lambda: mirror.publish("x", network=_net(), name=5), "name"),  # type: ignore[arg-type]
    ],
)
def test_an_argument_of_another_kind_is_named(call: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        call()


def test_a_name_that_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(ArgumentError, match="characters"):
        mirror.subscribe("robot/\ud800", network=_net())


def _net() -> Network:
    return Network("base", listen=["127.0.0.1:1"])


def test_certificates_are_given_as_paths(host: Any, tmp_path: Path, port: int) -> None:
    keys = tmp_path / "keys"
    make_keys(keys, ["robot"])
    robot = host()
    robot.run(
        "from pathlib import Path; keys = Path(keys)\n"
        "net = mirror.Network('robot', listen=[f'127.0.0.1:{port}'],\n"
        "                     certificate=keys / 'robot.pem', key=keys / 'robot.key',\n"
        "                     authority=keys / 'authority.pem')\n"
        "camera = keep(latest.create('camera', 64))\n"
        "publication = keep(mirror.publish(camera, network=net))",
        keys=str(keys),
        port=port,
    )
    assert robot.value("publication.problem") is None


def test_the_same_settings_read_twice_listen_once(robot: Host, base: Host) -> None:
    robot.run(
        "for name in ('one', 'two'):\n"
        "    value = keep(latest.create(name, 64)); value.write(name.encode())\n"
        "    again = mirror.Network('robot', listen=net.listen)\n"
        "    keep(mirror.publish(name, network=again))"
    )
    base.run(
        "for name in ('one', 'two'):\n"
        "    replica = keep(mirror.subscribe(f'robot/{name}', network=net))\n"
        "    assert replica.wait(timeout=60)"
    )
    assert base.value("keep(latest.open('two')).read()") == b"two"
