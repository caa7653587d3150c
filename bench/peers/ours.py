# SPDX-License-Identifier: MIT
"""This library."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import memsection
from memsection import Event, Mutex, Section
from peers import Talk

NAME = "memsection"


def version() -> str:
    return memsection.__version__


class _Block:
    def __init__(self, section: Section) -> None:
        self.section = section
        self.view = section.map()
        self.buffer = self.view

    def close(self) -> None:
        self.view.close()
        self.section.close()


def create(name: str, size: int) -> _Block:
    return _Block(Section.create(name, size))


def attach(name: str, size: int) -> _Block:
    return _Block(Section.open(name))


def lock() -> Any:
    return Mutex.create()


class signals(Talk):  # noqa: N801
    def __init__(self) -> None:
        self.there = Event.create(manual_reset=False)
        self.back = Event.create(manual_reset=False)

    def ask(self) -> None:
        self.there.set()
        self.back.wait()

    def answer(self) -> None:
        self.there.wait()
        self.back.set()

    def close(self) -> None:
        self.there.close()
        self.back.close()


class frames(signals):  # noqa: N801
    def __init__(self, size: int) -> None:
        super().__init__()
        self.section = Section.create(size=size)
        self.view = memoryview(self.section.map())
        self.view[:] = bytes(size)
        self.frame = os.urandom(size)

    def ask(self) -> None:
        self.view[:] = self.frame
        super().ask()

    def answer(self) -> None:
        self.there.wait()
        self.view[0], self.view[-1]
        self.back.set()

    def close(self) -> None:
        super().close()
        self.section.close()


if importlib.util.find_spec("memsection.arrays") is not None:
    class arrays(signals):  # noqa: N801
        def __init__(self, shape: tuple[int, ...]) -> None:
            import numpy as np

            super().__init__()
            self.name = f"bench-array-{os.getpid()}"
            self.source = np.ones(shape)

        def ask(self) -> None:
            from memsection import arrays as ms

            array = ms.put(self.name, self.source)
            super().ask()
            del array

        def answer(self) -> None:
            from memsection import arrays as ms

            self.there.wait()
            array = ms.open(self.name)
            array[0, 0], array[-1, -1]
            del array
            self.back.set()
