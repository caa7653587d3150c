# SPDX-License-Identifier: MIT
"""Locators: the small files that lead from a Local name to its body, with hints who has it open."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import struct

from memsection.nt.linux.system import syscalls as sys_
from memsection.vocabulary import names
from memsection.vocabulary.forks import run_in_child

_MAGIC = b"MSLOCAT\0"
_VERSION = 1
# magic, version, type, device, inode, PID namespace, length and checksum of the name
_HEAD = struct.Struct("<8sII3QII")
_HINT = struct.Struct("<II")
_HINTS_AT, HINTS = 64, 16
_NAME_AT = _HINTS_AT + HINTS * _HINT.size
_LARGEST = _NAME_AT + 4 * names.MAXIMUM_CHARACTERS
LAYOUT = _HINTS_AT, HINTS, _NAME_AT


class Locator:
    """What a locator file says, checked."""

    __slots__ = ("hints", "identity", "name", "pid_namespace", "type")

    identity: tuple[int, int]
    pid_namespace: int
    type: int
    hints: list[tuple[int, int]]
    name: str


def pid_namespace() -> int:
    """The inode of this process's PID namespace: hints of another one mean other processes.

    A process never changes its own (pid_namespaces(7)); its child may be born into another.
    """
    global _pid_namespace
    if not _pid_namespace:
        _pid_namespace = sys_.stat("/proc/self/ns/pid").st_ino
    return _pid_namespace


@run_in_child
def _after_fork_in_child() -> None:
    global _pid_namespace
    _pid_namespace = 0


_pid_namespace = 0


def write_locator(
    fd: int, kind: int, identity: tuple[int, int], full: str, hint: tuple[int, int]
) -> None:
    """Write a locator that is not linked yet."""
    import zlib

    name = full.encode("utf-8", "surrogatepass")
    sys_.pwrite(
        fd,
        _HEAD.pack(
            _MAGIC, _VERSION, kind, *identity, pid_namespace(), len(name), zlib.crc32(name)
        ).ljust(_HINTS_AT, b"\0")
        + _HINT.pack(*hint).ljust(HINTS * _HINT.size, b"\0")
        + name,
        0,
    )


def read_locator(fd: int, size: int) -> Locator | None:
    """What the locator says; None when it is none, damaged, or not whole."""
    if not _NAME_AT < size <= _LARGEST:
        return None
    return parse_locator(sys_.pread(fd, size, 0), size)


def parse_locator(data: bytes, size: int) -> Locator | None:
    """The same of what was read of a file of that size."""
    if not _NAME_AT < size <= _LARGEST or len(data) != size:
        return None
    magic, version, kind, device, inode, namespace, length, checksum = _HEAD.unpack_from(data)
    name = data[_NAME_AT:]
    if magic != _MAGIC or version != _VERSION or length != len(name) or not inode:
        return None
    import zlib

    if zlib.crc32(name) != checksum:
        return None
    found = Locator()
    found.type, found.identity, found.pid_namespace = kind, (device, inode), namespace
    found.name = name.decode("utf-8", "replace")
    found.hints = [hint for hint in _HINT.iter_unpack(data[_HINTS_AT:_NAME_AT]) if hint[0]]
    return found


def hint_slot(pid: int) -> int:
    """Where a process that opened the object says so; slot 0 is the creator's, or of who was found
    in its stead."""
    return 1 + pid % (HINTS - 1)
