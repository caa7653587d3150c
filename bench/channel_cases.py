# SPDX-License-Identifier: MIT
"""What ``channels.py`` measures: one way, there and back, copied and in place, opened, and after
deaths.

Two processes on two processors (on one, where only one may be used).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from channel_crowds import death, four_faster_fifos, four_of_ours, from_four
from channel_peers import SETTLE, Case, faster_fifos, iceoryx, iceoryx_loans, peers, pipes, queues
from two_processes import meet, processors

from memsection import Section
from memsection._native import ends
from memsection.channels import Client, Queue, Service, Topic

LONGEST_SPIN = 200_000  # nanoseconds: what waits begin with
SAME = object()
IN_PLACE, IN_PLACE_ASLEEP = "echo 6.2 MB, in place", "echo 6.2 MB, in place, asleep"
POLLING, EVENTS = "iceoryx2 polling", "iceoryx2 event"
FRAME = 6_220_800  # bytes of a picture of 1080 lines
#: rows of copied messages in which iceoryx2 can be measured beside ours, and their bytes
COPIED = {
    "echo 64 B": 64,
    "topic: echo 64 B": 64,
    "echo 1 KiB": 1024,
    "echo 64 KiB": 65536,
    "echo 1 MiB": 1 << 20,
    "echo 6.2 MB, copied": FRAME,
}


def exchange(
    mine: Callable[[int], object],
    partner: Callable[[int], object],
    count: int,
    cpus: tuple[int, int],
) -> float:
    """Seconds for each of so many messages, after one that is not counted."""

    def last() -> None:
        partner(count)
        time.sleep(SETTLE)

    first = partial(mine, 1), partial(partner, 1)
    return meet(partial(mine, count), last, cpus, first) / count


def echo(
    make: Callable[
        [], tuple[Callable[[Any], Any], Callable[[], Any], Callable[[Any], Any], Callable[[], Any]]
    ],
    value: Any,
    *,
    back: Any = SAME,
    on_one: bool = False,
) -> Case:
    """There and back: ``make`` gives send and receive here, and send and receive there.  What comes
    back is what came, or always ``back``."""

    def run(count: int) -> float:
        send, receive, answer, take = make()

        def mine(number: int) -> None:
            for _ in range(number):
                send(value)
                receive()

        def partner(number: int) -> None:
            if back is SAME:
                for _ in range(number):
                    answer(take())
            else:
                for _ in range(number):
                    take()
                    answer(back)

        here, there = processors()
        return exchange(mine, partner, count, (here, here if on_one else there))

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

        def mine(number: int) -> None:
            for _ in range(number):
                send(value)
            receive()

        def partner(number: int) -> None:
            for _ in range(number):
                take()
            answer(value)

        return exchange(mine, partner, count, processors())

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

        def mine(number: int) -> None:
            for _ in range(number):
                pass_on(there)
                take(back)

        def partner(number: int) -> None:
            for _ in range(number):
                take(there)
                pass_on(back)

        return exchange(mine, partner, count, processors())

    return run


def of_iceoryx(row: str) -> dict[str, Case]:
    """What a row measures of iceoryx2, by its name in the table; nothing where it has nothing of the
    kind."""
    if row in COPIED:
        return {POLLING: echo(iceoryx(COPIED[row]), b"x" * COPIED[row])}
    if row == IN_PLACE:
        return {POLLING + " loans": echo(iceoryx_loans(FRAME, by_events=False), None, back=None)}
    if row == IN_PLACE_ASLEEP:
        return {EVENTS + " loans": echo(iceoryx_loans(FRAME, by_events=True), None, back=None)}
    return {}


def topics() -> Any:
    """Two topics, each with a sender on one side and a subscriber on the other."""
    ends = [Topic.create(None, bytes, role="send") for _ in range(2)]
    there, back = (
        Topic.from_section(end.section.duplicate(), bytes, role="receive") for end in ends
    )
    return ends[0].send, back.receive, ends[1].send, there.receive


def publish_to(subscribers: int) -> Case:
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


def frame_in_dict() -> dict[str, Any]:
    import numpy as np

    return {"number": 1, "frame": np.zeros(FRAME, np.uint8)}


def many(batch: int) -> Case:
    def run(count: int) -> float:
        there, back = Queue.create(None, bytes), Queue.create(None, bytes)

        def mine(number: int) -> None:
            for _ in range(-(-number // batch)):
                there.send_many([b"x" * 64] * batch)
            back.receive()

        def partner(number: int) -> None:
            left = -(-number // batch) * batch
            while left:
                left -= len(there.receive_many(min(batch, left)))
            back.send(b"")

        return exchange(mine, partner, count, processors())

    return run


def asleep(case: Case) -> Case:
    """The same with waits that sleep at once (``MEMSECTION_SPIN_US=0``)."""

    def run(count: int) -> float:
        ends.set_spin(0)
        try:
            return case(count)
        finally:
            ends.set_spin(LONGEST_SPIN)

    return run


def open_and_close(what: Callable[[str], Any]) -> Case:
    """Opening what has a name, and closing it."""

    def run(count: int) -> float:
        name = f"memsection-bench-{os.getpid()}-{time.monotonic_ns()}"
        with Queue.create(name, bytes):
            begun = time.perf_counter()
            for _ in range(count):
                what(name)
            return (time.perf_counter() - begun) / count

    return run


def an_end(name: str) -> None:
    Queue.open(name, bytes).close()


def a_view(name: str) -> None:
    with Section.open(name, access="rw") as section, section.map(access="rw"):
        pass


def call_service(value: bytes) -> Case:
    """A call to a service of the other process, and its answer."""

    def run(count: int) -> float:
        name = f"memsection-bench-{os.getpid()}-{time.monotonic_ns()}"
        with (
            Service.create(name, bytes, bytes, largest=max(len(value), 1 << 16)) as service,
            Client.open(name) as client,
        ):

            def mine(number: int) -> None:
                for _ in range(number):
                    client(value)

            def partner(number: int) -> None:
                for _ in range(number):
                    call = service.receive()
                    call.reply(call.value)

            return exchange(mine, partner, count, processors())

    return run


def rows_of_waits(small: bytes) -> dict[str, tuple[int, dict[str, Case]]]:
    """Sleeping, several senders, and deaths."""
    four: dict[str, Case] = {
        "memsection": from_four(four_of_ours(1)),
        "memsection receive_many": from_four(four_of_ours(100), 100),
    }
    with contextlib.suppress(ImportError):
        four["faster-fifo get"] = from_four(four_faster_fifos(1))
        four["faster-fifo get_many"] = from_four(four_faster_fifos(100), 100)
    return {
        "echo 64 B, asleep": (
            1000,
            {"memsection": asleep(echo(ours(), small)), "mp.Pipe": echo(pipes, small)},
        ),
        "echo 64 B, one processor": (
            1000,
            {
                "memsection": echo(ours(), small, on_one=True),
                "mp.Pipe": echo(pipes, small, on_one=True),
            },
        ),
        "4 senders, 1 receiver, 64 B": (20_000, four),
        "service: call and reply 64 B": (
            3000,
            {"memsection": call_service(small), "a queue of ours": echo(ours(), small)},
        ),
        "opening an end": (
            300,
            {"memsection": open_and_close(an_end), "Section.open and map": open_and_close(a_view)},
        ),
        "survivor after a death": (
            5,
            {"memsection": death(False), "with all places in hand": death(True)},
        ),
    }


def rows_of_topics(small: bytes) -> dict[str, tuple[int, dict[str, Case]]]:
    """Messages to everybody."""
    return {
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
                "memsection": publish_to(0),
                **{f"with {number} subscribers": publish_to(number) for number in (1, 8, 64)},
            },
        ),
    }


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
        IN_PLACE: (500, {"memsection": in_place(FRAME)}),
        IN_PLACE_ASLEEP: (500, {"memsection": asleep(in_place(FRAME))}),
        "one way 64 B": (20_000, {"memsection": one_way(ours(), small), **peers(one_way, small)}),
        "one way 1 KiB": (
            10_000,
            {"memsection": one_way(ours(), b"x" * 1024), **peers(one_way, b"x" * 1024)},
        ),
        "one way 6.2 MB": (
            20,
            {"memsection": one_way(ours(**big), large), **peers(one_way, large)},
        ),
        "send_many of 32": (20_000, {"memsection": many(32), "one by one": one_way(ours(), small)}),
    }
    rows |= rows_of_topics(small) | rows_of_waits(small)
    try:
        value = frame_in_dict()
    except ImportError:
        return rows
    there: dict[str, Case] = {
        "memsection": echo(ours(object, largest=FRAME + 4096, capacity=4), value, back=None),
        "memsection copy=False": echo(
            ours(object, copy=False, largest=FRAME + 4096, capacity=4), value, back=None
        ),
        "mp.Queue": echo(queues("Queue"), value, back=None),
    }
    try:
        there["faster-fifo"] = echo(faster_fifos(), value, back=None)
    except ImportError:
        pass
    rows["a dict with a frame, acknowledged"] = (40, there)
    return rows
