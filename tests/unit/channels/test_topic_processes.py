# SPDX-License-Identifier: MIT
"""Topics between processes: passing ends on, forks, and what a kill leaves."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import random
import signal
import threading
import time
from typing import Any

import pytest
from support.objects import unique_name
from support.workers import fork, kill, reap, stopped_in

from memsection import EndOfChannelError, WaitTimeoutError
from memsection.api import transit
from memsection.channels import Topic

PLACED = 3000


@pytest.fixture(scope="module", autouse=True)
def helpers_of_multiprocessing() -> None:
    """What it keeps for itself is there before anything is counted."""
    multiprocessing.forkserver.ensure_running()
    multiprocessing.resource_tracker.ensure_running()
    transit._own.make_notes()


@pytest.mark.invariant("Q1")
@pytest.mark.parametrize("role", ["receive", "observe"])
def test_a_subscriber_whose_senders_are_killed_gets_the_rest_and_then_the_end(role: Any) -> None:
    with (
        Topic.create(unique_name(), bytes, role="receive") as topic,
        Topic.open(topic.name, role=role) as subscriber,
    ):

        def sends() -> object:
            end = Topic.open(topic.name, role="send")
            end.send(b"1")
            end.send(b"2" * PLACED)
            return end

        pid = stopped_in(sends)
        assert subscriber.receive(60) == b"1"
        threading.Timer(0.05, os.kill, [pid, signal.SIGKILL]).start()
        assert list(subscriber) == [b"2" * PLACED]
        os.waitpid(pid, 0)


@pytest.mark.invariant("Q4")
def test_a_dead_subscriber_is_not_waited_for() -> None:
    with Topic.create(unique_name(), bytes, role="send", slow="wait", capacity=2) as topic:
        pid = stopped_in(lambda: Topic.open(topic.name, role="receive"))
        topic.send(b"1")
        topic.send(b"2")
        with pytest.raises(WaitTimeoutError):
            topic.send(b"3", timeout=0.05)
        kill(pid)
        topic.send(b"3", timeout=60)
        assert topic.receivers == 0


@pytest.mark.invariant("Q3")
@pytest.mark.invariant("Q4")
def test_places_in_the_hands_of_the_dead_are_free() -> None:
    with Topic.create(
        unique_name(), bytes, role="send", largest=PLACED, memory=2 * 4224, history=2
    ) as topic:
        topic.send(b"1" * PLACED)
        topic.send(b"2" * PLACED)

        def keeps() -> object:
            end = Topic.open(topic.name, role="receive")
            return end, end.receive_many(2, copy=False)

        pid = stopped_in(keeps)
        with pytest.raises(WaitTimeoutError, match=f"2 places are kept in hand by process {pid}"):
            topic.send(b"3" * PLACED, timeout=0.05)
        kill(pid)
        topic.send(b"3" * PLACED, timeout=60)
        assert topic.repaired == 2


def _subscribes(topic: Topic[Any], results: Any) -> None:
    results.put((topic.role, topic.receive(60), list(topic)))


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_an_end_passed_to_a_child_is_an_end_of_its_own(method: str) -> None:
    context = multiprocessing.get_context(method)
    results = context.SimpleQueue()
    with (
        Topic.create(None, role="send", history=4) as topic,
        Topic.from_section(topic.section.duplicate(), object, role="receive") as passed,
    ):
        topic.send({"number": 1})
        if method == "fork":
            passed.receive(0)
        topic.send({"number": 2})
        child = context.Process(target=_subscribes, args=(passed, results))
        child.start()
        topic.shutdown()
        role, first, rest = results.get()
        child.join()
        assert role == "receive" and first["number"] + len(rest) == 2
    results.close()


def test_a_forked_child_goes_on_where_its_parent_was_and_has_nothing_in_hand() -> None:
    with Topic.create(None, bytes) as topic:
        for number in range(3):
            topic.send(b"%d" % number * PLACED)
        kept = topic.receive(copy=False)

        def child() -> None:
            os._exit(
                0 if topic.receive(0)[:1] == b"1" and topic._core.places_in_hand()[0] == 1 else 1
            )

        assert reap(fork(child)) == 0
        assert bytes(kept)[:1] == b"0" and topic.receive(0)[:1] == b"1"


def _is_whole(raw: bytes, head: bytes) -> bool:
    return raw in (head, head * (PLACED // len(head)))


def _sends(name: str | None) -> None:
    """Messages of both sizes, each whole if its head is repeated, until this process is killed."""
    with Topic.open(name, role="send") as end:
        number = 0
        while True:
            head = b"%d %d " % (os.getpid(), number)
            end.send(head * (1 if number % 4 else PLACED // len(head)))
            number += 1


def _keeps(name: str | None) -> None:
    """Three messages in hand at any time, until this process is killed."""
    with Topic.open(name, role="receive") as end:
        held = []
        while True:
            held = [*held, end.receive(copy=False)][-3:]


@pytest.mark.invariant("Q2")
@pytest.mark.invariant("Q3")
@pytest.mark.invariant("Q4")
@pytest.mark.parametrize("slow", ["drop", "wait"])
def test_senders_and_subscribers_that_are_killed_disturb_nobody(slow: Any) -> None:
    """A storm in small; the long one is tests/soak/topic_kills.py."""
    draw = random.Random(4)
    with Topic.create(unique_name(), bytes, role="receive", capacity=8, slow=slow) as topic:
        bodies = [lambda: _sends(topic.name), lambda: _keeps(topic.name)]
        children = [fork(bodies[place % 2]) for place in range(4)]
        last: dict[int, int] = {}
        try:
            for _ in range(24):
                until = time.monotonic() + 0.03
                while time.monotonic() < until:
                    try:
                        raw = topic.receive(60)
                    except EndOfChannelError:  # both are killed, and neither successor is there yet
                        time.sleep(0.001)
                        continue
                    sender, number = map(int, raw.split()[:2])
                    assert _is_whole(raw, b"%d %d " % (sender, number)) and number > last.get(
                        sender, -1
                    )
                    last[sender] = number
                place = draw.randrange(4)
                kill(children[place])
                children[place] = fork(bodies[place % 2])
        finally:
            for pid in children:
                kill(pid)
        try:
            while True:
                topic.receive(60)
        except EndOfChannelError:
            pass
        topic._core.recover()
        assert topic._core.places_in_hand()[0] == 0
        assert slow == "drop" or topic.missed == 0
        with Topic.open(topic.name, role="send") as sender_again:
            for _ in range(20):
                sender_again.send(b"x" * PLACED, timeout=60)
                topic.receive(60)


@pytest.mark.parametrize("how", ["copy", "many", "newest", "block", "into"])
def test_a_large_message_that_went_with_its_sender_is_missed_however_it_is_received(
    how: str,
) -> None:
    with (
        Topic.create(unique_name(), bytes, role="send", largest=4000, overflow=True) as sender,
        Topic.open(sender.name, bytes, role="receive") as receiver,
    ):

        def child() -> None:
            Topic.open(sender.name, bytes, role="send").send(b"lost" * 2000, 60)
            os.kill(os.getpid(), signal.SIGKILL)

        assert reap(fork(child)) == -signal.SIGKILL
        if how != "newest":  # that one goes past the lost one without a look
            sender.send(b"here", 0)
        if how == "copy":
            assert receiver.receive(0) == b"here"
        elif how == "many":
            assert receiver.receive_many(1, 0) == [b"here"]
        elif how == "newest":
            with pytest.raises(WaitTimeoutError):
                receiver.receive_newest(0)
        elif how == "block":
            with receiver.receiving(0) as message:
                assert message.value == b"here"
        else:
            target = bytearray(8)
            assert receiver.receive_into(target, 0) == 4 and target[:4] == b"here"
        assert receiver.missed == 1
