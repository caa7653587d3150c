# SPDX-License-Identifier: MIT
"""A publisher, two programs that subscribe and a reader, killed and stopped at random, forking, and
interrupted by a signal handler that raises; in every second round somebody scribbles over all
memory of both hosts.

What must hold: nobody sees a value that was not written (where nobody scribbles), every exception
is the library's, every program ends when it is told to, and the next ones get on.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parents[2] / "src")]

from support.storms import SWEEPER, Storm, main  # noqa: E402  (after the path)

SIZES = {"small": 64, "large": 300_000}
STUCK = 60.0  #: seconds after which a program that was told to end counts as stuck
ROUND = 15.0  #: seconds
TORN, RAW = 3, 4  #: exit statuses


class Interrupted(Exception):
    """What the signal handler raises."""


# ---------------------------------------------------------------------- the programs


def value(number: int, size: int) -> bytes:
    """A value that tells whether it is whole."""
    body = number.to_bytes(8, "little") * (size // 8 - 1)
    return zlib.crc32(body).to_bytes(8, "little") + body


def publish(network: str, step: Callable[[Callable[[], object]], bool]) -> None:
    """Write values until told to end."""
    from memsection import latest, mirror

    net = mirror.Network("robot", listen=[network])
    ends: dict[str, latest.Writer] = {}
    published: dict[str, mirror.Publication] = {}
    number = 0

    def one() -> None:
        for name, size in SIZES.items():
            if name not in ends:
                ends[name] = latest.create(name, size, exist_ok=True)
            if name not in published:
                published[name] = mirror.publish(ends[name], network=net)
            ends[name].write(value(number, size))

    while step(one):
        number += 1
    for each in (*published.values(), *ends.values()):
        each.close()


def subscribe(network: str, step: Callable[[Callable[[], object]], bool]) -> None:
    """Keep replicas, wait for them, fork now and then."""
    from memsection import Error, mirror

    net = mirror.Network("base", connect=[network], connect_timeout=1.0)
    replicas: dict[str, mirror.Replica] = {}
    turns = 0

    def one() -> None:
        for name in SIZES:
            if name not in replicas:
                replicas[name] = mirror.subscribe(f"robot/{name}", network=net)
            replicas[name].wait(0.02, after=replicas[name].sequence)

    def child() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python's: a fork with threads
            pid = os.fork()
        if not pid:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.alarm(20)  # it would be stuck
            try:
                for each in replicas.values():
                    with contextlib.suppress(Error):
                        each.wait(0)
                    each.close()
                with contextlib.suppress(Error):
                    mirror.subscribe("robot/small", network=net)
            finally:
                os._exit(0)
        os.write(1, b"f")
        if os.waitpid(pid, 0)[1]:
            raise AssertionError("a forked child was stuck")

    while step(one):
        turns += 1
        if turns % 20 == 0:
            signal.setitimer(signal.ITIMER_REAL, 0)
            child()
    for each in replicas.values():
        each.close()


def read(_: str, step: Callable[[Callable[[], object]], bool]) -> None:
    """Read the replicas."""
    from memsection import latest

    def one() -> None:
        for name in SIZES:
            with latest.open(name) as reader:
                for _ in range(20):
                    raw = reader.read()
                    is_whole = raw is None or zlib.crc32(raw[8:]) == int.from_bytes(
                        raw[:8], "little"
                    )
                    if not is_whole and "scribbled" not in sys.argv:
                        os._exit(TORN)

    while step(one):
        time.sleep(0.01)


ROLES = {"publish": publish, "subscribe": subscribe, "read": read}


def play(role: str, network: str) -> None:
    """Be one of the programs, until SIGTERM."""
    from memsection import Error

    ended: list[int] = []
    raises, began = [False], [False]

    def interrupt(*_: object) -> None:
        if raises[0]:
            raises[0] = False
            os.write(1, b"i")
            raise Interrupted

    def step(one: Callable[[], object]) -> bool:
        signal.setitimer(signal.ITIMER_REAL, 0.037, 0.037)
        try:
            # Not while threads begin: Thread.start of CPython itself writes to stderr where it is
            # interrupted.
            raises[0] = began[0]
            one()
            began[0] = True  # all of it is open
            raises[0] = False
        except (Error, Interrupted):  # the library's errors are answers
            raises[0] = False
        time.sleep(0.002)
        if ended:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return not ended

    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    signal.signal(signal.SIGALRM, interrupt)
    ROLES[role](network, step)


# ---------------------------------------------------------------------- the storm


class Player:
    """One of the programs."""

    def __init__(self, role: str, network: str, root: str, scribbled: bool) -> None:
        self.role = role
        self._said, self._done = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, str(HERE), "play", role, network, *["scribbled"] * scribbled],
            stdout=self._done,
            stderr=self._said,
            env={**os.environ, "MEMSECTION_ROOT": root, "RUST_LOG": "off"},
        )

    def end(self, storm: Storm, number: int, scribbled: bool) -> None:
        """Kill it, or tell it to end, and judge how it did."""
        self.process.send_signal(number)
        try:
            status = self.process.wait(STUCK)
        except subprocess.TimeoutExpired:
            storm.count("stuck", example=f"{self.role} {_stacks(self.process.pid)}")
            self.process.kill()
            self.process.wait()
            status = 0
        said = _text(self._said).strip()
        done = _text(self._done)
        storm.count("forks", done.count("f"))
        storm.count("interruptions", done.count("i"))
        storm.count("torn", status == TORN)
        if said or status not in (0, -signal.SIGKILL, -signal.SIGTERM, TORN):
            storm.count(
                "raw", example=f"{self.role} {status}, scribbled {scribbled}: {said[-1500:]}"
            )


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    with file:
        return file.read().decode(errors="replace")


def _stacks(pid: int) -> str:
    return " ".join((task / "wchan").read_text() for task in Path(f"/proc/{pid}/task").iterdir())


def scribble(storm: Storm, root: Path) -> None:
    """Write noise over some of what is there."""
    for file in root.rglob("*"):
        with contextlib.suppress(OSError, ValueError):
            if file.is_file() and file.stat().st_size:
                with open(file, "r+b") as opened, mmap.mmap(opened.fileno(), 0) as memory:
                    for _ in range(3):
                        at = storm.random.randrange(min(len(memory), 20_000))
                        noise = storm.random.choice(
                            [b"\xff" * 8, b"\0" * 8, storm.random.randbytes(8), b"\x01"]
                        )
                        memory[at : at + len(noise)] = noise[: len(memory) - at]
                storm.count("scribbles")


def one_round(storm: Storm, scribbled: bool, seconds: float) -> None:
    """Some seconds of it; and then, where nobody scribbled, everybody gets on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        network = f"tcp/127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="round-", dir=storm.root) as place:
        roots = {role: f"{place}/{'robot' if role == 'publish' else 'base'}" for role in ROLES}
        for root in set(roots.values()):
            os.mkdir(root)

        def begin(role: str) -> Player:
            return Player(role, network, roots[role], scribbled)

        players = [begin(role) for role in ("publish", "subscribe", "subscribe", "read")]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(storm.random.random() * 1.2)
            at = storm.random.randrange(len(players))
            if storm.random.random() < 0.3:
                players[at].process.send_signal(signal.SIGSTOP)
                time.sleep(storm.random.random() * 0.5)
                players[at].process.send_signal(signal.SIGCONT)
                storm.count("stops")
            elif storm.random.random() < 0.7:
                players[at].end(storm, signal.SIGKILL, scribbled)
                storm.count("kills")
                players[at] = begin(players[at].role)
            if scribbled:
                scribble(storm, Path(place))
        if not scribbled:
            storm.count("stuck", not _arrives(roots["read"]), "no value arrived at the end")
        time.sleep(2.0)  # who was started last has set its handlers
        for player in players:
            player.end(storm, signal.SIGTERM, scribbled)
            storm.count("ends")
        if not scribbled:
            _count_left(storm, set(roots.values()))


def _arrives(root: str) -> bool:
    """Whether the newest small value changes on the subscribing host."""
    look = (
        "import sys, time; from memsection import latest, Error\n"
        "seen, end = set(), time.monotonic() + 60\n"
        "while len(seen) < 3 and time.monotonic() < end:\n"
        "    try:\n"
        "        with latest.open('small') as reader: seen.add(reader.read())\n"
        "    except Error: pass\n"
        "    time.sleep(0.05)\n"
        "sys.exit(len(seen) < 3)"
    )
    environment = {**os.environ, "MEMSECTION_ROOT": root}
    return not subprocess.run([sys.executable, "-c", look], env=environment, check=False).returncode


def _count_left(storm: Storm, roots: set[str]) -> None:
    for root in roots:
        environment = {**os.environ, "MEMSECTION_ROOT": root}
        subprocess.run([sys.executable, "-c", SWEEPER], env=environment, check=True)
        left = [str(file) for file in Path(root).rglob("*") if file.is_file()]
        storm.count("leaked", len(left), f"{left}")


def run(storm: Storm) -> None:
    rounds = 0
    while storm.goes_on():
        one_round(storm, bool(rounds % 2), min(ROUND, max(storm.seconds / 2, 1.0)))
        rounds += 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["play"]:
        play(*sys.argv[2:4])
    else:
        main(run)
