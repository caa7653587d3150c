# SPDX-License-Identifier: MIT
"""Clients and servers of one service that are killed at random moments and replaced.

What must hold: nobody is stuck; every answer is its own call's, and whole; whoever is told that a
server died had one that was killed; at the end all cells and places are free.

A server that is killed may be told of to several clients: it has one call in hand, and large
answers in memory of its own that others have not taken yet.  But a client has one call at a time,
and so it is told once of each.
"""

from __future__ import annotations

import gc
import os
import signal
import struct
import sys
import threading
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)

from memsection import PeerDiedError, WaitTimeoutError  # noqa: E402
from memsection.channels import Client, Service  # noqa: E402

CLIENTS, SERVERS, STUCK = 3, 3, 10.0  # seconds
HEAD = struct.Struct("<III")  # client, number, length of the answer
NOTE = struct.Struct("<II")  # client, what came of its call
RIGHT, WRONG, DIED, LATE = range(4)


def asks(client: Client, who: int, pipe: int) -> None:
    number = 0
    while True:
        number += 1
        length = (12, 64, 3000, 30_000, 100_000)[number % 5]
        head = HEAD.pack(who, number, length)
        try:
            answer = client(head + bytes(length - HEAD.size), 0.0002 if number % 50 == 0 else STUCK)
            outcome = RIGHT if answer == head + b"a" * (length - HEAD.size) else WRONG
        except PeerDiedError:
            outcome = DIED
        except WaitTimeoutError:
            outcome = LATE if number % 50 else RIGHT
        os.write(pipe, NOTE.pack(who, outcome))


def serves(service: Service) -> None:
    service.serve(
        lambda value: value[: HEAD.size] + b"a" * (HEAD.unpack_from(value)[2] - HEAD.size)
    )


class Notes:
    """What the clients say that came of their calls."""

    def __init__(self, pipe: int) -> None:
        self.counts = [0, 0, 0, 0]
        self.told: Counter[int] = Counter()  # by client
        self.at = time.monotonic()
        self._pipe = pipe
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while raw := os.read(self._pipe, NOTE.size * 256):
            for who, outcome in NOTE.iter_unpack(raw):
                self.counts[outcome] += 1
                self.told[who] += outcome == DIED
            self.at = time.monotonic()


def begin(name: str, *of_client: int) -> int:
    pid = os.fork()
    if not pid:
        try:
            if of_client:
                asks(Client.open(name), *of_client)
            else:
                serves(Service.open(name))
        finally:
            os._exit(1)
    return pid


def run(storm: Storm) -> None:
    reader, writer = os.pipe()
    notes = Notes(reader)
    began: list[int] = []  # of each client: how many servers had been killed before it
    ended: dict[int, int] = {}  # and before it was killed itself
    name = f"storm-{os.getpid()}"
    killed = 0

    def another() -> int:
        began.append(killed)
        return begin(name, len(began) - 1, writer)

    with Service.create(name, bytes, bytes, capacity=8, largest=40_000, memory=400_000) as service:
        clients = [another() for _ in range(CLIENTS)]
        numbers = list(range(CLIENTS))  # theirs
        servers = [begin(name) for _ in range(SERVERS)]
        while storm.goes_on():
            time.sleep(storm.random.random() * 0.1)
            of_clients = storm.random.random() < 0.5
            among = clients if of_clients else servers
            place = storm.random.randrange(len(among))
            os.kill(among[place], signal.SIGKILL)
            os.waitpid(among[place], 0)
            storm.count("kills")
            if of_clients:
                ended[numbers[place]] = killed
                numbers[place] = len(began)
                among[place] = another()
            else:
                killed += 1
                among[place] = begin(name)
            if time.monotonic() - notes.at > STUCK:
                storm.count("stuck", example=f"no answer for {STUCK} s")
                notes.at = time.monotonic()
        for pid in [*clients, *servers]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        time.sleep(0.2)
        service._core.recover()
        while True:
            try:
                service.receive(0).drop()  # tickets of those who were killed last
            except WaitTimeoutError:
                break
        storm.count("answers", notes.counts[RIGHT])
        storm.count("told", notes.counts[DIED])
        storm.count("torn", notes.counts[WRONG], "an answer was another call's")
        for who, told in notes.told.items():
            more = told - (ended.get(who, killed) - began[who])
            storm.count("torn", max(0, more), "a client was told more often than servers died")
        storm.count("stuck", notes.counts[LATE], "a call was not answered in time")
        storm.count("leaked", service._core.places_in_hand()[0], "a place stayed in hand")
        with Client.open(name) as client:
            futures = [client.submit(b"x" * 4000) for _ in range(service.capacity)]
            for _ in futures:
                service.receive(STUCK).reply(b"y" * 4000)
            for future in futures:
                future.result(STUCK)
    del futures, future
    gc.collect()  # what waited for the futures refers to itself
    os.close(writer)


if __name__ == "__main__":
    main(run)
