# SPDX-License-Identifier: MIT
"""Closing a handle; with the last one anywhere the object's name goes (L1, L3)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.handles import state
from memsection.nt.linux.handles.record import Handle, LocalObject
from memsection.nt.linux.names import closing, unlink
from memsection.nt.linux.system import descriptions
from memsection.nt.linux.system import syscalls as sys_


def close_handle(handle: Handle) -> None:
    """Close a handle; with the last one anywhere the object's name goes (L1, L3).

    Called through ``finish``: each step may be done again when a signal handler raised before it
    was known to be done.
    """
    obj = handle.obj
    state.forget(handle)
    if obj.handles or not obj.kind.has_body:
        handle.shut()
        if not obj.handles:
            state.objects_by_identity.pop(obj.identity, None)
            obj.last_handle_closed()
    else:
        _close_last_of_process(handle, obj)


def _close_last_of_process(handle: Handle, obj: LocalObject) -> None:
    if obj.place_key is not None:
        state.objects_by_place.pop(obj.place_key, None)
        obj.place_key = None
    if obj.name and handle.fd >= 0 and obj.view_ro < 0 and obj.view_rw < 0:
        # A description of its own asks "was I last?" after the handle is closed (L3).
        try:
            obj.view_ro = descriptions.reopen(handle.fd, sys_.O_RDONLY)
        except OSError:
            # No descriptor left, or another user's object that is no longer open to this one.
            # Closing must not fail for that: a name whose object is gone is swept by whoever meets
            # it.
            pass
    handle.shut()
    probe = obj.view_ro if obj.view_ro >= 0 else obj.view_rw
    if obj.name and probe >= 0:
        if not unlink.remove_name_if_last(probe, obj):
            closing.note_doubtful(probe, obj)
    obj.shut_locator()
    if obj.state is not None:
        obj.state.close()
        obj.state = None
    if not obj.views:
        state.objects_by_identity.pop(obj.identity, None)
        obj.shut_views()
