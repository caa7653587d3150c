# SPDX-License-Identifier: MIT
"""What modules that see Windows have of ``msvcrt``: handles of open files, which go to
``CreateFileMapping``."""

from __future__ import annotations

import os

from memsection import win32 as w
from memsection.nt import kernel
from memsection.vocabulary.errors import NtError, public_error

__all__ = ["get_osfhandle", "open_osfhandle", "setmode"]

_handles: dict[tuple[int, int, int], int] = {}


def get_osfhandle(fd: int) -> int:
    """The handle of a file descriptor: the same one for the same open file, and valid as long as
    the process.

    Raises:
        OSError: There is no such descriptor.
    """
    found = os.fstat(fd)
    key = fd, found.st_dev, found.st_ino
    if key not in _handles:
        for access in (w.GENERIC_READ | w.GENERIC_WRITE, w.GENERIC_READ, w.GENERIC_WRITE):
            try:
                _handles[key] = kernel.file_from_fd(fd, access)
                break
            except NtError as failure:
                problem = public_error(failure)
        else:
            raise problem
    return _handles[key]


def open_osfhandle(handle: int, flags: int) -> int:
    """A file descriptor of a file's handle, which it takes over.

    Raises:
        OSError: It is no handle of a file.
    """
    value = int(handle)
    for (fd, device, inode), known in _handles.items():
        if known == value:
            found = os.fstat(fd)
            if (found.st_dev, found.st_ino) == (device, inode):
                return os.dup(fd)
    try:
        is_file = w.GetFileType(value) != 0
        descriptor = os.dup(kernel.handle_descriptors(value)[0]) if is_file else -1
    except (OSError, NtError):
        descriptor = -1
    if descriptor < 0:
        raise OSError(9, f"msvcrt.open_osfhandle: {value:#x} is no handle of a file")
    w.CloseHandle(value)
    return descriptor


def setmode(fd: int, flags: int) -> int:
    """Binary or text: every descriptor is binary here."""
    os.fstat(fd)
    return 0x8000
