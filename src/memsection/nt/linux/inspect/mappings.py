# SPDX-License-Identifier: MIT
"""Looking at memory from outside: which pages of a mapping are there, and which mappings a process
has of an object.

For people who look (``memsection show``), not for the object manager's own work; nothing is
changed.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import ctypes
import os
import platform
import struct

from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import protection as p
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98}.get(platform.machine(), -1)
_FUTEX_WAITV = 449
_WAITV = struct.Struct("<QQII")  # struct futex_waitv: value, address, flags, reserved


def resident_pages(address: int, size: int) -> bytes:
    """One byte for each page, 1 where it is in memory (mincore(2)).

    Pages that were reserved but never touched are not, nor are those that went to swap.
    """
    count = p.page_up(size) // p.PAGE_SIZE
    found = (ctypes.c_ubyte * count)()
    if (
        ctypes.CDLL(None, use_errno=True).mincore(
            ctypes.c_void_p(address), ctypes.c_size_t(size), found
        )
        != 0
    ):
        raise NtError(st.NOT_MAPPED_VIEW, "resident pages", None, os.strerror(ctypes.get_errno()))
    return bytes(byte & 1 for byte in found)


def process_views(pid: int, identity: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(address, size, protection) of each mapping that a process has of the object
    (proc_pid_maps(5))."""
    device, inode = identity[0], identity[1]
    wanted = f"{os.major(device):02x}:{os.minor(device):02x} {inode} "
    views = []
    for line in _maps(pid):
        fields = line.split(None, 5)
        if len(fields) >= 5 and f"{fields[3]} {fields[4]} " == wanted:
            start, end = (int(part, 16) for part in fields[0].split("-"))
            views.append((start, end - start, _protection(fields[1])))
    return views


def waiting_threads(pid: int, identity: tuple[int, ...]) -> list[int]:
    """Ids of the threads of a process that sleep in a wait for the object (proc_pid_syscall(5),
    futex(2))."""
    ranges = [(start, start + size) for start, size, _ in process_views(pid, identity)]
    return [
        tid
        for tid in (int(name) for name in os.listdir(f"/proc/{pid}/task"))
        if ranges
        and any(start <= address < end for address in _sleeps_on(pid, tid) for start, end in ranges)
    ]


def _sleeps_on(pid: int, tid: int) -> list[int]:
    """The addresses of the futexes that a thread sleeps on."""
    try:
        with open(f"/proc/{pid}/task/{tid}/syscall", encoding="ascii") as file:
            number, *arguments = file.read().split()
        if number == str(_FUTEX):
            return [int(arguments[0], 16)]
        if number == str(_FUTEX_WAITV):
            count = min(int(arguments[1], 16), 128)
            raw = sys_.copy_from(pid, int(arguments[0], 16), count * _WAITV.size)
            return [address for _, address, _, _ in _WAITV.iter_unpack(raw)]
    except OSError:
        pass  # it has gone, or may not be looked into
    return []


def _maps(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            return file.readlines()
    except (FileNotFoundError, ProcessLookupError):
        raise NtError(st.INVALID_CID, "views of a process", str(pid)) from None
    except PermissionError:
        raise NtError(
            st.ACCESS_DENIED, "views of a process", str(pid), "its memory may not be looked into"
        ) from None


def _protection(letters: str) -> int:
    table = {
        "r--": p.PAGE_READONLY,
        "rw-": p.PAGE_READWRITE,
        "r-x": p.PAGE_EXECUTE_READ,
        "rwx": p.PAGE_EXECUTE_READWRITE,
        "--x": p.PAGE_EXECUTE,
    }
    if letters.startswith("rw") and letters.endswith("p"):
        return p.PAGE_EXECUTE_WRITECOPY if "x" in letters else p.PAGE_WRITECOPY
    return table.get(letters[:3], p.PAGE_NOACCESS)
