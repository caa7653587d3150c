# SPDX-License-Identifier: MIT
"""Closing while another thread starts programs: between fork and exec the child has every lock too,
and no name stays."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from support.users import Program

Start = Callable[..., Program]

#: A thread that keeps starting programs, and closes meanwhile; what is there at the end, without
#: any further operation.
STORM = """
import subprocess, threading
from memsection.nt.linux.names import closing
patience = closing.PATIENCE_SECONDS, closing.NO_CHILD_SECONDS
closing.PATIENCE_SECONDS = closing.NO_CHILD_SECONDS = 10  # whatever else the machine does
ends = threading.Event()
started = 0
def start():
    global started
    while not ends.is_set():
        subprocess.run(['/bin/true'], close_fds=close_fds)
        started += 1
threads = [threading.Thread(target=start) for _ in range(2)]
for thread in threads: thread.start()
until = time.monotonic() + seconds
closed = left = 0
while time.monotonic() < until:
    thing = make(prefix + str(closed % 7))
    thing.close()
    closed += 1
    if os.path.exists(where + str(closed % 7 - 1 if closed % 7 else 6)): left += 1
ends.set()
for thread in threads: thread.join()
closing.PATIENCE_SECONDS, closing.NO_CHILD_SECONDS = patience
"""
MAKERS = {
    "section": "make = lambda name: Section.create(name, 1 << 16)",
    "event": "make = Event.create",
    "mapped": """
def make(name):
    section = Section.create(name, 1 << 16)
    view = section.map()
    class Both:
        def close(self): view.close() if len(name) % 2 else None; section.close(); view.close()
    return Both()""",
}


@pytest.mark.invariant("L1")
@pytest.mark.sentence(25)
@pytest.mark.parametrize("remembers", [True, False], ids=["remembering", "forgetful"])
@pytest.mark.parametrize("prefix", ["", "Global\\"])
@pytest.mark.parametrize("what", MAKERS)
def test_a_close_leaves_no_name_while_another_thread_starts_programs(
    root: str, start: Start, what: str, prefix: str, remembers: bool
) -> None:
    program = start(0, remembers=remembers)
    where = f"{root}/memsection." if prefix else f"{root}/memsection-0/"
    program.run(MAKERS[what])
    program.run(STORM, prefix=prefix, where=where, seconds=0.6, close_fds=remembers)
    assert (
        program.value("left") == 0 and program.value("closed") > 20 and program.value("started") > 5
    )
    assert program.value("len(closing.doubtful)") == 0
    program.run("del make")


SLOW = """
import subprocess, threading
from memsection.nt.linux.names import closing
thing = Section.create(name, 4096)
r, w = os.pipe()
def start():
    subprocess.run(['/bin/true'], preexec_fn=lambda: (os.write(w, b'.'), time.sleep(seconds)))
thread = threading.Thread(target=start)
thread.start()
os.read(r, 1)       # the child is between fork and exec
thing.close()
there = os.path.exists(path)
"""


@pytest.mark.invariant("L1")
@pytest.mark.parametrize("prefix", ["", "Global\\"])
def test_a_close_waits_for_a_child_that_comes_to_exec_soon(
    root: str, start: Start, prefix: str
) -> None:
    program = start(0)
    path = f"{root}/memsection.slow" if prefix else f"{root}/memsection-0/slow"
    program.run(
        "from memsection.nt.linux.names import closing\n"
        "closing.PATIENCE_SECONDS, patience = 30, closing.PATIENCE_SECONDS"
    )
    program.run(SLOW, name=f"{prefix}slow", path=path, seconds=0.2)
    assert program.value("there") is False
    program.run("thread.join(); os.close(r); os.close(w); closing.PATIENCE_SECONDS = patience")


@pytest.mark.invariant("L1")
@pytest.mark.parametrize(
    "use",
    [
        "Section.create(other, 4096).close()",
        "kept.close()",
        "try: Section.open(other)\nexcept FileNotFoundError: pass",
    ],
)
@pytest.mark.parametrize("prefix", ["", "Global\\"])
def test_a_child_that_takes_longer_is_looked_at_again_with_later_operations(
    root: str, start: Start, prefix: str, use: str
) -> None:
    program = start(0)
    path = f"{root}/memsection.slow" if prefix else f"{root}/memsection-0/slow"
    program.run("kept = Section.create(prefix + 'kept', 4096)", prefix=prefix)
    program.run(SLOW, name=f"{prefix}slow", path=path, seconds=0.3)
    assert program.value("there and list(closing.later)") != []
    program.run("thread.join(); os.close(r); os.close(w)")
    assert os.path.exists(path)
    program.run(
        "time.sleep(max(0, max(due for due, _ in closing.later.values()) - time.monotonic()))"
    )
    program.run(use, other=f"{prefix}other")
    assert not os.path.exists(path) and program.value("closing.later") == {}
    program.run("kept.close()")


@pytest.mark.invariant("L1")
def test_a_forked_child_that_keeps_its_handle_keeps_the_name(root: str, start: Start) -> None:
    program = start(0)
    program.run("""
import threading, support.workers as w
thing = Section.create('kept', 4096)
stop = threading.Event(); thread = threading.Thread(target=stop.wait); thread.start()
r, e = os.pipe()
child = w.fork(lambda: (os.read(r, 1), thing.close()))
thing.close()
for number in range(20): Section.create('other', 4096).close(); time.sleep(0.005)
with Section.open('kept') as again: pass
os.write(e, b'.')
code = w.reap(child); stop.set(); thread.join(); os.close(r); os.close(e)""")
    assert program.value("code") == 0
    program.run("time.sleep(0.1); Section.create('other', 4096).close()")
    assert not os.path.exists(f"{root}/memsection-0/kept")
