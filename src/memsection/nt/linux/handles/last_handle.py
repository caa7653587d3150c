# SPDX-License-Identifier: MIT
"""Closing a handle; with the last one anywhere the object's name goes (L1, L3)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection._native import records
from memsection.nt.linux.handles import state
from memsection.nt.linux.handles.record import Handle, LocalObject
from memsection.nt.linux.names import closing, namespace
from memsection.nt.linux.system import syscalls as sys_


def close_handle(handle: Handle) -> None:
    """Close a handle; with the last one anywhere the object's name goes (L1, L3).

    Called through ``finish``: each step may be done again when a signal handler raised before it
    was known to be done.
    """
    if records.close_beside_others(handle):
        return
    obj = handle.obj
    if obj.kind.has_body:
        _close_last_of_process(handle, obj)
        return
    handle.shut()
    state.objects_by_identity.pop(obj.identity, None)
    obj.last_handle_closed()


def _close_last_of_process(handle: Handle, obj: LocalObject) -> None:
    if obj.place_key is not None:
        state.objects_by_place.pop(obj.place_key, None)
        obj.place_key = None
    place = obj.place
    if obj.name and (place is None or not namespace.is_current(place)):
        place = namespace.place_of_name(obj.name)
    if place is None:
        handle.shut()
    elif not sys_.close_last(handle, place.dirfd, place.path, place.is_global):
        closing.note_doubtful(obj)
    obj.shut()


# What an interrupted operation leaves is given back with what it belongs to.
records.connect(
    state.handles,
    state.objects_by_identity,
    namespace.known_directories,
    state.pending_transfers,
    close_handle,
)
