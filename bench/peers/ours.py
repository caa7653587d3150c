# SPDX-License-Identifier: MIT
"""This library."""

from __future__ import annotations

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
        self.view = memoryview(self.section.map())[:size]
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


class tables(signals):  # noqa: N801
    def __init__(self, table: Any) -> None:
        super().__init__()
        self.name = f"bench-table-{os.getpid()}"
        self.table = table

    def ask(self) -> None:
        from memsection import arrow

        shared = arrow.put(self.name, self.table)
        super().ask()
        shared.section.close()

    def answer(self) -> None:
        from memsection import arrow

        self.there.wait()
        shared = arrow.open(self.name)
        shared.table.column(0)[0], shared.table.column(0)[-1]
        shared.section.close()
        self.back.set()


class latest:  # noqa: N801
    def __init__(self, size: int) -> None:
        from memsection import latest as ms

        self.writer = ms.create(None, size)
        self.writer.write(os.urandom(size))
        self.reader = ms.from_section(self.writer.section.duplicate("r"), size)
        self.read = self.reader.read

    def close(self) -> None:
        self.reader.close()
        self.writer.close()
