# SPDX-License-Identifier: MIT
"""Hosts that mirror to each other: programs with a namespace of names each, over loopback.

zenoh runs in these programs alone, never in the process of the tests: its threads would stay there for all tests that
fork afterwards.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.users import Program
from support.workers import worker

BEGIN = """
import asyncio, gc, json, threading, warnings
warnings.simplefilter("error")
import memsection
from memsection import arrays, latest, mirror, records, schema
open_things = []
def keep(thing):
    open_things.append(thing)
    return thing
def until(condition, seconds=15.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
"""
END = """
for thing in reversed(open_things):
    thing.close()
open_things.clear()
"""


class Host:
    """A program with a namespace of its own."""

    def __init__(self, program: Program, root: Path, prefix: tuple[str, ...]) -> None:
        self.program, self.root, self.prefix = program, root, prefix
        self.run, self.value, self.refusal = program.run, program.value, program.refusal
        self.pid = program.pid
        program.enter(str(root))
        program.run(BEGIN)

    def end(self) -> list[str]:
        """Close what it has; the names that are left."""
        if self.program.process.poll() is None:
            self.run(END)
            self.program.leave()
        return [str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()]


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
    for program in found:
        program.end()


@pytest.fixture
def host(programs: list[Program]) -> Iterator[Callable[..., Host]]:
    """A function that gives another host; or, given one, another program on it."""
    hosts: list[Host] = []
    roots: list[Path] = []
    with ExitStack() as stack:
        def begin(beside: Host | None = None, prefix: tuple[str, ...] = ()) -> Host:
            if beside is None:
                roots.append(Path(tempfile.mkdtemp(prefix="memsection-mirror-", dir="/dev/shm")))
                stack.callback(shutil.rmtree, roots[-1])
            if prefix:
                program = stack.enter_context(worker(*prefix))
            else:
                program = programs.pop() if programs else _program()
            hosts.append(Host(program, beside.root if beside is not None else roots[-1], prefix))
            return hosts[-1]

        yield begin
        left: list[str] = []
        for one in reversed(hosts):
            names = one.end()
            if one.program.process.poll() is None and not one.prefix:
                programs.append(one.program)
            elif not one.prefix:
                one.program.end()
            if not any(other.root == one.root for other in hosts[:hosts.index(one)]):
                left += names  # the last program of this host
        assert not left, f"names are left behind: {left}"


def _program() -> Program:
    manager = worker()
    program: Program = manager.__enter__()
    program._manager = manager  # type: ignore[attr-defined]  # it would kill the program when it is collected
    return program


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
    """An authority, and hosts of it; an authority of strangers; a host whose certificate has expired."""
    from memsection.mirror import credentials, make_keys

    place = Path(tempfile.mkdtemp(prefix="memsection-keys-", dir="/dev/shm"))
    try:
        make_keys(place, ["robot", "base", "evil", "router"], ["127.0.0.1", "localhost"])
        credentials._make_host(place, "old", (), 0)  # good until now
        make_keys(place / "strangers", ["robot", "base"])
        yield place
    finally:
        shutil.rmtree(place)


def secure(keys: Path, host: str, **options: Any) -> str:
    """The expression of a network with the certificate of a host."""
    words = {"certificate": str(keys / f"{host}.pem"), "key": str(keys / f"{host}.key"),
             "authority": str(keys / "authority.pem"), **options}
    return f"mirror.Network({host!r}, {', '.join(f'{key}={value!r}' for key, value in words.items())})"
