# SPDX-License-Identifier: MIT
"""Another process that runs statements, on both systems: ``support.workers`` has more, for Linux
alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from support.users import PATIENCE, SOURCE, TESTS, Program


class Elsewhere(Program):
    """A program whose answers are waited for without select(2)."""

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        try:
            return self.process.stdout.readline()
        finally:
            watchdog.cancel()


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """A fresh interpreter; killed at the end if it is still there."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(_paths())}
    program = Elsewhere(
        subprocess.Popen(
            [sys.executable, "-c", "from support.users import answer_all; answer_all()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
    )
    try:
        yield program
    finally:
        program.kill()


@contextmanager
def soon(do: Callable[..., object], *arguments: object) -> Iterator[None]:
    """Something that is done while the block waits; it is over after the block."""
    timer = threading.Timer(0.1, do, arguments)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def _paths() -> list[str]:
    had = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [str(SOURCE), str(TESTS), *(path for path in had if path)]
