# SPDX-License-Identifier: MIT
"""Services between processes: what a kill leaves, forks, and ends that are passed on."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from support.objects import starts_futures, unique_name
from support.workers import fork, reap, until

from memsection import (
    ArgumentError,
    EndOfChannelError,
    PeerDiedError,
    RemoteError,
    WaitTimeoutError,
)
from memsection.api import transit
from memsection.channels import Call, Client, Service


@pytest.fixture(scope="module", autouse=True)
def thread_of_the_futures() -> None:
    starts_futures()
    transit._own.make_notes()


@contextmanager
def service_without_server(**options: int) -> Iterator[str]:
    """The name of a service of bytes that this process keeps, and does not serve."""
    name = unique_name()
    service = Service.create(name, bytes, bytes, **options)  # type: ignore[arg-type]
    kept = service.section.duplicate()
    service.close()
    with kept:
        yield name


def serving(name: str, body: Callable[[Service], object]) -> int:
    """A forked server."""

    def child() -> None:
        with Service.open(name) as service:
            body(service)

    return fork(child)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def stops(service: Service) -> None:
    """Take a call and stand still with it."""
    call = service.receive()
    time.sleep(60)
    call.reply(b"late")


def answers(service: Service) -> None:
    service.serve(bytes.upper)


def end(name: str, *pids: int) -> None:
    """Shut the service down, and wait for its servers."""
    with Client.open(name) as client:
        client.shutdown()
    for pid in pids:
        assert reap(pid) == 0


@pytest.mark.invariant("Q1")
@pytest.mark.invariant("Q4")
@pytest.mark.parametrize("length", [5, 5000, 200_000])
def test_a_caller_whose_server_is_killed_with_the_call_in_hand_is_told(length: int) -> None:
    with service_without_server() as name, Client.open(name) as client:
        pid = serving(name, stops)
        future = client.submit(b"x" * length)
        until(lambda: client.servers == 1 and not len(client._core), "the call is in hand")
        kill(pid)
        with pytest.raises(PeerDiedError):
            future.result(60)
        pid = serving(name, answers)
        until(lambda: client.servers == 1, "another server is there")
        assert client(b"x" * length, 20) == b"X" * length
        end(name, pid)


@pytest.mark.invariant("Q1")
@pytest.mark.parametrize("capacity", [4, 50_000])
def test_a_call_that_a_killed_server_was_taking_is_answered_though_the_service_was_shut_down(
    capacity: int,
) -> None:
    name = unique_name()
    with Service.create(name, bytes, bytes, capacity=capacity) as service:
        client = Client.open(name)
        many = [client._core.ask([(0, b"x")], 1, 0, None) for _ in range(min(capacity, 20_000))]
        for _ in many[1:]:
            service.receive(0).reply(b"")
        pid = serving(name, lambda service: (service._core.take_whole(20), time.sleep(60)))
        until(lambda: not len(service), "the call's position is taken")
        kill(pid)
        service.shutdown()
        service.receive(0).reply(b"answer")
        with pytest.raises(EndOfChannelError, match="shut down"):
            service.receive(20)
        assert not many[-1].wait() and many[-1].take() == (b"answer", 0)
        client.close()


@pytest.mark.invariant("Q6")
def test_with_retry_another_server_gets_the_call_of_a_killed_one() -> None:
    with service_without_server(retry=1) as name, Client.open(name) as client:
        first = serving(name, stops)
        found: list[bytes] = []
        thread = threading.Thread(target=lambda: found.append(client(b"again", 20)))
        until(lambda: client.servers == 1, "the server is there")
        thread.start()
        until(lambda: client.clients == 1 and not len(client._core), "the call is in hand")
        second = serving(name, answers)
        until(lambda: client.servers == 2, "both servers are there")
        kill(first)
        thread.join()
        assert found == [b"AGAIN"]
        end(name, second)


@pytest.mark.invariant("Q6")
@pytest.mark.parametrize("size", [5, 4000])
@pytest.mark.parametrize("how", ["call", "submit", "async"])
def test_a_call_that_a_server_died_with_after_the_shutdown_says_that_it_died(
    how: str, size: int
) -> None:
    """It may have been carried out, so it is not as one that was never asked."""
    value = b"x" * size
    told, tells = os.pipe()

    def takes(service: Service) -> None:
        call = service.receive()
        os.write(tells, b"1")
        time.sleep(60)
        call.reply(b"late")

    with service_without_server(retry=1) as name, Client.open(name) as client:
        pid = serving(name, takes)
        until(lambda: client.servers == 1, "the server is there")
        asks = {
            "call": lambda: client(value, 60),
            "submit": lambda: client.submit(value).result(60),
            "async": lambda: asyncio.run(client.call_async(value, 60)),
        }[how]
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(asks)
            os.read(told, 1)
            client.shutdown()
            kill(pid)
            with pytest.raises(PeerDiedError):
                answer.result(60)
    os.close(told)
    os.close(tells)


def test_a_killed_client_costs_a_server_nothing() -> None:
    name = unique_name()
    with Service.create(name, bytes, bytes, capacity=2, largest=5000, memory=40_000) as service:
        for length in (5, 4000, 100_000):

            def asks(length: int = length) -> None:
                with Client.open(name) as client:
                    client(b"x" * length)

            pid = fork(asks)
            call = service.receive(60)
            assert len(call.value) == length and not call.abandoned
            kill(pid)
            assert call.abandoned
            call.reply(b"y" * length)
            pid = fork(asks)
            service.receive(60).reply(b"z" * length)
            assert reap(pid) == 0
        service._core.recover()
        assert service.clients == 0 and service._core.places_in_hand()[0] == 0


def test_a_client_that_is_killed_while_its_call_waits_is_passed_over() -> None:
    name = unique_name()
    with Service.create(name, bytes, bytes) as service:

        def asks() -> None:
            with Client.open(name) as client:
                client(b"nobody waits for it")

        pid = fork(asks)
        until(lambda: len(service) == 1, "the call waits")
        kill(pid)
        service._core.recover()
        with pytest.raises(WaitTimeoutError):
            service.receive(0)


def test_in_a_forked_child_calls_and_answers_are_the_parents() -> None:
    name = unique_name()
    with Service.create(name, bytes, bytes) as service, Client.open(name) as client:
        future = client.submit(b"1")
        call = service.receive(60)

        def child() -> None:
            assert call.abandoned
            with pytest.raises(ArgumentError, match="forked from"):
                call.reply(b"wrong")
            assert client(b"2", 20) == b"of the child"

        pid = fork(child)
        mine = service.receive(60)
        assert mine.value == b"2"
        mine.reply(b"of the child")
        assert reap(pid) == 0
        call.reply(b"right")
        assert future.result(60) == b"right"


def test_futures_of_a_forked_child_have_a_thread_of_their_own() -> None:
    name = unique_name()
    with Service.create(name, bytes, bytes) as service, Client.open(name) as client:
        server = threading.Thread(target=service.serve, args=[bytes.upper])
        server.start()
        assert client.submit(b"parent").result(60) == b"PARENT"

        def child() -> None:
            assert client.submit(b"child").result(60) == b"CHILD"

        assert reap(fork(child)) == 0
        service.shutdown()
        server.join()


def test_ends_are_passed_on_with_their_specs() -> None:
    name = unique_name()
    with Service.create(name, bytes, object) as service, Client.open(name) as client:
        with pickle.loads(pickle.dumps(client)) as other:
            future = other.submit(b"x")
            service.receive(60).reply({"a": 1})
            assert future.result(60) == {"a": 1} and service.clients == 2


def test_a_stopped_client_holds_up_no_server_and_no_other_client() -> None:
    name = unique_name()
    with Service.create(name, bytes, bytes, largest=5000, memory=40_000) as service:

        def asks() -> None:
            with Client.open(name) as client:
                for _ in range(100):
                    client(b"x" * 4000)

        pid = fork(asks)
        first = service.receive(60)
        os.kill(pid, signal.SIGSTOP)
        first.reply(b"y" * 4000)
        with Client.open(name) as client:
            futures = [client.submit(b"z" * 4000) for _ in range(30)]
            for _ in futures:
                service.receive(60).reply(b"w" * 4000)
            assert all(future.result(60) == b"w" * 4000 for future in futures)
        kill(pid)


# ---------------------------------------------------------------------- asyncio


def test_tasks_call_and_are_cancelled_without_holding_up_the_loop() -> None:
    async def main() -> None:
        name = unique_name()
        with Service.create(name, bytes, bytes, capacity=2) as service, Client.open(name) as client:

            async def serves() -> int:
                count = 0
                async for call in service:
                    if call.value == b"boom":
                        call.fail(ValueError("boom"))
                    else:
                        call.reply(call.value.upper())
                    count += 1
                return count

            with pytest.raises(WaitTimeoutError):
                await client.call_async(b"early", 0.01)
            task = asyncio.create_task(client.call_async(b"given up"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            server = asyncio.create_task(serves())
            found = await asyncio.gather(*(client.call_async(b"%d" % i) for i in range(50)))
            assert found == [b"%d" % i for i in range(50)]
            with pytest.raises(RemoteError, match="boom"):
                await client.call_async(b"boom")
            service.shutdown()
            assert await server == 51

    asyncio.run(main())


# -------------------------------------------------------------------- whoever may write the memory


@pytest.mark.sentence(12)
@pytest.mark.sentence(13)
def test_whatever_is_written_to_the_memory_ends_in_errors_wrong_answers_or_the_time() -> None:
    import random
    import struct
    from contextlib import suppress

    from memsection import Error

    draw = random.Random(5)
    for _ in range(6):
        with (
            Service.create(unique_name(), bytes, bytes, capacity=4, largest=5000) as service,
            Client.open(service.name or "") as client,
        ):
            memory = memoryview(service._view)
            cells = len(memory) - 8192 - 260 * 192
            for round_ in range(25):
                with suppress(Error):
                    client(b"x" * draw.choice([5, 700, 9000]), 0)
                for _ in range(8):
                    low, high = draw.choice([(64, 20480), (20480, 21500), (cells, cells + 12288)])
                    value = draw.choice([draw.getrandbits(64), draw.getrandbits(24), 0])
                    struct.pack_into("<Q", memory, draw.randrange(low, high, 8), value)
                with suppress(Error):
                    call = service.receive(0, copy=round_ % 2 == 0)
                    assert isinstance(call, Call)
                    call.reply(b"y" * draw.choice([5, 700, 9000]))
            memory.release()


@pytest.mark.sentence(30)
def test_objects_of_others_are_read_only_by_who_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from memsection import AccessError

    name = unique_name()
    with Service.create(name, object, bytes), Service.create(name + "b", bytes, object):
        monkeypatch.setattr(
            "memsection.api.security.is_written_by_this_user_alone", lambda section: False
        )
        Client.open(name).close()
        Service.open(name + "b").close()
        for opens in (lambda: Service.open(name), lambda: Client.open(name + "b")):
            with pytest.raises(AccessError, match="run code"):
                opens()
        Service.open(name, object).close()
        Client.open(name + "b", reply=object).close()
        with Service.open(name, object) as other, pytest.raises(AccessError):
            Client.from_section(other.section.duplicate("r"))
