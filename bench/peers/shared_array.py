# SPDX-License-Identifier: MIT
"""SharedArray: NumPy arrays in POSIX shared memory; it has nothing to wake anybody, so posix
semaphores do."""

from __future__ import annotations

import contextlib
import importlib.metadata
import multiprocessing
import os

import numpy as np
import SharedArray

from peers import Talk

NAME = "SharedArray"


def version() -> str:
    return importlib.metadata.version("SharedArray")


class _Block:
    def __init__(self, array: np.ndarray, name: str | None) -> None:
        self.buffer = array
        self.name = name

    def close(self) -> None:
        self.buffer = None
        if self.name:
            SharedArray.delete(self.name)


def create(name: str, size: int) -> _Block:
    return _Block(SharedArray.create(f"shm://{name}", size, dtype=np.uint8), f"shm://{name}")


def attach(name: str, size: int) -> _Block:
    return _Block(SharedArray.attach(f"shm://{name}"), None)


class arrays(Talk):  # noqa: N801
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.there = multiprocessing.Semaphore(0)
        self.back = multiprocessing.Semaphore(0)
        self.name = f"shm://bench-sa-{os.getpid()}"
        self.source = np.ones(shape)

    def ask(self) -> None:
        array = SharedArray.create(self.name, self.source.shape)
        array[:] = self.source
        self.there.release()
        self.back.acquire()
        del array
        SharedArray.delete(self.name)

    def answer(self) -> None:
        self.there.acquire()
        array = SharedArray.attach(self.name)
        array[0, 0], array[-1, -1]
        del array
        self.back.release()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            SharedArray.delete(self.name)
