# SPDX-License-Identifier: MIT
"""Queues in an event loop: nothing is taken by what is cancelled, and nobody is blocked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from memsection import EndOfChannelError, WaitTimeoutError
from memsection.channels import Queue, overflow, waiting


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


def test_who_waits_for_a_place_does_not_keep_the_loop_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[object] = []

    class Counted(waiting.Waiting):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            waits.append(options)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(waiting, "Waiting", Counted)

    async def main() -> None:
        with Queue.create(
            None, bytes, capacity=8, largest=1_000_000, memory=2_000_000, overflow=False
        ) as queue:
            held = []
            for _ in range(2):
                queue.send(b"x" * 900_000, 0)
                held.append(queue.receive(0, copy=False))
            with pytest.raises(WaitTimeoutError, match="2 places are kept"):
                await queue.send_async(b"y" * 900_000, 0.2)
            assert len(waits) < 50, "there is a position all the time, but no place"
            task = asyncio.create_task(queue.send_async(b"y" * 900_000, 60))
            await asyncio.sleep(0.01)
            held.pop()
            await task
            assert await queue.receive_async(0) == b"y" * 900_000

    asyncio.run(main())


@pytest.mark.parametrize("largest", [4_000_000, 4000])
@pytest.mark.parametrize("spec", [bytes, object])
def test_large_messages_are_copied_in_other_threads(
    monkeypatch: pytest.MonkeyPatch, spec: Any, largest: int
) -> None:
    copied: list[str] = []

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                copied.append(name)
            return function(*arguments)

        return call

    monkeypatch.setattr(waiting, "parts_of", noted("read", waiting.parts_of))
    monkeypatch.setattr(overflow, "put", noted("written", overflow.put))
    value = b"x" * 3_000_000 if spec is bytes else {"a": bytearray(b"y" * 3_000_000)}

    async def main() -> None:
        with Queue.create(None, spec, capacity=2, largest=largest) as queue:
            await queue.send_async(value, 60)
            assert await queue.receive_async(60) == value
            assert copied == ["written", "read"][largest == 4_000_000 :]
            assert queue._core.places_in_hand()[0] == 0 and len(queue) == 0

    asyncio.run(main())


@pytest.mark.parametrize("largest", [4_000_000, 4000])
def test_a_large_message_whose_sending_is_cancelled_leaves_nothing(largest: int) -> None:
    async def main() -> None:
        with Queue.create(None, bytes, capacity=1, largest=largest, memory=8_500_000) as queue:
            queue.send(b"first", 0)
            for pause in (0, 0.001, 0.02):
                task = asyncio.create_task(queue.send_async(b"x" * 3_000_000))
                await asyncio.sleep(pause)
                task.cancel()
                assert isinstance(
                    (await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError
                )
            assert await queue.receive_async(0) == b"first" and len(queue) == 0
            await queue.send_async(b"y" * 3_000_000, 60)
            assert await queue.receive_async(60) == b"y" * 3_000_000

    asyncio.run(main())
