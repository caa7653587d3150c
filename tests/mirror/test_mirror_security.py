# SPDX-License-Identifier: MIT
"""Who may publish what, and what becomes of those who may not: certificates, forged hosts, errors
that name the cause."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.hosts import Host, secure

from memsection.mirror import Network, credentials, make_keys
from memsection.mirror.access_control import access_control
from memsection.vocabulary.errors import ArgumentError, ExistsError, NotFoundError

#: A bare zenoh session with a certificate, as a program of somebody who does not use this library.
BARE = """
import zenoh
def bare(certificate, key, authority, endpoint):
    config = zenoh.Config()
    for name, value in {"mode": "peer", "listen/endpoints": [], "connect/endpoints": [endpoint],
                        "scouting/multicast/enabled": False, "scouting/gossip/enabled": False,
                        "connect/timeout_ms": 3000, "connect/exit_on_failure": True,
                        "transport/link/tls/root_ca_certificate": authority, "transport/link/tls/enable_mtls": True,
                        "transport/link/tls/connect_certificate": certificate, "transport/link/tls/connect_private_key": key,
                        "transport/link/tls/verify_name_on_connect": False}.items():
        config.insert_json5(name, json.dumps(value))
    return zenoh.open(config)
"""


def _words(keys: Path, host: str) -> dict[str, Any]:
    return {
        "certificate": str(keys / f"{host}.pem"),
        "key": str(keys / f"{host}.key"),
        "authority": str(keys / "authority.pem"),
    }


@pytest.fixture
def pair(host: Callable[..., Host], keys: Path, port: int) -> tuple[Host, Host]:
    """A publisher that listens and a subscriber that connects, with certificates."""
    robot, base = host(), host()
    robot.run(
        f"net = {secure(keys, 'robot', listen=[f'tls/127.0.0.1:{port}'])}\n"
        "camera = keep(latest.create('camera', 64)); camera.write(b'first')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run(f"net = {secure(keys, 'base', connect=[f'tls/127.0.0.1:{port}'])}")
    return robot, base


@pytest.mark.sentence(34)
@pytest.mark.parametrize("option", ["listen", "connect"])
@pytest.mark.parametrize(
    "endpoint", ["tcp/0.0.0.0:7447", "10.0.0.1:7447", "tcp/[::]:7447", "tcp/robot.lab:7447"]
)
def test_beyond_loopback_certificates_are_needed(option: str, endpoint: str) -> None:
    with pytest.raises(ArgumentError, match="certificate, key and authority"):
        Network("robot", **{option: [endpoint]})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "listen or connect"),
        ({"listen": "tcp/127.0.0.1:1"}, "list"),
        ({"listen": ["udp/127.0.0.1:1"]}, "tls/ADDRESS"),
        ({"listen": ["tcp/127.0.0.1"]}, "ADDRESS:PORT"),
        ({"listen": ["tcp/127.0.0.1:1#x=y"]}, "ADDRESS:PORT"),
        ({"listen": ["127.0.0.1:1"], "certificate": "x"}, "belong together"),
        ({"listen": ["127.0.0.1:1"], "connect_timeout": 0}, "connect_timeout"),
        ({"listen": ["127.0.0.1:1"], "max_size": 0}, "max_size"),
        ({"host": "a/b", "listen": ["127.0.0.1:1"]}, "host"),
        ({"host": "router", "listen": ["127.0.0.1:1"]}, "routers"),
    ],
)
def test_a_network_that_cannot_be_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        Network(**{"host": "robot", **options})


def test_a_file_says_it_all(tmp_path: Path) -> None:
    file = tmp_path / "mirror.toml"
    file.write_text(
        'host = "robot"\nlisten = ["tls/0.0.0.0:7447"]\ncertificate = "robot.pem"\nkey = '
        '"robot.key"\n'
        'authority = "authority.pem"\nconnect_timeout = 2.5\nmax_size = 1000\n'
    )
    found = Network.from_file(file)
    assert (found.host, found.listen, found.connect) == ("robot", ("tls/0.0.0.0:7447",), ())
    assert (found.certificate, found.connect_timeout, found.max_size) == (
        str(tmp_path / "robot.pem"),
        2.5,
        1000,
    )
    for text, says in (
        ("host = 'x'\nport = 1\n", "unknown: port"),
        ("listen = []", "no host"),
        ("host = ", "mirror.toml"),
    ):
        file.write_text(text)
        with pytest.raises(ArgumentError, match=says):
            Network.from_file(file)
    with pytest.raises(NotFoundError):
        Network.from_file(tmp_path / "none.toml")


def test_keys_are_private_and_never_replaced(tmp_path: Path) -> None:
    written = make_keys(tmp_path / "keys", ["robot"], ["10.0.0.1"])
    assert {path.name for path in written} == {
        "authority.pem",
        "authority.key",
        "robot.pem",
        "robot.key",
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in written if path.suffix == ".key")
    before = (tmp_path / "keys" / "authority.pem").read_bytes()
    assert [path.name for path in make_keys(tmp_path / "keys", ["base"])] == [
        "base.pem",
        "base.key",
    ]
    assert (tmp_path / "keys" / "authority.pem").read_bytes() == before
    with pytest.raises(ExistsError):
        make_keys(tmp_path / "keys", ["robot"])
    with pytest.raises(ArgumentError):
        make_keys(tmp_path / "keys", ["../robot"])
    for days in (0, 36501, 10**30):
        with pytest.raises(ArgumentError, match="days"):
            make_keys(tmp_path / "keys", ["later"], days=days)
    with pytest.raises(TypeError, match="list of names"):
        make_keys(tmp_path / "keys", "later")
    with pytest.raises(TypeError, match="list of names"):
        make_keys(tmp_path / "keys", ["later"], "later.example")
    assert not list((tmp_path / "keys").glob("l*"))


@pytest.mark.parametrize(
    ("host", "changes", "says"),
    [
        ("base", {"certificate": "robot.pem", "key": "robot.key"}, "is of robot"),
        ("base", {"key": "robot.key"}, "does not belong"),
        ("base", {"authority": "strangers/authority.pem"}, "not signed"),
        ("old", {}, "expired"),
        ("base", {"key": "authority.pem"}, "no private key"),
        ("base", {"certificate": "missing.pem"}, "no such file"),
    ],
)
def test_credentials_that_no_peer_would_take_are_refused_here(
    host: str, changes: dict[str, str], says: str, keys: Path, port: int
) -> None:
    words = {**_words(keys, host), **{name: str(keys / file) for name, file in changes.items()}}
    network = Network(host, connect=[f"127.0.0.1:{port}"], **words)
    from memsection.mirror.network import User

    with pytest.raises((ArgumentError, NotFoundError), match=says):
        network._connection(User(), None)


def test_with_certificates_everything_works_as_without(pair: tuple[Host, Host]) -> None:
    robot, base = pair
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    robot.run("camera.write(b'second')")
    assert base.value("replica.wait(timeout=60, after=1)")
    assert base.value("(keep(latest.open('camera')).read(), replica.state)") == (b"second", "live")
    assert base.value("[one.key for one in mirror.publications(net)]") == ["robot/camera"]


@pytest.mark.sentence(35)
def test_a_host_with_another_certificate_cannot_publish_for_it(
    host: Callable[..., Host], keys: Path, port: int
) -> None:
    """Evil has a certificate of the authority, and says what robot would say."""
    base, evil = host(), host()
    base.run(
        f"net = {secure(keys, 'base', listen=[f'tls/127.0.0.1:{port}'])}\n"
        "replica = keep(mirror.subscribe('robot/camera', network=net)); own = "
        "keep(mirror.subscribe('evil/camera', "
        "network=net, name='own'))"
    )
    words = _words(keys, "evil")
    evil.run(
        BARE + f"session = keep(bare({words['certificate']!r}, {words['key']!r}, "
        f"{words['authority']!r}, "
        f"'tls/127.0.0.1:{port}'))\n"
        "from memsection.mirror import contents, wire\n"
        "text = contents.pack({'kind': 'latest', 'capacity': 64, 'slots': 4, 'version': 0})\n"
        "record = wire.Announcement(77, 1, 5, contents.digest(text))\n"
        "def claim(host):\n"
        "    prefix = wire.prefix(host, 'camera')\n"
        "    def tell(query):\n"
        "        with query: query.reply(prefix + '/head', text, attachment=record.pack())\n"
        "    def pull(query):\n"
        "        with query:\n"
        "            query.reply(prefix + '/pull', text, attachment=record.pack())\n"
        "            query.reply(prefix + '/pull', b'forge', attachment=wire.chunk(77, 1, 0))\n"
        "            query.reply(prefix + '/pull', b'', attachment=wire.commit(77, 1, 5))\n"
        "    made = [session.declare_queryable(prefix + '/head', tell),\n"
        "            session.declare_queryable(prefix + '/pull', pull),\n"
        "            session.liveliness().declare_token(prefix + '/alive/' + '%016x' % 77)]\n"
        "    session.put(prefix + '/news', b'forge', attachment=record.pack())\n"
        "    return made\n"
        "claims = [claim('robot'), claim('evil')]"
    )
    assert base.value("own.wait(timeout=60)")  # under its own name it may
    assert not base.value("replica.wait(timeout=0.7)")
    assert base.value("(replica.state, replica.epoch, replica.problem)") == ("stale", 0, None)
    evil.run("del claims")


@pytest.mark.sentence(35)
def test_what_another_host_listens_with_is_not_believed(
    host: Callable[..., Host], keys: Path, port: int
) -> None:
    evil, base = host(), host()
    evil.run(
        f"net = {secure(keys, 'evil', listen=[f'tls/127.0.0.1:{port}'])}\n"
        "object.__setattr__(net, 'host', 'robot')  # no check of ours stands in its way\n"
        "from memsection.mirror import credentials, network\n"
        "whole, credentials.check = credentials.check, lambda *a: None\n"
        "camera = keep(latest.create('camera', 64)); camera.write(b'forged')\n"
        "publication = keep(mirror.publish(camera, network=net)); credentials.check = whole"
    )
    base.run(
        f"net = {secure(keys, 'base', connect=[f'tls/127.0.0.1:{port}'])}\n"
        "replica = keep(mirror.subscribe('robot/camera', network=net))"
    )
    assert not base.value("replica.wait(timeout=0.7)")
    assert base.value("mirror.publications(net, 'robot/*')") == []


@pytest.mark.sentence(36)
@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("a stranger's authority", "not accept|not accepted"),
        ("an expired certificate", "expired"),
        ("nobody", "does not answer"),
        ("a port that is closed", "refused"),
        ("a program that says nothing", "takes the connection"),
    ],
)
def test_what_cannot_be_reached_is_an_error_in_time_that_names_the_cause(
    who: str, said: str, host: Callable[..., Host], keys: Path, port: int
) -> None:
    robot, base = host(), host()
    options = {"connect": [f"tls/127.0.0.1:{port}"], "connect_timeout": 1.5}
    words = {
        "a stranger's authority": secure(keys / "strangers", "base", **options),
        "an expired certificate": secure(keys, "old", **options),
    }
    if who in words:
        robot.run(
            f"net = {secure(keys, 'robot', listen=[f'tls/127.0.0.1:{port}'])}\n"
            "camera = keep(latest.create('camera', 64)); keep(mirror.publish(camera, network=net))"
        )
        base.run(
            "from memsection.mirror import credentials, network\n"
            "whole, credentials.check = credentials.check, lambda *a: None  # the peer has to "
            "refuse it"
        )
    base.run(
        f"net = "
        f"{words.get(who) or secure(keys, 'base', connect=[f'tls/127.0.0.1:{port}'], connect_timeout=1.5)}"
    )
    if who == "nobody":
        base.run(
            "import socket; silent = keep(socket.socket()); silent.bind(('127.0.0.1', port)); "
            "silent.listen(1)\n"
            "others = [keep(socket.socket()) for _ in range(4)]\n"
            "for other in others: other.setblocking(False); other.connect_ex(('127.0.0.1', port))",
            port=port,
        )
    if who == "a program that says nothing":
        base.run(
            "import socket; silent = keep(socket.create_server(('127.0.0.1', port), backlog=99))",
            port=port,
        )
    base.run("start = time.monotonic()")
    refused = base.refusal("mirror.subscribe('robot/camera', network=net)")
    if who in words:
        base.run("credentials.check = whole")
    assert base.value("time.monotonic() - start") < 15
    assert refused.kind in ("AccessError", "WaitTimeoutError")
    import re

    assert re.search(said, str(refused)) and "connect_timeout" in str(refused), str(refused)


def test_an_endpoint_that_is_taken_is_named(
    robot: Host, host: Callable[..., Host], port: int
) -> None:
    robot.run(
        "camera = keep(latest.create('camera', 64)); publication = keep(mirror.publish(camera, "
        "network=net))"
    )
    other = host(beside=robot)
    other.run(f"net = mirror.Network('robot', listen=['tcp/127.0.0.1:{port}'])")
    refused = other.refusal("mirror.publish('camera', network=net)")
    assert str(port) in str(refused) and "in use" in str(refused)


def test_a_listening_subscriber_believes_each_host_it_subscribes_to(
    host: Callable[..., Host], keys: Path, port: int
) -> None:
    """The second subscription makes the session anew, and the first goes on."""
    base, robot, evil = host(), host(), host()
    base.run(
        f"net = {secure(keys, 'base', listen=[f'tls/127.0.0.1:{port}'])}\n"
        "first = keep(mirror.subscribe('robot/camera', network=net, name='first'))"
    )
    for one, name in ((robot, "robot"), (evil, "evil")):
        one.run(
            f"net = {secure(keys, name, connect=[f'tls/127.0.0.1:{port}'])}\n"
            f"camera = keep(latest.create('camera', 64)); camera.write({name.encode()!r})\n"
            "publication = keep(mirror.publish(camera, network=net))"
        )
    assert base.value("first.wait(timeout=60)")
    base.run("second = keep(mirror.subscribe('evil/camera', network=net, name='second'))")
    assert base.value("second.wait(timeout=60)")
    robot.run("camera.write(b'again')")
    assert base.value("first.wait(timeout=60, after=1)")
    assert base.value(
        "(keep(latest.open('first')).read(), keep(latest.open('second')).read())"
    ) == (b"again", b"evil")


def test_access_control_gives_a_host_its_own_keys_only() -> None:
    found = access_control("base", frozenset({"robot"}))
    assert found["default_permission"] == "deny"
    by_subject = {policy["subjects"][0]: policy["rules"] for policy in found["policies"]}
    rules = {rule["id"]: rule for rule in found["rules"]}
    assert by_subject["host-robot"] == ["robot-in", "robot-out"]
    assert rules["robot-in"]["key_exprs"] == ["memsection/robot/**"]
    assert "put" not in rules["own-in"]["messages"] and "reply" not in rules["own-in"]["messages"]


def test_nothing_but_the_mirror_brings_the_network(host: Callable[..., Host]) -> None:
    import subprocess
    import sys

    from support.users import SOURCE

    program = (
        "import sys, memsection.cli.app, memsection.arrays, memsection.latest, memsection.compat\n"
        "print([name for name in ('zenoh', 'cryptography', 'memsection.mirror') if name in "
        "sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------------- certificates that are renewed


def _short_lived(place: Path, host: str, seconds: float) -> None:
    """A certificate that ends soon, in the place of the one before."""
    for suffix in (".pem", ".key"):
        (place / f"{host}{suffix}").unlink(missing_ok=True)
    credentials._make_host(place, host, (), seconds / 86400)  # type: ignore[arg-type]


def test_a_certificate_that_ends_is_replaced_while_it_is_published(
    host: Callable[..., Host], port: int, tmp_path: Path
) -> None:
    make_keys(tmp_path, ["base"])
    _short_lived(tmp_path, "robot", 8)
    end = time.time() + 8
    robot, base = host(), host()
    robot.run(
        f"net = {secure(tmp_path, 'robot', listen=[f'tls/127.0.0.1:{port}'])}\n"
        "camera = keep(latest.create('camera', 64)); camera.write(b'first')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run(f"net = {secure(tmp_path, 'base', connect=[f'tls/127.0.0.1:{port}'])}")
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net, max_age=0.5))")
    assert base.value("replica.wait(timeout=60)")
    time.sleep(max(0.0, end + 1 - time.time()))
    refused = robot.refusal("net.renew()")
    assert refused.kind == "ArgumentError" and "expired" in str(refused)
    # Two that had a link may resume it (TLS looks at no date then); who comes now may not.
    late = host()
    late.run(f"net = {secure(tmp_path, 'base', connect=[f'tls/127.0.0.1:{port}'])}")
    assert "expired" in str(late.refusal("mirror.subscribe('robot/camera', network=net)"))
    _short_lived(tmp_path, "robot", 86400)
    robot.run("net.renew()")
    robot.run("camera.write(b'second')")
    assert base.value("until(lambda: replica.state == 'live' and replica.sequence == 2, 25)")
    assert base.value("keep(latest.open('camera')).read()") == b"second"
    assert base.value("replica.epoch") == robot.value("publication.epoch")


@pytest.mark.parametrize("which", ["robot", "base"])
def test_renewing_goes_on_with_what_there_is(
    pair: tuple[Host, Host], keys: Path, which: str
) -> None:
    robot, base = pair
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    changed = robot if which == "robot" else base
    changed.run("net.renew()")
    robot.run("camera.write(b'second')")
    assert base.value("until(lambda: replica.state == 'live' and replica.sequence == 2, 25)")
    assert base.value("keep(latest.open('camera')).read()") == b"second"


def test_files_that_do_not_fit_change_nothing(
    host: Callable[..., Host], port: int, tmp_path: Path
) -> None:
    make_keys(tmp_path, ["robot", "base"])
    robot, base = host(), host()
    robot.run(
        f"net = {secure(tmp_path, 'robot', listen=[f'tls/127.0.0.1:{port}'])}\n"
        "camera = keep(latest.create('camera', 64)); camera.write(b'first')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run(f"net = {secure(tmp_path, 'base', connect=[f'tls/127.0.0.1:{port}'])}")
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    shutil.copy(tmp_path / "base.pem", tmp_path / "robot.pem")
    refused = robot.refusal("net.renew()")
    assert refused.kind == "ArgumentError" and "is of base" in str(refused)
    (tmp_path / "robot.pem").unlink()
    assert robot.refusal("net.renew()").kind == "NotFoundError"
    robot.run("camera.write(b'second')")
    assert base.value("until(lambda: replica.sequence == 2)")
    assert base.value("replica.state") == "live"


def test_a_network_without_certificates_has_none_to_renew(port: int) -> None:
    with pytest.raises(ArgumentError, match="no certificate"):
        Network("robot", listen=[f"tcp/127.0.0.1:{port}"]).renew()
