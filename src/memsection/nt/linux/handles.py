# SPDX-License-Identifier: MIT
"""Handles of this process: values, granted access, flags, and how a descriptor carries them by itself.

The table maps values to records.  What must survive exec, or be read by another process, stands in the descriptor:
its number (the value), close-on-exec (the inherit flag), its open mode (what the kernel enforces), and its file
position, which nothing else uses (the granted access and the rest).  When an object dies is ``lifetime``'s business.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux import syscalls as sys_
from memsection.nt.linux._fast import HandleRecord
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.object_types import ObjectType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.nt.linux.objects import LocalObject

# The file position of a handle's open file description (H1).
TAG = 1 << 62  #: this description is a handle
REVOKED = 1 << 61  #: another process took the handle away (DUPLICATE_CLOSE_SOURCE): it is none any more
PROTECTED = 1 << 60  #: HANDLE_FLAG_PROTECT_FROM_CLOSE
GIVEN = 1 << 59  #: the handle belongs to another process, which has not fetched it yet (DuplicateHandle into it)
GIFT = 1 << 48  #: values from here on are of handles that another process gave; see ``duplicate``
_DATA_SHIFT, _DATA_MASK = 32, (1 << 24) - 1
_ACCESS_MASK = (1 << 32) - 1

CURRENT_PROCESS, CURRENT_THREAD = -1, -2
LAST_PSEUDO_HANDLE = -6  #: from CURRENT_PROCESS down: the thread, and the tokens of process and thread


class Handle(HandleRecord):
    """One handle of this process."""

    __slots__ = ()

    def __init__(self, fd: int, kind: ObjectType, access: int, obj: LocalObject, data_fd: int = -1,
                 value: int = 0) -> None:
        self.fd = fd
        self.value = value or fd * 4
        self.kind = kind
        self.access = access
        self.obj = obj
        self.data_fd = data_fd  #: of the file behind a section, with this handle's rights; -1 without one
        self.protected = False

    def require(self, needed: int, what: str = "") -> None:
        """Raise ACCESS_DENIED, saying what was asked and what is granted, unless the handle grants all of it."""
        if needed & ~self.access:
            raise NtError(st.ACCESS_DENIED, name=self.obj.display_name(),
                          detail=f"{what}asked for {self.kind.words(needed)}, the handle grants "
                                 f"{self.kind.words(self.access)}")

    def publish(self) -> None:
        """Make the descriptor carry what the record says (H1)."""
        sys_.lseek(self.fd, TAG | (PROTECTED if self.protected else 0) | (self.data_fd + 1) << _DATA_SHIFT
                   | self.access, 0)


def position(access: int, data_fd: int) -> int:
    """What a fresh handle's file position is."""
    return TAG | (data_fd + 1) << _DATA_SHIFT | access


def decode(where: int) -> tuple[int, int, bool] | None:
    """(access, data descriptor or -1, protected) from a file position; None when it is no live handle's."""
    if where & (TAG | REVOKED) != TAG:
        return None
    return where & _ACCESS_MASK, (where >> _DATA_SHIFT & _DATA_MASK) - 1, bool(where & PROTECTED)


def descriptor_info(pid: int, fd: int) -> tuple[int, int] | None:
    """(file position, open flags) of a descriptor of any process, from /proc/PID/fdinfo (proc(5)); None if it is none."""
    try:
        source = sys_.open(f"/proc/{pid}/fdinfo/{fd}", sys_.O_RDONLY | sys_.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        text = sys_.read(source, 256)
    except (FileNotFoundError, ProcessLookupError):
        return None
    finally:
        sys_.close(source)
    words = text.split(None, 4)  # "pos:", its value, "flags:", theirs: the first two lines of every descriptor
    if len(words) < 4 or words[0] != b"pos:" or words[2] != b"flags:":
        return None
    try:
        return int(words[1]), int(words[3], 8)
    except ValueError:
        return None


def invalid(value: int, why: str = "") -> NtError:
    """The failure for a value that is no handle."""
    return NtError(st.INVALID_HANDLE, detail=f"{value:#x} is no handle of this process" + (f": {why}" if why else ""))


def mismatch(handle: Handle, wanted: ObjectType) -> NtError:
    """The failure for a handle to an object of another type."""
    return NtError(st.OBJECT_TYPE_MISMATCH, name=handle.obj.display_name(),
                   detail=f"asked for {wanted.a_noun}, handle {handle.value:#x} means {handle.kind.a_noun}")
