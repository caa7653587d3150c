# SPDX-License-Identifier: MIT
"""Dying, or failing, at the n-th system call: the table of ``nt.linux.syscalls`` wrapped, in a forked child.

It wraps the table and forks; what is swept over, and what is audited afterwards, stands in the tests.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

PATIENCE = 20.0  #: seconds until a child counts as hanging


def callables() -> list[str]:
    """The names of the system calls in the table."""
    from memsection.nt.linux import syscalls

    return [name for name, value in vars(syscalls).items() if callable(value) and not name.startswith("_")]


def wrap(around: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> Callable[[], None]:
    """Put a function around every call of the table; gives the function that takes it off again."""
    from memsection.nt.linux import syscalls

    before = {name: getattr(syscalls, name) for name in callables()}
    for name, call in before.items():
        setattr(syscalls, name, around(name, call))

    def restore() -> None:
        for name, call in before.items():
            setattr(syscalls, name, call)

    return restore


def die_at(number: int, when: str) -> None:
    """From now on: end this process as kill -9 does, before or after its n-th system call."""
    count = 0

    def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == number and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*arguments, **options)
            finally:
                if count == number and when == "after":
                    os.kill(os.getpid(), signal.SIGKILL)
        return counted

    wrap(around)


def attempt(space: dict[str, Any], prepare: str, operation: str, number: int, when: str) -> str:
    """Run an operation in a child that dies at its n-th system call.

    Returns:
        "killed"; "ended" when it has fewer calls; "hung"; or what went wrong.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(reader)
            exec(prepare, space)
            die_at(number, when)
            exec(operation, space)
            code = 0
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(code)
    os.close(writer)
    try:
        status = _wait(child)
        if status is None:
            return "hung"
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return "killed"
        if status == 0:
            return "ended"
        return f"status {status}: {os.read(reader, 4000).decode()}"
    finally:
        os.close(reader)


def _wait(child: int) -> int | None:
    """The status of a child; None for one that had to be ended after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    pause = 0.0002
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(pause)
        pause = min(pause * 1.5, 0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(f"child {child} hung", file=sys.stderr)
    return None
