# SPDX-License-Identifier: MIT
"""Reading and writing the memory of processes (NtReadVirtualMemory, NtWriteVirtualMemory)."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import errno
import os

from memsection._native import system
from memsection.nt.linux.system import addresses
from memsection.nt.linux.system import syscalls as sys_
from memsection.nt.linux.system.addresses import PAGE
from memsection.nt.linux.system.tables_lock import lock
from memsection.nt.linux.views import regions
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_AT_ONCE = 1 << 26  #: bytes of another process's memory that are copied in one go
_ADDRESSES = 1 << 64


def _check_range(address: int, size: int) -> None:
    """Addresses and sizes that a processor has; others would be cut, or be no number for a system
    call."""
    if not (0 <= address < _ADDRESSES and 0 <= size <= _ADDRESSES - address):
        raise NtError(st.ACCESS_VIOLATION, detail=f"there are no {size} bytes at {address:#x}")


def read(pid: int, address: int, size: int) -> bytes:
    """NtReadVirtualMemory."""
    _check_range(address, size)
    _sync(pid, address)
    found: list[bytes] = []
    data, count = b"", 0
    try:
        while count < size:
            # In parts: a size that nobody could have is found out before there is a buffer for it.
            part = sys_.copy_from(pid, address + count, min(size - count, _AT_ONCE))
            found.append(part)
            count += len(part)
            if len(part) < min(size - count + len(part), _AT_ONCE):
                break
        data = found[0] if len(found) == 1 else b"".join(found)
    except MemoryError:
        raise NtError(
            st.NO_MEMORY, detail=f"a copy of {size} bytes is more than this process can have"
        ) from None
    except OSError as error:
        if error.errno != errno.EFAULT or not count:
            raise NtError(
                st.PARTIAL_COPY if error.errno == errno.EFAULT else st.from_errno(error.errno),
                detail=f"{size} bytes at {address:#x} cannot be read",
            ) from None
    if count != size:
        raise NtError(
            st.PARTIAL_COPY, detail=f"only {count} of {size} bytes at {address:#x} can be read"
        )
    return bytes(data)


def write(pid: int, address: int, data: bytes) -> int:
    """NtWriteVirtualMemory.

    As on Windows pages that can be executed and not written are written all the same, which is what
    debuggers and patches need; pages that can only be read are not.
    """
    _check_range(address, len(data))
    _sync(pid, address)
    try:
        written = sys_.copy_to(pid, address, data)
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise NtError(
                st.from_errno(error.errno),
                detail=f"{len(data)} bytes at {address:#x} cannot be written",
            ) from None
        written = 0
    if written != len(data) and pid == os.getpid():
        written += _write_executable(address + written, data[written:])
    if written != len(data):
        readable = not written and _is_readable(pid, address)
        raise NtError(
            st.ACCESS_VIOLATION if readable else st.PARTIAL_COPY,
            detail=f"only {written} of {len(data)} bytes at {address:#x} can be written",
        )
    return written


def _is_readable(pid: int, address: int) -> bool:
    try:
        return bool(sys_.copy_from(pid, address, 1))
    except OSError:
        return False


def _write_executable(address: int, data: bytes) -> int:
    """Write into pages of this process that can be executed, and for the moment be written; the
    bytes that were."""
    written = 0
    with lock:
        while written < len(data):
            position = address + written
            region = regions.find(position)
            if region is None:
                break
            page = (position - region.base) // PAGE
            protection = region.page_protection(page)
            if not p.executable(protection) or region.obj is not None and not p.copies(protection):
                break
            part = data[written : written + (page + 1) * PAGE - (position - region.base)]
            start = region.base + page * PAGE
            sys_.mprotect(start, PAGE, system.PROT_READ | system.PROT_WRITE | system.PROT_EXEC)
            try:
                sys_.copy_to(os.getpid(), position, part)
            finally:
                sys_.mprotect(start, PAGE, addresses.prot_of(protection))
            written += len(part)
    return written


def _sync(pid: int, address: int) -> None:
    if pid == os.getpid():
        region = regions.find(address)
        if region is not None and region.bitmap and region.guard is not None:
            region.guard.sync()
