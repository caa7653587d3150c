# SPDX-License-Identifier: MIT
"""Several processes do random things to the same few objects while processes are killed at random: nothing is lost, and
nothing is left.

What must hold while it runs: a counter behind a mutex counts every increment that was finished; a name means a living
object or none; nobody hangs.  ``--soak SECONDS`` makes it longer.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.users import SOURCE, TESTS

WORKERS = 5
WORKER = """
import os, random, signal, struct, sys, time
import memsection
from memsection import AbandonedMutexError, Error, Event, Mutex, Section, Semaphore, wait_any

random.seed(int(sys.argv[1]))
ledger = Section.open('ledger')
mine = 8 * int(sys.argv[2])
counter = ledger.map()
lock = Mutex.open('lock')
held, names = [], ['one', 'two', 'three', 'Global\\\\one', 'Global\\\\two']

def count():
    # The shared word and the worker's own word grow together, the own one first: after a death in between they
    # differ by the one increment that was not finished, and whoever takes the abandoned mutex sets it right.
    if not lock.acquire(10, abandoned_ok=True):
        raise SystemExit('the mutex was not had for ten seconds')
    try:
        own = [int.from_bytes(counter[at:at + 8], 'little') for at in range(8, 8 * 64, 8)]
        counter[:8] = sum(own).to_bytes(8, 'little')
        counter[mine:mine + 8] = (own[mine // 8 - 1] + 1).to_bytes(8, 'little')
        counter[:8] = (sum(own) + 1).to_bytes(8, 'little')
    finally:
        lock.release()

def make():
    held.append(Section.create(random.choice(names), random.choice([4096, 65536]), exist_ok=True))

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


@pytest.mark.timeout(600)
def test_random_work_and_random_deaths_lose_nothing_and_leave_nothing(root: str, pytestconfig: pytest.Config,
                                                                      tmp_path: Path) -> None:
    seconds = float(pytestconfig.getoption("--soak"))
    chance = random.Random(7)
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    environment = {**os.environ, "PYTHONPATH": f"{SOURCE}:{TESTS}", "MEMSECTION_ROOT": root}
    keeper = subprocess.Popen([sys.executable, "-c", KEEPER], env=environment, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    assert keeper.stdin is not None and keeper.stdout is not None
    assert keeper.stdout.readline() == "ready\n"
    end = time.monotonic() + seconds
    workers: dict[int, subprocess.Popen[bytes]] = {}
    serial = killed = 0

    def begin(slot: int) -> None:
        nonlocal serial
        serial += 1
        workers[slot] = subprocess.Popen([sys.executable, str(script), str(serial), str(slot),
                                          str(max(0.5, end - time.monotonic()))], env=environment, stdout=subprocess.PIPE)

    for slot in range(1, WORKERS + 1):
        begin(slot)
    try:
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.01, 0.25))
            slot = chance.randrange(1, WORKERS + 1)
            victim = workers[slot]
            assert victim.stdout is not None
            if victim.poll() is not None:
                assert victim.returncode == 0 and end - time.monotonic() < 2, "a worker ended by itself"
            elif chance.random() < 0.7 and end - time.monotonic() > 2:
                if chance.random() < 0.8:
                    victim.stdout.readline()  # it works already
                victim.kill()
                assert victim.wait() == -signal.SIGKILL
                victim.stdout.close()
                killed += 1
                begin(slot)
        for worker in workers.values():
            assert worker.wait(30) == 0
    finally:
        for worker in workers.values():
            if worker.poll() is None:
                worker.kill()
                worker.wait()
            if worker.stdout is not None:
                worker.stdout.close()
        total, parts, left = keeper.communicate("end\n", timeout=30)[0].split()
    assert keeper.returncode == 0
    assert killed >= seconds / 4
    assert int(total) == int(parts) > 100 * seconds / 10, "increments were lost"
    assert left == "nothing"


KEEPER = """
import os
from memsection import Mutex, Section
ledger = Section.create('ledger', 4096)
lock = Mutex.create('lock')
with ledger.map() as counter:
    print('ready', flush=True)
    input()
    lock.acquire(10, abandoned_ok=True)
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
print(total, parts, ','.join(left) or 'nothing')
"""
