# SPDX-License-Identifier: MIT
"""A file in /dev/shm and mmap, as one would write it oneself; a pair of eventfds to wake."""

from __future__ import annotations

import mmap
import os
import platform

from peers import Talk

NAME = "mmap by hand"


def version() -> str:
    return platform.python_version()


class _Block:
    def __init__(self, path: str, size: int, owner: bool) -> None:
        self.path = path if owner else None
        fd = os.open(
            path, os.O_RDWR | (os.O_CREAT | os.O_EXCL if owner else 0) | os.O_CLOEXEC, 0o600
        )
        try:
            if owner:
                os.ftruncate(fd, size)
            self.buffer = mmap.mmap(fd, size)
        finally:
            os.close(fd)

    def close(self) -> None:
        self.buffer.close()
        if self.path:
            os.unlink(self.path)


def create(name: str, size: int) -> _Block:
    return _Block(f"/dev/shm/{name}", size, True)


def attach(name: str, size: int) -> _Block:
    return _Block(f"/dev/shm/{name}", size, False)


class signals(Talk):  # noqa: N801
    def __init__(self) -> None:
        self.there = os.eventfd(0)
        self.back = os.eventfd(0)

    def ask(self) -> None:
        os.eventfd_write(self.there, 1)
        os.eventfd_read(self.back)

    def answer(self) -> None:
        os.eventfd_read(self.there)
        os.eventfd_write(self.back, 1)

    def close(self) -> None:
        os.close(self.there)
        os.close(self.back)


class frames(signals):  # noqa: N801
    def __init__(self, size: int) -> None:
        super().__init__()
        self.memory = mmap.mmap(-1, size)
        self.memory[:] = bytes(size)
        self.frame = os.urandom(size)

    def ask(self) -> None:
        self.memory[:] = self.frame
        super().ask()

    def answer(self) -> None:
        os.eventfd_read(self.there)
        self.memory[0], self.memory[-1]
        os.eventfd_write(self.back, 1)
