# SPDX-License-Identifier: MIT
"""Hosts that mirror to each other: programs with a namespace of names each.

zenoh runs in these programs alone, never in the process of the tests: its threads would stay there
for all tests that fork afterwards.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from support.users import Program
from support.workers import worker

BEGIN = """
import asyncio, gc, json, threading, warnings
warnings.simplefilter("error", DeprecationWarning)
import memsection
from memsection import arrays, latest, mirror, records
from memsection.content import schema
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
#: Where the fixture ``wired`` has its hosts, and where robot listens.
ROBOT, BASE, WIRED_PORT = "10.77.0.1", "10.77.0.2", 7447
#: A link counts as lost sooner, so that a test need not wait.
SHORT_LEASE = "from memsection.mirror import network as _network; _network.LEASE = 0.8"
USUAL_LEASE = "from memsection.mirror import network as _network; _network.LEASE = 2.0"

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


def program() -> Program:
    """A program that is ended by whoever asked for it."""
    manager = worker()
    made: Program = manager.__enter__()
    made._manager = manager  # type: ignore[attr-defined]  # it would kill the program when it is collected
    return made


def secure(keys: Path, host: str, **options: Any) -> str:
    """The expression of a network with the certificate of a host."""
    words = {
        "certificate": str(keys / f"{host}.pem"),
        "key": str(keys / f"{host}.key"),
        "authority": str(keys / "authority.pem"),
        **options,
    }
    return (
        f"mirror.Network({host!r}, {', '.join(f'{key}={value!r}' for key, value in words.items())})"
    )


def ip(host: Host, *words: str, tool: str = "ip") -> subprocess.CompletedProcess[str]:
    """Run ``ip``, or ``tc``, in the network namespace of a host."""
    return subprocess.run(
        ["nsenter", "-t", str(host.pid), "-n", tool, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
