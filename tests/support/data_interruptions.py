# SPDX-License-Identifier: MIT
"""Operations on what lies in sections, to be interrupted as ``interruptions`` does: arrays,
records, tables, pickles, blocks, channels, the maps and queues of ``compat``, and blocks of tasks.

Each operation gives back whatever it was given, so that after it, interrupted or not, the process
has what it had.
"""

from __future__ import annotations

import asyncio
import pickle
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from memsection import Error, Mutex, RWLock, Section, arrays, latest, pickling, records
from memsection.channels import Client, Queue, Service, Topic
from memsection.compat import blocks, queues
from memsection.compat.mmap import ACCESS_READ, mmap
from memsection.compat.shared_memory import ShareableList, SharedMemory

try:
    import pyarrow as pa

    from memsection import arrow
except ImportError:  # pyarrow is an extra
    pa = None


POINT = np.dtype([("x", "i4")])


class DataBench:
    """Objects to operate on, and the operations: each a function of no arguments."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = np.arange(10000)
        with ExitStack() as stack:
            self.section = stack.enter_context(Section.create(f"{name}-k", 4096))
            self.array = arrays.create(f"{name}-ka", 10)
            self.records = stack.enter_context(records.create(f"{name}-kr", POINT, 3))
            self.latest = stack.enter_context(latest.create(f"{name}-kl", 64))
            self.queue = stack.enter_context(Queue.create(f"{name}-kq", bytes))
            self.topic = stack.enter_context(Topic.create(f"{name}-kp", bytes))
            self.service = stack.enter_context(Service.create(f"{name}-ks", bytes, bytes))
            self.client = stack.enter_context(Client.open(f"{name}-ks"))
            self.lock = stack.enter_context(closing(RWLock.create(f"{name}-kw")))
            self.mutex = stack.enter_context(closing(Mutex.create(f"{name}-km")))
            self.block = SharedMemory(f"{name}-kb", create=True, size=100)
            stack.callback(self.block.unlink)
            stack.callback(self.block.close)
            self.dump = stack.enter_context(pickling.dump(f"{name}-kd", self.source))
            self.tasks = queues.JoinableQueue()
            stack.callback(self.tasks.close)
            self.file = stack.enter_context(tempfile.TemporaryFile())
            self.file.truncate(1 << 16)
            if pa is not None:
                self.table = stack.enter_context(
                    arrow.put(f"{name}-kt", pa.table({"x": [1, 2], "y": ["a", None]}))
                )
            self.stack = stack.pop_all()
        self.made: list[Any] = []
        self.operations: dict[str, Callable[[], object]] = {
            "create an array": lambda: arrays.create(name, 10),
            "create an array that may be there": lambda: arrays.create(
                f"{name}-ka", 10, exist_ok=True
            ),
            "put an array": lambda: arrays.put(name, self.source),
            "open an array": lambda: arrays.open(f"{name}-ka"),
            "pass an array": lambda: pickle.loads(bytes(ForkingPickler.dumps(self.array))),
            "create records": lambda: records.create(name, POINT, 3).close(),
            "open records": lambda: records.open(f"{name}-kr").close(),
            "pass records": lambda: pickle.loads(pickle.dumps(self.records)).close(),
            "create a latest value": lambda: latest.create(name, 64).close(),
            "open a latest value": lambda: latest.open(f"{name}-kl").close(),
            "pass a latest value": lambda: pickle.loads(pickle.dumps(self.latest)),
            "dump": lambda: pickling.dump(name, self.source).close(),
            "load": lambda: pickling.load(f"{name}-kd"),
            "dump and load bytes": lambda: pickling.loads(pickling.dumps(self.source)),
            "pass a section": lambda: pickle.loads(pickle.dumps(self.section)).close(),
            "create a queue": lambda: Queue.create(name, bytes).close(),
            "open a queue": lambda: Queue.open(f"{name}-kq").close(),
            "create a topic": lambda: Topic.create(name, bytes).close(),
            "open a topic": lambda: Topic.open(f"{name}-kp").close(),
            "create a service": lambda: Service.create(name, bytes, bytes).close(),
            "call a service": self._call,
            "open a client": lambda: Client.open(f"{name}-ks").close(),
            "create a lock": lambda: RWLock.create(name).close(),
            "open a lock": lambda: RWLock.open(f"{name}-kw").close(),
            "write under a lock": self._write,
            "attach to a block": lambda: SharedMemory(f"{name}-kb").close(),
            "create a block": lambda: self._keep(SharedMemory(name, create=True, size=100)),
            "create a list": lambda: self._keep(ShareableList([1, "a"], name=name).shm),
            "make a queue of objects": lambda: queues.Queue().close(),
            "make a queue of tasks": lambda: queues.JoinableQueue(3).close(),
            "make a simple queue": lambda: queues.SimpleQueue().close(),
            "pass a queue of tasks": lambda: pickle.loads(pickle.dumps(self.tasks)).close(),
            "map memory": lambda: mmap(-1, 5000, tagname=None).close(),
            "map by name": lambda: mmap(-1, 5000, tagname=name).close(),
            "map what has a name": lambda: mmap(-1, 4096, tagname=f"{name}-k").close(),
            "map by name to read": lambda: mmap(
                -1, 4096, tagname=f"{name}-k", access=ACCESS_READ
            ).close(),
            "map a file": lambda: mmap(self.file.fileno(), 4096).close(),
            "map a file by name": lambda: mmap(self.file.fileno(), 4096, tagname=name).close(),
            "resize a map": self._resize,
            "with a mutex in a task": lambda: asyncio.run(self._task()),
        }
        if pa is not None:
            self.operations |= {
                "put a table": lambda: arrow.put(name, self.table.table).close(),
                "open a table": lambda: arrow.open(f"{name}-kt").close(),
                "open a stranger's table": lambda: arrow.open(f"{name}-kt", trusted=False).close(),
            }

    def _keep(self, block: SharedMemory) -> None:
        self.made.append(block)

    def _resize(self) -> None:
        with mmap(-1, 4096, tagname=self.name) as memory:
            memory[:4] = b"have"
            memory.resize(3 * 4096)
            assert memory[:4] == b"have"

    def _call(self) -> None:
        future = self.client.submit(b"ask")
        self.service.receive(60).reply(b"told")
        assert future.result(60) == b"told"

    def _write(self) -> None:
        with self.lock.write:
            pass

    async def _task(self) -> None:
        async with self.mutex:
            pass

    def settle(self) -> None:
        """Unlink the blocks that were made, which would stay; a mutex that is still owned is not
        released: that is told."""
        while self.made:
            block = self.made.pop()
            block.close()
            with suppress(FileNotFoundError):
                block.unlink()
        with suppress(Error):  # calls that nobody waits for any more
            while True:
                self.service.receive(0).reply(b"late")
        assert self.lock.write.acquire(timeout=60), "somebody who was interrupted has the lock"
        self.lock.write.release()
        pickle.dumps(self.section)  # an occasion for what was taken to be closed
        from memsection.api.transit import _own

        for slot in list(_own._sent):
            _own._let_go(slot)

    def facts(self) -> dict[str, object]:
        """What the process keeps besides descriptors."""
        return {
            "owner": self.mutex.owner,
            "blocks": len(blocks._handles),
            "kept": len(blocks._kept),
        }

    def close(self) -> None:
        self.stack.close()
        self.__dict__.clear()  # arrays and tables keep their memory
