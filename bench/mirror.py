# SPDX-License-Identifier: MIT
"""What does a replica on another host cost, compared with a raw TCP socket between the same two
programs?

Two network namespaces with a veth pair, and certificates on the mirror's side as they are needed
between hosts; without root it is loopback, and no certificates.  Both sides of a row end up with
the same: the value is in memory on the other side, and a program there has it as bytes.  Rounds of
all take turns.  "zenoh alone" is what the engine takes with the mirror's settings when every value
is pushed, with nothing of the mirror around it.  "topic" is the mirror too, each value a message.
``--subscribers`` measures 1, 4 and 16 subscribers of one publication instead.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import heading, median, span, table
from mirror_programs import (
    FASTEST,
    FLIGHT,
    FRAME,
    MIRROR,
    PORT,
    RAW,
    RAY,
    SMALL,
    TOPIC,
    ZENOH,
    ZMQ,
    flight,
    ray_actor,
    zmq,
)

PROGRAMS = Path(__file__).with_name("mirror_programs.py")


class Peer:
    """One of the two programs, which obeys lines of JSON."""

    def __init__(self, role: str, prefix: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(PROGRAMS), role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.pid = self.process.pid

    def tell(self, what: str, **words: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([what, words]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ask(self, what: str, **words: Any) -> Any:
        self.tell(what, **words)
        return self.answer()

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


# ---------------------------------------------------------------------- the rows


class Bench:
    """Two hosts, or what comes near."""

    def __init__(self, with_ray: bool = False) -> None:
        self.with_ray = with_ray
        self.place = Path(tempfile.mkdtemp(prefix="memsection-bench-", dir="/dev/shm"))
        self.apart = os.geteuid() == 0 and shutil.which("nsenter") is not None
        self.sender = self._peer("send", "robot")
        self.receivers: list[Peer] = []

    def _peer(self, role: str, root: str) -> Peer:
        (self.place / root).mkdir(exist_ok=True)
        return Peer(
            role,
            ["unshare", "-n"] if self.apart and not root.startswith("more") else [],
            {"MEMSECTION_ROOT": str(self.place / root)},
        )

    def ip(self, peer: Peer, *words: str, tool: str = "ip") -> bool:
        return (
            subprocess.run(
                ["nsenter", "-t", str(peer.pid), "-n", tool, *words],
                capture_output=True,
                check=False,
            ).returncode
            == 0
        )

    def connect(self) -> None:
        """One receiver at the other end of a cable."""
        receiver = self._peer("receive", "base")
        self.receivers = [receiver]
        address = "127.0.0.1"
        if self.apart:
            address = "10.78.0.1"
            time.sleep(0.5)  # until both have left our namespace
            self.apart = self.ip(
                self.sender,
                "link",
                "add",
                "cable",
                "type",
                "veth",
                "peer",
                "name",
                "cable",
                "netns",
                str(receiver.pid),
            )
            for peer, own in ((self.sender, address), (receiver, "10.78.0.2")):
                for words in (
                    ("link", "set", "lo", "up"),
                    ("addr", "add", f"{own}/24", "dev", "cable"),
                    ("link", "set", "cable", "up"),
                ):
                    self.ip(peer, *words)
        with_ray: dict[str, Any] = {"with_ray": True} if self.with_ray else {}
        self.sender.tell(
            "open", network=self._network("robot", "listen", address), address=address, **with_ray
        )
        if not self.with_ray:
            time.sleep(2)
        own = "10.78.0.2" if self.apart else address
        receiver.ask(
            "open",
            network=self._network("base", "connect", address),
            address=address,
            **({"with_ray": own} if self.with_ray else {}),
        )
        self.sender.answer()

    def _network(self, host: str, option: str, address: str) -> dict[str, Any]:
        found: dict[str, Any] = {"host": host, option: [f"{address}:{PORT}"]}
        if not address.startswith("127."):
            from memsection.mirror import make_keys

            keys = self.place / "keys"
            if not (keys / f"{host}.pem").exists():
                make_keys(keys, [host])
            found |= {
                "certificate": str(keys / f"{host}.pem"),
                "key": str(keys / f"{host}.key"),
                "authority": str(keys / "authority.pem"),
            }
        return found

    def row(
        self, size: int, rate: float, seconds: float, rounds: int, shaped: bool, beside: float
    ) -> dict[str, list[tuple[float, ...]]]:
        """Median latency, values each second and the latency that one in ten exceeds of every way,
        round by round."""
        ways = [RAW, ZENOH, MIRROR]
        if not beside:
            ways.append(TOPIC)
            others = ((ZMQ, zmq), (FLIGHT, flight.flight))
            ways += [way for way, there in others if there is not None]
            ways += [RAY] * self.with_ray
        found: dict[str, list[tuple[float, ...]]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, results in found.items():
                self.receivers[0].tell("receive", way=way, size=size, beside=beside)
                # A socket slows its writer down; a latest value does not.  Where processors are
                # the limit its writer writes what can be sent, else what comes between is newer.
                self.sender.ask(
                    "send",
                    way=way,
                    size=size,
                    rate=rate or (FASTEST if way == TOPIC or way == MIRROR and shaped else 0),
                    seconds=seconds,
                    beside=beside,
                )
                one = self.receivers[0].answer()
                times = sorted(one["times"])
                results.append((median(times), one["rate"], times[len(times) * 9 // 10]))
        return found

    def end(self) -> None:
        for peer in (*self.receivers, self.sender):
            peer.end()
        shutil.rmtree(self.place)


def _ratio(found: dict[str, list[tuple[float, ...]]], what: int) -> float:
    return median(
        [mine[what] / raw[what] for mine, raw in zip(found[MIRROR], found[RAW], strict=True)]
    )


_ONE_GBIT = "qdisc replace dev cable root tbf rate 1gbit burst 256k latency 20ms".split()


def compare(bench: Bench, scale: float) -> list[list[str]]:
    """The rows of the table."""
    lines = []
    rows: list[tuple[str, int, float, float, bool, float, dict[int, float | None]]] = [
        ("64 B at 1 kHz", SMALL, 1000, 1.0, False, 0, {0: 1.6}),
        ("64 B at 200 Hz, frames beside it", SMALL, 200, 2.0, False, 30, {0: None, 2: None}),
        ("6.2 MB at 30 Hz", FRAME, 30, 1.5, False, 0, {0: 2.0}),
        ("6.2 MB as fast as it goes", FRAME, 0, 1.5, False, 0, {1: 0.6}),
        ("6.2 MB at 1 Gbit/s", FRAME, 0, 4.0, True, 0, {1: 0.97, 0: 1.0}),
        ("64 B, frames beside it, 1 Gbit/s", SMALL, 200, 2.0, True, 15, {0: None, 2: None}),
        ("6.2 MB at 15 Hz over 1 Gbit/s", FRAME, 15, 2.0, True, 0, {0: 1.0}),
    ]
    for title, size, rate, seconds, shaped, beside, targets in rows:
        if shaped and not (bench.apart and bench.ip(bench.sender, *_ONE_GBIT, tool="tc")):
            print(f"without {title}: no token bucket filter here", file=sys.stderr)
            continue
        found = bench.row(size, rate, seconds, max(2, int(5 * scale)), shaped, beside)
        if shaped:
            bench.ip(bench.sender, "qdisc", "del", "dev", "cable", "root", tool="tc")
        for what, target in targets.items():
            shown = [
                "" if way not in found else f"{middle:.1f}" if what == 1 else span(middle)
                for way in (RAW, ZMQ, FLIGHT, RAY, ZENOH, TOPIC, MIRROR)
                for middle in [median([one[what] for one in found.get(way, [(0.0, 0.0, 0.0)])])]
            ]
            ratio = _ratio(found, what)
            line = [title + (", p50", ", values/s", ", p90")[what], *shown, f"{ratio:.2f}", "", ""]
            if target is not None:
                reached = ratio >= target if what == 1 else ratio <= target
                line[-2:] = (
                    f"{'>=' if what == 1 else '<='} {target}",
                    "reached" if reached else "MISSED",
                )
            lines.append(line)
    return lines


def writer_cost() -> list[str]:
    """What a publication costs the writer of 64 bytes, in a program of its own and in the
    writer's."""
    from memsection import latest

    with (
        latest.create("bench-writer", SMALL) as plain,
        latest.create("bench-published", SMALL) as published,
    ):
        value, samples = bytes(SMALL), {"plain": [], "published": []}
        program = (
            "import sys; from memsection import mirror\n"
            f"network = mirror.Network('robot', listen=['127.0.0.1:{PORT + 5}'])\n"
            "with mirror.publish('bench-published', network=network):\n"
            "    print('ready', flush=True); sys.stdin.read()"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert child.stdout is not None and child.stdin is not None
        child.stdout.readline()
        for _ in range(200):
            for name, end in (("plain", plain), ("published", published)):
                start = time.perf_counter()
                for _ in range(200):
                    end.write(value)
                samples[name].append((time.perf_counter() - start) / 200)
        child.stdin.close()
        child.wait(30)
    added = median([b - a for a, b in zip(samples["plain"], samples["published"], strict=True)])
    return [
        "latest.write of 64 B, while it is published",
        span(median(samples["plain"])),
        "",
        "",
        "",
        "",
        "",
        span(median(samples["published"])),
        f"+{max(added, 0) * 1e6:.2f} us",
        "<= +1 us",
        "reached" if added <= 1e-6 else "MISSED",
    ]


def subscribers(counts: tuple[int, ...], seconds: float) -> list[list[str]]:
    """One publication of frames at 30 Hz and several subscribers with a namespace of names each,
    over loopback."""
    lines = []
    for count in counts:
        bench = Bench()
        bench.apart = False
        bench.sender.end()
        bench.sender = bench._peer("send", "robot")
        bench.sender.tell(
            "open", network=bench._network("robot", "listen", "127.0.0.1"), address="127.0.0.1"
        )
        time.sleep(2)
        bench.receivers = [bench._peer("receive", f"more{number}") for number in range(count)]
        for peer in bench.receivers:
            peer.tell(
                "open",
                network=bench._network(f"base{peer.pid}", "connect", "127.0.0.1"),
                address="",
            )
        for peer in bench.receivers:
            peer.answer()
        for _ in (SMALL, FRAME):
            socket.create_connection(("127.0.0.1", PORT + 1)).close()
        bench.sender.answer()
        cpu = bench.sender.ask("processor")
        bench.sender.tell("send", way=MIRROR, size=FRAME, rate=30, seconds=seconds + 1)
        time.sleep(0.5)
        for peer in bench.receivers:
            peer.tell("count", seconds=seconds)
        found = [peer.answer() for peer in bench.receivers]
        bench.sender.answer()
        used = (bench.sender.ask("processor") - cpu) / (seconds + 1)
        frames = [one["frames"] for one in found]
        lines.append(
            [
                str(count),
                f"{100 * used:.0f} %",
                f"{sum(one['bytes'] for one in found) / 1e6:.0f} MB/s",
                f"{min(frames):.1f}",
                f"{median(frames):.1f}",
                f"{max(frames):.1f}",
            ]
        )
        bench.end()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--scale", type=float, default=1.0, help="so many times the usual number of rounds"
    )
    parser.add_argument(
        "--subscribers", action="store_true", help="1, 4 and 16 subscribers instead"
    )
    parser.add_argument("--ray", action="store_true", help="Ray too, if it is installed")
    options = parser.parse_args()
    print(heading() + "\n")
    if options.subscribers:
        print(
            table(
                ["subscribers", "publisher's CPU", "sent", "fewest frames/s", "median", "most"],
                subscribers((1, 4, 16), 3 * options.scale),
            )
        )
        return
    bench = Bench(options.ray and ray_actor.ray is not None)
    try:
        bench.connect()
        lines = compare(bench, options.scale)
        where = "veth, mutual TLS on the mirror's side" if bench.apart else "loopback"
    finally:
        bench.end()
    lines.append(writer_cost())
    print(table([where, RAW, ZMQ, FLIGHT, RAY, ZENOH, TOPIC, MIRROR, "ratio", "target", ""], lines))


if __name__ == "__main__":
    main()
