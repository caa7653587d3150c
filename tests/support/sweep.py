# SPDX-License-Identifier: MIT
"""Dying, or failing, at the n-th system call: the table of ``nt.linux.system.syscalls`` wrapped, in
a forked child.

It wraps the table and forks; what is swept over, and what is audited afterwards, stands in the
tests.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

PATIENCE = 60.0  #: seconds until a child counts as hanging


def callables() -> list[str]:
    """The names of the system calls in the table."""
    from memsection.nt.linux.system import syscalls

    return [
        name
        for name, value in vars(syscalls).items()
        if callable(value) and not name.startswith("_")
    ]


def wrap(around: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> Callable[[], None]:
    """Put a function around every call of the table; gives the function that takes it off again."""
    from memsection.nt.linux.system import syscalls

    before = {name: getattr(syscalls, name) for name in callables()}
    for name, call in before.items():
        setattr(syscalls, name, around(name, call))

    def restore() -> None:
        for name, call in before.items():
            setattr(syscalls, name, call)

    return restore


def die_at(number: int) -> None:
    """From now on: end this process as kill -9 does, before its n-th system call."""
    count = 0

    def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counted

    wrap(around)


def attempt(space: dict[str, Any], prepare: str, operation: str, number: int) -> str:
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
            space["must"] = must
            exec(prepare, space)
            die_at(number)
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


#: What each call answers when the machine has no more of what it takes: descriptors, memory, disk,
#: processes.
EXHAUSTED = {
    "open": "EMFILE",
    "memfd_create": "ENFILE",
    "dup": "EMFILE",
    "duplicate_from": "EMFILE",
    "pidfd_open": "EMFILE",
    "pidfd_getfd": "EMFILE",
    "reopen": "EMFILE",
    "copy_handle": "EMFILE",
    "new_handle": "EBADF",
    "map_view": "ENOMEM",
    "map_region": "ENOMEM",
    "view_descriptor": "EMFILE",
    "create_body": "EMFILE",
    "finish_body": "ENOSPC",
    "publish": "EMFILE",
    "link_body": "ENOSPC",
    "find": "EMFILE",
    "open_locator": "EMFILE",
    "open_body": "EMFILE",
    "find_body": "EMFILE",
    "listdir": "EMFILE",
    "fcntl": "EMFILE",
    "mmap": "ENOMEM",
    "mprotect": "ENOMEM",
    "madvise": "ENOMEM",
    "mbind": "ENOMEM",
    "ftruncate": "ENOSPC",
    "fallocate": "ENOSPC",
    "pwrite": "ENOSPC",
    "write": "ENOSPC",
    "setxattr": "ENOSPC",
    "link": "ENOSPC",
    "mkdir": "ENOSPC",
    "fsync": "EDQUOT",
    "flock": "ENOLCK",
}
# F_DUPFD, F_DUPFD_CLOEXEC: the only commands of fcntl(2) that take a descriptor
_DUPLICATIONS = (0, 1030)
_LOCK_EX_NB = 6  # asking whether one is the last takes a lock only to give it back


def fail_at(number: int) -> Callable[[], str | None]:
    """From now on the n-th call that takes something finds nothing left; gives what tells which
    call that was."""
    import errno

    count, failed = 0, None

    def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        if name not in EXHAUSTED:
            return call

        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal count, failed
            if (name == "fcntl" and arguments[1] not in _DUPLICATIONS) or (
                name == "flock" and (arguments[1] == _LOCK_EX_NB or arguments[1] & 8)
            ):
                return call(*arguments, **options)
            count += 1
            if count == number:
                code = getattr(errno, EXHAUSTED[name])
                failed = f"{name}: {EXHAUSTED[name]}"
                raise OSError(code, os.strerror(code))
            return call(*arguments, **options)

        return counted

    wrap(around)
    return lambda: failed


def attempt_without(space: dict[str, Any], prepare: str, operation: str, number: int) -> str:
    """Run an operation in a child where the n-th call that takes something finds nothing left.

    Returns:
        "refused: CALL: ERRNO" when the operation raised this library's error and took nothing;
        "managed: ..." when it succeeded nonetheless; "ended" when it has fewer such calls; or what
        went wrong.
    """
    import json

    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            answer = _without(space, prepare, operation, number)
        except BaseException:
            answer = traceback.format_exc()[-3000:]
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    try:
        status = _wait(child)
        return str(json.loads(os.read(reader, 1 << 16))) if status == 0 else f"status {status}"
    finally:
        os.close(reader)


def _without(space: dict[str, Any], prepare: str, operation: str, number: int) -> str:
    import memsection

    exec(
        "from memsection.nt.linux.names import namespace as _n; _n.local_directory(); "
        "_n.global_directory()",
        space,
    )
    space["must"] = must
    exec(prepare, space)
    before, names = holdings(), set(space)
    tell = fail_at(number)
    try:
        exec(operation, space)
        problem = None
    except memsection.Error as refused:
        problem = repr(refused)  # the exception itself keeps what its frames have
    which = tell()
    fail_at(0)
    if which is None:
        return "ended" if problem is None else f"raised without a failure: {problem}"
    if problem is None:
        return f"managed: {which}"
    _forget(space, names)
    if (left := holdings()) != before:
        return f"after {which} and {problem} there is left {sorted(set(left) ^ set(before))}: {left} / {before}"
    exec(operation, space)  # everything as before: it can be done again
    return f"refused: {which}"


def must(status: int) -> None:
    """Raise for an NTSTATUS that is a failure."""
    import memsection

    if status >> 31:
        raise memsection.Error(ntstatus=status)


def _forget(space: dict[str, Any], names: set[str]) -> None:
    import gc
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in set(space) - names:
            del space[name]
        gc.collect()


def holdings() -> dict[str, int]:
    """What this process has: descriptors and shared mappings by what they lead to, and how many."""
    found: dict[str, int] = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            where = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue  # the one that was listing
        # the latter is the process's own, made when needed
        if "pipe:" not in where and "userfaultfd" not in where:
            found[where.split(":[")[0]] = found.get(where.split(":[")[0], 0) + 1
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split(maxsplit=5)
            if "s" in fields[1]:
                found["mapped " + fields[5].strip()] = (
                    found.get("mapped " + fields[5].strip(), 0) + 1
                )
    return found
