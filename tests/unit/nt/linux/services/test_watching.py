# SPDX-License-Identifier: MIT
"""Tasks that wait where no descriptor is left, or none may be had: told as any other operation."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.users import SOURCE

PROGRAM = """
import asyncio, ctypes, os, resource, sys
from memsection import Error, Process
soft, hard = int(sys.argv[1]), 80
loop = asyncio.new_event_loop()
child = os.fork()
if not child:
    import time
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG
    time.sleep(60)
with Process(child) as process:
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    held = []
    try:
        while True:
            held.append(os.dup(0))
    except OSError:
        pass
    try:
        print(loop.run_until_complete(process.wait_async(0.01)))
    except Error as problem:
        print(problem)
    for fd in held:
        os.close(fd)
    print(loop.run_until_complete(process.wait_async(0.01)))
    os.kill(child, 9)
    print(loop.run_until_complete(process.wait_async(60)))
os.waitpid(child, 0)
loop.close()
"""


@pytest.mark.parametrize(
    ("soft", "first"), [(60, "False"), (80, "this process has as many files open as it may, 80")]
)
def test_a_task_gets_the_hard_limit_and_then_the_usual_error(soft: int, first: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(soft)],
        env={"PYTHONPATH": str(SOURCE)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told, second, ended = done.stdout.splitlines()
    assert first in told
    assert (second, ended) == ("False", "True"), "what failed once hinders no later wait"
