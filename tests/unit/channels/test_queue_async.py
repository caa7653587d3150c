# SPDX-License-Identifier: MIT
"""Queues in an event loop: nothing is taken by what is cancelled, and nobody is blocked."""

from __future__ import annotations

import asyncio
import threading

import pytest

from memsection import EndOfChannelError, WaitTimeoutError
from memsection.channels import Queue


def test_messages_pass_and_the_end_ends_the_iteration() -> None:
    async def main() -> list[object]:
        with Queue.create(None) as queue:

            async def sends() -> None:
                for i in range(20):
                    await queue.send_async(i)
                    await asyncio.sleep(0)
                queue.shutdown()

            task = asyncio.create_task(sends())
            found = [value async for value in queue]
            await task
            with pytest.raises(EndOfChannelError):
                await queue.receive_async()
            return found

    assert asyncio.run(main()) == list(range(20))


def test_the_time_is_up_for_receiver_and_sender() -> None:
    async def main() -> None:
        with Queue.create(None, bytes, capacity=1) as queue:
            with pytest.raises(WaitTimeoutError):
                await queue.receive_async(0.02)
            with pytest.raises(WaitTimeoutError):
                await queue.receive_async(0)
            await queue.send_async(b"1")
            with pytest.raises(WaitTimeoutError):
                await queue.send_async(b"2", 0.02)
            assert await queue.receive_async(copy=False) == b"1"

    asyncio.run(main())


def test_what_is_cancelled_has_taken_and_sent_nothing() -> None:
    async def main() -> None:
        with Queue.create(None, bytes, capacity=1) as queue:
            for _ in range(10):
                task = asyncio.create_task(queue.receive_async())
                await asyncio.sleep(0.001)
                task.cancel()
                queue.send(b"kept")
                assert (await asyncio.gather(task, return_exceptions=True))[
                    0
                ].__class__ is asyncio.CancelledError
                task = asyncio.create_task(queue.send_async(b"not sent"))
                await asyncio.sleep(0.001)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert queue.receive(0) == b"kept" and len(queue) == 0

    asyncio.run(main())


def test_a_large_message_is_copied_beside_the_loop_and_stays_when_that_is_cancelled() -> None:
    async def main() -> None:
        with Queue.create(None, bytes, capacity=2, largest=10_000_000) as queue:
            raw = bytes(10_000_000)
            await queue.send_async(raw)
            task = asyncio.create_task(queue.receive_async())
            await asyncio.sleep(0)
            task.cancel()
            found = (await asyncio.gather(task, return_exceptions=True))[0]
            if not isinstance(found, bytes):
                assert isinstance(found, asyncio.CancelledError) and len(queue) == 1
                found = await queue.receive_async()
            assert found == raw

    asyncio.run(main())


def test_a_thousand_tasks_wait_without_a_thousand_threads() -> None:
    async def main() -> None:
        with Queue.create(None, bytes) as queue:
            tasks = [asyncio.create_task(queue.receive_async()) for _ in range(1000)]
            await asyncio.sleep(0.05)
            assert threading.active_count() < 20
            tasks.pop(500).cancel()
            for i in range(999):
                await queue.send_async(b"%d" % i)
            assert (
                set(await asyncio.gather(*tasks)) == {b"%d" % i for i in range(999)}
                and len(queue) == 0
            )

    asyncio.run(main())
