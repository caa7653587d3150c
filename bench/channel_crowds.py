# SPDX-License-Identifier: MIT
"""For ``channels.py``: several senders at once, and what a death costs those who go on."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from channel_peers import SETTLE, Case
from two_processes import LIMIT, limit_batch, partner, processors

from memsection.channels import Queue

SENDERS = 4


def from_four(make: Callable[[], Any], most: int = 1) -> Case:
    """Four senders, and one receiver here, which takes up to so many by a call."""

    def run(count: int) -> float:
        send, receive = make()
        share, (here, there) = count // SENDERS, processors()
        ready, go = os.pipe(), os.pipe()

        def sender() -> None:
            for _ in range(share):
                send(b"x" * 64)
            time.sleep(SETTLE)

        children = [partner(sender, there, ready[1], go[0]) for _ in range(SENDERS)]
        try:
            with limit_batch(children):
                os.sched_setaffinity(0, {here})
                for _ in range(SENDERS):
                    os.read(ready[0], 1)
                os.write(go[1], b"g" * SENDERS)
                start, left = time.perf_counter(), share * SENDERS
                while left:
                    left -= receive(most)
                return (time.perf_counter() - start) / (share * SENDERS)
        finally:
            for end in (*ready, *go):
                os.close(end)

    return run


def four_of_ours(most: int) -> Callable[[], Any]:
    def make() -> Any:
        queue = Queue.create(None, bytes)
        if most == 1:
            return queue.send, lambda _: queue.receive() is not None
        return queue.send, lambda wanted: len(queue.receive_many(wanted))

    return make


def four_faster_fifos(most: int) -> Callable[[], Any]:
    import faster_fifo

    def make() -> Any:
        queue = faster_fifo.Queue(max_size_bytes=2_000_000)
        put = functools.partial(queue.put, timeout=60)
        if most == 1:
            return put, lambda _: queue.get(timeout=60) is not None
        return put, lambda wanted: len(queue.get_many(max_messages_to_get=wanted, timeout=60))

    return make


def death(in_hand: bool) -> Case:
    """From the death of a receiver, in the middle of a receive or with all places in hand, to the
    moment when a survivor goes on: seconds each, which no peer ends at all."""

    def run(count: int) -> float:
        whole = 0.0
        for _ in range(count):
            with Queue.create(None, bytes, capacity=4, largest=4000, memory=3 * 4224) as queue:
                for _ in range(3):
                    queue.send(b"x" * 4000, 0)
                ready, go = os.pipe(), os.pipe()

                def receiver(queue: Queue[bytes] = queue, said: int = ready[1]) -> None:
                    held = [
                        queue.receive(copy=False) if in_hand else queue._core.take_whole(0)
                        for _ in range(3 if in_hand else 1)
                    ]
                    os.write(said, b"h")
                    time.sleep(LIMIT)
                    del held

                os.write(go[1], b"g")
                child = partner(receiver, None, ready[1], go[0])
                with limit_batch([child]):
                    while os.read(ready[0], 1) != b"h":
                        pass
                    if not in_hand:
                        queue.receive(0), queue.receive(0)
                    os.kill(child, signal.SIGKILL)
                    start = time.perf_counter()
                    if in_hand:
                        queue.send(b"x" * 4000)
                    else:
                        queue.receive()
                    whole += time.perf_counter() - start
                for end in (*ready, *go):
                    os.close(end)
        return whole / count

    return run
