# SPDX-License-Identifier: MIT
"""py-easyshm: named segments with updates that can be waited for."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import weakref

from easyshm import EasySHM
from easyshm.platform import Mutex

from peers import Talk

NAME = "py-easyshm"


def version() -> str:
    return importlib.metadata.version("py-easyshm")


class _Block:
    def __init__(self, segment: EasySHM, owner: bool) -> None:
        self.segment = segment
        self.owner = owner
        self.buffer = None

    def close(self) -> None:
        if self.owner:
            self.segment.destroy()
        else:
            self.segment.close()


def create(name: str, size: int) -> _Block:
    return _Block(EasySHM(name, size), True)


def attach(name: str, size: int) -> _Block:
    return _Block(EasySHM(name, size), False)


def lock() -> Mutex:
    mutex = Mutex(f"bench-{os.getpid()}")
    weakref.finalize(mutex, _remove, mutex._path)
    return mutex


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


class signals(Talk):  # noqa: N801
    size = 8

    def __init__(self) -> None:
        self.names = [f"bench-{os.getpid()}-{id(self):x}-{way}" for way in ("there", "back")]

    def parent(self) -> None:
        self.there, self.back = EasySHM(self.names[0], self.size), EasySHM(self.names[1], 8)
        self.back._consume_update()

    child = parent

    def ask(self) -> None:
        self.there.write(b"x")
        self.back.wait_update(5)

    def answer(self) -> None:
        if self.there.wait_update(5):
            self.back.write(b"x")

    def close(self) -> None:
        self.there.destroy()
        self.back.destroy()


class frames(signals):  # noqa: N801
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.frame = os.urandom(size)

    def ask(self) -> None:
        self.there.write(self.frame)
        self.back.wait_update(5)

    def answer(self) -> None:
        if self.there.wait_update(5):
            memory = self.there.read_view()
            memory[0], memory[-1]
            memory.release()
            self.back.write(b"x")


class latest:  # noqa: N801
    def __init__(self, size: int) -> None:
        self.segment = EasySHM(f"bench-latest-{os.getpid()}", size)
        self.segment.write(os.urandom(size))
        self.size = size

    def read(self) -> bytes:
        return self.segment.read(self.size)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.segment.destroy()
