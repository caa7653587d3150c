# SPDX-License-Identifier: MIT
"""Certificates that are replaced, and an authority that is prolonged, while others have the old
files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from support.hosts import Host, secure

from memsection.mirror import make_keys
from memsection.mirror.credentials import check
from memsection.vocabulary.errors import ExistsError, NotFoundError

NAMES = ("authority.pem", "robot.pem", "robot.key")


def _loaded(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _fits(place: Path, authority: Path) -> None:
    check("robot", str(place / "robot.pem"), str(place / "robot.key"), str(authority))


def test_what_was_signed_before_and_after_is_good_with_both_authorities(tmp_path: Path) -> None:
    keys, old = tmp_path / "keys", tmp_path / "old"
    make_keys(keys, ["robot"], ["10.0.0.1", "robot.example"], days=3)
    shutil.copytree(keys, old)
    written = make_keys(keys, ["robot"], renew=True)
    assert [path.name for path in written] == list(NAMES)
    assert all((keys / name).read_bytes() != (old / name).read_bytes() for name in NAMES)
    assert (keys / "authority.key").read_bytes() == (old / "authority.key").read_bytes()
    assert (keys / "robot.key").stat().st_mode & 0o777 == 0o600
    assert (keys / "robot.pem").stat().st_mode == (old / "robot.pem").stat().st_mode
    for place in (keys, old):
        for authority in (keys, old):
            _fits(place, authority / "authority.pem")
    before, after = _loaded(old / "robot.pem"), _loaded(keys / "robot.pem")
    assert before.not_valid_after_utc < after.not_valid_after_utc
    names = [
        one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        for one in (before, after)
    ]
    assert names[0] == names[1] and len(list(names[0])) == 3


def test_the_authority_alone_is_prolonged(tmp_path: Path) -> None:
    make_keys(tmp_path, ["robot"])
    before = {name: (tmp_path / name).read_bytes() for name in NAMES}
    assert [path.name for path in make_keys(tmp_path, [], renew=True)] == ["authority.pem"]
    changed = [name for name in NAMES if (tmp_path / name).read_bytes() != before[name]]
    assert changed == ["authority.pem"]
    _fits(tmp_path, tmp_path / "authority.pem")


def test_what_is_not_there_is_not_renewed(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        make_keys(tmp_path / "none", ["robot"], renew=True)
    make_keys(tmp_path, ["robot"])
    before = (tmp_path / "authority.pem").read_bytes()
    with pytest.raises(NotFoundError):
        make_keys(tmp_path, ["robot", "base"], renew=True)
    assert (tmp_path / "authority.pem").read_bytes() == before
    with pytest.raises(ExistsError, match="renew"):
        make_keys(tmp_path, ["robot"])


def test_hosts_are_given_the_new_files_one_after_the_other(
    host: Callable[..., Host], port: int, tmp_path: Path
) -> None:
    make_keys(tmp_path, ["robot", "base"])
    shutil.copytree(tmp_path, tmp_path / "base")
    robot, base = host(), host()
    robot.run(
        f"net = {secure(tmp_path, 'robot', listen=[f'tls/127.0.0.1:{port}'])}\n"
        "camera = keep(latest.create('camera', 64)); camera.write(b'first')\n"
        "publication = keep(mirror.publish(camera, network=net))"
    )
    base.run(f"net = {secure(tmp_path / 'base', 'base', connect=[f'tls/127.0.0.1:{port}'])}")
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    make_keys(tmp_path, ["robot", "base"], renew=True)
    robot.run("net.renew()")  # the base has its old certificate, and the old authority
    robot.run("camera.write(b'second')")
    assert base.value("until(lambda: replica.state == 'live' and replica.sequence == 2, 25)")
    for name in ("authority.pem", "base.pem", "base.key"):
        shutil.copy(tmp_path / name, tmp_path / "base" / name)
    base.run("net.renew()")
    robot.run("camera.write(b'third')")
    assert base.value("until(lambda: replica.state == 'live' and replica.sequence == 3, 25)")
