# SPDX-License-Identifier: MIT
"""Other processes of the same user that run what they are told: fresh interpreters, and forked
ones."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from support.users import SOURCE, TESTS, Program

PATIENCE = 60.0  #: seconds until something that does not happen counts as never


@contextmanager
def worker(*prefix: str, **options: object) -> Iterator[Program]:
    """A fresh interpreter that runs statements; killed at the end if it is still there.

    ``prefix`` is a command to start it through; ``options`` go to Popen (``close_fds=False`` lets
    it inherit handles).
    """
    environment = {**os.environ, "PYTHONPATH": f"{SOURCE}:{TESTS}"}
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", "from support.users import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        **options,
    )  # type: ignore[call-overload]
    program = Program(process)
    try:
        yield program
    finally:
        program.kill()


def fork(body: Callable[[], None]) -> int:
    """A forked child that runs a function and ends, with status 1 if it raised; the parent gets its
    id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        # PR_SET_PDEATHSIG: no child outlives a test that was killed
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        body()
        status = 0
    except BaseException as problem:  # a child must not come back into the test
        os.write(2, f"forked child: {type(problem).__name__}: {problem}\n".encode())
    finally:
        os._exit(status)


def reap(pid: int) -> int:
    """Wait for a child; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition, with a watchdog."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it never happened: {what}"
        time.sleep(0.001)


def stopped_in(body: Callable[[], object]) -> int:
    """A forked child that runs a function and then stands still until it is killed."""
    reader, writer = os.pipe()

    def child() -> None:
        held = body()
        os.write(writer, b"x")
        time.sleep(60)
        del held

    pid = fork(child)
    os.close(writer)
    assert os.read(reader, 1) == b"x"
    os.close(reader)
    return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
