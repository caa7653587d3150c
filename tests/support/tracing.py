# SPDX-License-Identifier: MIT
"""Dying at the n-th system call that the kernel sees: a forked child is traced (ptrace(2)) and
killed at it.

For what does not go through the table of ``nt.linux.system.syscalls``: native code.  Needs a parent
that may trace its children.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from typing import Any

TRACEME, CONT, GETREGS, SYSCALL, SETOPTIONS = 0, 7, 12, 24, 0x4200
SYSGOOD, EXITKILL = 1, 0x100000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long
_STOPPED_AT_CALL = signal.SIGTRAP | 0x80


def attempt(space: dict[str, Any], prepare: str, operation: str, number: int) -> str:
    """Run an operation in a child that is killed at its n-th stop: odd ones are before a system
    call, even ones after.

    Returns:
        "killed", "ended" when there are fewer stops, or what went wrong.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(reader)
            exec(prepare, space)
            program = compile(operation, "operation", "exec")
            _libc.ptrace(TRACEME, 0, None, None)
            os.kill(os.getpid(), signal.SIGSTOP)
            exec(program, space)
            code = 0
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[-3000:])
        finally:
            os._exit(code)
    os.close(writer)
    try:
        return _trace(child, number) or f"failed: {os.read(reader, 3000).decode()}"
    finally:
        os.close(reader)


def _trace(child: int, number: int) -> str:
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        return ""
    _libc.ptrace(SETOPTIONS, child, None, SYSGOOD | EXITKILL)
    stops, pass_on = 0, 0
    while True:
        _libc.ptrace(SYSCALL, child, None, pass_on)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            return "ended" if os.WEXITSTATUS(status) == 0 else ""
        if os.WIFSIGNALED(status):
            return f"died of signal {os.WTERMSIG(status)}"
        pass_on = 0
        if os.WSTOPSIG(status) != _STOPPED_AT_CALL:
            pass_on = os.WSTOPSIG(status)
            continue
        stops += 1
        if stops == number:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "killed"


def available() -> bool:
    """Whether this process may trace its children."""
    return sys.platform == "linux" and attempt({}, "", "pass", 1 << 30) == "ended"
