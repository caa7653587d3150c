# SPDX-License-Identifier: MIT
"""Several processes do random things to the same few objects while processes are killed at random.

What must hold: a counter behind a mutex counts every increment that was finished; a name means a
living object or none; nobody hangs.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)

WORKERS = 5
PATIENCE = 30.0  #: seconds

WORKER = """
import os, random, sys, time
import memsection
from memsection import Event, Mutex, Section, Semaphore

random.seed(int(sys.argv[1]))
ledger = Section.open('ledger')
mine = 8 * int(sys.argv[2])
counter = ledger.map()
lock = Mutex.open('lock')
held, names = [], ['one', 'two', 'three', 'Global\\\\one', 'Global\\\\two']

def count():
    # The shared word and the worker's own word grow together, the own one first: after a death in between they
    # differ by the one increment that was not finished, and whoever takes the abandoned mutex sets it right.
    if not lock.acquire(10, accept_abandoned=True):
        raise SystemExit(3)
    try:
        own = [int.from_bytes(counter[at:at + 8], 'little') for at in range(8, 8 * 64, 8)]
        counter[:8] = sum(own).to_bytes(8, 'little')
        counter[mine:mine + 8] = (own[mine // 8 - 1] + 1).to_bytes(8, 'little')
        counter[:8] = (sum(own) + 1).to_bytes(8, 'little')
    finally:
        lock.release()

def make():
    try: held.append(Section.create(random.choice(names), random.choice([4096, 65536]), exist_ok=True))
    except memsection.errors.ArgumentError: pass  # the one that has the name is smaller

def look():
    try: held.append(Section.open(random.choice(names), access=random.choice(['r', 'rw'])))
    except FileNotFoundError: pass

def use():
    if held:
        with random.choice(held).map(access='r') as view: bytes(view[:16])

def drop():
    if held: held.pop(random.randrange(len(held))).close()

def double():
    if held: held.append(random.choice(held).duplicate())

def signals():
    with Event.create('event ' + random.choice('ab'), exist_ok=True) as event:
        event.set(); event.wait(0.01); event.clear()
    with Semaphore.create('semaphore', 2, maximum=50, exist_ok=True) as units:
        if units.acquire(0.001): units.release()

def search():
    memsection.Process(os.getppid()).sections()

steps = [count] * 6 + [make, make, look, look, use, use, drop, drop, drop, double, signals, search]
end = time.monotonic() + float(sys.argv[3])
print('begun', flush=True)
while time.monotonic() < end:
    random.choice(steps)()
    if len(held) > 40: drop()
while held: held.pop().close()
counter.close(); ledger.close(); lock.close()
"""

KEEPER = """
from memsection import Mutex, Section
ledger = Section.create('ledger', 4096)
lock = Mutex.create('lock')
with ledger.map() as counter:
    print('ready', flush=True)
    input()
    lock.acquire(10, accept_abandoned=True)
    parts = sum(int.from_bytes(counter[at:at + 8], 'little') for at in range(8, 512, 8))
    total = int.from_bytes(counter[:8], 'little')
    if 0 <= parts - total <= 1:  # whoever died last in the middle
        total = parts
    lock.release()
left = []
for name in ('one', 'two', 'three', 'Global\\\\one', 'Global\\\\two'):
    try:
        Section.open(name, access='r').close(); left.append(name)
    except FileNotFoundError:
        pass
ledger.close(); lock.close()
print(total, parts, len(left))
"""


def run(storm: Storm) -> None:
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert keeper.stdout is not None and keeper.stdout.readline() == "ready\n"
    workers: dict[int, subprocess.Popen[bytes]] = {}
    serial = 0

    def begin(slot: int) -> None:
        nonlocal serial
        serial += 1
        workers[slot] = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(serial), str(slot), str(max(0.5, storm.left))],
            stdout=subprocess.PIPE,
        )

    for slot in range(1, WORKERS + 1):
        begin(slot)
    while storm.goes_on():
        time.sleep(storm.random.uniform(0.01, 0.25))
        slot = storm.random.randrange(1, WORKERS + 1)
        victim = workers[slot]
        assert victim.stdout is not None
        if victim.poll() is not None:
            if victim.returncode:
                count_end(storm, victim)
                begin(slot)
        elif storm.random.random() < 0.7 and storm.left > 1:
            if storm.random.random() < 0.8:
                victim.stdout.readline()  # it works already
            victim.kill()
            if victim.wait() == -signal.SIGKILL:
                storm.count("kills")
            victim.stdout.close()
            begin(slot)
    for worker in workers.values():
        count_end(storm, worker)
    total, parts, left = map(int, keeper.communicate("end\n", timeout=PATIENCE)[0].split())
    storm.count("increments", total)
    storm.count("torn", abs(total - parts), f"{total} increments counted, {parts} made")
    storm.count("leaked", left, "names that can still be opened")


def count_end(storm: Storm, worker: subprocess.Popen[bytes]) -> None:
    """Wait for a worker that should end well."""
    try:
        status = worker.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        storm.count("stuck", example=f"worker {worker.pid}")
        worker.kill()
        worker.wait()
    else:
        storm.count("stuck", status == 3, "the mutex was not had for ten seconds")
        storm.count("raw", status not in (0, 3), f"a worker ended with status {status}")
    if worker.stdout is not None:
        worker.stdout.close()


if __name__ == "__main__":
    main(run)
