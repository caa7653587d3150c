# SPDX-License-Identifier: MIT
"""The mirror among users of one host: what of others may be published, whose a replica is, and
whose certificate."""

from __future__ import annotations

import importlib.util
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import hosts, users
from support.users import Program

if importlib.util.find_spec("zenoh") is None:  # which is not imported into the tests' own process
    pytest.skip("memsection[mirror] is not installed", allow_module_level=True)

OWNER, OTHER = 12345, 12346
#: Read before the program becomes its user, who may not read the interpreter's files.
BEFORE = """
import time, json, tomllib, ssl, zenoh, zenoh.handlers
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from memsection import arrays, latest, mirror, Section
from memsection.mirror import copies, receiver, streams, publication, replica, listing
from memsection.channels import relay
"""


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def begin(root: str) -> Iterator[Callable[[int], Program]]:
    """Programs of users on this host; what they have open is closed with the test."""
    with ExitStack() as stack:

        def one(uid: int) -> Program:
            program = users.start(uid, root=root, before=BEFORE)
            stack.callback(program.end)
            program.run(BEFORE + hosts.BEGIN)
            stack.callback(program.run, hosts.END)
            return program

        yield one


def test_only_what_the_user_may_read_is_published(
    begin: Callable[[int], Program], port: int
) -> None:
    owner, other = begin(OWNER), begin(OTHER)
    owner.run(
        "secret = keep(latest.create('Global\\\\secret', 64)); secret.write(b'mine')\n"
        "shown = keep(latest.create('Global\\\\shown', 64, security='D:(A;;GA;;;OW)(A;;GR;;;WD)'))\n"
        "shown.write(b'for all')"
    )
    other.run(f"net = mirror.Network('robot', listen=['tcp/127.0.0.1:{port}'])")
    refused = other.refusal("mirror.publish('Global\\\\secret', network=net)")
    assert refused.kind == "AccessError" and "secret" in str(refused)
    other.run("publication = keep(mirror.publish('Global\\\\shown', network=net, name='shown'))")
    base = begin(OWNER)
    base.run(
        f"there = mirror.Network('base', connect=['tcp/127.0.0.1:{port}'])\n"
        "replica = keep(mirror.subscribe('robot/shown', network=there, name='here'))"
    )
    assert base.value("replica.wait(timeout=60)"), base.value("str(replica.problem)")
    base.run("reader = keep(latest.open('here'))")
    assert base.value("reader.read()") == b"for all"
    owner.run("shown.write(b'again')")
    assert base.value("until(lambda: reader.read() == b'again')")


def test_a_replica_is_its_users_alone_and_each_user_has_one(
    begin: Callable[[int], Program], port: int
) -> None:
    robot, one, two = begin(OWNER), begin(OWNER), begin(OTHER)
    robot.run(
        f"net = mirror.Network('robot', listen=['tcp/127.0.0.1:{port}'])\n"
        "camera = keep(latest.create('source', 64)); camera.write(b'first')\n"
        "publication = keep(mirror.publish(camera, network=net, name='camera'))"
    )
    subscribe = (
        f"net = mirror.Network('base', connect=['tcp/127.0.0.1:{port}'])\n"
        "replica = keep(mirror.subscribe('robot/camera', network=net))\n"
        "assert replica.wait(timeout=60), replica.problem"
    )
    one.run(subscribe)
    for name in ("camera", "camera.mirror"):
        assert two.refusal(f"Section.open({name!r})").kind == "NotFoundError"
    assert two.refusal("latest.open('camera')").kind == "NotFoundError"
    two.run(subscribe)
    assert (one.value("replica.carries"), two.value("replica.carries")) == (True, True)
    for program in (one, two):
        program.run("reader = keep(latest.open('camera'))")
        assert program.value("reader.read()") == b"first"
        refused = program.refusal("latest.open('camera', write=True)")
        assert refused.kind == "AccessError"
    robot.run("camera.write(b'second')")
    for program in (one, two):
        assert program.value("until(lambda: reader.read() == b'second')")


@pytest.fixture
def folder_for_all() -> Iterator[Path]:
    """One that other users may look into: each run of pytest closes pytest's own to them."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def test_a_key_of_another_user_is_refused_by_its_name(
    begin: Callable[[int], Program], folder_for_all: Path, port: int
) -> None:
    from memsection.mirror import make_keys

    make_keys(folder_for_all, ["robot"])
    words = {
        name: str(folder_for_all / name) for name in ("robot.pem", "robot.key", "authority.pem")
    }
    other = begin(OTHER)
    other.run("camera = keep(latest.create('camera', 64)); camera.write(b'first')")
    other.run(
        f"net = mirror.Network('robot', listen=['tls/127.0.0.1:{port}'], "
        "certificate=words['robot.pem'], key=words['robot.key'], "
        "authority=words['authority.pem'])",
        words=words,
    )
    refused = other.refusal("mirror.publish(camera, network=net)")
    assert refused.kind == "AccessError" and "robot.key" in str(refused)
