# SPDX-License-Identifier: MIT
"""Services and topics between programs, and what is left by those that are killed, on both systems
(``test_service_processes`` and ``test_topic_processes`` have forks besides)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from support.elsewhere import Elsewhere, elsewhere, soon
from support.objects import starts_futures, unique_name
from support.workers import until

from memsection import PeerDiedError, RemoteError
from memsection.channels import Client, Service, Topic

thread_of_the_futures = pytest.fixture(scope="module", autouse=True)(starts_futures)
PATIENCE = 60
LENGTHS = [10, 3000, 300_000]  # in the cell, in a place, in memory of its own


@contextmanager
def server_of(name: str) -> Iterator[Elsewhere]:
    """A program that has the service open as ``service``; killed at the end."""
    with elsewhere() as other:
        other.run(
            f"from memsection.channels import Service\nservice = Service.open({name!r}, bytes, bytes)"
        )
        yield other


@contextmanager
def client_of(service: Service[bytes, bytes]) -> Iterator[Elsewhere]:
    """A program that has a client's end open as ``client``; killed at the end."""
    with elsewhere() as other:
        other.run(f"from memsection.channels import Client\nclient = Client.open({service.name!r})")
        yield other


@contextmanager
def meanwhile(other: Elsewhere, code: str) -> Iterator[None]:
    """What another program does while the block runs; it is over, or was killed, after the block."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(other.run, code)
        yield
        try:
            running.result(PATIENCE)
        except (pytest.fail.Exception, OSError):
            other.process.wait(PATIENCE)


@pytest.mark.parametrize("length", LENGTHS)
def test_another_program_answers_until_the_service_is_shut_down(length: int) -> None:
    name = unique_name()
    with Service.create(name, bytes, bytes) as service, server_of(name) as other:
        with (
            Client.open(name) as client,
            meanwhile(other, "for call in service: call.reply(call.value.upper())"),
        ):
            assert [client(letter * length, PATIENCE) for letter in (b"a", b"b")] == [
                b"A" * length,
                b"B" * length,
            ]
            service.shutdown()
        assert other.value("service.closed") is False, "its loop ended by itself"


@pytest.mark.parametrize("length", LENGTHS)
def test_this_program_answers_another_one(length: int) -> None:
    with Service.create(unique_name(), bytes, bytes) as service, client_of(service) as other:
        with meanwhile(other, f"answer = client(b'a' * {length}, {PATIENCE})"):
            call = service.receive(PATIENCE)
            assert call.value == b"a" * length
            call.reply(b"b" * length)
        assert other.value(f"answer == b'b' * {length}") is True


def test_what_the_function_of_another_program_raises_arrives_as_text() -> None:
    name = unique_name()
    with Service.create(name, bytes, bytes) as service, server_of(name) as other:
        with Client.open(name) as client, meanwhile(other, "service.serve(lambda _: 1 / 0)"):
            with pytest.raises(RemoteError, match="ZeroDivisionError"):
                client(b"x", PATIENCE)
            service.shutdown()


@pytest.mark.invariant("Q1")
@pytest.mark.parametrize("length", LENGTHS)
def test_who_waits_for_an_answer_is_told_that_the_server_was_killed(length: int) -> None:
    name = unique_name()
    with Service.create(name, bytes, bytes, capacity=1) as service, server_of(name) as other:
        with Client.open(name) as client:
            asked = client.submit(b"a" * length)
            other.run("call = service.receive()")
            other.kill()
            with pytest.raises(PeerDiedError):
                asked.result(PATIENCE)
            asked = client.submit(b"again")  # the cell and the place are free
            service.receive(PATIENCE).reply(b"here")
            assert asked.result(PATIENCE) == b"here"
        assert service._core.places_in_hand()[0] == 0


def test_a_call_in_the_hands_of_the_killed_is_given_to_another_server() -> None:
    name = unique_name()
    with Service.create(name, bytes, bytes, retry=1) as service, server_of(name) as other:
        with Client.open(name) as client:
            asked = client.submit(b"x")
            other.run("call = service.receive()")
            with soon(other.kill):
                call = service.receive(PATIENCE)
            assert call.value == b"x"
            call.reply(b"y")
            assert asked.result(PATIENCE) == b"y"


@pytest.mark.parametrize("length", LENGTHS)
def test_the_server_of_a_killed_client_learns_that_nobody_waits(length: int) -> None:
    with (
        Service.create(unique_name(), bytes, bytes, capacity=1) as service,
        client_of(service) as other,
    ):
        with meanwhile(other, f"client(b'a' * {length}, {PATIENCE})"):
            call = service.receive(PATIENCE)
            assert not call.abandoned
            other.process.kill()  # the other thread still reads from it
        until(lambda: call.abandoned, "the call to be abandoned")
        call.reply(b"b" * length)  # dropped
        with Client.open(service.name or "") as client:
            asked = client.submit(b"next")
            service.receive(PATIENCE).reply(b"one")
            assert asked.result(PATIENCE) == b"one"


# ---------------------------------------------------------------------- topics


@pytest.mark.parametrize("length", LENGTHS)
def test_every_program_gets_what_another_one_publishes(length: int) -> None:
    with (
        Topic.create(unique_name(), bytes, role="receive", capacity=16) as topic,
        elsewhere() as other,
    ):
        other.run(
            "from memsection.channels import Topic\n"
            f"topic = Topic.open({topic.name!r}, role='both')\n"
            f"for n in b'abcd': topic.send(bytes([n]) * {length})"
        )
        expected = [bytes([n]) * length for n in b"abcd"]
        assert [topic.receive(PATIENCE) for _ in expected] == expected
        assert (
            other.value(f"[topic.receive({PATIENCE}) == bytes([n]) * {length} for n in b'abcd']")
            == [True] * 4
        )


def test_a_killed_subscriber_is_waited_for_by_nobody() -> None:
    with (
        Topic.create(unique_name(), bytes, role="send", capacity=2, slow="wait") as topic,
        elsewhere() as other,
    ):
        other.run(
            "from memsection.channels import Topic\n"
            f"topic = Topic.open({topic.name!r}, role='receive')"
        )
        topic.send(b"1")
        topic.send(b"2")
        with soon(other.kill):
            topic.send(b"3", PATIENCE)
        assert topic.receivers == 0


@pytest.mark.invariant("Q1")
def test_a_subscriber_gets_what_the_killed_had_sent_and_then_the_end() -> None:
    with Topic.create(unique_name(), bytes, role="receive") as topic, elsewhere() as other:
        other.run(
            "from memsection.channels import Topic\n"
            f"topic = Topic.open({topic.name!r}, role='send')\n"
            "topic.send(b'1'); topic.send(b'2' * 3000)"
        )
        with soon(other.kill):
            assert list(topic) == [b"1", b"2" * 3000]
