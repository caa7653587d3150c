# SPDX-License-Identifier: MIT
"""Events: create, open, set, reset, pulse, query.  Waiting for one is in ``wait``."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import sync
from memsection.nt.linux.handles import create_open, table
from memsection.nt.linux.handles.record import Handle
from memsection.nt.linux.types import waitable
from memsection.vocabulary import access as a
from memsection.vocabulary import status as st
from memsection.vocabulary import structs as s
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import EVENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_SIGNALED = 1 << 19


def create(access: int, attributes: Any, event_type: int, initial: bool) -> tuple[int, Handle]:
    """NtCreateEvent."""
    if event_type not in (s.NOTIFICATION_EVENT, s.SYNCHRONIZATION_EVENT):
        raise NtError(st.INVALID_PARAMETER, detail=f"event type {event_type}")
    manual = event_type == s.NOTIFICATION_EVENT
    state = sync.state_bytes(
        sync.EVENT, sync.MANUAL if manual else 0, 0, _SIGNALED if initial else 0
    )
    return waitable.create(EVENT, access, attributes, state)


def open_(access: int, attributes: Any) -> Handle:
    """NtOpenEvent."""
    return create_open.open_(EVENT, access, attributes)


def _change(value: int, what: int) -> int:
    handle = table.lookup(value, EVENT, a.EVENT_MODIFY_STATE)
    result = waitable.state_of(handle).change_event(handle.fd, what)
    if result < 0:
        raise waitable.failure(result, EVENT, handle.obj.display_name())
    return result


def set_(value: int) -> int:
    """NtSetEvent."""
    return _change(value, sync.SET)


def reset(value: int) -> int:
    """NtResetEvent."""
    return _change(value, sync.RESET)


def pulse(value: int) -> int:
    """NtPulseEvent."""
    return _change(value, sync.PULSE)


def query(value: int) -> s.EventBasicInformation:
    """NtQueryEvent."""
    handle = table.lookup(value, EVENT, a.EVENT_QUERY_STATE)
    word, _, _, _, flags, _ = waitable.look(handle)
    return s.EventBasicInformation(
        s.NOTIFICATION_EVENT if flags & sync.MANUAL else s.SYNCHRONIZATION_EVENT,
        int(bool(word & _SIGNALED)),
    )
