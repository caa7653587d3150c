# SPDX-License-Identifier: MIT
"""What surrounds each service: an errno that nobody translated becomes a status, every failure
learns its operation, and a process that runs into its soft limit of descriptors gets the hard one.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import resource  # here, because it could not be loaded when there is no descriptor left
from collections.abc import Callable

from memsection._native import ledger
from memsection.nt.linux.system import proc
from memsection.nt.linux.system.proc import NO_PROC
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec, TypeVar

    S = TypeVar("S")
    P = ParamSpec("P")
    R = TypeVar("R")


def service(
    operation: str,
) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[S, P], R]]:
    """Give a service its name in messages, and see to errors of system calls that nobody
    translated."""

    def failed(problem: Exception) -> Exception | None:
        if (
            isinstance(problem, OSError)
            and problem.errno == errno.EMFILE
            and _raise_descriptor_limit()
        ):
            return None  # once more, with the descriptors that the hard limit allows
        return translated(problem, operation)

    def decorate(function: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
        return ledger.service(function, failed)

    return decorate


def translated(problem: Exception, operation: str) -> Exception:
    """What a service raises for what came up in it."""
    if isinstance(problem, NtError):
        # where processes are looked for
        if problem.status == st.INVALID_CID and not proc.proc_is_mounted():
            return NtError(st.NOT_SUPPORTED, operation, problem.name, NO_PROC)
        problem.operation = problem.operation or operation
        return problem
    if not isinstance(problem, OSError) or problem.errno is None:
        return problem  # no system call's: a signal handler's TimeoutError, for example
    # It failed because /proc is not mounted, and not because of what was looked for in it.
    if str(problem.filename or "").startswith("/proc/") and not proc.proc_is_mounted():
        return NtError(st.NOT_SUPPORTED, operation, None, NO_PROC)
    detail = f"{problem.strerror}" + (f" ({problem.filename})" if problem.filename else "")
    if problem.errno == errno.EMFILE:
        detail = (
            f"this process has as many files open as it may, "
            f"{resource.getrlimit(resource.RLIMIT_NOFILE)[1]}: close "
            "some objects, or have its hard limit raised (ulimit -Hn, LimitNOFILE=)"
        )
    elif problem.errno == errno.ENFILE:
        detail = "the system has as many files open as it may: have /proc/sys/fs/file-max raised"
    return NtError(st.from_errno(problem.errno), operation, None, detail)


def _raise_descriptor_limit() -> bool:
    """Raise the soft limit of descriptors to the hard one; whether that made room
    (getrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return True
