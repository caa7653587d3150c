# SPDX-License-Identifier: MIT
"""The tables: handles by value, objects by identity and by name.  Their lock is
``tables_lock``'s."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection._native import records
from memsection.nt.linux.handles.record import Handle, LocalObject
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.tables_lock import lock

handles: dict[int, Handle] = {}
objects_by_identity: dict[tuple[int, ...], LocalObject] = {}
objects_by_place: dict[str, LocalObject] = {}


# Native calls, without a bytecode at which a signal handler could raise: what it raises in such a
# callback is only told, and the tables would stay locked for all other threads.
os.register_at_fork(
    before=records.before_fork,
    after_in_parent=records.after_fork_in_parent,
    after_in_child=records.after_fork_in_child,
)


#: Handles given to other processes, which have not fetched them (``transfer.give``).
pending_transfers: list[tuple[int, int, int, str]] = []


def forget_place(obj: LocalObject) -> None:
    """From now on the name is looked up, whatever handles this process has to the object."""
    if obj.place_key is not None and objects_by_place.get(obj.place_key) is obj:
        del objects_by_place[obj.place_key]
    obj.place_key = None


def remember_place(obj: LocalObject) -> None:
    """A handle of this process to the object is a way to its name."""
    assert obj.place_key is not None
    objects_by_place[obj.place_key] = obj


def add_without_descriptor(handle: Handle) -> None:
    """Put a handle without a descriptor into the table."""
    handles[handle.value] = handle
    handle.protected = True


def discard(handle: Handle, *, close: bool = True) -> None:
    """Take a handle out of the table; its descriptors are closed, or the caller's from now on.

    For handles that are not the last: nothing is asked about the name.
    """
    with lock:
        records.forget(handle)
        if close:
            sys_.close(handle.fd)
            if handle.data_fd >= 0:
                sys_.close(handle.data_fd)


def rename(handle: Handle, value: int) -> None:
    """Give a handle another value than its descriptor's: the one that another process told."""
    with lock:
        handles.pop(handle.value, None)
        handle.value = value
        handles[value] = handle


def all_handles() -> list[Handle]:
    """Every handle in the table."""
    with lock:
        return list(handles.values())


def find_identity(identity: tuple[int, ...]) -> LocalObject | None:
    """The object with this identity, if this process knows it."""
    return objects_by_identity.get(identity)
