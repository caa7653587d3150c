# SPDX-License-Identifier: MIT
"""Closes that seem not to be the last because a child that is just starting has the lock too.

Between fork and exec a child shares every open file description, and with it every lock.  A thread
that closes the last handle to an object at that moment is told that there are others, and nobody
would be told later that there are none.  So in a program with several threads a refusal is looked
into: a lock that this process took is still there although it has no handle any more.  It goes when
the child comes to exec, which is waited for a moment.  What a child keeps longer, which may be for
good, is looked at again with later operations.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import time

from memsection._native import records
from memsection.nt.linux.names import namespace, sweep, unlink
from memsection.nt.linux.system import proc
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.forks import run_in_child

PATIENCE_SECONDS = 0.1  #: how long a child may take to come to exec
NO_CHILD_SECONDS = 0.01  #: how long a lock is waited for that no new child can have
#: between two looks at a name that a child keeps; then whoever sweeps next finds it
_LONGEST_PAUSE = 30.0

#: (a description of the body without a lock, full name, identity)
doubtful: list[tuple[int, str, tuple[int, ...]]] = []
_in_work: list[int] = []
#: name to (when it is looked at again, and how long after that)
later: dict[str, tuple[float, float]] = {}
_keepers: set[int] = set()  # children that were waited for in vain
_lockers = {os.getpid(), os.getppid()}  # who may have taken the locks of this process's handles


def note_doubtful(obj: records.ObjectRecord) -> None:
    """Note a close that was refused to be the last, when a child may be why.  The tables' lock is
    held."""
    if records.is_alone():
        return
    probe = obj.view_ro if obj.view_ro >= 0 else obj.view_rw
    try:
        doubtful.append((sys_.fcntl(probe, 1030, 3), obj.name, obj.identity))  # F_DUPFD_CLOEXEC
    except OSError:
        _look_later(obj.name)  # no descriptor left


def decide_doubtful() -> None:
    """Decide what is in doubt.  The tables' lock is not held."""
    while doubtful:
        # a child that is forked now knows the descriptor from one list or the other
        with records.lock:
            if not doubtful:
                return  # another thread was faster
            fd, full, identity = doubtful.pop()
            _in_work.append(fd)
        try:
            _decide(fd, full, identity)
        except BaseException as problem:
            _look_later(full)
            if not isinstance(problem, OSError | NtError):
                raise
        finally:
            with records.lock:
                _in_work.remove(fd)
                sys_.close(fd)


def _decide(fd: int, full: str, identity: tuple[int, ...]) -> None:
    began, pause = time.monotonic(), 0.0002
    # The kernel may let go of a lock a little after the child is gone; else it is a message with
    # the handle, not received.
    deadline, no_child = began + PATIENCE_SECONDS, began + NO_CHILD_SECONDS
    while True:
        # First who has locks, then whether there are any: what is let go of in between is had then.
        lockers = _lockers_of(identity)
        place = namespace.place_of_name(full)
        if place is None or unlink.unlink_if_last(fd, place):
            return
        if lockers and lockers.isdisjoint(_lockers):
            return  # others have handles: the last of them removes the name
        children = _children()
        if time.monotonic() > (deadline if children - _keepers else no_child):
            _keepers.clear()
            _keepers.update(children)
            _look_later(full)
            return
        time.sleep(pause)
        pause = min(2 * pause, 0.002)


def _lockers_of(identity: tuple[int, ...]) -> set[int]:
    """The processes that took the locks of a file; none where that cannot be seen, or was missed.

    /proc/locks is read in parts, and what moves up in between is missed.
    """
    return (proc.lockers() or {}).get((identity[0], identity[1]), set())


def _children() -> set[int]:
    """The children of this process, as far as the kernel tells (proc(5),
    /proc/PID/task/TID/children)."""
    found: set[int] = set()
    for thread in sys_.listdir("/proc/self/task"):
        try:
            fd = sys_.open(f"/proc/self/task/{thread}/children", sys_.O_RDONLY | sys_.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.ENOENT:
                continue  # the thread has ended, or the kernel does not tell
            raise
        try:
            found.update(int(pid) for pid in sys_.read(fd, 65536).split())
        finally:
            sys_.close(fd)
    return found


# ---------------------------------------------------------------------- what a child keeps


def _look_later(full: str) -> None:
    later[full] = (time.monotonic() + 0.01, 0.01)


def recheck_doubtful() -> None:
    """Look at the names that were in doubt, those whose time has come.  The tables' lock is not
    held."""
    if doubtful:
        decide_doubtful()
    if not later:
        return
    now = time.monotonic()
    for full, (due, pause) in list(later.items()):
        if now < due:
            continue
        if _is_settled(full) or pause > _LONGEST_PAUSE:
            later.pop(full, None)
        else:
            later[full] = (now + 2 * pause, 2 * pause)


def _is_settled(full: str) -> bool:
    try:
        place = namespace.place_of_name(full)
    except OSError:
        return False  # no descriptor left for the directory
    return place is None or sweep.is_settled(place)


@run_in_child
def _after_fork_in_child() -> None:
    """What is in doubt is the parent's; what it closed is none of this process's handles."""
    for fd in [entry[0] for entry in doubtful] + _in_work:
        sys_.close(fd)
    doubtful.clear()
    _in_work.clear()
    later.clear()
    _keepers.clear()
    _lockers.add(os.getpid())
