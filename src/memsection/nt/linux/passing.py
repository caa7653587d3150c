# SPDX-License-Identifier: MIT
"""Handles that travel as descriptors: what is sent, and making a handle of what arrives.

A descriptor that came through a socket or through exec shares its open file description, and with it the lock and the
file position, with the sender's.  The handle made of it gets a description of its own wherever the kernel lets this
user open one.  Who sends, and over what, is ``api.passing``'s business; duplication is ``process``'s.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os
import stat as stat_

from memsection.nt.linux import control_page, filelocks, lifetime, objects
from memsection.nt.linux import syscalls as sys_
from memsection.nt.linux.handles import decode
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_F_GETFL = 3


def descriptors(value: int) -> tuple[int, ...]:
    """The descriptors that are a handle: its own, and that of the file behind a section."""
    handle = objects.lookup(value)
    return (handle.fd,) if handle.data_fd < 0 else (handle.fd, handle.data_fd)


def accept(fds: Sequence[int]) -> int:
    """A handle of what another process passed.  Each descriptor is closed, or the handle's, when this returns."""
    own: list[int] = []
    try:
        access, facts, found = _examine(fds)
        kind = object_types.BY_NUMBER[facts.type]
        for fd in fds:
            own.append(_own(fd))
        sys_.flock(own[0], sys_.LOCK_SH)
        if len(own) == 2:
            filelocks.hold_section(own[1])
        with objects.lock:
            obj = objects.known(found, kind, facts, own[0])
            # A description that is still the sender's keeps the position that the sender gave it.
            handle = objects.register(own[0], kind, access & kind.valid, obj, data_fd=own[1] if len(own) == 2 else -1,
                                      tag=own[0] != fds[0])
    except BaseException:
        for fd in {*fds, *own}:
            sys_.close(fd)
        raise
    for fd in {*fds} - {*own}:
        sys_.close(fd)
    return handle.value


def _examine(fds: Sequence[int]) -> tuple[int, control_page.Facts, os.stat_result]:
    """The access that the descriptors carry, and the object they mean; the sender may have passed anything."""
    found = sys_.fstat(fds[0])
    if not stat_.S_ISREG(found.st_mode):
        raise _refused("it is no regular file")
    carried = decode(sys_.lseek(fds[0], 0, 1))
    if carried is None:
        raise _refused("it carries no access of a handle")
    try:
        facts = control_page.read(fds[0], found.st_size)
    except NtError as failure:
        raise _refused(failure.detail or "it has no control page") from None
    if facts.type not in object_types.BY_NUMBER:
        raise _refused(f"its type is {facts.type}")
    data = None
    if len(fds) == 2:
        file = sys_.fstat(fds[1])
        data = (file.st_dev, file.st_ino)
    if data != facts.file_identity:
        raise _refused("the file that came with it is not the one behind the section")
    return carried[0], facts, found


def _own(fd: int) -> int:
    """A description of our own with the same mode; the one that came where the kernel does not give another."""
    try:
        return lifetime.reopen(fd, sys_.fcntl(fd, _F_GETFL) & os.O_ACCMODE)
    except OSError:
        sys_.set_inheritable(fd, False)
        return fd


def _refused(why: str) -> NtError:
    return NtError(st.INVALID_HANDLE, "receive a handle", None, f"the descriptor that came is no handle: {why}")
