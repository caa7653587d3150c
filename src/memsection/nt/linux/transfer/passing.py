# SPDX-License-Identifier: MIT
"""Handles that travel as descriptors: making a handle of what arrives.

A descriptor that came through a socket or through exec shares its open file description, and with
it the lock and the file position, with whoever sent it.  So the handle made of it gets a
description of its own wherever the kernel lets this user open one, and who sends gives a duplicate
away.  Who sends, and over what, is ``api.passing``'s business; duplication is
``transfer.duplicate``'s.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection._native import ledger
from memsection.nt.linux.bodies import control_page, file_locks, seals
from memsection.nt.linux.bodies.position import decode
from memsection.nt.linux.handles import table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.names import verify
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.tables_lock import lock
from memsection.vocabulary import object_types
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


_F_GETFL = 3


@ledger.whole
def accept(fds: Sequence[int]) -> Handle:
    """A handle of what another process passed.  The descriptors stay the caller's, but for those
    that are the handle's."""
    access, facts, found = _examine(fds)
    kind = object_types.BY_NUMBER[facts.type]
    own = [_own_description(fd) for fd in fds]
    descriptions.hold(own[0])
    if len(own) == 2:
        file_locks.hold_section(own[1])
    with lock:
        obj = table.object_for_body(found, kind, facts, own[0])
        return table.register(
            own[0], kind, access & kind.valid, obj, data_fd=own[1] if len(own) == 2 else -1
        )


def _examine(fds: Sequence[int]) -> tuple[int, control_page.Facts, os.stat_result]:
    """The access that the descriptors carry, and the object they mean; the sender may have passed
    anything."""
    # Asked first: the kernel alone answers it, with an error for what is no file in memory.  A file
    # system that another user runs (FUSE) lets everything else wait, fstat too.
    if seals.seals(fds[0]) < 0:
        raise _refusal("it is no file in memory")
    try:
        found = sys_.fstat(fds[0])
        identity = (found.st_dev, found.st_ino)
        facts = verify.facts_of_found(fds[0], identity, found.st_size, None)
    except NtError as failure:
        raise _refusal(failure.detail or "it has no control page") from None
    carried = decode(sys_.lseek(fds[0], 0, 1))
    if carried is None:
        raise _refusal("it carries no access of a handle")
    data = None
    if len(fds) == 2:
        file = sys_.fstat(fds[1])
        data = (file.st_dev, file.st_ino)
    if data != facts.file_identity:
        raise _refusal("the file that came with it is not the one behind the section")
    return carried[0], facts, found


def _own_description(fd: int) -> int:
    """A description of our own with the same mode; the one that came where the kernel does not give
    this user another."""
    try:
        return descriptions.reopen(fd, sys_.fcntl(fd, _F_GETFL) & os.O_ACCMODE)
    except (PermissionError, FileNotFoundError):  # no right to the file, or no /proc
        sys_.set_inheritable(fd, False)
        return fd


def _refusal(why: str) -> NtError:
    return NtError(
        st.INVALID_HANDLE, "receive a handle", None, f"the descriptor that came is no handle: {why}"
    )
