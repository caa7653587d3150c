# SPDX-License-Identifier: MIT
"""posix_ipc: POSIX shared memory and semaphores as they are, with mmap."""

from __future__ import annotations

import mmap
import os

import posix_ipc

from peers import Talk

NAME = "posix_ipc"


def version() -> str:
    return str(posix_ipc.VERSION)


class _Block:
    def __init__(self, name: str, size: int, flags: int) -> None:
        self.memory = posix_ipc.SharedMemory(name, flags, size=size if flags else 0)
        self.owner = bool(flags)
        self.buffer = mmap.mmap(self.memory.fd, size)
        self.memory.close_fd()

    def close(self) -> None:
        self.buffer.close()
        if self.owner:
            self.memory.unlink()


def create(name: str, size: int) -> _Block:
    return _Block(f"/{name}", size, posix_ipc.O_CREX)


def attach(name: str, size: int) -> _Block:
    return _Block(f"/{name}", size, 0)


def _semaphore(value: int) -> posix_ipc.Semaphore:
    semaphore = posix_ipc.Semaphore(None, posix_ipc.O_CREX, initial_value=value)
    semaphore.unlink()
    return semaphore


def lock() -> posix_ipc.Semaphore:
    return _semaphore(1)


class signals(Talk):  # noqa: N801
    def __init__(self) -> None:
        self.there = _semaphore(0)
        self.back = _semaphore(0)

    def ask(self) -> None:
        self.there.release()
        self.back.acquire()

    def answer(self) -> None:
        self.there.acquire()
        self.back.release()


class frames(signals):  # noqa: N801
    def __init__(self, size: int) -> None:
        super().__init__()
        self.block = create(f"bench-frames-{os.getpid()}", size)
        self.memory = self.block.buffer
        self.memory[:] = bytes(size)
        self.frame = os.urandom(size)

    def ask(self) -> None:
        self.memory[:] = self.frame
        super().ask()

    def answer(self) -> None:
        self.there.acquire()
        self.memory[0], self.memory[-1]
        self.back.release()

    def close(self) -> None:
        self.block.close()


class arrays(signals):  # noqa: N801
    def __init__(self, shape: tuple[int, ...]) -> None:
        import numpy as np

        super().__init__()
        self.name = f"bench-array-{os.getpid()}"
        self.source = np.ones(shape)

    def ask(self) -> None:
        import numpy as np

        block = create(self.name, self.source.nbytes)
        array = np.frombuffer(block.buffer).reshape(self.source.shape)
        array[:] = self.source
        super().ask()
        del array
        block.close()

    def answer(self) -> None:
        import numpy as np

        self.there.acquire()
        block = attach(self.name, self.source.nbytes)
        array = np.frombuffer(block.buffer).reshape(self.source.shape)
        array[0, 0], array[-1, -1]
        del array
        block.close()
        self.back.release()
