# SPDX-License-Identifier: MIT
"""Values over Ray, for the comparison with a replica: a cluster of two nodes, and an actor on the
receiving one that is given every value.

The daemons of both nodes run all the time, and take some of the processor from the other ways.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

try:
    import ray
except ImportError:
    ray = None

WAITING = 2  #: values that may be under way, as pyzmq's high-water mark
_HERE = "receiving"  #: the resource of the node on which the actor is
_nodes: list[subprocess.Popen[bytes]] = []


def _node(*words: str) -> None:
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1"]
    command += ["--object-store-memory=300000000", "--disable-usage-stats", *words]
    _nodes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


def _join(cluster: str, own: str) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            ray.init(cluster, _node_ip_address=own, namespace="bench", log_to_driver=False)
        except Exception:  # whatever it is that is not there yet
            if time.monotonic() > end:
                raise
            time.sleep(1)
        else:
            return


def sender(address: str, port: int, sizes: Iterable[int]) -> dict[int, Callable[[Any], None]]:
    """Begin the first node; for each size what gives a value to the actor."""
    import numpy

    with tempfile.TemporaryDirectory() as place:
        pass
    _node("--head", f"--node-ip-address={address}", f"--port={port}", f"--temp-dir={place}",
          "--include-dashboard=false")  # fmt: skip
    _join(f"{address}:{port}", address)

    @ray.remote(num_cpus=0, resources={_HERE: 1})
    class Sink:
        def __init__(self) -> None:
            self.times: list[tuple[float, float]] = []
            self.is_done = False

        def take(self, value: Any) -> None:
            stamp = int.from_bytes(bytes(memoryview(value)[:8]), "little", signed=True)
            if stamp < 0:
                self.is_done = True
            elif stamp:
                now = time.monotonic()
                self.times.append((now, now - stamp / 1e9))

        def result(self) -> list[tuple[float, float]] | None:
            if not self.is_done:
                return None
            found, self.times, self.is_done = self.times, [], False
            return found

    sink = Sink.options(name="sink").remote()
    ray.get(sink.result.remote())
    under_way: deque[Any] = deque()

    def give(value: Any) -> None:
        # a large value goes into the store of this node first, and from there to the other's
        given = bytes(value) if len(value) < 100_000 else numpy.array(value, dtype=numpy.uint8)
        under_way.append(sink.take.remote(given))
        if len(under_way) > WAITING:
            ray.get(under_way.popleft())

    return dict.fromkeys(sizes, give)


def receiver(address: str, port: int, own: str) -> Callable[[], list[tuple[float, float]]]:
    """Begin the second node; what waits for the end of the values, and gives when each arrived
    and after what time."""
    _node(
        f"--address={address}:{port}", f"--node-ip-address={own}", f'--resources={{"{_HERE}": 1}}'
    )
    _join(f"{address}:{port}", own)
    while "sink" not in ray.util.list_named_actors():
        time.sleep(0.2)
    sink = ray.get_actor("sink")
    ray.get(sink.result.remote())  # it has begun

    def result() -> list[tuple[float, float]]:
        while (found := ray.get(sink.result.remote())) is None:
            time.sleep(0.2)
        return list(found)

    return result


def end() -> None:
    """End this program's node."""
    if _nodes:
        ray.shutdown()
    for node in _nodes:
        node.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            node.wait(20)
