# SPDX-License-Identifier: MIT
"""Senders and receivers of one queue that are killed at random moments and replaced.

What must hold: nobody is stuck; no message arrives twice or damaged; what one receiver gets of one
sender is in order; no more is lost than there were receivers killed, each of which may have had one
message in hand; all places are free at the end.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)

from memsection import EndOfChannelError, WaitTimeoutError  # noqa: E402
from memsection.channels import Queue  # noqa: E402

SENDERS, RECEIVERS, STUCK = 4, 4, 10.0  # seconds
HEAD = struct.Struct("<IIII")  # sender, number, length, and again the number
NOTE = struct.Struct("<IIII")  # receiver, sender, number, whether it was whole


def sends(queue: Queue[bytes], sender: int) -> None:
    number = 0
    while True:
        length = 64 if number % 8 else 65_536
        head = HEAD.pack(sender, number, length, number)
        queue.send(head + bytes(length - 2 * HEAD.size) + head)
        number += 1


def receives(queue: Queue[bytes], receiver: int, pipe: int) -> None:
    while True:
        try:
            raw = queue.receive()
        except EndOfChannelError:
            continue  # the last sender was killed, and the next one comes
        sender, number, length, again = HEAD.unpack_from(raw)
        whole = len(raw) == length and number == again and raw[-HEAD.size :] == raw[: HEAD.size]
        os.write(pipe, NOTE.pack(receiver, sender, number, whole))


class Notes:
    """What the receivers say that they got."""

    def __init__(self, pipe: int) -> None:
        self.seen: dict[int, Counter[int]] = defaultdict(Counter)
        self.last: dict[tuple[int, int], int] = {}
        self.messages = self.damaged = self.disorder = 0
        self.at = time.monotonic()
        self._pipe = pipe
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while raw := os.read(self._pipe, NOTE.size * 256):
            for receiver, sender, number, whole in NOTE.iter_unpack(raw):
                self.seen[sender][number] += 1
                self.disorder += number < self.last.get((receiver, sender), -1)
                self.last[receiver, sender] = number
                self.messages += 1
                self.damaged += not whole
            self.at = time.monotonic()

    def lost(self) -> int:
        return sum(max(numbers) + 1 - len(numbers) for numbers in self.seen.values())

    def twice(self) -> int:
        return sum(count - 1 for numbers in self.seen.values() for count in numbers.values())


def run(storm: Storm) -> None:
    reader, writer = os.pipe()
    notes = Notes(reader)
    names = iter(range(1 << 30))
    with Queue.create(None, bytes, capacity=64) as queue:

        def begin(body: object, *arguments: int) -> int:
            pid = os.fork()
            if not pid:
                try:
                    body(queue, *arguments)  # type: ignore[operator]
                finally:
                    os._exit(1)
            return pid

        senders = [begin(sends, next(names)) for _ in range(SENDERS)]
        receivers = [begin(receives, next(names), writer) for _ in range(RECEIVERS)]
        killed = 0
        while storm.goes_on():
            time.sleep(storm.random.random() * 0.1)
            of_senders = storm.random.random() < 0.5
            among = senders if of_senders else receivers
            place = storm.random.randrange(len(among))
            os.kill(among[place], signal.SIGKILL)
            os.waitpid(among[place], 0)
            killed += not of_senders
            storm.count("kills")
            among[place] = (
                begin(sends, next(names)) if of_senders else begin(receives, next(names), writer)
            )
            if time.monotonic() - notes.at > STUCK:
                storm.count("stuck", example=f"no message for {STUCK} s")
                notes.at = time.monotonic()
        for pid in senders:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        until = time.monotonic() + STUCK
        while len(queue) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.5)
        for pid in receivers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        time.sleep(0.2)
        drain(queue, notes)
        queue._core.judge()
        storm.count("messages", notes.messages)
        storm.count("lost", notes.lost())
        storm.count("torn", notes.damaged, "a message was not whole")
        storm.count("torn", notes.twice(), "a message arrived twice")
        storm.count(
            "torn", max(0, notes.lost() - killed - RECEIVERS), "more was lost than was in hand"
        )
        storm.count("disorder", notes.disorder)
        storm.count("leaked", queue._core.kept()[0], "a place stayed in hand")
        fill(storm, queue)
    os.close(writer)


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
