# SPDX-License-Identifier: MIT
"""Seals against cutting a file, which every body in memory has (fcntl(2), F_ADD_SEALS).

Whoever holds a descriptor that may write can cut a file, and touching what was cut is a fault.  So
a body is sealed against that; a Global one is a file, which no seal can be put on, and all of its
mappings are guarded.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.system import syscalls as sys_

#: that every body in memory has, and huge pages of a section have
SEALS = sys_.F_SEAL_GROW | sys_.F_SEAL_SHRINK

_memory_device = 0


def seals(fd: int) -> int:
    """The seals of a file; -1 for one that is no memory.  No file system is asked, so none can let
    it wait."""
    try:
        return sys_.fcntl(fd, sys_.F_GET_SEALS)
    except OSError:
        return -1


def is_sealed(fd: int) -> bool:
    """Whether nobody can ever cut this file."""
    found = seals(fd)
    return found >= 0 and found & SEALS == SEALS


def memory_device() -> int:
    """The device number of every memfd; what has it and no seals could have had them."""
    global _memory_device
    if not _memory_device:
        fd = sys_.memfd_create("memsection", sys_.MFD_CLOEXEC)
        try:
            _memory_device = sys_.fstat(fd).st_dev
        finally:
            sys_.close(fd)
    return _memory_device
