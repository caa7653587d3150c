# SPDX-License-Identifier: MIT
"""multiprocessing.Queue: whatever can be pickled, through a thread and a pipe."""

from __future__ import annotations

import multiprocessing
import os
import platform

from peers import Talk

NAME = "mp Queue"


def version() -> str:
    return platform.python_version()


class frames(Talk):  # noqa: N801
    def __init__(self, size: int) -> None:
        self.there, self.back = multiprocessing.Queue(), multiprocessing.SimpleQueue()
        self.frame = os.urandom(size)

    def ask(self) -> None:
        self.there.put(self.frame)
        self.back.get()

    def answer(self) -> None:
        frame = self.there.get()
        frame[0], frame[-1]
        self.back.put(b"x")

    def close(self) -> None:
        self.there.close()
        self.there.join_thread()
        self.back.close()


class arrays(frames):
    def __init__(self, shape: tuple[int, ...]) -> None:
        import numpy as np

        super().__init__(1)
        self.frame = np.ones(shape)

    def answer(self) -> None:
        array = self.there.get()
        array[0, 0], array[-1, -1]
        self.back.put(b"x")
