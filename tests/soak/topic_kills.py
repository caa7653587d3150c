# SPDX-License-Identifier: MIT
"""Senders and subscribers of one topic that are killed at random moments and replaced, beside
survivors.

What must hold: nobody is stuck; no message arrives twice, damaged or out of its sender's order;
where senders wait, the survivor misses nothing; what is in hand is not overwritten; all places are
free or in the ring at the end.  Rounds with senders that wait, and with senders that do not, take
turns.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)

from memsection import EndOfChannelError, WaitTimeoutError  # noqa: E402
from memsection.channels import Topic  # noqa: E402

SENDERS, SUBSCRIBERS, STUCK, ROUND = 3, 3, 10.0, 2.0  # seconds
HEAD = struct.Struct("<IIII")  # sender's process, number, length, and again the number


def sends(name: str) -> None:
    with Topic.open(name, role="send") as topic:
        number = 0
        while True:
            length = 64 if number % 8 else 20_000
            head = HEAD.pack(os.getpid(), number, length, number)
            topic.send(head + bytes(length - 2 * HEAD.size) + head)
            number += 1


def subscribes(name: str) -> None:
    held: list[Any] = []
    with Topic.open(name, role="receive") as topic:
        while True:
            value = topic.receive(copy=False)
            held = [*held, (value, bytes(value))][-4:]
            if any(bytes(view) != copy for view, copy in held):
                os._exit(3)


def begin(body: Any, name: str) -> int:
    pid = os.fork()
    if not pid:
        try:
            body(name)
        finally:
            os._exit(1)
    return pid


def end(pid: int) -> int:
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Survivor:
    """A subscriber that lives, and an observer."""

    def __init__(self, storm: Storm, *ends: Topic[bytes]) -> None:
        self.storm, self.ends = storm, ends
        self.last: dict[tuple[int, int], int] = {}

    def reads(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for which, subscriber in enumerate(self.ends):
                try:
                    raw = subscriber.receive(STUCK)
                except WaitTimeoutError:
                    self.storm.count("stuck", example=f"no message for {STUCK} s")
                    continue
                except EndOfChannelError:
                    continue  # all senders were killed, and the next one comes
                sender, number, length, again = HEAD.unpack_from(raw)
                self.storm.count("messages")
                if len(raw) != length or number != again or raw[-HEAD.size :] != raw[: HEAD.size]:
                    self.storm.count("torn", example="a message was not whole")
                if number <= self.last.get((which, sender), -1):
                    self.storm.count("torn", example="a message came twice or out of order")
                self.last[which, sender] = number


def one_round(storm: Storm, slow: Any) -> None:
    with (
        Topic.create(
            f"storm-{os.getpid()}", bytes, role="receive", capacity=16, slow=slow, largest=20_000
        ) as topic,
        Topic.open(topic.name, role="observe") as observer,
    ):
        survivor = Survivor(storm, topic, observer)
        bodies = [sends] * SENDERS + [subscribes] * SUBSCRIBERS
        children = [begin(body, topic.name) for body in bodies]
        until = time.monotonic() + ROUND
        while time.monotonic() < until:
            survivor.reads(storm.random.random() * 0.1)
            place = storm.random.randrange(len(children))
            if end(children[place]) == 3:
                storm.count("torn", example="a message in hand was overwritten")
            storm.count("kills")
            children[place] = begin(bodies[place], topic.name)
        for pid in children:
            end(pid)
        storm.count(
            "torn",
            topic.missed if slow == "wait" else 0,
            "a subscriber that is waited for missed something",
        )
        storm.count("missed", topic.missed)
        for subscriber in survivor.ends:
            try:
                while True:
                    subscriber.receive(STUCK)
            except EndOfChannelError:
                pass
            except WaitTimeoutError:
                storm.count("stuck", example="no end")
        topic._core.recover()
        storm.count("leaked", topic._core.places_in_hand()[0], "a place stayed in hand")
        fill(storm, topic)


def fill(storm: Storm, topic: Topic[bytes]) -> None:
    """All positions and places can be used again."""
    with Topic.open(topic.name, role="send") as sender:
        try:
            for _ in range(3 * topic.capacity):
                sender.send(b"x" * 20_000, STUCK)
                topic.receive(STUCK)
        except (EndOfChannelError, WaitTimeoutError) as failure:
            storm.count("stuck", example=f"at the end: {failure}")


def run(storm: Storm) -> None:
    rounds = 0
    while storm.goes_on():
        one_round(storm, "wait" if rounds % 2 else "drop")
        rounds += 1


if __name__ == "__main__":
    main(run)
