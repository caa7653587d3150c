# SPDX-License-Identifier: MIT
"""Senders and receivers of one queue that are killed at random moments and replaced.

What must hold: nobody is stuck; no message arrives twice or damaged; all places are free at the end.
What one receiver gets of one sender is in order, but for what a dead receiver was taking: that is
given to another, behind messages that were taken meanwhile (``given_back``); ``disorder`` is what
comes late without that reason, and is 0.  And nothing is lost but what a dead receiver had in hand:
its call had returned, or was about to, and it had not yet said what it got.  Two rounds show this in
two ways:

- ``receive_into`` copies into memory that outlives the receiver.  So every message that is missing
  has to be found there, by its sender and number (``in_hand``); ``lost`` is what is not, and is 0.
  Its receivers are stopped before they are killed, and what the channel says that they are taking is
  noted.  So every message that comes late has to be one of these.
- After ``receive`` nobody can tell what a dead receiver had.  So no more may be missing, and no more
  may come late, than there were receivers killed.

A message counts as sent when its sender noted it, after ``send`` had returned.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.rings import taken_by  # noqa: E402  (after the path)
from support.storms import Storm, main  # noqa: E402

from memsection import EndOfChannelError, WaitTimeoutError  # noqa: E402
from memsection.channels import Queue  # noqa: E402

SENDERS, RECEIVERS, STUCK = 4, 4, 10.0  # seconds
HEAD = struct.Struct("<IIII")  # sender, number, length, and again the number
NOTE = struct.Struct("<IIII")  # receiver, sender, number, whether it was whole
COUNT = struct.Struct("<Q")
LARGE = 65_536


class Estate:
    """What the dead leave: how many messages a sender had sent, what a receiver had copied last."""

    def __init__(self) -> None:
        self._memory = memoryview(mmap.mmap(-1, SENDERS * COUNT.size + RECEIVERS * LARGE))
        self.sent: dict[int, int] = {}  # of each dead sender
        self.in_hand: set[tuple[int, int]] = set()  # sender and number
        self.taking: set[tuple[int, int]] = set()

    def of_sender(self, place: int) -> memoryview:
        return self._memory[place * COUNT.size :][: COUNT.size]

    def of_receiver(self, place: int) -> memoryview:
        return self._memory[SENDERS * COUNT.size + place * LARGE :][:LARGE]

    def take_sender(self, place: int, sender: int) -> None:
        """One was killed, and another one will take its place."""
        (self.sent[sender],) = COUNT.unpack(self.of_sender(place))
        self.of_sender(place)[:] = bytes(COUNT.size)

    def take_receiver(self, place: int) -> None:
        memory = self.of_receiver(place)
        sender, number, length, _ = HEAD.unpack_from(memory)
        if length:
            self.in_hand.add((sender, number))
        memory[: HEAD.size] = bytes(HEAD.size)


def sends(queue: Queue[bytes], sender: int, sent: memoryview) -> None:
    number = 0
    while True:
        length = 64 if number % 8 else LARGE
        head = HEAD.pack(sender, number, length, number)
        queue.send(head + bytes(length - 2 * HEAD.size) + head)
        number += 1
        COUNT.pack_into(sent, 0, number)


def receives(queue: Queue[bytes], receiver: int, pipe: int, into: memoryview | None) -> None:
    while True:
        try:
            raw = queue.receive() if into is None else into[: queue.receive_into(into)]
        except EndOfChannelError:
            continue  # the last sender was killed, and the next one comes
        sender, number, length, again = HEAD.unpack_from(raw)
        whole = len(raw) == length and number == again and raw[-HEAD.size :] == raw[: HEAD.size]
        os.write(pipe, NOTE.pack(receiver, sender, number, whole))


class Notes:
    """What the receivers say that they got."""

    def __init__(self, pipe: int) -> None:
        self.seen: dict[int, Counter[int]] = defaultdict(Counter)
        self.highest: dict[tuple[int, int], int] = defaultdict(lambda: -1)
        self.late: list[tuple[int, int]] = []  # sender and number
        self.messages = self.damaged = 0
        self.at = time.monotonic()
        self._pipe = pipe
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while raw := os.read(self._pipe, NOTE.size * 256):
            for receiver, sender, number, whole in NOTE.iter_unpack(raw):
                self.seen[sender][number] += 1
                if number < self.highest[receiver, sender]:
                    self.late.append((sender, number))
                else:
                    self.highest[receiver, sender] = number
                self.messages += 1
                self.damaged += not whole
            self.at = time.monotonic()

    def missing(self, sent: dict[int, int]) -> set[tuple[int, int]]:
        """What was sent and not received, by sender and number."""
        return {
            (sender, number)
            for sender, count in sent.items()
            for number in range(count)
            if number not in self.seen[sender]
        }

    def twice(self) -> int:
        return sum(count - 1 for numbers in self.seen.values() for count in numbers.values())


class Round:
    """One queue, with those who send to it and receive from it."""

    def __init__(self, storm: Storm, *, into: bool) -> None:
        reader, self.pipe = os.pipe()
        self.storm, self.into = storm, into
        self.notes, self.estate = Notes(reader), Estate()
        self.queue = Queue.create(None, bytes, capacity=64)
        self.killed = 0  # receivers
        self.next = 0
        self.senders = [self._sender(place) for place in range(SENDERS)]
        self.receivers = [self._receiver(place) for place in range(RECEIVERS)]

    def _begin(self, body: Callable[..., None], *arguments: Any) -> tuple[int, int]:
        number = self.next
        self.next += 1
        pid = os.fork()
        if not pid:
            try:
                body(self.queue, number, *arguments)
            finally:
                os._exit(1)
        return pid, number

    def _sender(self, place: int) -> tuple[int, int]:
        return self._begin(sends, self.estate.of_sender(place))

    def _receiver(self, place: int) -> tuple[int, int]:
        return self._begin(
            receives, self.pipe, self.estate.of_receiver(place) if self.into else None
        )

    def kill_sender(self, place: int) -> None:
        pid, number = self.senders[place]
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.estate.take_sender(place, number)

    def kill_receiver(self, place: int) -> None:
        pid, _ = self.receivers[place]
        if self.into:
            os.kill(pid, signal.SIGSTOP)
            os.waitpid(pid, os.WUNTRACED)
            for raw in taken_by(self.queue, pid):
                self.estate.taking.add(HEAD.unpack_from(raw)[:2])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.killed += 1
        self.estate.take_receiver(place)

    def kill_one(self) -> None:
        chance = self.storm.random
        if chance.random() < 0.5:
            place = chance.randrange(SENDERS)
            self.kill_sender(place)
            self.senders[place] = self._sender(place)
        else:
            place = chance.randrange(RECEIVERS)
            self.kill_receiver(place)
            self.receivers[place] = self._receiver(place)
        self.storm.count("kills")
        if time.monotonic() - self.notes.at > STUCK:
            self.storm.count("stuck", example=f"no message for {STUCK} s")
            self.notes.at = time.monotonic()

    def end(self) -> None:
        for place in range(SENDERS):
            self.kill_sender(place)
        until = time.monotonic() + STUCK
        while len(self.queue) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.5)
        for place in range(RECEIVERS):
            self.kill_receiver(place)
        time.sleep(0.2)
        drain(self.queue, self.notes)
        self.queue._core.recover()
        self._count()
        fill(self.storm, self.queue)
        self.queue.close()
        os.close(self.pipe)

    def _count(self) -> None:
        storm, notes = self.storm, self.notes
        missing = notes.missing(self.estate.sent)
        if self.into:
            lost = missing - self.estate.in_hand
            storm.count("lost", len(lost), f"in nobody's hands: {sorted(lost)[:5]}")
            storm.count("in_hand", len(missing) - len(lost))
            given_back = [one for one in notes.late if one in self.estate.taking]
            disorder = [one for one in notes.late if one not in self.estate.taking]
            storm.count("disorder", len(disorder), f"late, and no dead one's: {disorder[:5]}")
            storm.count("given_back", len(given_back))
        else:
            lost_at_least = max(0, len(missing) - self.killed)
            storm.count("lost", lost_at_least, f"{len(missing)} with {self.killed} killed")
            storm.count("in_hand", len(missing) - lost_at_least)
            late = len(notes.late)
            disorder_at_least = max(0, late - self.killed)
            storm.count("disorder", disorder_at_least, f"{late} with {self.killed} killed")
            storm.count("given_back", late - disorder_at_least)
        storm.count("messages", notes.messages)
        storm.count("killed_receivers", self.killed)
        storm.count("torn", notes.damaged, "a message was not whole")
        storm.count("torn", notes.twice(), "a message arrived twice")
        storm.count("leaked", self.queue._core.places_in_hand()[0], "a place stayed in hand")


def run(storm: Storm) -> None:
    for into, left in ((True, storm.seconds / 2), (False, 0.0)):
        one = Round(storm, into=into)
        while storm.goes_on() and storm.left > left:
            time.sleep(storm.random.random() * 0.1)
            one.kill_one()
        one.end()


def drain(queue: Queue[bytes], notes: Notes) -> None:
    """What was given back by the last receivers."""
    while True:
        try:
            sender, number, _, _ = HEAD.unpack_from(queue.receive(0.3))
        except (EndOfChannelError, WaitTimeoutError):
            return
        notes.seen[sender][number] += 1


def fill(storm: Storm, queue: Queue[bytes]) -> None:
    """All positions and places can be used again."""
    try:
        for _ in range(queue.capacity):
            queue.send(b"x" * 4000, STUCK)
        for _ in range(queue.capacity):
            queue.receive(STUCK)
    except (EndOfChannelError, WaitTimeoutError) as failure:
        storm.count("stuck", example=f"at the end: {failure}")


if __name__ == "__main__":
    main(run)
