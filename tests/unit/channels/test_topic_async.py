# SPDX-License-Identifier: MIT
"""Topics in an event loop: nothing is taken by what is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.objects import unique_name

from memsection import WaitTimeoutError
from memsection.channels import Topic

LARGE = 3 << 20  # bytes of a message that is copied in a thread


@pytest.mark.parametrize("role", ["receive", "observe"])
def test_messages_arrive_until_the_end(role: Any) -> None:
    async def main() -> list[object]:
        with (
            Topic.create(unique_name(), bytes, role="send") as topic,
            Topic.open(topic.name, role=role) as subscriber,
        ):

            async def sends() -> None:
                for number in range(10):
                    await topic.send_async(b"%d" % number)
                    await asyncio.sleep(0)
                topic.shutdown()

            task = asyncio.create_task(sends())
            found = [int(value) async for value in subscriber]
            await task
            return found

    assert asyncio.run(main()) == list(range(10))


@pytest.mark.parametrize("length", [10, LARGE])
@pytest.mark.parametrize("role", ["receive", "observe"])
def test_what_is_cancelled_took_nothing(role: Any, length: int) -> None:
    async def main() -> None:
        with (
            Topic.create(unique_name(), bytes, role="send", largest=LARGE) as topic,
            Topic.open(topic.name, role=role) as subscriber,
        ):
            waiting = asyncio.create_task(subscriber.receive_async())
            await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            for number in range(2):
                topic.send(b"%d" % number * length)
            task = asyncio.create_task(subscriber.receive_async())
            await asyncio.sleep(0)
            task.cancel()
            if length == LARGE and role == "receive":
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert subscriber.receive(0)[:1] == b"0"
            else:
                await asyncio.wait([task])
                if not task.cancelled():
                    assert task.result()[:1] == b"0"
                else:
                    assert subscriber.receive(0)[:1] == b"0"
            assert subscriber.receive(0)[:1] == b"1" and subscriber.missed == 0
            with pytest.raises(WaitTimeoutError):
                await subscriber.receive_async(0.02)

    asyncio.run(main())


@pytest.mark.parametrize("role", ["receive", "observe"])
def test_a_large_message_that_went_with_its_sender_is_missed(role: Any) -> None:
    async def main() -> None:
        with (
            Topic.create(unique_name(), bytes, role="send", largest=4000) as topic,
            Topic.open(topic.name, role=role) as subscriber,
        ):
            await topic.send_async(b"x" * LARGE)
            (sent,) = topic._codec.channel.sent
            sent.section.close()  # as the sender's death does
            await topic.send_async(b"next")
            assert await subscriber.receive_async(60) == b"next"
            assert subscriber.missed == 1

    asyncio.run(main())
