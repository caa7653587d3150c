# SPDX-License-Identifier: MIT
"""What are the two programs of ``mirror.py``?  One sends values, the other takes them, each way; they
obey lines of JSON."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from peers import flight, ray_actor

try:
    import zmq
except ImportError:
    zmq = None  # type: ignore[assignment]

SMALL, FRAME = 64, 6_220_800
PORT = 7411
FASTEST = 200  #: frames each second
RAW, ZENOH, MIRROR, ZMQ, FLIGHT = "raw TCP", "zenoh alone", "mirror", "pyzmq", "Flight"
TOPIC, RAY = "topic", "Ray"  #: the mirror again, each value a message; a Ray actor
PIECE = 1 << 20  #: bytes of a frame in one message of zenoh's
STAMP = struct.Struct("<q")


def engine_alone(network: Any, believed: str) -> Any:
    """A session with the settings that the mirror uses, for values of our own."""
    from memsection.mirror.network import _open

    return _open(network, frozenset({believed} if believed else ()))


class Sender:
    """Writes values that begin with the time, to a socket or to a latest value that is
    published."""

    def __init__(self) -> None:
        self.values: dict[int, Any] = {}
        self.sockets: dict[int, socket.socket] = {}
        self.queues: dict[int, Any] = {}
        self.puts: dict[int, Any] = {}
        self.topics: dict[int, Any] = {}
        self.publications: dict[int, Any] = {}

    def open(self, network: dict[str, Any], address: str, with_ray: bool = False) -> str:
        import zenoh

        from memsection import latest, mirror
        from memsection.channels import Topic

        self.ray = ray_actor.sender(address, PORT + 20, (SMALL, FRAME)) if with_ray else {}
        self.network = mirror.Network(**network)
        other = {**network, "listen": [f"{address}:{PORT + 4}"]}
        session = engine_alone(mirror.Network(**other), "")
        for size in (SMALL, FRAME):
            self.puts[size] = session.declare_publisher(
                f"memsection/robot/alone{size}/news",
                express=True,
                congestion_control=zenoh.CongestionControl.BLOCK,
            )
        for size in (SMALL, FRAME):
            self.values[size] = latest.create(f"value{size}", size)
            self.values[size].write(bytes(size))
            self.publications[size] = mirror.publish(self.values[size], network=self.network)
            self.topics[size] = Topic.create(f"topic{size}", bytes, largest=size)
            mirror.publish(self.topics[size], network=self.network)
        self.flights = flight.sources(address, PORT + 6, (SMALL, FRAME))
        server = socket.create_server((address, PORT + 1))
        for size in (SMALL, FRAME):
            self.sockets[size], _ = server.accept()
            self.sockets[size].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if zmq is not None:
            for number, size in enumerate((SMALL, FRAME)):
                self.queues[size] = zmq.Context.instance().socket(zmq.PUSH)
                self.queues[size].sndhwm = 2
                self.queues[size].bind(f"tcp://{address}:{PORT + 2 + number}")
        return "ready"

    def send(self, way: str, size: int, rate: float, seconds: float, beside: float = 0) -> float:
        """Send values for so many seconds; beside them frames at another rate."""
        other = threading.Thread(target=self._send, args=(way, FRAME, beside, seconds))
        if beside:
            other.start()
        sent = self._send(way, size, rate, seconds)
        if beside:
            other.join()
        return sent

    def _send(self, way: str, size: int, rate: float, seconds: float) -> float:
        value, pause = bytearray(size), 1 / rate if rate else 0.0
        put = {
            RAW: self.sockets[size].sendall,
            ZENOH: self._put_in(self.puts[size]),
            MIRROR: self.values[size].write if pause else self._write_ahead(size),
            TOPIC: lambda value: self.topics[size].send(bytes(value)),
            ZMQ: self.queues[size].send if self.queues else None,
            FLIGHT: self.flights.get(size),
            RAY: self.ray.get(size),
        }[way]
        end, due = time.monotonic() + seconds, time.monotonic()
        sent = 0
        while time.monotonic() < end:
            STAMP.pack_into(value, 0, time.monotonic_ns())
            put(value)
            sent += 1
            due += pause
            if pause:
                time.sleep(max(0.0, due - time.monotonic()))
        STAMP.pack_into(value, 0, -1)
        put(value)
        return sent

    def _write_ahead(self, size: int) -> Callable[[bytearray], None]:
        """Write a value when the one before it begins to be sent, as a socket takes the next one: there
        always is a newer one, and none is written for nothing."""
        value, publication = self.values[size], self.publications[size]

        def write(content: bytearray) -> None:
            value.write(content)
            end = time.monotonic() + 1
            while publication._newest is None or publication._newest.sequence < value.sequence:
                if time.monotonic() > end:  # the last one of a turn is not waited for again
                    return
                time.sleep(0.001)

        return write

    def _put_in(self, publisher: Any) -> Callable[[bytearray], None]:
        def put(value: bytearray) -> None:
            for at in range(0, len(value), PIECE):
                publisher.put(bytes(memoryview(value)[at : at + PIECE]))

        return put

    def processor(self) -> float:
        return time.process_time()


# ---------------------------------------------------------------------- the receiving program


def _summary(times: list[float], first: float, last: float) -> dict[str, Any]:
    """Latencies, and values each second by when they arrived: some of them are still on the way
    when the sender has sent its last one."""
    return {"times": times, "rate": (len(times) - 1) / max(last - first, 1e-9)}


class Receiver:
    """Takes the values, and the time from writing to having each of them."""

    def open(self, network: dict[str, Any], address: str, with_ray: str = "") -> str:
        import zenoh

        from memsection import latest, mirror
        from memsection.channels import Topic

        self.ray = ray_actor.receiver(address, PORT + 20, with_ray) if with_ray else None
        if with_ray:
            time.sleep(2)  # the sender has begun when Ray has
        self.network = mirror.Network(**network)
        if address:
            other = {**network, "connect": [f"{address}:{PORT + 4}"]}
            session = engine_alone(mirror.Network(**other), "robot")
            self.arriving = {
                size: session.declare_subscriber(
                    f"memsection/robot/alone{size}/news", zenoh.handlers.FifoChannel(16)
                )
                for size in (SMALL, FRAME)
            }
        self.sockets, self.replicas, self.readers, self.queues = {}, {}, {}, {}
        self.topics: dict[int, Any] = {}
        self.kept: list[Any] = []
        for size in (SMALL, FRAME):
            self.replicas[size] = mirror.subscribe(f"robot/value{size}", network=self.network)
            if not self.replicas[size].wait(timeout=20):
                raise SystemExit(f"no replica: {self.replicas[size].problem}")
            self.readers[size] = latest.open(f"value{size}")
            replica = mirror.subscribe(f"robot/topic{size}", network=self.network)
            if not replica.wait(timeout=20):
                raise SystemExit(f"no topic: {replica.problem}")
            self.kept.append(replica)
            self.topics[size] = Topic.open(f"topic{size}", role="receive")
            if address:
                self.sockets[size] = socket.create_connection((address, PORT + 1))
        self.flights = flight.sinks(address, PORT + 6, (SMALL, FRAME)) if address else {}
        if zmq is not None and address:
            for number, size in enumerate((SMALL, FRAME)):
                self.queues[size] = zmq.Context.instance().socket(zmq.PULL)
                self.queues[size].rcvhwm = 2
                self.queues[size].connect(f"tcp://{address}:{PORT + 2 + number}")
        return "ready"

    def receive(self, way: str, size: int, beside: float = 0) -> dict[str, Any]:
        """Take values until the last one; beside them frames."""
        other = threading.Thread(target=self._receive, args=(way, FRAME))
        if beside:
            other.start()
        found = self._receive(way, size)
        if beside:
            other.join()
        return found

    def _receive(self, way: str, size: int) -> dict[str, Any]:
        if way == RAY:
            assert self.ray is not None
            found = self.ray()
            return _summary([one for _, one in found], found[0][0], found[-1][0])
        value = bytearray(size)
        take = {
            RAW: self._from_socket,
            ZENOH: self._from_engine,
            MIRROR: self._from_replica,
            TOPIC: self._from_topic,
            ZMQ: self._from_queue,
            FLIGHT: self.flights.get,
        }[way](size)
        times: list[float] = []
        first = last = 0.0
        while True:
            take(value)
            stamp = STAMP.unpack_from(value)[0]
            if stamp < 0:
                return _summary(times, first, last)
            if stamp:
                last = time.monotonic()
                first = first or last
                times.append(last - stamp / 1e9)

    def _from_socket(self, size: int) -> Callable[[bytearray], None]:
        source = self.sockets[size]

        def take(value: bytearray) -> None:
            memory, at = memoryview(value), 0
            while at < size:
                at += source.recv_into(memory[at:])

        return take

    def _from_engine(self, size: int) -> Callable[[bytearray], None]:
        channel = self.arriving[size].handler

        def take(value: bytearray) -> None:
            at = 0
            while at < size:
                part = channel.recv().payload.to_bytes()
                value[at : at + len(part)] = part
                at += len(part)

        return take

    def _from_queue(self, size: int) -> Callable[[bytearray], None]:
        source = self.queues[size]

        def take(value: bytearray) -> None:
            value[:] = source.recv(copy=False).buffer

        return take

    def _from_replica(self, size: int) -> Callable[[bytearray], None]:
        replica, reader = self.replicas[size], self.readers[size]
        seen = [replica.epoch, replica.sequence]

        def take(value: bytearray) -> None:
            replica.wait(timeout=30, after=(seen[0], seen[1]))
            seen[1] = replica.sequence
            reader.read_into(value)

        return take

    def _from_topic(self, size: int) -> Callable[[bytearray], None]:
        topic = self.topics[size]

        def take(value: bytearray) -> None:
            value[:] = topic.receive(timeout=30)

        return take

    def count(self, seconds: float) -> dict[str, float]:
        begun, cpu = self.replicas[FRAME].statistics, time.process_time()
        time.sleep(seconds)
        done = self.replicas[FRAME].statistics
        return {
            "frames": (done["snapshots"] - begun["snapshots"]) / seconds,
            "cpu": (time.process_time() - cpu) / seconds,
            "bytes": (done["bytes"] - begun["bytes"]) / seconds,
        }


def serve(role: str) -> None:
    """Obey until the input ends."""
    one: Any = Sender() if role == "send" else Receiver()
    for line in sys.stdin:
        what, words = json.loads(line)
        print(json.dumps(getattr(one, what)(**words)), flush=True)
    flight.end()
    ray_actor.end()


if __name__ == "__main__":
    serve(sys.argv[1])
