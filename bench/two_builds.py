# SPDX-License-Identifier: MIT
"""How much slower or faster are the hot operations of one build of memsection than those of
another?

    python bench/two_builds.py --ours DIRECTORY --other DIRECTORY

The directories are what each build is imported from (a checkout's ``src``, the ``site-packages`` of
a wheel).  Each build runs in an interpreter of its own, which waits while the other has its turn; a
round gives both one batch of each operation.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from measure import Samples, heading, median, percentile, ratio, span, table

#: Defines `cases`: operation to (what one call does, how many calls are one batch).
CASES = """
import dataclasses, multiprocessing.shared_memory, os, socket, subprocess, sys
import memsection
from memsection import Event, Mutex, Section, Semaphore, arrays, latest, records
from memsection.compat.shared_memory import SharedMemory
name = "two-builds-" + str(os.getpid())
mutex, event, semaphore = Mutex.create(), Event.create(manual_reset=True), Semaphore.create(None, 1)
named_mutex = Mutex.create(name + "-mutex")
section = Section.create(name, 4096)
view = section.map()
view[:8] = b"12345678"
newest = latest.create(name + "-latest", 64)
newest.write(bytes(64))
event.set()

OTHER = '''
import os, sys
from memsection import Section
mine = Section.create(sys.argv[1] + "-foreign", 4096, security="D:(A;;GA;;;WD)")
if os.getuid() == 0:    # after this user has loaded what is needed
    os.setgid(65534); os.setuid(65534)
    theirs = Section.create("Global" + chr(92) + sys.argv[1] + "-foreign", 4096,
                            security="D:(A;;GA;;;WD)")
print(flush=True); sys.stdin.read()
'''
other_process = subprocess.Popen([sys.executable, "-c", OTHER, name], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)
other_process.stdout.readline()

@dataclasses.dataclass
class Point:
    x: float
    y: float
    count: int

array = arrays.create(name + "-array", (64, 64), "f8")
points = records.create(name + "-points", Point, 100)
block = SharedMemory(name + "-block", create=True, size=4096)
left, right = socket.socketpair()

def lock():
    mutex.acquire(); mutex.release()

def units():
    semaphore.acquire(); semaphore.release()

def opened():
    other = Section.open(section.name); other.map().close(); other.close()

def opened_foreign():
    other = Section.open(name + "-foreign"); other.map().close(); other.close()

def opened_other_users():
    other = Section.open("Global" + chr(92) + name + "-foreign"); other.map().close(); other.close()

def created():
    other = Section.create(None, 4096); other.map().close(); other.close()

def named():
    other = Section.create(name + "-other", 4096); other.map().close(); other.close()

def words():
    view[8:16] = view[:8]

def passed():
    section.send(right); Section.recv(left).close()

def attached():
    SharedMemory(name + "-block").close()

def made():
    other = SharedMemory(name + "-made", create=True, size=4096); other.close(); other.unlink()

cases = {"mutex: acquire, release": (lock, 2000), "semaphore: acquire, release": (units, 2000),
         "event: wait when set": (event.wait, 2000), "section: open, map, close": (opened, 200),
         "section: open another process's, map, close": (opened_foreign, 100),
         "section: create, map, close": (created, 100),
         "section: create named, map, close": (named, 100),
         "view: 8 bytes out and in": (words, 2000),
         "latest: write 64 bytes": (lambda: newest.write(b"x" * 64), 2000),
         "latest: read 64 bytes": (newest.read, 2000),
         "latest: open, close": (lambda: latest.open(name + "-latest").close(), 50),
         "array: open, close": (lambda: arrays.open(name + "-array"), 100),
         "records: open, close": (lambda: records.open(name + "-points", Point).close(), 50),
         "handle: duplicate, close": (lambda: section.duplicate().close(), 200),
         "handle: send, receive, close": (passed, 100),
         "mutex: open, close": (lambda: Mutex.open(name + "-mutex").close(), 100),
         "SharedMemory: open, close": (attached, 100),
         "SharedMemory: create, unlink": (made, 100)}
if os.getuid() == 0:
    cases["section: open another user's, map, close"] = (opened_other_users, 100)
try:
    import pyarrow
    from memsection import arrow
    table = arrow.put(name + "-table", pyarrow.table({"a": [1, 2, 3], "b": [1.0, 2.0, 3.0]}))
    cases["arrow: open, close"] = (lambda: arrow.open(name + "-table").close(), 50)
except ImportError:
    pass

def give():
    "Have a handle wait for the other process, which does not fetch it."
    from memsection.nt import kernel
    from memsection.vocabulary import access, structs
    process = kernel.open_process(access.PROCESS_DUP_HANDLE, 0, other_process.pid)
    kernel.duplicate_object(structs.CURRENT_PROCESS, section.handle, process, 0, 0,
                            structs.DUPLICATE_SAME_ACCESS)
    kernel.close(process)

cases["section: create named, map, close, a handle waits"] = (named, 100)
cases["section: open, map, close, a handle waits"] = (opened, 200)
"""
DRIVER = (
    CASES
    + """
import gc, sys, time
gc.disable()
print(memsection.__file__, *cases, sep="\\t", flush=True)
for line in sys.stdin:
    if give is not None and "a handle waits" in line:
        give()
        give = None
    call, batch = cases[line.rstrip("\\n")]
    start = time.perf_counter()
    for _ in range(batch):
        call()
    print((time.perf_counter() - start) / batch, flush=True)
"""
)


class Build:
    """An interpreter with one of the builds."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(directory.resolve())},
        )
        where, *self.cases = self.ask("")
        if not Path(where).is_relative_to(directory.resolve()):
            raise SystemExit(
                f"two_builds: {directory} holds no memsection; {where} was imported instead"
            )

    def ask(self, question: str) -> list[str]:
        """Send a line, if there is one to send, and give the parts of the answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        if question:
            print(question, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().rstrip("\n").split("\t")

    def end(self) -> None:
        """End the interpreter."""
        self.process.communicate(timeout=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--ours", type=Path, required=True)
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--only", default="", help="operations with this in their name")
    options = parser.parse_args()
    print(f"two_builds.py: {heading()}\n")
    builds = {"ours": Build(options.ours), "other": Build(options.other)}
    rows = []
    for case in (case for case in builds["ours"].cases if options.only in case):
        samples: Samples = {name: [] for name in builds}
        for number in range(options.rounds + 3):
            for name in sorted(builds, reverse=bool(number % 2)):
                spent = float(builds[name].ask(case)[0])
                if number >= 3:
                    samples[name].append(spent)
        rows.append(
            [
                case,
                span(median(samples["ours"])),
                span(median(samples["other"])),
                span(percentile(samples["other"], 0.99)),
                f"{ratio(samples, 'other', 'ours'):.2f}",
            ]
        )
    print(table(["", "ours", "other", "other, 99th percentile", "ratio of other to ours"], rows))
    for build in builds.values():
        build.end()


if __name__ == "__main__":
    main()
