# SPDX-License-Identifier: MIT
"""kill -9 in the middle of every operation: each runs in a loop in a process that is killed at a
random moment.

What must hold: every name is free afterwards, every object that others hold works, and nothing
stays in the namespace.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)

WORKER = r"""
import os, random, sys
import numpy
from memsection import Event, Mutex, Process, Section, Security, Semaphore, Timer, arrays, latest, wait_any
parent = int(sys.argv[1])
shared, lock, bell, units = Section.open('shared'), Mutex.open('lock'), Event.open('bell'), Semaphore.open('units')
clock = Timer.open('clock')
kept = Section.create(size=65536)
def use(made):
    made.close()
def change(made):
    with made: made.security = Security(everyone='r')
def mapped():
    with shared.map() as view: view[100:108] = b'whatever'
def hold():
    if lock.acquire(5, accept_abandoned=True):
        lock.release()
    else:
        os._exit(3)
operations = {
    'create': lambda: use(Section.create('one', 4096, exist_ok=True)),
    'create global': lambda: use(Section.create('Global\\one', 4096, exist_ok=True)),
    'create unnamed': lambda: use(Section.create(size=1 << 20)),
    'create for others': lambda: use(Section.create('Global\\two', 4096, exist_ok=True, security=Security(everyone='r'))),
    'open': lambda: use(Section.open('shared', access='r')),
    'duplicate': lambda: use(shared.duplicate('r')),
    'map': mapped, 'protect': lambda: change(Section.create(size=4096)),
    'inherit': lambda: setattr(kept, 'inheritable', not kept.inheritable),
    'mutex': hold, 'make mutex': lambda: use(Mutex.create('other', exist_ok=True)),
    'make event': lambda: use(Event.create('Global\\bell', exist_ok=True)),
    'event': lambda: (bell.set(), bell.wait(0.001)), 'semaphore': lambda: units.acquire(0.001) and units.release(),
    'timer': lambda: (clock.set(0, period=0.001), clock.wait(5) or os._exit(3)),
    'several': lambda: wait_any([bell, units], 0.001) == 1 and units.release(),
    'take': lambda: use(Section.from_process(parent, int(sys.argv[2]))),
    'array': lambda: arrays.put(None, numpy.zeros(100)), 'search': lambda: Process(parent).sections(),
    'latest': lambda: latest.create('newest', 64, slots=2).close() if sys.argv[4] == '1' else None,
}
word = sys.argv[3]
print('begun', flush=True)
while True:
    try:
        operations[word]()
    except FileExistsError:
        pass
"""
OPERATIONS = (
    "create",
    "create global",
    "create unnamed",
    "create for others",
    "open",
    "duplicate",
    "map",
    "protect",
    "inherit",
    "mutex",
    "make mutex",
    "make event",
    "event",
    "semaphore",
    "timer",
    "several",
    "take",
    "array",
    "search",
    "latest",
)
NAMES = ("one", "Global\\one", "Global\\two", "newest")
SIDE_BY_SIDE = 3


def run(storm: Storm) -> None:
    from memsection import Event, Mutex, Section, Semaphore, Timer

    with (
        Section.create("shared", 65536) as shared,
        closing(Mutex.create("lock")) as lock,
        closing(Event.create("bell")) as bell,
        closing(Semaphore.create("units", 1000, maximum=1000)),
        closing(Timer.create("clock", manual_reset=True)) as clock,
    ):
        while storm.goes_on():
            words = [storm.random.choice(OPERATIONS) for _ in range(SIDE_BY_SIDE)]
            workers = [
                subprocess.Popen(
                    [
                        sys.executable,
                        "-c",
                        WORKER,
                        str(storm.pid),
                        str(shared.handle),
                        word,
                        str(number),
                    ],
                    stdout=subprocess.PIPE,
                )
                for number, word in enumerate(words)
            ]
            for worker in workers:
                assert worker.stdout is not None
                worker.stdout.readline()
            time.sleep(storm.random.random() * 0.05)
            for word, worker in zip(words, workers, strict=True):
                worker.kill()
                status = worker.wait()
                assert worker.stdout is not None
                worker.stdout.close()
                storm.count("kills")
                storm.count("stuck", status == 3, "neither mutex nor timer for five seconds")
                storm.count("raw", status not in (3, -signal.SIGKILL), f"{word}: status {status}")
            if lock.acquire(5, accept_abandoned=True):
                lock.release()
            else:
                storm.count("stuck", example=f"the mutex, after {words}")
            bell.set()
            storm.count("torn", not bell.wait(1), "a set event")
            bell.clear()
            clock.set(0)
            storm.count("torn", not clock.wait(1), "a timer that is due")
            for name in NAMES:
                try:
                    Section.open(name, access="r").close()
                    storm.count("leaked", example=f"{name} after {words}")
                except FileNotFoundError:
                    pass


if __name__ == "__main__":
    main(run)
