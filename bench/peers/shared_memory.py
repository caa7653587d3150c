# SPDX-License-Identifier: MIT
"""multiprocessing.shared_memory, with multiprocessing's semaphores where somebody has to be
woken."""

from __future__ import annotations

import multiprocessing
import os
import platform
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from peers import Talk

NAME = "mp.shared_memory"


def version() -> str:
    return platform.python_version()


class _Block:
    def __init__(self, block: SharedMemory, owner: bool) -> None:
        self.block = block
        self.owner = owner
        self.buffer = block.buf

    def close(self) -> None:
        self.block.close()
        if self.owner:
            self.block.unlink()


def create(name: str, size: int) -> _Block:
    return _Block(SharedMemory(name, create=True, size=size), True)


def attach(name: str, size: int) -> _Block:
    return _Block(SharedMemory(name), False)


class _Pair(Talk):
    def __init__(self) -> None:
        self.there = multiprocessing.Semaphore(0)
        self.back = multiprocessing.Semaphore(0)

    def ask(self) -> None:
        self.there.release()
        self.back.acquire()


class frames(_Pair):  # noqa: N801
    def __init__(self, size: int) -> None:
        super().__init__()
        self.block = SharedMemory(create=True, size=size)
        self.block.buf[:] = bytes(size)
        self.frame = os.urandom(size)

    def ask(self) -> None:
        self.block.buf[:] = self.frame
        super().ask()

    def answer(self) -> None:
        self.there.acquire()
        self.block.buf[0], self.block.buf[-1]
        self.back.release()

    def close(self) -> None:
        self.block.close()
        self.block.unlink()


class arrays(_Pair):  # noqa: N801
    def __init__(self, shape: tuple[int, ...]) -> None:
        import numpy as np

        super().__init__()
        self.name = f"bench-shm-array-{os.getpid()}"
        self.source = np.ones(shape)

    def ask(self) -> None:
        import numpy as np

        block = SharedMemory(self.name, create=True, size=self.source.nbytes)
        np.ndarray(self.source.shape, buffer=block.buf)[:] = self.source
        super().ask()
        block.close()
        block.unlink()

    def answer(self) -> None:
        import numpy as np

        self.there.acquire()
        block = SharedMemory(self.name)
        array = np.ndarray(self.source.shape, buffer=block.buf)
        array[0, 0], array[-1, -1]
        del array
        block.close()
        self.back.release()


class tables(_Pair):  # noqa: N801
    """Arrow's own format, written into a block and read there without a copy."""

    def __init__(self, table: Any) -> None:
        super().__init__()
        self.name = f"bench-shm-table-{os.getpid()}"
        self.table = table

    def ask(self) -> None:
        import pyarrow as pa

        sizes = pa.MockOutputStream()
        with pa.ipc.new_file(sizes, self.table.schema) as writer:
            writer.write_table(self.table)
        block = SharedMemory(self.name, create=True, size=sizes.size())
        with pa.ipc.new_file(
            pa.FixedSizeBufferWriter(pa.py_buffer(block.buf)), self.table.schema
        ) as writer:
            writer.write_table(self.table)
        del writer
        super().ask()
        block.close()
        block.unlink()

    def answer(self) -> None:
        import pyarrow as pa

        self.there.acquire()
        block = SharedMemory(self.name)
        table = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(block.buf))).read_all()
        table.column(0)[0], table.column(0)[-1]
        del table
        block.close()
        self.back.release()


class latest:  # noqa: N801
    """Reading under a lock, as its users do."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.block = SharedMemory(create=True, size=size)
        self.lock = multiprocessing.Lock()

    def read(self) -> bytes:
        with self.lock:
            return bytes(self.block.buf[: self.size])

    def close(self) -> None:
        self.block.close()
        self.block.unlink()
