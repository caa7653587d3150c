# SPDX-License-Identifier: MIT
"""The part of ``diagnosis`` that tries system calls: memory files, and what a seccomp profile may
refuse."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import ctypes
import errno
import fcntl
import os
import struct
import threading
from collections.abc import Callable, Iterator

from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.structs import Check


def memfd() -> Iterator[Check]:
    try:
        fd = sys_.memfd_create("memsection doctor", sys_.MFD_CLOEXEC | sys_.MFD_ALLOW_SEALING)
    except OSError as failure:
        yield Check(
            "memory files",
            "problem",
            f"memfd_create: {failure.strerror}",
            "allow memfd_create in the seccomp profile or security policy: without it no section "
            "can be made",
        )
        return
    try:
        sys_.fcntl(fd, sys_.F_ADD_SEALS, sys_.F_SEAL_SHRINK)
        sys_.close(sys_.open(f"/proc/self/fd/{fd}", sys_.O_RDONLY | sys_.O_CLOEXEC))
    except OSError as failure:
        yield Check(
            "memory files",
            "problem",
            f"sealing, or opening again through /proc/self/fd: {failure.strerror}",
            "mount /proc; a process that changed its user needs prctl(PR_SET_DUMPABLE, 1), or an "
            "exec",
        )
    else:
        yield Check("memory files", "ok", "made, sealed, and opened again")
    finally:
        sys_.close(fd)


def calls() -> Iterator[Check]:
    """What a seccomp profile, or a kernel of another make, refuses is tried on a file and a process
    of our own."""
    refused = []
    fd = sys_.memfd_create("memsection doctor", sys_.MFD_CLOEXEC)
    try:
        for name, needed_for, attempt in _ATTEMPTS:
            try:
                attempt(fd)
            except (OSError, NtError) as failure:
                refused.append(
                    f"{name} ({needed_for}): {getattr(failure, 'strerror', None) or failure}"
                )
    finally:
        sys_.close(fd)
    if refused:
        yield Check(
            "system calls",
            "problem",
            "refused here: " + "; ".join(refused),
            "allow them in the seccomp profile or security policy of this container or service",
        )
    else:
        yield Check("system calls", "ok", ", ".join(name for name, _, _ in _ATTEMPTS) + " work")


def _try_pidfd(_: int) -> None:
    sys_.close(sys_.pidfd_open(os.getpid()))


def _try_pidfd_getfd(fd: int) -> None:
    try:
        pidfd = sys_.pidfd_open(os.getpid())
    except OSError:
        return  # told already
    try:
        sys_.close(sys_.pidfd_getfd(pidfd, fd))
    finally:
        sys_.close(pidfd)


def _try_link(_: int) -> None:
    """Give a file without a name one in the directory of names, and take it away."""
    directory, name = namespace.local_directory(), f".doctor-{os.getpid()}-{threading.get_ident()}"
    fd = sys_.open(".", sys_.O_TMPFILE | sys_.O_RDWR | sys_.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        sys_.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=directory, follow_symlinks=True)
        sys_.unlink(name, dir_fd=directory)
    finally:
        sys_.close(fd)


def _try_reading_memory(_: int) -> None:
    there = ctypes.create_string_buffer(b"x")
    if sys_.copy_from(os.getpid(), ctypes.addressof(there), 1) != b"x":
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))


#: The call, what fails without it, and how it is tried on a memory file.
_ATTEMPTS: tuple[tuple[str, str, Callable[[int], object]], ...] = (
    ("fallocate", "committing memory", lambda fd: sys_.fallocate(fd, 0, 4096)),
    ("flock", "counting handles", lambda fd: sys_.flock(fd, sys_.LOCK_SH | sys_.LOCK_NB)),
    (
        "fcntl",
        "mutexes",
        lambda fd: sys_.fcntl(
            fd, sys_.F_OFD_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0)
        ),
    ),
    ("linkat", "giving names", _try_link),
    ("pidfd_open", "process handles", _try_pidfd),
    ("pidfd_getfd", "taking handles from processes", _try_pidfd_getfd),
    ("eventfd", "waiting in event loops", lambda _: sys_.close(sys_.eventfd(0))),
    (
        "process_vm_readv",
        "reading another process's memory, and seeing who waits",
        _try_reading_memory,
    ),
)
