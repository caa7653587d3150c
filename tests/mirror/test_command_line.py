# SPDX-License-Identifier: MIT
"""``memsection mirror`` as a user meets it: two hosts with a network file each, until Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pytest
from support.hosts import Host
from support.users import SOURCE

from memsection.mirror import make_keys


class Line:
    """The command line on one host."""

    def __init__(self, host: Host, directory: Path, stack: ExitStack) -> None:
        self.host, self.directory, self._stack = host, directory, stack
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "MEMSECTION_ROOT": str(host.root),
            "COLUMNS": "160",
            "TERM": "xterm",
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "memsection", *words],
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        process = self._stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "memsection", *words],
                env=self.environment,
                cwd=self.directory,
                **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **options},
            )
        )
        self._stack.callback(process.kill)
        return process


def _says(stream: IO[bytes], text: str) -> bytes:
    """Read until some text comes."""
    found, end = b"", time.monotonic() + 60
    while text.encode() not in found:
        assert select.select([stream], [], [], max(0, end - time.monotonic()))[0], (
            f"never {text!r}: {found!r}"
        )
        part = os.read(stream.fileno(), 65536)
        assert part, f"it ended without {text!r}: {found!r}"
        found += part
    return found


@pytest.fixture
def lines(host: Callable[..., Host], port: int, tmp_path: Path) -> Iterator[tuple[Line, Line]]:
    """Robot, where something is published, and base."""
    with ExitStack() as stack:
        made = []
        for name, text in (
            ("robot", f'listen = ["tcp/127.0.0.1:{port}"]'),
            ("base", f'connect = ["tcp/127.0.0.1:{port}"]'),
        ):
            (tmp_path / name).mkdir()
            (tmp_path / name / "mirror.toml").write_text(f'host = "{name}"\n{text}\n')
            made.append(Line(host(), tmp_path / name, stack))
        yield made[0], made[1]


def test_publish_and_subscribe_run_until_ctrl_c(lines: tuple[Line, Line]) -> None:
    robot, base = lines
    robot.host.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'one')\n"
        "s = keep(Section.create('plain', 4096))\n"
        "from memsection.channels import Topic; scans = keep(Topic.create('scans', bytes))"
    )
    publishing = robot.start("mirror", "publish", "camera", "plain", "scans")
    assert publishing.stderr is not None
    _says(publishing.stderr, "robot/scans: published")
    listed = base.run("mirror", "ls", "--json")
    assert [(one["key"], one["kind"], one["sequence"]) for one in json.loads(listed.stdout)] == [
        ("robot/camera", "latest", 1),
        ("robot/plain", "bytes", 1),
        ("robot/scans", "topic", 1),
    ]
    assert "robot/camera" in base.run("mirror", "ls", "robot/c*").stdout
    assert "plain" not in base.run("mirror", "ls", "robot/c*").stdout
    topics = base.start("mirror", "subscribe", "robot/scans")
    subscribing = base.start("mirror", "subscribe", "robot/camera", "--as", "picture")
    assert subscribing.stderr is not None and topics.stderr is not None
    _says(topics.stderr, "robot/scans: live")
    _says(subscribing.stderr, "robot/camera: live")
    base.host.run(
        "from memsection.channels import Topic; here = Topic.open('scans', role='receive')"
    )
    robot.host.run("scans.send(b'scan')")
    assert base.host.value("here.receive(60)") == b"scan"
    base.host.run("here.close()")
    base.host.run("reader = keep(latest.open('picture'))")
    assert base.host.value("reader.read()") == b"one"
    robot.host.run("camera.write(b'two')")
    assert base.host.value("until(lambda: reader.read() == b'two')")
    shown = base.run("ls")
    assert "replica of robot/camera (live)" in shown.stdout, shown
    found = {one["name"]: one for one in json.loads(base.run("ls", "--json").stdout)}
    assert (found["picture"]["replica_of"], found["picture"]["replica_state"]) == (
        "robot/camera",
        "live",
    )
    publishing.send_signal(signal.SIGINT)
    assert publishing.wait(60) == 130
    _says(subscribing.stderr, "robot/camera: gone")
    base.host.run("reader.close()")
    for process in (subscribing, topics):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_beside_a_program_that_listens_with_the_same_file(lines: tuple[Line, Line]) -> None:
    robot, _ = lines
    robot.host.run("camera = keep(latest.create('camera', 64)); camera.write(b'one')")
    publishing = robot.start("mirror", "publish", "camera")
    assert publishing.stderr is not None
    said = _says(publishing.stderr, "\n").decode()
    form = r"robot/camera: published, sequence 1, \d+\.\d/s, \d+\.\d MB/s, age \d+\.\d s"
    assert re.match(form, said), said
    listed = robot.run("mirror", "ls", "--json")
    assert [one["key"] for one in json.loads(listed.stdout)] == ["robot/camera"], listed
    second = robot.run("mirror", "publish", "camera")
    assert second.returncode == 1 and "in use" in second.stderr and "only connect" in second.stderr


def test_files_of_certificates_that_were_replaced_are_used(
    lines: tuple[Line, Line], port: int
) -> None:
    robot, base = lines
    for line, text in (
        (robot, f'listen = ["tls/127.0.0.1:{port}"]'),
        (base, f'connect = ["tls/127.0.0.1:{port}"]'),
    ):
        name = line.directory.name
        (line.directory / "mirror.toml").write_text(
            f'host = "{name}"\n{text}\ncertificate = "../keys/{name}.pem"\n'
            f'key = "../keys/{name}.key"\nauthority = "../keys/authority.pem"\n'
        )
    keys = robot.directory.parent / "keys"
    make_keys(keys, ["robot", "base"])
    robot.host.run("camera = keep(latest.create('camera', 64)); camera.write(b'one')")
    publishing = robot.start("mirror", "publish", "camera")
    assert publishing.stderr is not None
    _says(publishing.stderr, "robot/camera: published")
    subscribing = base.start("mirror", "subscribe", "robot/camera")
    assert subscribing.stderr is not None
    _says(subscribing.stderr, "robot/camera: live")
    (keys / "robot.pem").unlink()
    _says(publishing.stderr, "no such file")
    (keys / "robot.key").unlink()
    make_keys(keys, ["robot"])
    _says(publishing.stderr, "certificates: renewed")
    base.host.run("reader = keep(latest.open('camera'))")
    robot.host.run("camera.write(b'two')")
    assert base.host.value("until(lambda: reader.read() == b'two', 25)")
    base.host.run("reader.close()")
    for process in (subscribing, publishing):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_at_a_terminal_there_is_a_live_line(lines: tuple[Line, Line]) -> None:
    robot, base = lines
    robot.host.run(
        "net = mirror.Network.from_file(file); camera = keep(latest.create('camera', 64)); "
        "camera.write(b'one')\n"
        "keep(mirror.publish(camera, network=net))",
        file=str(robot.directory / "mirror.toml"),
    )
    master, slave = pty.openpty()
    with open(master, "rb", buffering=0) as terminal:
        subscribing = base.start("mirror", "subscribe", "robot/camera", stdout=slave)
        os.close(slave)
        text = _says(terminal, "live")
        assert b"STATE" in text and b"MB/S" in text and b"robot/camera" in text
        subscribing.send_signal(signal.SIGINT)
        assert subscribing.wait(60) == 130


def test_keys_are_made_and_told(lines: tuple[Line, Line]) -> None:
    robot, _ = lines
    done = robot.run("mirror", "keys", "robot", "base", "--address", "10.0.0.1")
    assert done.returncode == 0 and "keys/robot.pem" in done.stdout
    assert "authority.key stays here" in done.stderr
    again = robot.run("mirror", "keys", "robot")
    assert again.returncode == 1 and "exists" in again.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("publish", "nothing"), "no object of that name"),
        (("subscribe", "camera"), "HOST/NAME"),
        (("ls", "--network", "none.toml"), "none.toml: no such file\nWrite it"),
    ],
)
def test_a_failure_is_a_sentence(
    words: tuple[str, ...], says: str, lines: tuple[Line, Line]
) -> None:
    robot, _ = lines
    done = robot.run("mirror", *words)
    assert done.returncode == 1 and says in done.stderr and "Traceback" not in done.stderr


def test_one_name_is_for_one_replica(lines: tuple[Line, Line]) -> None:
    done = lines[1].run("mirror", "subscribe", "robot/a", "robot/b", "--as", "x")
    assert done.returncode == 2 and "--as" in done.stderr


def test_keys_are_renewed_where_that_is_asked_for(lines: tuple[Line, Line]) -> None:
    robot, _ = lines
    assert robot.run("mirror", "keys").returncode == 2
    assert robot.run("mirror", "keys", "robot", "--directory", "made").returncode == 0
    again = robot.run("mirror", "keys", "robot", "--directory", "made")
    assert again.returncode and "--renew" in again.stderr
    renewed = robot.run("mirror", "keys", "--renew", "robot", "--directory", "made")
    assert renewed.stdout.split() == [
        f"made/{name}" for name in ("authority.pem", "robot.pem", "robot.key")
    ]
    assert robot.run("mirror", "keys", "--renew", "-d", "made").stdout.split() == [
        "made/authority.pem"
    ]
