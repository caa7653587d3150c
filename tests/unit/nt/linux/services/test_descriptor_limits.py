# SPDX-License-Identifier: MIT
"""Many objects: the soft limit of descriptors is raised, and at the hard one every kind fails in
the same words."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.users import SOURCE

PROGRAM = """
import sys
from memsection import Error, Event, Mutex, Process, RWLock, Section, Semaphore, arrays
from memsection.channels import Queue, Service, Topic
from memsection.nt import kernel
KINDS = {
    "event": lambda n: Event.create(), "semaphore": lambda n: Semaphore.create(), "mutex": lambda n: Mutex.create(),
    "owned mutex": lambda n: Mutex.create(initial_owner=True), "named event": lambda n: Event.create(f"limit-{n}"),
    "section": lambda n: Section.create(size=4096), "named section": lambda n: Section.create(f"limit-{n}", 4096),
    "global section": lambda n: Section.create(f"Global\\\\limit-{n}", 4096),
    "array": lambda n: arrays.create(None, (8,), "f8"), "process": lambda n: Process(os.getppid()),
    "duplicate": lambda n: EVENT.duplicate(), "lock": lambda n: RWLock.create(),
    "queue": lambda n: Queue.create(None, bytes), "topic": lambda n: Topic.create(None, bytes),
    "service": lambda n: Service.create(None, bytes, bytes),
}
EVENT = Event.create()
if "array" in sys.argv: arrays.create(None, (8,), "f8").section.close()
import os, ctypes
class Limit(ctypes.Structure): _fields_ = [("soft", ctypes.c_ulong), ("hard", ctypes.c_ulong)]
ctypes.CDLL(None).setrlimit(7, ctypes.byref(Limit(48, 112)))   # not by resource: it may not be loaded yet
made = []
try:
    while len(made) < 200:
        made.append(KINDS[sys.argv[1]](len(made)))
except BaseException as problem:
    print(len(made), type(problem).__name__, getattr(problem, "errno", 0), isinstance(problem, Error), problem)
for one in made:
    (getattr(one, "section", None) or one).close()
again = KINDS[sys.argv[1]](300)
(getattr(again, "section", None) or again).close()
"""


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("event", 100),
        ("semaphore", 100),
        ("section", 100),
        ("duplicate", 95),
        ("process", 95),
        ("global section", 95),
        ("mutex", 50),
        ("owned mutex", 50),
        ("named event", 49),
        ("named section", 49),
        ("array", 49),
        ("lock", 20),
        ("queue", 30),
        ("topic", 30),
        ("service", 30),
    ],
)
def test_every_kind_gets_the_hard_limit_and_then_the_same_error(kind: str, least: int) -> None:
    count, error, number, ours, text = run(PROGRAM, kind).split(maxsplit=4)
    assert int(count) >= least and (error, number, ours) == ("Error", "24", "True")
    assert (
        "as many files open as it may, 112: close some objects, or have its hard limit raised "
        "(ulimit -Hn" in text
    )


FORKED = """
import os, resource
from memsection import Error, Mutex
mutex = Mutex.create()
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
def child(limits):
    pid = os.fork()
    if not pid:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            full = []
            try:
                while True:
                    full.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
            try:
                print(mutex.acquire(5), flush=True)
            except Error as problem:
                print(problem, flush=True)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
child((40, hard))
child((40, 40))
mutex.close()
"""


def test_a_forked_child_takes_a_mutex_at_the_limit() -> None:
    taken, refused = run(FORKED).splitlines()
    assert taken == "True"
    assert "as many files open as it may, 40" in refused
