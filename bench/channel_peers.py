# SPDX-License-Identifier: MIT
"""What people use now for messages between processes, for ``channels.py``: each as its users write
it.

A maker gives send and receive here, and send and receive there.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from two_processes import at_the_end

Case = Callable[[int], float]  # seconds for one message, of so many
_told: set[str] = set()
_numbers = itertools.count()
SETTLE = 0.2  # seconds that a partner stays, because some peers send by a thread of their own


def pipes() -> Any:
    here, there = multiprocessing.Pipe()
    return here.send_bytes, here.recv_bytes, there.send_bytes, there.recv_bytes


def queues(kind: str) -> Callable[[], Any]:
    def make() -> Any:
        there, back = (getattr(multiprocessing, kind)() for _ in range(2))
        return there.put, back.get, back.put, there.get

    return make


def faster_fifos(size: int = 20_000_000) -> Callable[[], Any]:
    import faster_fifo

    def make() -> Any:
        there, back = faster_fifo.Queue(max_size_bytes=size), faster_fifo.Queue(max_size_bytes=size)
        return (
            (lambda value: there.put(value, timeout=60)),
            (lambda: back.get(timeout=60)),
            (lambda value: back.put(value, timeout=60)),
            (lambda: there.get(timeout=60)),
        )

    return make


class _Zmq:
    """Sockets that are made in the process that uses them, because a context does not survive a
    fork."""

    def __init__(self) -> None:
        # goes with this object
        self._directory = tempfile.TemporaryDirectory(prefix="memsection-bench-")
        self.directory = self._directory.name
        self.sockets: dict[int, Any] = {}

    def socket(self, bind: bool) -> Any:
        import zmq

        found = self.sockets.get(os.getpid())
        if found is None:
            found = zmq.Context().socket(zmq.PAIR)
            found.set_hwm(100_000)
            (found.bind if bind else found.connect)(f"ipc://{self.directory}/socket")
            self.sockets[os.getpid()] = found
        return found


def zmqs() -> Any:
    import zmq  # noqa: F401  (that it is there)

    both = _Zmq()
    return (
        lambda value: both.socket(True).send(value),
        lambda: both.socket(True).recv(),
        lambda value: both.socket(False).send(value),
        lambda: both.socket(False).recv(),
    )


def iceoryx(length: int) -> Callable[[], Any]:
    """Publisher and subscriber that look again and again, each made in the process that uses it."""
    import ctypes

    import iceoryx2 as iox

    kind = iox.Slice[ctypes.c_uint8]

    def make() -> Any:
        # Once for each name: what ended partners left is still connected, and gets what is sent.
        name, ports = f"memsection-bench-{os.getpid()}-{next(_numbers)}", {}
        at_the_end.append(ports.clear)

        def port(what: str, which: str) -> Any:
            key = os.getpid(), what, which
            if key not in ports:
                node = ports.setdefault(
                    (os.getpid(), "node"), iox.NodeBuilder.new().create(iox.ServiceType.Ipc)
                )
                service = (
                    node.service_builder(iox.ServiceName.new(name + which))
                    .publish_subscribe(kind)
                    .open_or_create()
                )
                ports[key] = (
                    service.publisher_builder().initial_max_slice_len(length).create()
                    if what == "publisher"
                    else service.subscriber_builder().create()
                )
            return ports[key]

        def send(value: bytes, which: str) -> None:
            while True:  # until the other side's subscriber is there
                sample = port("publisher", which).loan_slice_uninit(len(value))
                ctypes.memmove(sample.payload().as_ptr(), value, len(value))
                if sample.assume_init().send():
                    return

        def take(which: str) -> Any:
            while (sample := port("subscriber", which).receive()) is None:
                pass
            return ctypes.string_at(sample.payload().as_ptr(), sample.payload().len())

        return (
            (lambda value: send(value, "there")),
            (lambda: take("back")),
            (lambda value: send(value, "back")),
            (lambda: take("there")),
        )

    return make


def peers(run: Callable[[Callable[[], Any], Any], Case], value: bytes) -> dict[str, Case]:
    """Those that are installed, for messages of bytes."""
    found: dict[str, Case] = {"mp.Pipe": run(pipes, value)}
    if len(value) <= 1 << 20:
        found["mp.Queue"] = run(queues("Queue"), value)
    for name, make in (("faster-fifo", faster_fifos), ("pyzmq", lambda: zmqs)):
        try:
            __import__({"faster-fifo": "faster_fifo", "pyzmq": "zmq"}[name])
            found[name] = run(make(), value)
        except ImportError:
            if name not in _told:
                print(f"{name} is not installed", file=sys.stderr)
            _told.add(name)
    return found
