# SPDX-License-Identifier: MIT
"""How long waits spin is bounded, can be set, and can be nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.users import SOURCE

PROGRAM = """
import time
from memsection import Event
from memsection._native import sync
from memsection.nt.linux.types import waitable
event = Event.create()
if {spin!r}:
    waitable.set_spin({spin!r})
waits = 40
before = time.process_time()
for _ in range(waits):
    event.wait(0.002)
print((time.process_time() - before) / waits)
event.close()
"""


def cpu_of_a_wait(variable: str | None, spin: str = "") -> float:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    environment.pop("MEMSECTION_SPIN_US", None)
    if variable is not None:
        environment["MEMSECTION_SPIN_US"] = variable
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(spin=spin)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


@pytest.mark.parametrize("variable", ["0", "50", "1000", "99999999999", "soon", "-5", "", None])
def test_every_value_of_the_variable_leaves_waits_bounded(variable: str | None) -> None:
    # A wait of 2 ms that spun for all of it would use 2 ms; none may come near that once it has
    # learned.
    assert cpu_of_a_wait(variable) < 0.001


RECOVERY = """
import os, resource, sys, time
from memsection import Event
first, second = sorted(os.sched_getaffinity(0))[:2]
ping, pong = Event.create(manual_reset=False), Event.create(manual_reset=False)
child = os.fork()
os.sched_setaffinity(0, {second if not child else first})
if not child:
    while True:
        ping.wait()
        pong.set()
def sleeps(trips):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    for _ in range(trips):
        ping.set()
        pong.wait()
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before
try:
    back = 0
    for _ in range(4):
        sleeps(300)
        time.sleep(0.05)
        back += any(sleeps(200) < 20 for _ in range(40))
    print(back)
finally:
    os.kill(child, 9)
    os.waitpid(child, 0)
    ping.close()
    pong.close()
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="with one processor nobody spins")
def test_two_processes_that_take_turns_stop_sleeping_again_after_a_pause() -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    environment.pop("MEMSECTION_SPIN_US", None)
    done = subprocess.run(
        [sys.executable, "-c", RECOVERY],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert int(done.stdout) == 4
