# SPDX-License-Identifier: MIT
"""Services in an event loop: what is large is copied by other threads, and what is cancelled is
given up.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.objects import starts_futures, unique_name
from support.workers import until

from memsection import ArgumentError, PeerDiedError, RemoteError, WaitTimeoutError
from memsection.channels import Client, Service, calls_async, overflow, waiting

LARGE = 3_000_000


thread_of_the_futures = pytest.fixture(scope="module", autouse=True)(starts_futures)


@contextmanager
def opened(*specs: Any, **options: Any) -> Iterator[tuple[Service[Any, Any], Client[Any, Any]]]:
    name = unique_name()
    with Service.create(name, *specs, **options) as service, Client.open(name, *specs) as client:
        yield service, client
        # Who was cancelled while it copied may still be copying.
        until(lambda: service._core.places_in_hand()[0] == 0, "nothing to be in hand")
        assert len(service) == 0


async def answers(service: Service[Any, Any], times: int = 1) -> None:
    for _ in range(times):
        call = await service.receive_async(60)
        await call.reply_async(call.value)
        assert call.done


@pytest.mark.parametrize("largest", [4_000_000, 4000], ids=["in places", "elsewhere"])
@pytest.mark.parametrize("spec", [bytes, object])
def test_large_requests_and_answers_are_copied_in_other_threads(
    monkeypatch: pytest.MonkeyPatch, spec: Any, largest: int
) -> None:
    copied: list[str] = []

    async def noted(work: Callable[..., Any], *arguments: Any) -> Any:
        def call() -> Any:
            assert threading.current_thread() is not threading.main_thread()
            copied.append(work.__name__)
            return work(*arguments)

        return await asyncio.get_running_loop().run_in_executor(None, call)

    def put(*arguments: Any) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        copied.append("put")
        return into_memory(*arguments)

    into_memory = overflow.put
    monkeypatch.setattr(calls_async, "in_thread", noted)
    monkeypatch.setattr(waiting, "in_thread", noted)
    monkeypatch.setattr(overflow, "put", put)
    value = b"x" * LARGE if spec is bytes else {"a": bytearray(b"y" * LARGE)}

    async def main() -> None:
        with opened(spec, spec, largest=largest, memory=4 * largest) as (service, client):
            server = asyncio.create_task(answers(service))
            assert await client.call_async(value, 60) == value
            await server
            write = "fill" if largest > LARGE else "put"
            assert copied == [write, "parts_of", write, "parts_of"]

    asyncio.run(main())


@pytest.mark.parametrize("largest", [4_000_000, 4000], ids=["in places", "elsewhere"])
def test_a_future_of_a_large_answer_is_read_beside_the_loop_of_all_futures(largest: int) -> None:
    with opened(bytes, bytes, largest=largest) as (service, client):
        future = client.submit(b"q" * LARGE)
        service.receive(60).reply(b"a" * LARGE)
        assert future.result(60) == b"a" * LARGE


def test_a_read_only_request_stays_in_its_place() -> None:
    async def main() -> None:
        with opened(bytes, bytes, largest=4_000_000) as (service, client):
            asked = asyncio.create_task(client.call_async(b"x" * LARGE, 60))
            call = await service.receive_async(60, copy=False)
            assert isinstance(call.value, memoryview) and call.value.readonly
            assert service._core.places_in_hand()[0] == 1
            await call.reply_async(b"short")
            assert await asked == b"short"
            del call

    asyncio.run(main())


@pytest.mark.parametrize("largest", [4_000_000, 4000], ids=["in places", "elsewhere"])
def test_a_call_cancelled_while_its_request_is_copied_is_never_asked(largest: int) -> None:
    async def main() -> None:
        with opened(bytes, bytes, largest=largest, memory=16_000_000) as (service, client):
            for pause in (0, 0.001, 0.02):
                task = asyncio.create_task(client.call_async(b"x" * LARGE))
                await asyncio.sleep(pause)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            with pytest.raises(WaitTimeoutError):
                await service.receive_async(0.01)
            server = asyncio.create_task(answers(service))
            assert await client.call_async(b"y" * LARGE, 60) == b"y" * LARGE
            await server

    asyncio.run(main())


def held_up(monkeypatch: pytest.MonkeyPatch, *names: str) -> tuple[asyncio.Event, threading.Event]:
    """The first of these functions that another thread is to run waits for the second event."""
    began, goes_on, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()
    in_thread = waiting.in_thread

    async def late(work: Callable[..., Any], *arguments: Any) -> Any:
        def call() -> Any:
            loop.call_soon_threadsafe(began.set)
            assert goes_on.wait(60)
            return work(*arguments)

        if work.__name__ not in names or began.is_set():
            return await in_thread(work, *arguments)
        return await in_thread(call)

    monkeypatch.setattr(calls_async, "in_thread", late)
    return began, goes_on


def test_a_server_cancelled_while_it_copies_a_request_leaves_the_call_to_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        with opened(bytes, bytes, largest=4_000_000) as (service, client):
            began, goes_on = held_up(monkeypatch, "parts_of")
            asked = asyncio.create_task(client.call_async(b"x" * LARGE, 60))
            first = asyncio.create_task(service.receive_async(60))
            await began.wait()
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            goes_on.set()
            await answers(service)
            assert await asked == b"x" * LARGE

    asyncio.run(main())


def test_a_call_whose_answer_is_being_copied_when_that_is_cancelled_can_be_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        with opened(bytes, bytes, largest=4_000_000) as (service, client):
            began, goes_on = held_up(monkeypatch, "fill")
            asked = asyncio.create_task(client.call_async(b"short", 60))
            call = await service.receive_async(60)
            reply = asyncio.create_task(call.reply_async(b"x" * LARGE))
            await began.wait()
            reply.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reply
            assert not call.done
            call.reply(b"instead")
            goes_on.set()
            assert await asked == b"instead"
            with pytest.raises(ArgumentError, match="answered already"):
                await call.reply_async(b"x" * LARGE)
            del call

    asyncio.run(main())


def test_a_large_request_that_makes_no_sense_is_answered_with_a_failure() -> None:
    class Spoiled:
        def __reduce__(self) -> Any:
            return int, ("no number " + "x" * LARGE,)

    async def main() -> None:
        with opened(object, object, largest=8_000_000) as (service, client):
            asked = asyncio.create_task(client.call_async(Spoiled(), 60))
            with pytest.raises(WaitTimeoutError):
                await service.receive_async(0.5)
            with pytest.raises(RemoteError, match="int"):
                await asked

    asyncio.run(main())


def test_a_failure_that_is_kept_keeps_no_place() -> None:
    with opened(bytes, bytes) as (service, client):
        future = client.submit(b"q")
        service.receive(60).fail(ValueError("x" * 300))
        with pytest.raises(RemoteError) as kept:
            future.result(60)
        assert service._core.places_in_hand()[0] == 0, (
            "the text of the failure did not fit its cell"
        )
        assert str(kept.value)


def test_a_large_answer_whose_server_went_is_told_as_its_death(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        with opened(bytes, bytes, largest=4000) as (service, client):
            began, goes_on = held_up(monkeypatch, "parts_of")
            asked = asyncio.create_task(client.call_async(b"short", 60))
            call = await service.receive_async(60)
            await call.reply_async(b"x" * LARGE)
            await began.wait()
            for section, _ in service._codec.large:
                section.close()  # as its death does
            goes_on.set()
            with pytest.raises(PeerDiedError):
                await asked
            del call

    asyncio.run(main())


def test_calls_are_given_up_when_their_time_is_up_before_there_is_room() -> None:
    async def main() -> None:
        with opened(bytes, bytes, capacity=1, largest=4_000_000, memory=16_000_000) as (
            service,
            client,
        ):
            first = client.submit(b"first")
            with pytest.raises(WaitTimeoutError):
                await client.call_async(b"x" * LARGE, 0.05)
            service.receive(60).reply(b"1")
            assert first.result(60)
            server = asyncio.create_task(answers(service))
            assert await client.call_async(b"y" * LARGE, 60) == b"y" * LARGE
            await server

    asyncio.run(main())
