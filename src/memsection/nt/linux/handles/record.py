# SPDX-License-Identifier: MIT
"""Handles and objects of this process: the records that the tables hold.

What must survive exec, or be read by another process, stands in the descriptor: its number (the
value), close-on-exec (the inherit flag), its open mode (what the kernel enforces), and its file
position (``position``).
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"


from memsection._native.records import HandleRecord, ObjectRecord
from memsection.nt.linux.bodies import control_page
from memsection.nt.linux.bodies.position import DATA_SHIFT, PROTECTED, TAG
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import names
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import ObjectType

CURRENT_PROCESS, CURRENT_THREAD = -1, -2
#: from CURRENT_PROCESS down: the thread, and the tokens of process and thread
LAST_PSEUDO_HANDLE = -6


class Handle(HandleRecord):
    """One handle of this process."""

    __slots__ = ()

    # Of the native record: value, access, fd, data_fd (of the file behind a section, with this
    # handle's rights; -1 without one), whether it is protected from being closed.
    kind: ObjectType
    obj: LocalObject

    def require(self, needed: int, what: str = "") -> None:
        """Raise ACCESS_DENIED, saying what was asked and what is granted, unless the handle grants
        all of it."""
        if needed & ~self.access:
            raise NtError(
                st.ACCESS_DENIED,
                name=self.obj.display_name(),
                detail=f"{what}asked for {self.kind.words(needed)}, the handle grants "
                f"{self.kind.words(self.access)}",
            )

    def publish(self) -> None:
        """Make the descriptor carry what the record says (H1)."""
        sys_.lseek(
            self.fd,
            TAG
            | (PROTECTED if self.protected else 0)
            | (self.data_fd + 1) << DATA_SHIFT
            | self.access,
            0,
        )


def invalid(value: int, why: str = "") -> NtError:
    """The failure for a value that is no handle."""
    return NtError(
        st.INVALID_HANDLE,
        detail=f"{value:#x} is no handle of this process" + (f": {why}" if why else ""),
    )


def mismatch(handle: Handle, wanted: ObjectType) -> NtError:
    """The failure for a handle to an object of another type."""
    return NtError(
        st.OBJECT_TYPE_MISMATCH,
        name=handle.obj.display_name(),
        detail=f"asked for {wanted.a_noun}, handle {handle.value:#x} means {handle.kind.a_noun}",
    )


class LocalObject(ObjectRecord):
    """What this process knows of one object it has handles to, or views of."""

    __slots__ = ()

    # Of the native record: name (the full one, "" for none) and its directory, the locator's
    # descriptor, descriptions without a lock that views are mapped through (L5: view_ro, view_rw),
    # how many views there are, a synchronisation object's mapped state words (state), and whether
    # it was made here and no page of it was touched yet (fresh).
    kind: ObjectType
    identity: tuple[int, ...]
    facts: control_page.Facts | None
    handles: set[Handle]
    place: namespace.Place | None
    place_key: str | None  #: while its name leads here by ``state.objects_by_place``

    def display_name(self) -> str | None:
        """The name for messages."""
        return names.win32_name(self.name) if self.name else None

    def last_handle_closed(self) -> None:
        """What a type without a name does when this process has no handle to the object any
        more."""
