# SPDX-License-Identifier: MIT
"""Waiting for a name to appear, without looking again and again: the directory of the name is
watched (inotify(7)).

It says when it is worth trying to open the name; what is found there is the opener's business.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os
import select
import struct

from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import names

_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows
_LARGEST_READ = 1 << 16
_LOOK = 1.0  #: seconds between looks whether the directory is still the one that names are made in
_NO_WATCH = (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.ENOMEM, errno.ENOSYS, errno.EPERM)


def watch(name: str) -> NameWatch | None:
    """Watch for a name; None where the system allows no more watches: then the caller looks now and
    then."""
    found = NameWatch(name)
    try:
        found.begin()
    except OSError as error:
        found.close()
        if error.errno in _NO_WATCH:
            return None
        raise
    except BaseException:
        found.close()
        raise
    return found


class NameWatch:
    """One name's directory, watched from ``begin`` on: what is linked after it is not missed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fd = self._directory = -1

    def begin(self) -> None:
        """Watch the directory that the name is in now."""
        self.close()
        place = self._find()
        if namespace.directory_is_gone(place):
            place = self._find()
        self._file = place.file.encode()
        # Of its own: another thread that finds the directory gone closes the one that everybody
        # uses.
        self._directory = sys_.dup(place.dirfd)
        self._fd = sys_.inotify_init()
        sys_.inotify_add_watch(
            self._fd, f"/proc/self/fd/{self._directory}", sys_.IN_CREATE | sys_.IN_MOVED_TO
        )

    def _find(self) -> namespace.Place:
        return namespace.Place(*names.split(self._name, os.geteuid(), rooted=True))

    def fileno(self) -> int:
        """Readable when something was made in the directory; another one after the directory had to
        be made anew."""
        return self._fd

    def wait(self, seconds: float | None) -> None:
        """Come back when the name may be there, or when the time is up; earlier without a reason is
        possible."""
        # A directory that was removed tells nothing while somebody has it open: so it is looked at
        # now and then.
        poll = sys_.poll()
        poll.register(self._fd, select.POLLIN)
        poll.poll(1000 * (_LOOK if seconds is None else max(0.0, min(seconds, _LOOK))))

    def is_worth_a_try(self) -> bool:
        """Whether the name may have appeared since the last time; forgets what it has heard."""
        if not sys_.fstat(self._directory).st_nlink:
            self.begin()
            return True
        worth = False
        while True:
            try:
                data = sys_.read(self._fd, _LARGEST_READ)
            except BlockingIOError:
                return worth
            worth = worth or self._concerns(data)

    def _concerns(self, data: bytes) -> bool:
        at = 0
        while at < len(data):
            _, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            if mask & sys_.IN_Q_OVERFLOW or data[at : at + length].rstrip(b"\0") == self._file:
                return True
            at += length
        return False

    def close(self) -> None:
        """Watch no longer."""
        for fd in (self._fd, self._directory):
            if fd >= 0:
                sys_.close(fd)
        self._fd = self._directory = -1
