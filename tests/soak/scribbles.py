# SPDX-License-Identifier: MIT
"""Another user who may write an object scribbles over all of it, the library's own page too, while
its owner works.

What must hold: the owner gets values or errors of the library, in time, and nobody ends.  Needs
root (NEEDS_ROOT).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support import users  # noqa: E402  (after the path)
from support.storms import Storm, main  # noqa: E402

OWNER, OTHER = 12345, 12346

WORK = r"""
import sys
from memsection import Error
def work():
    done = refused = 0
    for operation in (lambda: Section.open('Global\\shared', access='r').close(),
                      lambda: Section.open('Global\\shared').close(),
                      lambda: section.map().close(), lambda: section.duplicate('r').close(), lambda: section.size,
                      lambda: section.security, lambda: section.name, lambda: lock.acquire(0.01, accept_abandoned=True),
                      lambda: lock.release(), lambda: Mutex.open('Global\\lock').close(), lambda: bell.wait(0.005),
                      lambda: bell.set(), lambda: units.acquire(0.005), lambda: units.release(),
                      lambda: clock.set(0.001, period=0.001), lambda: clock.wait(0.005), lambda: clock.cancel(), lambda: reader.read(0.01),
                      lambda: latest.open('Global\\newest').close(), lambda: nt.kernel.list_directory(),
                      lambda: wait_any([lock, bell, units], 0.005)):
        try:
            operation()
            done += 1
        except Error:
            refused += 1
    return done, refused
"""
MAKE = r"""
from memsection import latest, wait_any
everybody = Security(everyone='rw')
section = Section.create('Global\\shared', 65536, security=everybody)
lock = Mutex.create('Global\\lock', security=everybody)
bell = Event.create('Global\\bell', security=everybody)
units = Semaphore.create('Global\\units', 5, maximum=9, security=everybody)
clock = Timer.create('Global\\clock', security=everybody)
writer = latest.create('Global\\newest', 64, security=everybody); reader = latest.open('Global\\newest'); writer.write(b'x')
"""
SCRIBBLE = r"""
import mmap, random, threading, time
stop, begun, count = threading.Event(), threading.Event(), 0
def scribble(seed, files):
    global count
    chance, memories = random.Random(seed), []
    for name in files:
        fd = os.open(name, os.O_RDWR)
        memories.append(mmap.mmap(fd, os.fstat(fd).st_size))
        os.close(fd)
    while not stop.is_set():
        memory = chance.choice(memories)
        at = chance.randrange(len(memory) // 4096) * 4096 + chance.choice((0, 1024, 2048, 3072, 3584)) + chance.randrange(512)
        length = chance.choice((1, 1, 4, 8, 64))
        at = min(at, len(memory) - length)
        memory[at:at + length] = chance.choice((bytes(length), b'\xff' * length, chance.randbytes(length)))
        count += 1
        begun.set()
        if count % 100 == 0:
            time.sleep(0.0005)
    for memory in memories:
        memory.close()
thread = threading.Thread(target=scribble, args=(seed, files))
thread.start()
begun.wait(60)
"""
NAMES = ("shared", "lock", "bell", "units", "clock", "newest")


def run(storm: Storm) -> None:
    while storm.goes_on():
        owner = users.start(OWNER, root=storm.root)
        owner.run(MAKE)
        owner.run(WORK)
        files = [f"{storm.root}/memsection.{name}" for name in NAMES]
        other = users.start(OTHER, root=storm.root)
        other.run(SCRIBBLE, seed=storm.random.randrange(1 << 30), files=files)
        try:
            for _ in range(30):
                if not storm.goes_on():
                    break
                done, refused = owner.value("work()")
                storm.count("operations", done)
                storm.count("refused", refused)
        except users.Refused as failure:
            storm.count("raw", example=str(failure))
        except BaseException as failure:  # pytest's: the owner ended, or did not answer
            if isinstance(failure, KeyboardInterrupt):
                raise
            storm.count(
                "stuck" if "did not answer" in str(failure) else "raw", example=str(failure)
            )
        finally:
            other.run("stop.set(); thread.join()")
            storm.count("scribbles", other.value("count"))
            other.end()
            owner.kill()
        for file in files:  # what was scribbled over is nobody's any more: no sweep may believe it
            Path(file).unlink(missing_ok=True)


if __name__ == "__main__":
    main(run)
