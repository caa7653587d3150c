# SPDX-License-Identifier: MIT
"""Removing names: with the last handle anywhere the name goes (L1, L3, L6)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError


def close_unused(fd: int, place: namespace.Place | None) -> None:
    """Close a locked description that became no handle; the name goes if that was the last lock
    (L3)."""
    if place is None:
        sys_.close(fd)
    else:
        sys_.give_up(fd, place.dirfd, place.path, place.is_global)


def is_permanent(fd: int) -> bool:
    """Whether a body lives without handles (NtMakePermanentObject)."""
    try:
        return bool(control_page.read(fd, sys_.fstat(fd).st_size).flags & control_page.PERMANENT)
    except NtError:
        return False


def cannot_be_permanent(name: str | None) -> NtError:
    """What is said of an object without a Global name: its memory is gone with its last handle."""
    return NtError(
        st.NOT_ON_THIS_SYSTEM,
        name=name,
        detail="only a Global name outlives handles here; 'memsection keep' holds others",
    )


def unlink_if_last(probe: int, place: namespace.Place) -> bool:
    """Remove the name of a body if nobody has a handle to it any more; whether nobody has.

    Asked through a description of the body without a lock.
    """
    return sys_.unlink_if_last(probe, place.dirfd, place.path, -1, place.is_global)
