# SPDX-License-Identifier: MIT
"""POSIX shared memory objects, those of the standard library and of anybody else (shm_overview(7)).

This file creates, opens and removes them by name, and checks names.  They are files in the C
library's directory; their memory is mapped as a section of the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from typing import TYPE_CHECKING

from memsection import Section
from memsection.api.operations import done, whole

if TYPE_CHECKING:
    from memsection import View

DIRECTORY = "/dev/shm"  #: where the C library has POSIX shared memory objects


def exists(name: str) -> bool:
    """Whether the name is taken there, by whatever it may be."""
    return os.path.lexists(_path(name))


@whole
def create(name: str, size: int) -> tuple[View, bytes]:
    """Make an object for this user alone: a view of it, and its identity.

    Raises:
        FileExistsError: The name is taken.
        OSError: There is no room.
    """
    path = _path(name)
    done(_remove_made, os.mknod, path, 0o600)  # type: ignore[attr-defined, unused-ignore]  # POSIX only
    with open(path, "r+b", buffering=0) as file:
        # Room is made now: on a full file system a write to a hole would be a fatal signal later.
        os.posix_fallocate(file.fileno(), 0, size)  # type: ignore[attr-defined, unused-ignore]
    return open_(name)


def _remove_made(arguments: tuple[str, int], result: None) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(arguments[0])


def open_(name: str) -> tuple[View, bytes]:
    """A view of an existing object, and its identity.

    Raises:
        FileNotFoundError: There is none.
        PermissionError: It may not be read and written, or is no regular file.
    """
    path = _path(name)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        raise name_missing(name) from None
    if not stat.S_ISREG(found.st_mode):
        raise PermissionError(errno.EACCES, "not a shared memory object", name)
    with open(path, "r+b", buffering=0) as file:
        opened = os.fstat(file.fileno())
        if (opened.st_dev, opened.st_ino) != (found.st_dev, found.st_ino):
            raise name_missing(name)  # replaced in between, perhaps by a link to somewhere else
        with Section.from_file(file, access="rw") as section:
            return section.map(), struct.pack("=QQ", opened.st_dev, opened.st_ino)


def remove(name: str) -> None:
    """Remove the name."""
    os.unlink(_path(name))


def check(name: str) -> None:
    """Refuse what shm_open refuses (shm_open(3)), and what would lead out of the directory."""
    if name in ("", ".", "..") or "/" in name:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)


def name_missing(name: str) -> FileNotFoundError:
    """The error for a block that does not exist."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def name_taken(name: str) -> FileExistsError:
    """The error for a name that a block has already."""
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def _path(name: str) -> str:
    return f"{DIRECTORY}/{name}"
