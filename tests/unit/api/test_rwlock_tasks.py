# SPDX-License-Identifier: MIT
"""The readers-writer lock among tasks of one event loop, and beside other processes."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest
from support.workers import fork, reap

from memsection import RWLock, errors
from memsection.rwlock.sides import SLICE

LONG = 60.0


def test_tasks_read_together_and_write_alone() -> None:
    inside: list[str] = []
    most = 0

    async def read(lock: RWLock) -> None:
        nonlocal most
        async with lock.read:
            inside.append("r")
            most = max(most, len(inside))
            assert "w" not in inside
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            inside.remove("r")

    async def write(lock: RWLock) -> None:
        async with lock.write:
            assert not inside
            inside.append("w")
            await asyncio.sleep(0)
            inside.remove("w")

    async def main() -> None:
        with RWLock.create() as lock:
            await asyncio.gather(
                *(task(lock) for _ in range(20) for task in (read, read, read, write))
            )
            assert lock.processes == 0 and lock.writer is None

    asyncio.run(main())
    assert most > 1


def test_tasks_get_it_in_the_order_of_their_asking() -> None:
    order: list[str] = []

    async def use(lock: RWLock, side: str, name: str) -> None:
        async with getattr(lock, side):
            order.append(name)
            await asyncio.sleep(0)

    async def main() -> None:
        with RWLock.create() as lock:
            await asyncio.gather(
                use(lock, "read", "1"),
                use(lock, "write", "2"),
                use(lock, "read", "3"),
                use(lock, "write", "4"),
            )

    asyncio.run(main())
    assert order == ["1", "2", "3", "4"]


def test_a_task_that_has_it_takes_it_again() -> None:
    async def main() -> None:
        with RWLock.create() as lock:
            async with lock.write, lock.write, lock.read:
                pass
            async with lock.read, lock.read:
                with pytest.raises(errors.Error, match="would wait for itself"):
                    async with lock.write:
                        pass

    asyncio.run(asyncio.wait_for(main(), LONG))


def test_a_task_that_is_cancelled_while_it_waits_has_nothing() -> None:
    async def main() -> None:
        with RWLock.create() as lock:
            lock.acquire_write()

            async def take(side: str) -> None:
                async with getattr(lock, side):
                    raise AssertionError("nobody may be here")

            def here() -> bool:
                return lock.acquire_write(timeout=0) and not lock.release_write()

            assert await asyncio.get_running_loop().run_in_executor(None, here) is False
            lock.release_write()
            async with lock.write:
                waiting = [asyncio.create_task(take(side)) for side in ("read", "write", "read")]
                await asyncio.sleep(0)
                for task in waiting:
                    task.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
            async with lock.write:
                pass
            assert await asyncio.get_running_loop().run_in_executor(None, here)

    asyncio.run(asyncio.wait_for(main(), LONG))


@pytest.mark.parametrize("foreign", ["read", "write"])
def test_a_task_waits_for_another_process_while_others_run(foreign: str) -> None:
    async def main() -> None:
        with RWLock.create() as lock:
            ready, told = os.pipe()

            def child() -> None:
                getattr(lock, foreign).acquire()
                os.write(told, b"+")
                signal.pause()

            pid = fork(child)
            os.read(ready, 1)
            os.close(ready)
            os.close(told)
            assert await lock.write.wait_async(0) is False
            assert await lock.write.wait_async(0.01) is False
            task = asyncio.create_task(lock.write.wait_async(accept_abandoned=True))
            await asyncio.sleep(2 * SLICE)
            assert not task.done()
            os.kill(pid, signal.SIGKILL)
            reap(pid)
            assert await task
            assert lock.writer == os.getpid()
            lock.release_write()

    asyncio.run(asyncio.wait_for(main(), LONG))


def test_cancelling_a_writer_that_waits_for_readers_lets_others_read() -> None:
    release, reading = threading.Event(), threading.Event()

    async def main() -> None:
        with RWLock.create() as lock:

            def read() -> None:
                with lock.read:
                    reading.set()
                    release.wait(LONG)

            reader = threading.Thread(target=read)
            reader.start()
            reading.wait(LONG)
            task = asyncio.create_task(lock.write.wait_async())

            async def is_free() -> bool:
                return await asyncio.get_running_loop().run_in_executor(
                    None, lambda: lock.acquire_read(timeout=0) and not lock.release_read()
                )

            while await is_free():
                pass
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await is_free()
            release.set()
            reader.join(LONG)

    asyncio.run(asyncio.wait_for(main(), LONG))
