# SPDX-License-Identifier: MIT
"""Semaphores: create, open, release, query.  Taking a unit is waiting for it (``wait``)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno

from memsection._native import sync
from memsection.nt.linux.handles import create_open, table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.types import waitable
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import SEMAPHORE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_MOST = 0x7FFFFFFF


def create(access: int, attributes: Any, initial: int, maximum: int) -> tuple[int, Handle]:
    """NtCreateSemaphore."""
    if not (0 <= initial <= maximum <= _MOST and maximum > 0):
        raise NtError(
            st.INVALID_PARAMETER,
            detail=f"initial count {initial}, maximum {maximum}: it takes 0 <= initial <= maximum "
            f"> 0",
        )
    state = sync.state_bytes(sync.SEMAPHORE, 0, maximum, initial << 32)
    return waitable.create(SEMAPHORE, access, attributes, state)


def open_(access: int, attributes: Any) -> Handle:
    """NtOpenSemaphore."""
    return create_open.open_(SEMAPHORE, access, attributes)


def release(value: int, count: int) -> int:
    """NtReleaseSemaphore."""
    handle = table.lookup(value, SEMAPHORE, a.SEMAPHORE_MODIFY_STATE)
    if not 0 < count <= _MOST:
        raise NtError(
            st.INVALID_PARAMETER,
            name=handle.obj.display_name(),
            detail=f"asked to release {count} units, which is not a count above zero",
        )
    result = waitable.state_of(handle).release_semaphore(handle.fd, count)
    if result < 0:
        problem = waitable.failure(result, SEMAPHORE, handle.obj.display_name())
        if result == -errno.EOVERFLOW:
            maximum = waitable.state_of(handle).maximum
            problem.detail = f"releasing {count} more would exceed its maximum of {maximum}"
        raise problem
    return result


def query(value: int) -> s.SemaphoreBasicInformation:
    """NtQuerySemaphore."""
    handle = table.lookup(value, SEMAPHORE, a.SEMAPHORE_QUERY_STATE)
    word, _, _, _, _, maximum = waitable.look(handle)
    if word >> 32 > maximum or not 0 < maximum <= _MOST:
        raise waitable.failure(-errno.EBADMSG, SEMAPHORE, handle.obj.display_name())
    return s.SemaphoreBasicInformation(word >> 32, maximum)
