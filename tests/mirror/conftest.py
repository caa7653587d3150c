# SPDX-License-Identifier: MIT
"""Hosts over loopback, and keys for them."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.hosts import BASE, ROBOT, WIRED_PORT, Host, ip, program, secure
from support.users import Program, lacking
from support.workers import worker


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def programs() -> Iterator[list[Program]]:
    """Programs that wait for the next test."""
    found: list[Program] = []
    yield found
    for one in found:
        one.end()


@pytest.fixture
def host(programs: list[Program]) -> Iterator[Callable[..., Host]]:
    """A function that gives another host; or, given one, another program on it."""
    hosts: list[Host] = []
    roots: list[Path] = []
    with ExitStack() as stack:

        def begin(beside: Host | None = None, prefix: tuple[str, ...] = ()) -> Host:
            if beside is None:
                roots.append(
                    Path(
                        tempfile.mkdtemp(prefix=f"memsection-mirror-{os.getpid()}-", dir="/dev/shm")
                    )
                )
                stack.callback(shutil.rmtree, roots[-1])
            if prefix:
                made = stack.enter_context(worker(*prefix))
            else:
                made = programs.pop() if programs else program()
            hosts.append(Host(made, beside.root if beside is not None else roots[-1], prefix))
            return hosts[-1]

        yield begin
        left: list[str] = []
        for one in reversed(hosts):
            names = one.end()
            if one.program.process.poll() is None and not one.prefix:
                programs.append(one.program)
            elif not one.prefix:
                one.program.end()
            if not any(other.root == one.root for other in hosts[: hosts.index(one)]):
                left += names  # the last program of this host
        assert not left, f"names are left behind: {left}"


@pytest.fixture
def robot(host: Callable[..., Host], port: int) -> Host:
    """The host that publishes: it listens on loopback."""
    made = host()
    made.run(f"net = mirror.Network('robot', listen=['tcp/127.0.0.1:{port}'])")
    return made


@pytest.fixture
def base(host: Callable[..., Host], port: int) -> Host:
    """The host that subscribes."""
    made = host()
    made.run(f"net = mirror.Network('base', connect=['tcp/127.0.0.1:{port}'])")
    return made


@pytest.fixture(scope="session")
def keys() -> Iterator[Path]:
    """An authority, and hosts of it; an authority of strangers; a host whose certificate has
    expired."""
    from memsection.mirror import credentials, make_keys

    place = Path(tempfile.mkdtemp(prefix=f"memsection-keys-{os.getpid()}-", dir="/dev/shm"))
    try:
        make_keys(place, ["robot", "base", "evil", "router"], ["127.0.0.1", "localhost"])
        credentials._make_host(place, "old", (), 0)  # good until now
        make_keys(place / "strangers", ["robot", "base"])
        yield place
    finally:
        shutil.rmtree(place)


@pytest.fixture
def wired(host: Callable[..., Host], keys: Path) -> Iterator[tuple[Host, Host]]:
    """Robot and base, each in a network namespace of its own, joined by a cable."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nsenter"):
        lacking("root", "network namespaces need root, ip and nsenter")
    made = [host(prefix=("unshare", "-n")) for _ in range(2)]
    done = ip(
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
            assert ip(one, *words).returncode == 0
    made[0].run(f"net = {secure(keys, 'robot', listen=[f'{ROBOT}:{WIRED_PORT}'])}")
    made[1].run(f"net = {secure(keys, 'base', connect=[f'{ROBOT}:{WIRED_PORT}'])}")
    yield made[0], made[1]
