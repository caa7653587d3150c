# SPDX-License-Identifier: MIT
"""Processes that may only read a mutex lock its slots at random, while its owners are killed.

What must hold: whoever has begun to use it gets it, and is told of every death; nobody has it
together with another; a newcomer gets a slot or the error that says why not.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)

WORKERS, READERS = 4, 3
SETLK = 37  # F_OFD_SETLK

WORKER = """
import sys, time
from memsection import AccessError, Mutex, Section
while True:
    try:
        lock = Mutex.open('readers-lock')
        break
    except AccessError as problem:
        assert 'may only read' in str(problem), problem
        print('refused', flush=True)
        time.sleep(0.01)
words = Section.open('readers-words').map()
mine = bytes([int(sys.argv[1])]) * 8
print('begun', flush=True)
while True:
    if not lock.acquire(20, accept_abandoned=True):
        print('stuck', flush=True)
        break
    words[:8] = mine
    for _ in range(20):
        if bytes(words[:8]) != mine:
            print('torn', flush=True)
    lock.release()
"""


def lock_some(storm: Storm, reader: int) -> None:
    """Lock a few ranges for reading, or give all of them back."""
    for _ in range(8):
        first = storm.random.randrange(1 << 16)
        count = storm.random.choice([0, 1, 1000, 30000])
        kind = fcntl.F_RDLCK if storm.random.random() < 0.7 else fcntl.F_UNLCK
        try:
            fcntl.fcntl(
                reader,
                SETLK,
                struct.pack("hhqqi4x", kind, os.SEEK_SET, (1 << 62) + first, count, 0),
            )
            storm.count("locks")
        except BlockingIOError:
            pass  # an owner who lives


def run(storm: Storm) -> None:
    from memsection import Mutex, Section
    from memsection.nt import kernel

    with Section.create("readers-words", 4096) as words:
        lock = Mutex.create("readers-lock")
        readers = [
            os.open(f"/proc/self/fd/{kernel.handle_descriptors(lock.handle)[0]}", os.O_RDONLY)
            for _ in range(READERS)
        ]
        workers: list[subprocess.Popen[str]] = []

        def begin(number: int) -> subprocess.Popen[str]:
            return subprocess.Popen(
                [sys.executable, "-c", WORKER, str(number + 1)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

        def end(worker: subprocess.Popen[str]) -> None:
            worker.kill()
            said, complaints = worker.communicate()
            storm.count("kills", worker.returncode == -signal.SIGKILL)
            for word in ("stuck", "torn", "refused"):
                storm.count(word, said.split().count(word))
            storm.count("raw", bool(complaints), complaints[-200:])

        workers += [begin(number) for number in range(WORKERS)]
        while storm.goes_on():
            for reader in readers:
                lock_some(storm, reader)
            time.sleep(storm.random.uniform(0.01, 0.1))
            if storm.random.random() < 0.3:
                number = storm.random.randrange(WORKERS)
                end(workers[number])
                workers[number] = begin(number)
        for worker in workers:
            end(worker)
        storm.count("stuck", not lock.acquire(20, accept_abandoned=True))
        lock.release()
        for reader in readers:
            os.close(reader)
        lock.close()
        words.close()


if __name__ == "__main__":
    main(run)
