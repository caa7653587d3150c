# SPDX-License-Identifier: MIT
"""Which file a mapping is of (NtQueryVirtualMemory, MemoryMappedFilenameInformation), from
/proc/PID/maps (proc(5))."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import os

from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_DELETED = b" (deleted)"
#: What the kernel calls memory that is no file which anybody could open: sections, shared anonymous
#: memory, System V.
_NO_FILE = (b"/memfd:", b"/dev/zero (deleted)", b"/SYSV")


def name(pid: int, address: int) -> str:
    """The path of the file that is mapped at an address, as the system spells it.

    Raises:
        NtError: INVALID_ADDRESS: nothing is mapped there, or private memory; FILE_INVALID: a
            mapping without a file.
    """
    for line in _lines(pid):
        span, _, _, device, inode, *rest = line.split(None, 5)
        start, end = (int(part, 16) for part in span.split(b"-"))
        if start <= address < end:
            path = rest[0] if rest else b""
            if not int(inode) or not path.startswith(b"/"):
                break
            found = _path(path, device, int(inode))
            # O_TMPFILE: a Global section
            never_named = os.path.basename(path) == b"#%d (deleted)" % int(inode)
            if (
                path.startswith(_NO_FILE)
                or never_named
                or namespace.is_global_body(os.fsdecode(found))
            ):
                raise NtError(st.FILE_INVALID, detail=f"the mapping at {address:#x} is of no file")
            return os.fsdecode(found)
    raise NtError(st.INVALID_ADDRESS, detail=f"no file is mapped at {address:#x}")


def _lines(pid: int) -> list[bytes]:
    try:
        fd = sys_.open(f"/proc/{pid}/maps", sys_.O_RDONLY | sys_.O_CLOEXEC)
        try:
            return b"".join(iter(lambda: sys_.read(fd, 65536), b"")).split(b"\n")[:-1]
        finally:
            sys_.close(fd)
    except (FileNotFoundError, ProcessLookupError):
        raise NtError(
            st.PROCESS_IS_TERMINATING, name=f"process {pid}", detail="it has ended"
        ) from None


def _path(text: bytes, device: bytes, inode: int) -> bytes:
    """The path without what the kernel adds: newlines are written as octal, and removed files have
    a word behind them.

    A file may have either in its name; which of the names it is known by, the file itself tells
    while it is there.
    """
    whole = text.replace(rb"\012", b"\n")
    for one in (text, whole):
        if _is_there(one, device, inode):
            return one
    return whole.removesuffix(_DELETED)


def _is_there(path: bytes, device: bytes, inode: int) -> bool:
    try:
        found = sys_.stat(os.fsdecode(path))
    except OSError:
        return False
    major, minor = (int(part, 16) for part in device.split(b":"))
    return (os.major(found.st_dev), os.minor(found.st_dev), found.st_ino) == (major, minor, inode)
