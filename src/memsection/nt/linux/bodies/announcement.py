# SPDX-License-Identifier: MIT
"""That somebody writes into a section: said as long as the process that says it lives, and to be
asked by all who have it.

A shared lock on one byte far beyond the body's end (fcntl(2), open file description locks), on a
description of its own: the kernel drops it when the process ends in any way.  It binds nobody, so
it is no protection: several may say it, and who may open the object can say it too.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import struct
import weakref

from memsection._native import ledger
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary.forks import run_in_child

_BYTE = (1 << 62) + (1 << 20)  # beyond the slots of ms_sync.h and the statements of ``file_locks``
_F_RDLCK, _F_WRLCK, _F_UNLCK = 0, 1, 2
_FLOCK = struct.Struct("hhqqi4x")  # struct flock on 64-bit Linux: type, whence, start, length, pid

_made: weakref.WeakSet[Announcement] = weakref.WeakSet()


class Announcement:
    """One statement, until it is closed, collected, or its process ends."""

    _fd = -1

    # the descriptor is this object's, whatever becomes of the operation that made it
    @ledger.settled
    def __init__(self, fd: int) -> None:
        own = descriptions.reopen(fd, sys_.O_RDONLY)
        try:
            sys_.fcntl(own, sys_.F_OFD_SETLK, _FLOCK.pack(_F_RDLCK, 0, _BYTE, 1, 0))
        except BaseException:
            sys_.close(own)
            raise
        self._fd = own
        _made.add(self)

    def close(self) -> None:
        """Say it no longer."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            sys_.close(fd)

    __del__ = ledger.drop_fd


def is_made(fd: int) -> bool:
    """Whether an announcement of the object is held by any process."""
    answer = sys_.fcntl(fd, sys_.F_OFD_GETLK, _FLOCK.pack(_F_WRLCK, 0, _BYTE, 1, 0))
    return bool(_FLOCK.unpack(answer)[0] != _F_UNLCK)


@run_in_child
def _after_fork_in_child() -> None:
    """The child shares the descriptions, and would keep its parent's statements alive after it."""
    for one in list(_made):
        one.close()
