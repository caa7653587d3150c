# SPDX-License-Identifier: MIT
"""Queues between programs, and what is left by those that are killed, on both systems
(``test_queue_processes`` has forks besides)."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from support.elsewhere import Elsewhere, elsewhere, soon
from support.objects import unique_name

from memsection import EndOfChannelError, NoReceiverError, WaitTimeoutError, wait_any
from memsection.api.event import Event
from memsection.channels import Queue

PLACED = 3000  # bytes that do not fit a position of the ring
PATIENCE = 60


@contextmanager
def end_of(queue: Queue[bytes], role: str) -> Iterator[Elsewhere]:
    """A program that has the queue open as ``queue``; killed at the end."""
    with elsewhere() as other:
        other.run(
            f"from memsection.channels import Queue\n"
            f"queue = Queue.open({queue.name!r}, role={role!r})"
        )
        yield other


@pytest.fixture
def queue() -> Iterator[Queue[bytes]]:
    with Queue.create(unique_name(), bytes, role="receive", capacity=4) as queue:
        yield queue


@pytest.fixture
def full() -> Iterator[Queue[bytes]]:
    with Queue.create(unique_name(), bytes, role="send", capacity=2) as queue:
        yield queue


def test_another_program_sends_and_this_one_sleeps_until_it_does(queue: Queue[bytes]) -> None:
    with end_of(queue, "send") as other, soon(other.run, "queue.send(b'late')"):
        assert queue.receive(PATIENCE) == b"late"


def test_another_program_makes_room_and_this_one_sleeps_until_it_does(full: Queue[bytes]) -> None:
    with end_of(full, "receive") as other:
        full.send(b"1")
        full.send(b"2")
        with soon(other.run, "first = queue.receive()"):
            full.send(b"3", PATIENCE)
        assert other.value("[first, queue.receive(), queue.receive()]") == [b"1", b"2", b"3"]


@pytest.mark.parametrize("length", [10, PLACED, 300_000])
def test_messages_of_every_length_come_in_order(queue: Queue[bytes], length: int) -> None:
    with end_of(queue, "send") as other, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(other.run, f"for n in b'abcdefgh': queue.send(bytes([n]) * {length})")
        assert [queue.receive(PATIENCE) for _ in range(8)] == [
            bytes([n]) * length for n in b"abcdefgh"
        ]
        sending.result(PATIENCE)


def test_objects_and_their_buffers_come_from_another_program() -> None:
    with Queue.create(unique_name(), role="receive") as queue, elsewhere() as other:
        other.run(
            f"from memsection.channels import Queue\nwith Queue.open({queue.name!r}, object) as queue:\n"
            f"    queue.send({{'a': 1, 'b': bytearray(b'x' * 10_000)}})"
        )
        assert queue.receive(PATIENCE) == {"a": 1, "b": b"x" * 10_000}


# ---------------------------------------------------------------------- killed


@pytest.mark.invariant("Q1")
def test_a_receiver_gets_what_the_killed_had_sent_and_then_the_end(queue: Queue[bytes]) -> None:
    with end_of(queue, "send") as other:
        other.run(f"queue.send(b'1'); queue.send(b'2' * {PLACED})")
        assert queue.receive(PATIENCE) == b"1"
        assert queue.senders == 1
        with soon(other.kill):
            assert list(queue) == [b"2" * PLACED]
        with pytest.raises(EndOfChannelError):
            queue.receive(PATIENCE)
        assert queue.senders == 0


@pytest.mark.invariant("Q1")
def test_a_sender_to_a_full_queue_is_told_that_its_receivers_were_killed(
    full: Queue[bytes],
) -> None:
    with end_of(full, "receive") as other:
        full.send(b"1")
        full.send(b"2")
        with soon(other.kill), pytest.raises(NoReceiverError):
            full.send(b"3", PATIENCE)


@pytest.mark.parametrize("redeliver", [0, 1])
@pytest.mark.invariant("Q3")
def test_what_the_killed_had_in_hand_is_another_receivers_or_gone(redeliver: int) -> None:
    with (
        Queue.create(unique_name(), bytes, capacity=4, redeliver=redeliver) as queue,
        end_of(queue, "receive") as other,
    ):
        queue.send(b"held" * PLACED)
        other.run("block = queue.receiving(); message = block.__enter__()")
        other.kill()
        if redeliver:
            with queue.receiving(PATIENCE) as again:
                assert bytes(again.value) == b"held" * PLACED
                assert again.deliveries == 2
        else:
            queue.send(b"next")
            assert queue.receive(PATIENCE) == b"next"
        assert queue.senders == queue.receivers == 1


def test_places_of_the_killed_are_free_again() -> None:
    with (
        Queue.create(
            unique_name(), bytes, capacity=2, largest=4000, memory=2 * 4224, overflow=False
        ) as queue,
        end_of(queue, "both") as other,
    ):
        other.run(
            f"blocks = [queue.sending({PLACED}) for _ in range(2)]\n"
            "for block in blocks: block.__enter__()"
        )
        with pytest.raises(WaitTimeoutError):
            queue.send(b"x" * PLACED, 0)
        other.kill()
        queue.send(b"x" * PLACED, PATIENCE)
        assert queue.receive(0) == b"x" * PLACED
        assert queue.repaired >= 1


def test_the_slot_of_the_killed_is_anothers(queue: Queue[bytes]) -> None:
    for _ in range(3):
        with end_of(queue, "send") as other:
            other.run("queue.send(b'x')")
            assert queue.receive(PATIENCE) == b"x"
            assert queue.senders == 1
    assert queue.senders == 0


def test_a_storm_of_killed_senders_loses_nothing_that_was_sent(queue: Queue[bytes]) -> None:
    """Each sender numbers its messages; what comes of one is without a gap and in order."""
    whims = random.Random(5)
    for _ in range(4):
        with end_of(queue, "send") as other:
            killing = threading.Timer(whims.uniform(0.05, 0.3), other.process.kill)
            killing.start()
            with ThreadPoolExecutor(1) as pool:
                sending = pool.submit(
                    _until_killed,
                    other,
                    "n = 0\nwhile True:\n"
                    f"    queue.send(b'%d' % n + b'.' * (n % 2 * {PLACED})); n += 1",
                )
                got = [int(message.rstrip(b".")) for message in queue]
                assert sending.result(PATIENCE)
            killing.join()
            assert got == list(range(len(got)))


def _until_killed(other: Elsewhere, code: str) -> bool:
    try:
        other.run(code)
    except (pytest.fail.Exception, OSError):
        return True
    return False


# ---------------------------------------------------------------------- beside other things


def test_a_queue_is_waited_for_beside_an_event(queue: Queue[bytes]) -> None:
    with end_of(queue, "send") as other, Event.create(manual_reset=True) as event:
        assert wait_any([event, queue], 0) is None
        with soon(other.run, "queue.send(b'x')"):
            assert wait_any([event, queue], PATIENCE) is queue
        event.set()
        assert wait_any([event, queue], 0) is event
        assert queue.receive(0) == b"x"


def test_a_queue_whose_senders_were_killed_is_ready(queue: Queue[bytes]) -> None:
    with end_of(queue, "send") as other:
        with soon(other.kill):
            assert wait_any([queue], PATIENCE) is queue
        assert queue.wait(0)
