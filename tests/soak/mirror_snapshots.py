# SPDX-License-Identifier: MIT
"""Snapshots with a checksum inside, from one host to another, read on the replica all the time:
none may be torn.

Large and small latest values, and an array, of which every opening is one snapshot; at least
10,000 values, or as many as the time allows; now and then the publisher is stopped for a moment.
What must be 0 is ``torn`` and ``back`` (a sequence that went back).
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[2] / "src"))
SIZES = {"small": 64, "large": 300_000}
WORDS = 2000  #: of the array


def _with_checksum(number: int, size: int) -> bytes:
    body = number.to_bytes(8, "little") * (size // 8 - 1)
    return zlib.crc32(body).to_bytes(8, "little") + body


def _is_whole(value: bytes) -> bool:
    return int.from_bytes(value[:8], "little") == zlib.crc32(value[8:])


def publish(port: int) -> None:
    """Write until the input ends; the number of values so far is printed at the end."""
    from memsection import arrays, latest, mirror

    network = mirror.Network("robot", listen=[f"127.0.0.1:{port}"])
    values = {name: latest.create(name, size) for name, size in SIZES.items()}
    array = arrays.create("array", WORDS, "u8")
    ended, written = threading.Event(), 0
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    publications = [
        mirror.publish(one, network=network, interval=None) for one in (*values.values(), array)
    ]
    print("ready", flush=True)
    while not ended.is_set():
        written += 1
        for name, one in values.items():
            one.write(_with_checksum(written, SIZES[name]))
        if written % 20 == 0:
            array[:] = written
            publications[-1].commit()
        time.sleep(0.0005)
    print(written, flush=True)
    for one in publications:
        one.close()
    for value in values.values():
        value.close()


class Readers:
    """Threads that read what arrives, and count."""

    def __init__(self, port: int) -> None:
        from memsection import latest, mirror

        network = mirror.Network("base", connect=[f"127.0.0.1:{port}"])
        self.read = self.torn = self.back = 0
        self.ended = threading.Event()
        self.replicas = {
            name: mirror.subscribe(f"robot/{name}", network=network) for name in (*SIZES, "array")
        }
        for name in SIZES:
            latest.open(name, timeout=30).close()
        assert all(one.wait(timeout=30) for one in self.replicas.values())
        self.threads = [threading.Thread(target=self._values, args=(name,)) for name in SIZES]
        self.threads += [
            threading.Thread(target=self._arrays),
            threading.Thread(target=self._sequences),
        ]
        for thread in self.threads:
            thread.start()

    def _values(self, name: str) -> None:
        from memsection import latest

        with latest.open(name) as reader:
            before = 0
            while not self.ended.is_set():
                value = reader.read()
                number = int.from_bytes(value[8:16], "little")
                self.read += number != before
                self.torn += not _is_whole(value)
                self.back += number < before
                before = number

    def _arrays(self) -> None:
        from memsection import arrays

        while not self.ended.is_set():
            found = arrays.open("array", access="r")
            self.read += 1
            self.torn += bool((found != found[0]).any())
            del found
            time.sleep(0.001)

    def _sequences(self) -> None:
        before = dict.fromkeys(self.replicas, 0)
        while not self.ended.is_set():
            for name, one in self.replicas.items():
                sequence = one.sequence
                self.back += sequence < before[name]
                before[name] = sequence
            time.sleep(0.001)

    def end(self) -> int:
        """Stop; how many snapshots arrived."""
        self.ended.set()
        for thread in self.threads:
            thread.join()
        arrived = sum(one.statistics["snapshots"] for one in self.replicas.values())
        for one in self.replicas.values():
            one.close()
        return arrived


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--publish", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        publish(options.publish)
        return 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="memsection-soak-", dir="/dev/shm") as place:
        for host in ("robot", "base"):
            os.mkdir(f"{place}/{host}")
        publisher = subprocess.Popen(
            [sys.executable, str(HERE), "--publish", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "MEMSECTION_ROOT": f"{place}/robot"},
        )
        assert publisher.stdin is not None and publisher.stdout is not None
        publisher.stdout.readline()
        os.environ["MEMSECTION_ROOT"] = f"{place}/base"
        readers = Readers(port)
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            time.sleep(min(5.0, options.seconds / 4))
            publisher.send_signal(signal.SIGSTOP)
            time.sleep(0.3)
            publisher.send_signal(signal.SIGCONT)
        publisher.stdin.close()
        written = int(publisher.stdout.readline())
        publisher.wait(30)
        arrived = readers.end()
        left = [
            file
            for file in Path(place).rglob("*")
            if file.is_file() and file.name.startswith("memsection")
        ]
    stuck = 0 if arrived else 1  # nothing came through at all
    print(
        f"mirror_snapshots: written={written} arrived={arrived} read={readers.read} "
        f"back={readers.back} stuck={stuck} leaked={len(left)} torn={readers.torn} "
        f"raw={int(publisher.returncode != 0)}"
    )
    return 1 if readers.torn or readers.back or stuck or left or publisher.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
