# SPDX-License-Identifier: MIT
"""multiprocessing's Lock, Event, Pipe and Queue: what everybody has."""

from __future__ import annotations

import multiprocessing
import os
import platform

from peers import Talk

NAME = "mp Lock, Event, Pipe"


def version() -> str:
    return platform.python_version()


def lock():
    return multiprocessing.Lock()


class signals(Talk):  # noqa: N801
    def __init__(self) -> None:
        self.there = multiprocessing.Event()
        self.back = multiprocessing.Event()

    def ask(self) -> None:
        self.there.set()
        self.back.wait()
        self.back.clear()

    def answer(self) -> None:
        self.there.wait()
        self.there.clear()
        self.back.set()


class frames(Talk):  # noqa: N801
    def __init__(self, size: int) -> None:
        self.here, self.far = multiprocessing.Pipe()
        self.frame = os.urandom(size)

    def ask(self) -> None:
        self.here.send_bytes(self.frame)
        self.here.recv_bytes()

    def answer(self) -> None:
        frame = self.far.recv_bytes()
        frame[0], frame[-1]
        self.far.send_bytes(b"x")


class arrays(frames):
    def __init__(self, shape: tuple[int, ...]) -> None:
        import numpy as np

        super().__init__(1)
        self.source = np.ones(shape)

    def ask(self) -> None:
        self.here.send(self.source)
        self.here.recv_bytes()

    def answer(self) -> None:
        array = self.far.recv()
        array[0, 0], array[-1, -1]
        self.far.send_bytes(b"x")


class tables(frames):
    def __init__(self, table) -> None:
        super().__init__(1)
        self.table = table

    def ask(self) -> None:
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as writer:
            writer.write_table(self.table)
        self.here.send_bytes(memoryview(sink.getvalue()))
        self.here.recv_bytes()

    def answer(self) -> None:
        import pyarrow as pa

        table = pa.ipc.open_stream(self.far.recv_bytes()).read_all()
        table.column(0)[0], table.column(0)[-1]
        self.far.send_bytes(b"x")
