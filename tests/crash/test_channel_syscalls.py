# SPDX-License-Identifier: MIT
"""Death at the system calls of what uses a channel, stopped by the kernel; then those who live on
use it.

What lies between system calls is swept step by step in ``tests/native``.  That nothing is left
behind is seen at the end by the fixture ``root``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

import pytest
from support.users import Program

Start = Callable[..., Program]


class Sweep(NamedTuple):
    """What the neighbour has, what is swept over, and what the neighbour does before and after each
    death."""

    have: str
    run: str
    before: str
    after: str


BEGIN = """
import contextlib, threading
from memsection import EndOfChannelError, Error, PeerDiedError, WaitTimeoutError
from memsection.channels import Client, Queue, Service, Topic
"""
#: Whatever the dead sent, or had not received yet, comes first, whole.
PASSED = """
end._core.recover()
with contextlib.suppress(WaitTimeoutError, EndOfChannelError):
    while True:
        found = end.receive(0)
        assert set(found) == {b'x'[0]} and len(found) in (5, 3000, 300_000)
for length in (5, 3000, 300_000) * 3:
    end.send(b'n' * length, 60)
    assert end.receive(60) == b'n' * length
end._core.recover()
assert (end.senders, end.receivers, end._core.places_in_hand()[0]) == (1, 1, 0)
"""
USED = """
for length in (5, 3000, 300_000):
    other.send(b'x' * length, 60)
    other.receive(60)
other.close()
"""
ANSWERED = """
for length in (5, 3000, 300_000):
    future = client.submit(b'n' * length)
    service.receive(60).reply(b'y' * length)
    assert future.result(60) == b'y' * length
service._core.recover()
assert (service.servers, service.clients, service._core.places_in_hand()[0]) == (1, 1, 0)
"""
#: Senders of a topic wait for who subscribed, and so does the close of one that sent a large
#: message.
TAKES = """
stop = threading.Event()
def takes():
    while not stop.is_set():
        with contextlib.suppress(Error):
            end.receive(0.001)
taker = threading.Thread(target=takes); taker.start()
"""
SWEEPS = {
    "queue": Sweep(
        "end = Queue.create('shared', bytes, capacity=2)",
        "other = Queue.open('shared', bytes)" + USED,
        "",
        PASSED,
    ),
    "topic": Sweep(
        "end = Topic.create('shared', bytes, capacity=8, slow='wait')",
        "other = Topic.open('shared', bytes)" + USED,
        TAKES,
        "stop.set(); taker.join(60); assert not taker.is_alive()" + PASSED,
    ),
    "server": Sweep(
        "service = Service.create('shared', bytes, bytes, capacity=2); client = "
        "Client.open('shared', bytes, bytes)",
        "other = Service.open('shared', bytes, bytes)\n"
        "call = other.receive(60); call.reply(b'd' * len(call.value)); other.close()",
        "asked = client.submit(b'x' * 3000)",
        "with contextlib.suppress(WaitTimeoutError):\n"
        "    call = service.receive(0); call.reply(b'd' * len(call.value)); del call\n"
        "with contextlib.suppress(PeerDiedError):\n"
        "    assert asked.result(60) == b'd' * 3000\n" + ANSWERED,
    ),
    "client": Sweep(
        "service = Service.create('shared', bytes, bytes, capacity=2); client = "
        "Client.open('shared', bytes, bytes)",
        "other = Client.open('shared', bytes, bytes)\n"
        "for length in (5, 3000, 300_000): assert other(b'x' * length, 60) == b'd' * length\n"
        "other.close()",
        "stop = threading.Event()\n"
        "def serves():\n"
        "    while not stop.is_set():\n"
        "        with contextlib.suppress(WaitTimeoutError):\n"
        "            call = service.receive(0.001); call.reply(b'd' * len(call.value)); del call\n"
        "server = threading.Thread(target=serves); server.start()",
        "stop.set(); server.join(60); assert not server.is_alive()\n"
        "with contextlib.suppress(WaitTimeoutError):\n"
        "    while True: service.receive(0).reply(b'd')\n" + ANSWERED,
    ),
    "create": Sweep(
        "pass",
        "made = [Topic.create('own', bytes), Service.create('own service', bytes)]\n"
        "for one in made: one.close()",
        "",
        "Topic.create('own', bytes).close(); Service.create('own service', bytes).close()",
    ),
}
#: Every so manieth stop is one; odd ones are before a call, and death after a call is death before
#: the next one.  With 2 it is a whole sweep, of twenty seconds.
STRIDE = int(os.environ.get("MEMSECTION_SWEEP_STRIDE", "18"))


@pytest.mark.invariant("Q4")
@pytest.mark.invariant("L1")
@pytest.mark.parametrize("name", SWEEPS)
def test_death_at_system_calls_leaves_a_channel_to_those_who_live(
    name: str, root: str, start: Start
) -> None:
    sweep = SWEEPS[name]
    neighbour, sweeper = start(), start()
    for program in (neighbour, sweeper):
        program.run(BEGIN)
    neighbour.run(sweep.have)
    sweeper.run("from support import tracing")
    assert sweeper.value("tracing.available()")

    def attempt(number: int) -> str:
        neighbour.run(sweep.before)
        outcome = sweeper.value(
            "tracing.attempt(globals(), '', run, number)", run=sweep.run, number=number
        )
        try:
            neighbour.run(sweep.after)
        except Exception as failure:
            raise AssertionError(f"after death at stop {number}: {failure}") from None
        assert outcome in ("killed", "ended"), f"stop {number}: {outcome}"
        return str(outcome)

    assert attempt(1 << 30) == "ended"  # what is done at first use only does not come between
    number = 1
    while attempt(number) == "killed":
        number += STRIDE
    assert number > 40, "no system call was met"
