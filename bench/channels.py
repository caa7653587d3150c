# SPDX-License-Identifier: MIT
"""Queues and topics beside what people use now: one way, there and back, copied and in place, from
Python as users write it.

Two processes on two processors (on one, where only one may be used).  Every row is measured in
turns with its peers, in one run; what is printed is the median, and its ratio to each peer.  Peers
that are not installed are left out and named.

    python bench/channels.py [--rounds N] [--only WORD]
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import measure
from two_processes import meet, processors

from memsection.channels import Queue, Topic

Case = Callable[[int], float]  # seconds for one message, of so many
SETTLE = 0.2  # seconds that a partner stays, because some peers send by a thread of their own
FRAME = 6_220_800  # bytes of a picture of 1080 lines


def echo(
    make: Callable[
        [], tuple[Callable[[Any], Any], Callable[[], Any], Callable[[Any], Any], Callable[[], Any]]
    ],
    value: Any,
) -> Case:
    """There and back: ``make`` gives send and receive here, and send and receive there."""

    def run(count: int) -> float:
        send, receive, answer, take = make()

        def mine() -> None:
            for _ in range(count):
                send(value)
                receive()

        def partner() -> None:
            for _ in range(count):
                answer(take())
            time.sleep(SETTLE)

        return meet(mine, partner, processors()) / count

    return run


def one_way(
    make: Callable[
        [], tuple[Callable[[Any], Any], Callable[[], Any], Callable[[Any], Any], Callable[[], Any]]
    ],
    value: Any,
) -> Case:
    """So many messages to the other process, and one back."""

    def run(count: int) -> float:
        send, receive, answer, take = make()

        def mine() -> None:
            for _ in range(count):
                send(value)
            receive()

        def partner() -> None:
            for _ in range(count):
                take()
            answer(value)
            time.sleep(SETTLE)

        return meet(mine, partner, processors()) / count

    return run


def ours(spec: Any = bytes, copy: bool = True, **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        there, back = Queue.create(None, spec, **options), Queue.create(None, spec, **options)
        if copy:
            return there.send, back.receive, back.send, there.receive
        return (
            there.send,
            lambda: back.receive(copy=False),
            back.send,
            lambda: there.receive(copy=False),
        )

    return make


def in_place(length: int) -> Case:
    """A frame made and read in place; its first byte goes back."""

    def run(count: int) -> float:
        there = Queue.create(None, bytes, capacity=4, largest=length)
        back = Queue.create(None, bytes, capacity=4, largest=length)

        def pass_on(queue: Queue[bytes]) -> None:
            with queue.sending(length) as memory:
                memory[0] = 1

        def take(queue: Queue[bytes]) -> None:
            with queue.receiving() as message:
                assert message.value[0] == 1

        def mine() -> None:
            for _ in range(count):
                pass_on(there)
                take(back)

        def partner() -> None:
            for _ in range(count):
                take(there)
                pass_on(back)

        return meet(mine, partner, processors()) / count

    return run


def topics() -> Any:
    """Two topics, each with a sender on one side and a subscriber on the other."""
    ends = [Topic.create(None, bytes, role="send") for _ in range(2)]
    there, back = (
        Topic.from_section(end.section.duplicate(), bytes, role="receive") for end in ends
    )
    return ends[0].send, back.receive, ends[1].send, there.receive


def published(subscribers: int) -> Case:
    """One message to so many subscribers, none of whom sleeps or is waited for."""

    def run(count: int) -> float:
        with contextlib.ExitStack() as stack:
            topic = stack.enter_context(Topic.create(None, bytes, role="send"))
            for _ in range(subscribers):
                stack.enter_context(
                    Topic.from_section(topic.section.duplicate(), bytes, role="receive")
                )
            send, value = topic.send, b"x" * 64
            begun = time.perf_counter()
            for _ in range(count):
                send(value)
            return (time.perf_counter() - begun) / count

    return run


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
    names = iter(range(1 << 30))

    def make() -> Any:
        name, ports = f"memsection-bench-{os.getpid()}-{length}-{next(names)}", {}

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
            port("publisher", which).send_copy(value) if hasattr(
                iox.Publisher, "send_copy"
            ) else _loan(value, which)

        def _loan(value: bytes, which: str) -> None:
            sample = port("publisher", which).loan_slice_uninit(len(value))
            ctypes.memmove(sample.payload().as_ptr(), value, len(value))
            sample.assume_init().send()

        def take(which: str) -> Any:
            subscriber = port("subscriber", which)
            while (sample := subscriber.receive()) is None:
                pass
            payload = sample.payload()
            return ctypes.string_at(payload.as_ptr(), payload.len())

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
            print(f"{name} is not installed", file=sys.stderr)
    return found


def frame_in_dict() -> dict[str, Any]:
    import numpy as np

    return {"number": 1, "frame": np.zeros(FRAME, np.uint8)}


def acknowledged(make: Callable[[], Any], value: Any, small: Any) -> Case:
    """A large value there, a small one back."""

    def run(count: int) -> float:
        send, receive, answer, take = make()

        def mine() -> None:
            for _ in range(count):
                send(value)
                receive()

        def partner() -> None:
            for _ in range(count):
                take()
                answer(small)
            time.sleep(SETTLE)

        return meet(mine, partner, processors()) / count

    return run


def many(batch: int) -> Case:
    def run(count: int) -> float:
        there, back = Queue.create(None, bytes), Queue.create(None, bytes)

        def mine() -> None:
            for _ in range(count // batch):
                there.send_many([b"x" * 64] * batch)
            back.receive()

        def partner() -> None:
            left = count // batch * batch
            while left:
                left -= len(there.receive_many(min(batch, left)))
            back.send(b"")

        return meet(mine, partner, processors()) / count

    return run


def cases() -> dict[str, tuple[int, dict[str, Case]]]:
    """Row to (messages of a batch, cases)."""
    small, middle, large = b"x" * 64, b"x" * (1 << 20), b"x" * FRAME
    big = {"capacity": 4, "largest": FRAME}
    rows: dict[str, tuple[int, dict[str, Case]]] = {
        "echo 64 B": (3000, {"memsection": echo(ours(), small), **peers(echo, small)}),
        "echo 1 KiB": (2000, {"memsection": echo(ours(), b"x" * 1024), **peers(echo, b"x" * 1024)}),
        "echo 64 KiB": (
            600,
            {"memsection": echo(ours(), b"x" * 65536), **peers(echo, b"x" * 65536)},
        ),
        "echo 1 MiB": (
            100,
            {"memsection": echo(ours(largest=1 << 20, capacity=4), middle), **peers(echo, middle)},
        ),
        "echo 6.2 MB, copied": (20, {"memsection": echo(ours(**big), large), **peers(echo, large)}),
        "echo 6.2 MB, in place": (500, {"memsection": in_place(FRAME)}),
        "one way 64 B": (20_000, {"memsection": one_way(ours(), small), **peers(one_way, small)}),
        "one way 1 KiB": (
            10_000,
            {"memsection": one_way(ours(), b"x" * 1024), **peers(one_way, b"x" * 1024)},
        ),
        "one way 6.2 MB": (
            20,
            {"memsection": one_way(ours(**big), large), **peers(one_way, large)},
        ),
        "topic: echo 64 B": (
            3000,
            {
                "memsection": echo(topics, small),
                "a queue of ours": echo(ours(), small),
                **peers(echo, small),
            },
        ),
        "topic: send 64 B": (
            20_000,
            {
                "memsection": published(0),
                **{f"with {number} subscribers": published(number) for number in (1, 8, 64)},
            },
        ),
        "send_many of 32": (20_000, {"memsection": many(32), "one by one": one_way(ours(), small)}),
    }
    try:
        value = frame_in_dict()
    except ImportError:
        return rows
    there: dict[str, Case] = {
        "memsection": acknowledged(ours(object, largest=FRAME + 4096, capacity=4), value, None),
        "memsection copy=False": acknowledged(
            ours(object, copy=False, largest=FRAME + 4096, capacity=4), value, None
        ),
        "mp.Queue": acknowledged(queues("Queue"), value, None),
    }
    try:
        there["faster-fifo"] = acknowledged(faster_fifos(), value, None)
    except ImportError:
        pass
    rows["a dict with a frame, acknowledged"] = (15, there)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--rounds", type=int, default=9, help="batches for each candidate (default %(default)s)"
    )
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument(
        "--iceoryx2",
        action="store_true",
        help="iceoryx2 too, polling, which keeps both processors busy",
    )
    options = parser.parse_args()
    print(f"channels.py: {measure.heading()}\n", flush=True)
    for name, (count, candidates) in cases().items():
        if options.only not in name:
            continue
        if options.iceoryx2 and name.endswith(("echo 64 B", "echo 1 KiB")):
            length = 64 if "64" in name else 1024
            candidates["iceoryx2 polling"] = echo(iceoryx(length), b"x" * length)
        samples: dict[str, list[float]] = {candidate: [] for candidate in candidates}
        for number in range(options.rounds + 1):
            for candidate, run in candidates.items():
                seconds = run(count)
                if number:
                    samples[candidate].append(seconds)
        lines = [
            [
                candidate,
                measure.span(statistics.median(times)),
                f"{measure.ratio(samples, 'memsection', candidate):.3f}",
            ]
            for candidate, times in samples.items()
        ]
        print(
            f"### {name}\n\n{measure.table(['', 'median', 'memsection takes, for its 1'], lines)}\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
