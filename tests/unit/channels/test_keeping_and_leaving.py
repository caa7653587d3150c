# SPDX-License-Identifier: MIT
"""What the others see of those who keep a message in hand, fork, are interrupted or leave: nothing
that concerns them."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import Any

import pytest
from support.alarms import ended_by_a_handler
from support.objects import unique_name
from support.workers import fork, reap

from memsection import NoReceiverError, WaitTimeoutError
from memsection.channels import Queue, Topic, endpoint

PLACED, LARGE = 3000, 2_000_000


@pytest.mark.invariant("Q3")
@pytest.mark.parametrize("redeliver", [0, 1])
def test_a_message_in_hand_holds_up_nothing_but_its_place(redeliver: int) -> None:
    with Queue.create(None, bytes, capacity=3, redeliver=redeliver) as queue:
        queue.send(b"k" * PLACED)
        kept = queue.receive(copy=False)
        for number in range(50):  # the ring comes round many times
            for _ in range(3):
                queue.send(b"%d" % number + b" " * (number % 2 * PLACED), 0)
            assert [int(queue.receive(0)) for _ in range(3)] == [number] * 3
        assert bytes(kept) == b"k" * PLACED and queue._core.places_in_hand() == (1, [os.getpid()])
        del kept
        assert queue._core.places_in_hand()[0] == 0


def test_of_those_who_leave_the_others_with_their_role_see_nothing() -> None:
    name = unique_name()
    with (
        Queue.create(name, bytes, capacity=1, role="receive") as receiver,
        Queue.open(name, role="send") as sender,
    ):
        for role in ("send", "receive"):
            Queue.open(name, role=role).close()  # type: ignore[call-overload]
        with pytest.raises(WaitTimeoutError):
            receiver.receive(0.02)  # and no end of the channel: one who sends is left
        sender.send(b"1", 0)
        with pytest.raises(WaitTimeoutError):
            sender.send(b"2", 0.02)  # and not nobody: one who receives is left
        receiver.close()
        with pytest.raises(NoReceiverError):
            sender.send(b"2", 60)


@pytest.mark.invariant("Q3")
def test_a_fork_of_a_fork_has_nothing_in_hand_and_frees_nothing() -> None:
    with Queue.create(None, bytes) as queue:
        for letter in (b"p", b"c", b"g"):
            queue.send(letter * PLACED)
        mine = queue.receive(copy=False)

        def grandchild() -> None:
            nonlocal mine, theirs
            assert (mine[0], theirs[0]) == (ord("p"), ord("c"))
            del mine, theirs
            assert queue._core.places_in_hand()[0] == 2
            assert queue.receive(60) == b"g" * PLACED
            queue.close()

        def child() -> None:
            nonlocal theirs
            theirs = queue.receive(copy=False)
            assert reap(fork(grandchild)) == 0
            assert bytes(theirs) == b"c" * PLACED
            assert queue._core.places_in_hand() == (2, sorted([os.getppid(), os.getpid()]))

        theirs: Any = None
        assert reap(fork(child)) == 0
        queue._core.recover()  # the child died with one in hand
        assert queue._core.places_in_hand() == (1, [os.getpid()]) and bytes(mine) == b"p" * PLACED


class Alarm(Exception):
    pass


def test_a_wait_for_a_topic_that_a_handler_ends_has_sent_and_taken_nothing() -> None:
    name = unique_name()
    with (
        Topic.create(name, bytes, capacity=1, slow="wait", role="send") as topic,
        Topic.open(name, role="receive") as subscriber,
        Topic.open(name, role="observe") as observer,
    ):
        for end in (subscriber, observer):
            ended_by_a_handler(end.receive, Alarm)
        topic.send(b"1")
        ended_by_a_handler(lambda: topic.send(b"2" * PLACED), Alarm)
        assert subscriber.receive(0) == observer.receive(0) == b"1"
        for end in (subscriber, observer):
            with pytest.raises(WaitTimeoutError):
                end.receive(0)
        assert subscriber.missed == observer.missed == 0 and topic._core.places_in_hand()[0] == 0


@pytest.mark.parametrize("length", [10, LARGE])
@pytest.mark.parametrize("turns", range(8))
def test_cancelled_at_any_await_a_message_is_taken_or_stays(turns: int, length: int) -> None:
    """After so many turns of the loop; a large message is copied by another thread meanwhile."""

    async def main() -> None:
        with Queue.create(None, bytes, capacity=2, largest=LARGE) as queue:
            queue.send(b"x" * length)
            task = asyncio.create_task(queue.receive_async())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            (found,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(found, asyncio.CancelledError):
                assert len(queue) == 1
                found = await queue.receive_async(60)
            assert (
                found == b"x" * length and len(queue) == 0 and queue._core.places_in_hand()[0] == 0
            )

    asyncio.run(main())


@pytest.mark.parametrize("length", [10, LARGE])
@pytest.mark.parametrize("turns", range(8))
def test_cancelled_at_any_await_a_message_is_sent_or_not(turns: int, length: int) -> None:
    async def main() -> None:
        with Queue.create(None, bytes, capacity=1, largest=LARGE) as queue:
            task = asyncio.create_task(queue.send_async(b"x" * length))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            (found,) = await asyncio.gather(task, return_exceptions=True)
            assert len(queue) == (found is None)
            if found is None:
                assert await queue.receive_async(60) == b"x" * length
            await queue.send_async(b"y" * length, 60)  # every place is there
            assert await queue.receive_async(60) == b"y" * length

    asyncio.run(main())


def test_an_end_that_nobody_has_any_more_is_kept_by_no_list() -> None:
    end = Queue.create(None, bytes)
    (noted,) = (one for one in endpoint._open.copy() if one() is end)
    end.close()
    del end
    gc.collect()
    assert noted() is None and noted not in endpoint._open
