# SPDX-License-Identifier: MIT
"""Plain C, compiled here: the floor that no library goes below.  The call into it costs 0.2 us,
which is included."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from pathlib import Path

from peers import Talk

NAME = "C (floor)"


def _library() -> ctypes.CDLL:
    directory = tempfile.mkdtemp()
    path = os.path.join(directory, "floor.so")
    subprocess.run(
        ["gcc", "-O2", "-shared", "-fPIC", "-o", path, str(Path(__file__).with_name("floor.c"))],
        check=True,
    )
    try:
        return ctypes.CDLL(path)
    finally:
        os.unlink(path)
        os.rmdir(directory)


_floor = _library()
_floor.floor_shared.restype = ctypes.c_void_p


def version() -> str:
    return subprocess.run(
        ["gcc", "-dumpfullversion"], capture_output=True, text=True
    ).stdout.strip()


def create_whole(name: str, size: int, touch: bool) -> None:
    """Create, map, unmap and remove, in one call."""
    if _floor.floor_create(f"/{name}".encode(), ctypes.c_size_t(size), int(touch)):
        raise OSError("floor_create")


def attach_whole(name: str, size: int) -> None:
    """Open, map and unmap, in one call."""
    if _floor.floor_attach(f"/{name}".encode(), ctypes.c_size_t(size)):
        raise OSError("floor_attach")


class lock:  # noqa: N801
    def __init__(self) -> None:
        self.mutex = ctypes.c_void_p(_floor.floor_shared(ctypes.c_size_t(4096)))
        _floor.floor_lock_init(self.mutex)

    def many(self, count: int) -> None:
        """So many times locked and unlocked, in one call."""
        _floor.floor_lock(self.mutex, count)


class signals(Talk):  # noqa: N801
    def __init__(self) -> None:
        self.there = ctypes.c_void_p(_floor.floor_shared(ctypes.c_size_t(4096)))
        self.back = ctypes.c_void_p(_floor.floor_shared(ctypes.c_size_t(4096)))

    def ask(self) -> None:
        _floor.floor_give(self.there)
        _floor.floor_take(self.back)

    def answer(self) -> None:
        _floor.floor_take(self.there)
        _floor.floor_give(self.back)


class frames(signals):  # noqa: N801
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = ctypes.c_size_t(size)
        self.address = _floor.floor_shared(self.size)
        self.memory = ctypes.c_void_p(self.address)
        ctypes.memset(self.memory, 0, size)
        self.frame = os.urandom(size)

    def ask(self) -> None:
        _floor.floor_copy(self.memory, self.frame, self.size)
        super().ask()

    def answer(self) -> None:
        _floor.floor_take(self.there)
        ctypes.string_at(self.address, 1), ctypes.string_at(self.address + self.size.value - 1, 1)
        _floor.floor_give(self.back)
