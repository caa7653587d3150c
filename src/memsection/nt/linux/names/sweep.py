# SPDX-License-Identifier: MIT
"""Sweeping after the dead: what killed processes left under names, looked for at each use of a
name.

A killed process leaves a locator, or with a Global name the body itself with its memory.  Whoever
meets such a name removes it (``find``); here are those that nobody will ever ask for again.  It
looks at a few files at a time, and at all of them once one of the dead is among these; it takes a
small part of the time of who does it, and its failures are nobody's.  A file is removed only under
its exclusive lock (L6).
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import stat as stat_
import time

from memsection._native import protocol
from memsection.nt.linux.names import find, locators, namespace, unlink
from memsection.nt.linux.system import descriptions, proc
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import log
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.forks import run_in_child

SLICE = 32  #: files that are looked at each time
_MOST = 4096  #: once there is something to remove
_PAUSES = {"local": 0.01, "global": 0.0}  #: seconds between two looks, at least
_PARTS = {"local": 50, "global": 8}  #: and at least so many times what the last one took
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC  #: inode of the machine's own (PROC_PID_INIT_INO)

_due = dict.fromkeys(_PAUSES, 0.0)


def sweep_if_due(directory: str) -> None:
    """Remove what the dead left among some of the names in a directory, "local" or "global", if it
    is time to look again."""
    now = time.monotonic()
    if now < _due[directory]:
        return
    try:
        remove_dead(directory, SLICE)
    except (OSError, NtError):
        pass  # whoever uses the next name looks again
    ended = time.monotonic()
    _due[directory] = ended + max(_PAUSES[directory], _PARTS[directory] * (ended - now))


@run_in_child
def _after_fork_in_child() -> None:
    for directory in _due:
        _due[directory] = 0.0


def remove_dead(directory: str, count: int = _MOST) -> int:
    """Remove what the dead left among this many of a directory's files, from anywhere on; how many
    were removed."""
    if directory == "global":
        dirfd, files = namespace.global_directory(), []
        files = [file for file in sys_.listdir(dirfd) if file.startswith(namespace.GLOBAL_PREFIX)]
    else:
        dirfd = namespace.local_directory()
        files = sys_.listdir(dirfd)
    start = time.monotonic_ns() % len(files) if len(files) > count else 0
    files = (files[start:] + files[:start])[:_MOST]
    remove = _remove_bodies if directory == "global" else _remove_locators
    removed = remove(dirfd, files[:count])
    return removed + remove(dirfd, files[count:]) if removed else 0


def remove_all_dead() -> int:
    """Remove everything that the dead left, because there is no memory; how much that was."""
    removed = 0
    for directory in _PAUSES:
        try:
            if directory == "global" or namespace.is_known(directory):
                removed += remove_dead(directory)
        except (OSError, NtError):
            continue
    return removed


# ---------------------------------------------------------------------- Global names


def _remove_bodies(dirfd: int, files: list[str]) -> int:
    """Remove those of these files that are bodies of this user and nobody's any more."""
    uid, held, removed = os.geteuid(), None, 0
    for file in files:
        free = protocol.is_free(dirfd, file)
        if free is None:  # its descriptor gives even its owner nothing, or it is another user's
            if held is None:
                held = proc.lockers() or {}
            try:
                found = sys_.stat(file, dir_fd=dirfd, follow_symlinks=False)
            except OSError:
                continue
            free = found.st_uid == uid and (found.st_dev, found.st_ino) not in held
        if free and _remove_body(dirfd, file, uid):
            removed += 1
    return removed


def _remove_body(dirfd: int, file: str, uid: int) -> bool:
    try:
        by_path = sys_.open(file, sys_.O_PATH | sys_.O_NOFOLLOW | sys_.O_CLOEXEC, dir_fd=dirfd)
    except OSError:
        return False
    fd = -1
    try:
        found = sys_.fstat(by_path)
        if found.st_uid != uid or not stat_.S_ISREG(found.st_mode):
            return False
        fd = descriptions.reopen(by_path, sys_.O_RDONLY)
        if not is_dead(fd):
            return False
        named = sys_.stat(file, dir_fd=dirfd, follow_symlinks=False)
        if (named.st_dev, named.st_ino) != (found.st_dev, found.st_ino):
            return False
        sys_.unlink(file, dir_fd=dirfd)
        log.tell(log.INFO, find.SWEPT, file.removeprefix(namespace.GLOBAL_PREFIX))
        return True
    except OSError:
        return False
    finally:
        for each in (by_path, fd):
            if each >= 0:
                sys_.close(each)


def is_dead(fd: int) -> bool:
    """Whether nobody has a handle to this Global body, which is not permanent; its exclusive lock
    is taken then."""
    return descriptions.try_lock(fd, sys_.LOCK_EX) and not unlink.is_permanent(fd)


def is_settled(place: namespace.Place) -> bool:
    """Whether a name that was in doubt is gone; it is removed if nobody has its object any more."""
    try:
        free = protocol.is_free(place.dirfd, place.file)
        if free is None:
            sys_.stat(place.file, dir_fd=place.dirfd, follow_symlinks=False)
        if free is False:
            return False
        remove = _remove_bodies if place.directory == "global" else _remove_locators
        return remove(place.dirfd, [place.file]) > 0
    except FileNotFoundError:
        return True
    except (OSError, NtError):
        return False


# ---------------------------------------------------------------------- Local names


def _remove_locators(dirfd: int, files: list[str]) -> int:
    """Remove those of these locators that nobody holds, and whose body nobody has."""
    free = [file for file in files if protocol.is_free(dirfd, file)]
    if not free:
        return 0
    identities = {file: _identity(dirfd, file) for file in free}
    living = _living({identity for identity in identities.values() if identity is not None})
    return sum(
        _remove_locator(dirfd, file, identity)
        for file, identity in identities.items()
        if identity not in living
    )


def _living(identities: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of these bodies that some process has.

    Who got a handle otherwise than by the name does not hold the locator.  Every handle has a lock;
    but where not every lock can be seen, the descriptors of all processes are looked through.
    """
    seen = proc.lockers()
    living = identities & set(seen or ())
    if seen is not None and locators.pid_namespace() == _INITIAL_PID_NAMESPACE:
        return living
    for pid in proc.processes():
        for fd in proc.descriptors(pid):
            try:
                found = sys_.stat(f"/proc/{pid}/fd/{fd}")
            except OSError:
                continue
            if (found.st_dev, found.st_ino) in identities:
                living.add((found.st_dev, found.st_ino))
    return living


def _identity(dirfd: int, file: str) -> tuple[int, int] | None:
    """The body that a locator leads to; None for a damaged one."""
    try:
        fd = sys_.open(
            file, sys_.O_RDONLY | sys_.O_NOFOLLOW | sys_.O_NONBLOCK | sys_.O_CLOEXEC, dir_fd=dirfd
        )
    except OSError:
        return None
    try:
        return _read_identity(fd)
    finally:
        sys_.close(fd)


def _read_identity(fd: int) -> tuple[int, int] | None:
    locator = locators.read_locator(fd, sys_.fstat(fd).st_size)
    return None if locator is None else locator.identity


def _remove_locator(dirfd: int, file: str, identity: tuple[int, int] | None) -> bool:
    try:
        fd = sys_.open(
            file, sys_.O_RDONLY | sys_.O_NOFOLLOW | sys_.O_NONBLOCK | sys_.O_CLOEXEC, dir_fd=dirfd
        )
    except OSError:
        return False
    try:
        found = sys_.fstat(fd)
        if (
            not stat_.S_ISREG(found.st_mode)
            or found.st_uid != os.geteuid()
            or not descriptions.try_lock(fd, sys_.LOCK_EX)
            or not sys_.fstat(fd).st_nlink
            or _read_identity(fd) != identity
        ):
            return False
        sys_.unlink(file, dir_fd=dirfd)
        log.tell(
            log.INFO, "removed a damaged locator file, %r" if identity is None else find.SWEPT, file
        )
        return True
    except OSError:
        return False
    finally:
        sys_.close(fd)
