# SPDX-License-Identifier: MIT
"""What surrounds each service: an errno that nobody translated becomes a status, every failure
learns its operation, and a process that runs into its soft limit of descriptors gets the hard one.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import resource  # here, because it could not be loaded when there is no descriptor left

from memsection._native import ledger
from memsection.nt.linux.bodies import commit
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import proc
from memsection.nt.linux.system.proc import NO_PROC
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import Error, NtError, public_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Concatenate, ParamSpec, TypeVar

    S = TypeVar("S")
    P = ParamSpec("P")
    R = TypeVar("R")


#: What puts files where names are, and nowhere else without saying so.
_IN_DIRECTORIES_OF_NAMES = frozenset(
    f"create {kind}" for kind in ("section", "mutex", "event", "semaphore")
)


#: what is told of a process that /proc does not show
_NO_PROCESS = (st.INVALID_CID, st.PROCESS_IS_TERMINATING)


def service(
    operation: str,
) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[S, P], R]]:
    """Give a service its name in messages, and see to errors of system calls that nobody
    translated."""

    def exception_for(problem: Exception) -> Exception | None:
        if _has_no_descriptor(problem) and _raise_descriptor_limit():
            return None  # once more, with the descriptors that the hard limit allows
        return translate(problem, operation)

    def decorate(function: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
        return ledger.service(function, exception_for)

    return decorate


def translate(problem: Exception, operation: str) -> Exception:
    """What a service raises for what came up in it."""
    if isinstance(problem, NtError):
        # where processes are looked for
        if problem.status in _NO_PROCESS and not proc.proc_is_mounted():
            return NtError(st.NOT_SUPPORTED, operation, problem.name, NO_PROC)
        problem.operation = problem.operation or operation
        if _has_no_descriptor(problem):
            problem.detail = _no_descriptor()
        return problem
    if not isinstance(problem, OSError) or problem.errno is None:
        return problem  # no system call's: a signal handler's TimeoutError, for example
    # It failed because /proc is not mounted, and not because of what was looked for in it.
    if str(problem.filename or "").startswith("/proc/") and not proc.proc_is_mounted():
        return NtError(st.NOT_SUPPORTED, operation, None, NO_PROC)
    detail = f"{problem.strerror}" + (f" ({problem.filename})" if problem.filename else "")
    if problem.errno == errno.EMFILE:
        detail = _no_descriptor()
    elif problem.errno in (errno.ENOSPC, errno.EDQUOT) and operation in _IN_DIRECTORIES_OF_NAMES:
        detail = _no_room_for_names()
    elif problem.errno == errno.ENFILE:
        detail = "the system has as many files open as it may: have /proc/sys/fs/file-max raised"
    return NtError(st.from_errno(problem.errno), operation, None, detail)


def _has_no_descriptor(problem: Exception) -> bool:
    """Whether a system call was refused a descriptor, also where that is a status by now."""
    if isinstance(problem, NtError):
        return problem.status == st.TOO_MANY_OPENED_FILES and problem.detail == os.strerror(
            errno.EMFILE
        )
    return isinstance(problem, OSError) and problem.errno == errno.EMFILE


def _no_descriptor() -> str:
    return (
        f"this process has as many files open as it may, "
        f"{resource.getrlimit(resource.RLIMIT_NOFILE)[1]}: close "
        "some objects, or have its hard limit raised (ulimit -Hn, LimitNOFILE=)"
    )


def import_failed(problem: Exception) -> Exception | None:
    """What an operation raises that had to import something.

    Many modules are imported with their first use, which takes a descriptor.  None to try again;
    whatever else was raised is given back.
    """
    if isinstance(problem, Error) or not _is_for_want_of_descriptors(problem):
        return problem
    if _raise_descriptor_limit():
        return None
    number = getattr(problem, "errno", errno.EMFILE)
    failure = translate(OSError(number, os.strerror(number)), "import")
    if not isinstance(failure, NtError):
        return failure
    failure.name = getattr(problem, "filename", None) or getattr(problem, "name", None)
    return public_error(failure)


def _is_for_want_of_descriptors(problem: Exception) -> bool:
    if isinstance(problem, ImportError):  # of a library that is not opened, which has no number
        return os.strerror(errno.EMFILE) in str(problem) or os.strerror(errno.ENFILE) in str(
            problem
        )
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (
        isinstance(problem, OSError)
        and problem.errno in (errno.EMFILE, errno.ENFILE)
        and trace is not None
        and trace.tb_frame.f_code.co_filename.startswith("<frozen importlib")
    )


ledger.connect_import_failed(import_failed)


def _no_room_for_names() -> str:
    """Where the objects are that have names, and what to do when that is full."""
    places = sorted({path for _, path in namespace.known_directories.values()})
    for place in places:
        try:
            commit.require_inode(place)
        except NtError as failure:
            return failure.detail
        except OSError:
            pass  # it has gone
    return (
        f"no room, or none for another file, is left in {' or '.join(places)}: remove what fills "
        "it, or enlarge it (mount -o remount,size=...,nr_inodes=...; docker run --shm-size=...)"
    )


def _raise_descriptor_limit() -> bool:
    """Raise the soft limit of descriptors to the hard one; whether that made room
    (getrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return True
