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


class _Iceoryx:
    """What one process has of iceoryx2, made when it is used first, which is after the fork.  Names
    are used once: what ended partners left is still connected, and gets what is sent."""

    def __init__(self, length: int, by_events: bool) -> None:
        self._length, self._by_events = length, by_events
        self._name = f"memsection-bench-{os.getpid()}-{next(_numbers)}"
        self._ports: dict[Any, Any] = {}
        at_the_end.append(self._ports.clear)

    def _made(self, *key: str) -> Any:
        found = self._ports.get(key)
        if found is None:
            found = self._ports[key] = getattr(self, "_make_" + key[0])(*key[1:])
        return found

    def _make_node(self) -> Any:
        import iceoryx2 as iox

        return iox.NodeBuilder.new().create(iox.ServiceType.Ipc)

    def _service(self, which: str) -> Any:
        import iceoryx2 as iox

        return self._made("node").service_builder(iox.ServiceName.new(self._name + which))

    def _messages(self, which: str) -> Any:
        import ctypes

        import iceoryx2 as iox

        return self._service(which).publish_subscribe(iox.Slice[ctypes.c_uint8]).open_or_create()

    def _make_publisher(self, which: str) -> Any:
        builder = self._messages(which).publisher_builder()
        return builder.initial_max_slice_len(self._length).create()

    def _make_subscriber(self, which: str) -> Any:
        return self._messages(which).subscriber_builder().create()

    def _make_notifier(self, which: str) -> Any:
        return self._service(which + "-e").event().open_or_create().notifier_builder().create()

    def _make_listener(self, which: str) -> Any:
        return self._service(which + "-e").event().open_or_create().listener_builder().create()

    def send(self, which: str, length: int, fill: Callable[[Any], object]) -> None:
        """Send what ``fill`` makes of the loaned memory."""
        while True:  # until the other side's subscriber is there
            sample = self._made("publisher", which).loan_slice_uninit(length)
            fill(sample.payload())
            if sample.assume_init().send():
                break
        if self._by_events:
            self._made("notifier", which).notify()

    def take(self, which: str) -> Any:
        """The next message, in the sender's memory."""
        if self._by_events:
            self._made("listener", which)  # before the first look, so that no event is missed
        while (sample := self._made("subscriber", which).receive()) is None:
            if self._by_events:
                self._made("listener", which).blocking_wait()
        return sample


def iceoryx(length: int) -> Callable[[], Any]:
    """Publisher and subscriber that look again and again; what is sent is copied in and out."""
    import ctypes

    def make() -> Any:
        both = _Iceoryx(length, False)

        def send(value: bytes, which: str) -> None:
            both.send(
                which, len(value), lambda room: ctypes.memmove(room.as_ptr(), value, len(value))
            )

        def take(which: str) -> Any:
            found = both.take(which).payload()
            return ctypes.string_at(found.as_ptr(), found.len())

        return (
            (lambda value: send(value, "there")),
            (lambda: take("back")),
            (lambda value: send(value, "back")),
            (lambda: take("there")),
        )

    return make


def iceoryx_loans(length: int, *, by_events: bool) -> Callable[[], Any]:
    """The same, made and read in place; with events it sleeps until there is something."""

    def make() -> Any:
        both = _Iceoryx(length, by_events)

        def send(which: str) -> None:
            both.send(which, length, lambda room: room.__setitem__(0, 1))

        def take(which: str) -> None:
            assert both.take(which).payload()[0] == 1

        return (
            (lambda _: send("there")),
            (lambda: take("back")),
            (lambda _: send("back")),
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
