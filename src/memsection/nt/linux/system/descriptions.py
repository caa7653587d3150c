# SPDX-License-Identifier: MIT
"""Open file descriptions: opening one again with another mode, and the locks that they hold
(flock(2)).

Invariant L3 (docs/design/invariants.md): a handle's shared lock is never converted.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import time

from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

OPEN_FLAGS = sys_.O_CLOEXEC | sys_.O_NONBLOCK | sys_.O_NOCTTY
#: how long a handle's lock is waited for while another process has an exclusive one
LOCK_PATIENCE_SECONDS = 2.0


def try_lock(fd: int, operation: int) -> bool:
    """Take a lock without waiting; whether it was granted."""
    try:
        sys_.flock(fd, operation | sys_.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hold(fd: int) -> None:
    """Take the shared lock of a handle.

    Somebody who asks "was I last?" has the exclusive one for a moment, and whoever has any
    descriptor of the object can have it for ever, a user who may only read too: so it is waited
    for, but not longer than a moment can be (L8).

    Raises:
        NtError: SHARING_VIOLATION.
    """
    deadline = 0.0
    while not try_lock(fd, sys_.LOCK_SH):
        now = time.monotonic()
        deadline = deadline or now + LOCK_PATIENCE_SECONDS
        if now > deadline:
            raise NtError(
                st.SHARING_VIOLATION,
                detail=f"for {LOCK_PATIENCE_SECONDS:g} s another process had an exclusive lock "
                "on the object, which no process that uses this library keeps",
            )
        time.sleep(0.0005)


def reopen(fd: int, mode: int) -> int:
    """A new open file description of what a descriptor of ours means, with this mode; the kernel
    checks (R2).

    The owner may always: where the object's descriptor gives even its owner less, the mode is
    widened for that moment and for the owner's bits alone, which the owner could do anyway
    (chmod(2)).
    """
    return sys_.reopen(fd, mode == sys_.O_RDWR)


def is_writable(fd: int) -> bool:
    return sys_.fcntl(fd, 3) & os.O_ACCMODE == sys_.O_RDWR  # F_GETFL
