# SPDX-License-Identifier: MIT
"""Topics in one process: who gets what, what is missed, what stays in hand, and what observers
see."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from support.objects import unique_name

from memsection import (
    AccessError,
    ArgumentError,
    EndOfChannelError,
    ExistsError,
    MessageTooLargeError,
    Section,
    WaitTimeoutError,
    wait_any,
)
from memsection.channels import Queue, Topic

np = pytest.importorskip("numpy")
PLACED = 3000  # bytes that do not fit a position


def numbers(topic: Topic[Any], count: int, first: int = 0, length: int = 0) -> None:
    for number in range(first, first + count):
        topic.send(b"%d" % number + b" " * length)


def received(topic: Topic[Any]) -> list[int]:
    found = []
    while True:
        try:
            found.append(int(topic.receive(0)))
        except (WaitTimeoutError, EndOfChannelError):
            return found


@pytest.fixture(params=[0, PLACED], ids=["short", "placed"])
def length(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.mark.invariant("Q2")
def test_every_subscriber_gets_every_message_in_order(length: int) -> None:
    with Topic.create(unique_name(), bytes, role="send") as topic:
        with (
            Topic.open(topic.name, role="receive") as one,
            Topic.open(topic.name, role="both") as two,
        ):
            numbers(topic, 20, length=length)
            assert len(one) == 20 and topic.receivers == 2 and topic.senders == 2
            assert received(one) == received(two) == list(range(20))
            assert one.missed == two.missed == 0


def test_a_subscriber_gets_what_was_sent_after_it_was_opened_and_the_history_before(
    length: int,
) -> None:
    with Topic.create(unique_name(), bytes, role="send", capacity=8, history=3) as topic:
        numbers(topic, 20, length=length)
        with (
            Topic.open(topic.name, role="receive") as all_of_it,
            Topic.open(topic.name, role="receive", history=1) as one,
            Topic.open(topic.name, role="receive", history=0) as none,
            Topic.open(topic.name, role="observe") as observer,
        ):
            numbers(topic, 2, 20, length)
            assert received(all_of_it) == received(observer) == [17, 18, 19, 20, 21]
            assert received(one) == [19, 20, 21] and received(none) == [20, 21]
            assert all_of_it.missed == observer.missed == 0
        with pytest.raises(ArgumentError, match="the last 4 messages, the topic keeps 3"):
            Topic.open(topic.name, history=4)


def test_a_subscriber_that_was_overtaken_goes_on_with_the_oldest_and_knows_what_it_missed(
    length: int,
) -> None:
    with Topic.create(unique_name(), bytes, role="send", capacity=4, memory=200_000) as topic:
        with (
            Topic.open(topic.name, role="receive") as slow,
            Topic.open(topic.name, role="observe") as observer,
        ):
            numbers(topic, 10, length=length)
            assert received(slow) == received(observer) == [6, 7, 8, 9]
            assert slow.missed == observer.missed == 6
            numbers(topic, 5, 10, length)
            assert received(slow) == [11, 12, 13, 14] and slow.missed == 7


def test_the_newest_message_skips_what_is_older_and_that_is_not_missed(length: int) -> None:
    with Topic.create(None, bytes) as topic:
        numbers(topic, 10, length=length)
        assert int(topic.receive()) == 0
        assert int(topic.receive_newest()) == 9 and topic.missed == 0
        with pytest.raises(WaitTimeoutError):
            topic.receive_newest(0)


@pytest.mark.parametrize("role", ["receive", "observe"])
def test_the_newest_message_counts_those_that_were_overwritten_before_it_as_missed(
    length: int, role: Any
) -> None:
    with Topic.create(unique_name(), bytes, role="send", capacity=4, history=2) as topic:
        numbers(topic, 3, length=length)
        with Topic.open(topic.name, role=role) as subscriber:
            numbers(topic, 7, 3, length)
            assert int(subscriber.receive_newest()) == 9
            assert subscriber.missed == 3  # of 3 to 9 there were 6 to 9
            numbers(topic, 23, 10, length)
            assert int(subscriber.receive_newest()) == 32
            assert subscriber.missed == 3 + 19
            with pytest.raises(WaitTimeoutError):
                subscriber.receive_newest(0)
            assert subscriber.missed == 3 + 19


@pytest.mark.parametrize("role", ["receive", "observe"])
def test_the_newest_message_counts_those_that_went_for_want_of_memory_as_missed(role: Any) -> None:
    with (
        Topic.create(
            unique_name(), bytes, role="send", capacity=16, largest=4000, memory=3 * 4224
        ) as topic,
        Topic.open(topic.name, role=role) as subscriber,
    ):
        numbers(topic, 10, length=PLACED)
        assert int(subscriber.receive_newest()) == 9
        assert subscriber.missed == 7


def test_senders_wait_for_the_slowest_subscriber_where_that_was_asked_for(length: int) -> None:
    with Topic.create(
        unique_name(), bytes, role="send", capacity=3, slow="wait", history=2
    ) as topic:
        numbers(topic, 5, length=length)  # nobody is there to wait for
        with (
            Topic.open(topic.name, role="receive", history=0) as quick,
            Topic.open(topic.name, role="receive") as slow,
        ):
            assert [int(slow.receive(0)) for _ in range(2)] == [3, 4]
            numbers(topic, 3, 5, length)
            assert received(quick) == [5, 6, 7]
            with pytest.raises(WaitTimeoutError):
                topic.send(b"8", timeout=0.02)
            thread = threading.Thread(target=numbers, args=(topic, 3, 8, length))
            thread.start()
            assert [int(slow.receive(60)) for _ in range(6)] == [5, 6, 7, 8, 9, 10]
            thread.join()
            assert received(quick) == [8, 9, 10] and quick.missed == slow.missed == 0
            numbers(topic, 3, 11, length)
        numbers(topic, 9, 14, length)  # those who closed their ends are not waited for


@pytest.mark.invariant("Q3")
@pytest.mark.parametrize("slow", ["drop", "wait"])
def test_a_message_in_hand_is_never_overwritten(slow: Any) -> None:
    with (
        Topic.create(unique_name(), bytes, role="send", capacity=4, slow=slow) as topic,
        Topic.open(topic.name, role="receive") as subscriber,
    ):
        numbers(topic, 1, length=PLACED)
        kept = subscriber.receive(copy=False)
        for number in range(1, 50):
            numbers(topic, 1, number, PLACED)
            received(subscriber)
        assert int(bytes(kept)) == 0 and subscriber._core.places_in_hand() == (1, [os.getpid()])
        del kept
        assert subscriber._core.places_in_hand()[0] == 0


@pytest.mark.sentence(44)
@pytest.mark.parametrize("slow", ["drop", "wait"])
def test_senders_wait_when_all_places_are_in_hand_and_are_told_by_whom(slow: Any) -> None:
    with (
        Topic.create(
            unique_name(),
            bytes,
            role="send",
            largest=PLACED,
            memory=2 * 4224,
            overflow=False,
            slow=slow,
        ) as topic,
        Topic.open(topic.name, role="receive") as subscriber,
    ):
        numbers(topic, 2, length=2000)
        kept = subscriber.receive_many(2, copy=False)
        topic.send(b"short ones need no place")
        with pytest.raises(WaitTimeoutError, match="2 places are kept in hand by process"):
            topic.send(b"x" * PLACED, timeout=0.02)
        threading.Timer(0.05, kept.pop).start()
        topic.send(b"x" * PLACED, timeout=60)
        assert (
            subscriber.receive() == b"short ones need no place"
            and len(subscriber.receive()) == PLACED
        )


def test_where_memory_is_short_the_oldest_messages_go_earlier() -> None:
    with (
        Topic.create(
            unique_name(), bytes, role="send", capacity=16, largest=4000, memory=3 * 4224
        ) as topic,
        Topic.open(topic.name, role="receive") as subscriber,
    ):
        numbers(topic, 10, length=PLACED)
        assert received(subscriber) == [7, 8, 9] and subscriber.missed == 7


def test_messages_made_in_place_and_read_in_place() -> None:
    with Topic.create(None, np.ndarray, largest=1 << 20) as topic:
        with topic.sending((100, 100), np.uint16) as frame:
            frame[:] = 7
        with topic.receiving(1) as message:
            assert message.value.sum() == 70_000 and not message.value.flags.writeable
            assert (message.number, message.deliveries) == (0, 1)


def test_an_exception_in_a_block_sends_nothing_and_takes_the_message() -> None:
    with Topic.create(None, bytes) as topic:
        with pytest.raises(KeyError), topic.sending(PLACED):
            raise KeyError
        numbers(topic, 2, length=PLACED)
        with pytest.raises(KeyError), topic.receiving():
            raise KeyError
        assert received(topic) == [1] and topic._core.places_in_hand()[0] == 0


@pytest.mark.parametrize("length", [10, 5000])
def test_a_message_that_does_not_fit_the_buffer_is_not_taken(length: int) -> None:
    with (
        Topic.create(unique_name(), bytes) as topic,
        Topic.open(topic.name, role="observe") as observer,
    ):
        numbers(topic, 2, length=length)
        for end in (topic, observer):
            with pytest.raises(ArgumentError, match="the buffer has 3"):
                end.receive_into(bytearray(3))
            assert received(end) == [0, 1] and end.missed == 0


@pytest.mark.parametrize("role", ["receive", "observe"])
def test_a_message_above_largest_has_memory_of_its_own(role: Any) -> None:
    with (
        Topic.create(unique_name(), bytes, role="send", largest=1000, capacity=2) as topic,
        Topic.open(topic.name, role=role) as subscriber,
    ):
        topic.send(b"x" * 100_000)
        assert len(subscriber.receive()) == 100_000
        numbers(topic, 3)
        topic.send(b"y" * 100_000)
        assert (
            int(subscriber.receive()) == 2
            and subscriber.receive() == b"y" * 100_000
            and subscriber.missed == 2
        )
    with (
        Topic.create(None, bytes, largest=1000, overflow=False) as topic,
        pytest.raises(MessageTooLargeError),
    ):
        topic.send(b"x" * 1001)


@pytest.mark.invariant("Q1")
@pytest.mark.parametrize("role", ["receive", "observe"])
def test_the_end_comes_when_it_was_shut_down_or_all_senders_have_gone(role: Any) -> None:
    topic = Topic.create(unique_name(), bytes, role="send")
    with (
        Topic.open(topic.name, role=role) as subscriber,
        Topic.open(topic.name, role=role) as other,
    ):
        numbers(topic, 2)
        topic.close()
        assert [int(value) for value in subscriber] == [0, 1]
        with Topic.open(subscriber.name, role="send") as again:
            numbers(again, 1, 2)
            assert received(subscriber) == [2], "it works again when a sender comes"
            again.shutdown()
            with pytest.raises(EndOfChannelError):
                again.send(b"")
        assert [int(value) for value in other] == [0, 1, 2]
        assert subscriber.wait(0)


@pytest.mark.sentence(43)
def test_an_observer_writes_nothing_and_nobody_waits_for_it() -> None:
    with (
        Topic.create(unique_name(), bytes, capacity=2, slow="wait", role="send") as topic,
        Topic.open(topic.name, role="observe") as observer,
    ):
        assert observer.section.access == "r" and memoryview(observer._view).readonly
        before = bytes(memoryview(topic._view))
        for call in (
            lambda: observer.send(b""),
            lambda: observer.send_many([b""]),
            observer.shutdown,
        ):
            with pytest.raises(AccessError, match="an observer only reads"):
                call()
        with pytest.raises(AccessError), observer.sending(10):
            pass
        assert observer.senders == 1 and observer.receivers == 0
        with pytest.raises(WaitTimeoutError):
            observer.receive(0.01)
        assert bytes(memoryview(topic._view)) == before
        numbers(topic, 20, length=PLACED)
        assert received(observer) == [18, 19] and observer.missed == 18


@pytest.mark.parametrize("observers", [False, True])
def test_an_observer_that_waits_gets_the_next_message(observers: bool) -> None:
    with (
        Topic.create(unique_name(), bytes, role="send", observers=observers) as topic,
        Topic.open(topic.name, role="observe") as observer,
    ):
        threading.Timer(0.05, numbers, (topic, 1)).start()
        assert wait_any([observer], timeout=60) is not None
        assert observer.receive(60) == b"0"
        threading.Timer(0.05, numbers, (topic, 1)).start()
        assert observer.receive(60) == b"0"


def test_values_of_every_spec_arrive() -> None:
    table = {"a": np.arange(5000), "b": "text"}
    with (
        Topic.create(unique_name()) as topic,
        Topic.open(topic.name, object, role="observe") as observer,
    ):
        topic.send(table)
        for end in (topic, observer):
            found = end.receive()
            assert found["b"] == "text" and (found["a"] == table["a"]).all()
        topic.send(table)
        lent = topic.receive(copy=False)["a"]
        assert not lent.flags.writeable and (lent == table["a"]).all()
        with observer.receiving() as message:
            assert (message.value["a"] == table["a"]).all()
    with Topic.create(None, np.dtype([("x", "f8"), ("y", "i4")])) as topic:
        topic.send({"x": 1.5, "y": 2})
        found = topic.receive()
        assert (found["x"], found["y"]) == (1.5, 2)


def test_what_is_not_as_asked_for_is_an_error_that_shows_both() -> None:
    with Topic.create(unique_name(), bytes, slow="wait", history=2) as topic:
        with pytest.raises(ExistsError):
            Topic.create(topic.name, bytes)
        with pytest.raises(ArgumentError, match="wait"):
            Topic.create(topic.name, bytes, history=2, exist_ok=True)
        with Topic.create(topic.name, bytes, slow="wait", history=2, exist_ok=True) as same:
            assert same.slow == "wait" and same.history == 2 and not same.observers
        with pytest.raises(ArgumentError, match="topic"):
            Queue.open(topic.name)
        with pytest.raises(ArgumentError, match="spec"):
            Topic.open(topic.name, object)
        with pytest.raises(AccessError):
            Topic.from_section(Section.open(topic.name, access="r"))
        with Topic.from_section(Section.open(topic.name, access="r"), role="observe") as observer:
            assert observer.role == "observe"
    with Queue.create(unique_name(), bytes) as queue, pytest.raises(ArgumentError, match="queue"):
        Topic.open(queue.name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"history": 65},
        {"history": -1},
        {"slow": "never"},
        {"role": "observe"},
        {"role": "x"},
        {"capacity": 0},
        {"largest": 0},
    ],
)
def test_what_cannot_be_is_refused(wrong: Any) -> None:
    with pytest.raises(ArgumentError):
        Topic.create(None, bytes, **wrong)


def test_a_closed_end_is_an_error_and_what_is_in_hand_stays() -> None:
    topic = Topic.create(unique_name(), bytes)
    observer = Topic.open(topic.name, role="observe")
    numbers(topic, 1, length=PLACED)
    kept = topic.receive(copy=False)
    for end in (topic, observer):
        end.close()
        end.close()
        with pytest.raises(ArgumentError, match="closed"):
            end.receive(0)
        assert end.closed and "closed" in repr(end)
    assert int(bytes(kept)) == 0


def test_eight_threads_on_one_end_get_each_message_once() -> None:
    found: list[int] = []
    with (
        Topic.create(unique_name(), bytes, role="send", capacity=512) as topic,
        Topic.open(topic.name, role="receive") as subscriber,
    ):
        threads = [
            threading.Thread(target=lambda: found.extend(map(int, subscriber))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for number in range(400):
            numbers(topic, 1, number, PLACED if number % 3 else 0)
        topic.shutdown()
        for thread in threads:
            thread.join()
        assert sorted(found) == list(range(400)) and subscriber.missed == 0


class Closes:
    """What closes an end while it is received there."""

    end: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _close, ()


def _close() -> None:
    Closes.end.close()


@pytest.mark.parametrize("role", ["receive", "observe"])
@pytest.mark.parametrize("kind", [Topic, Queue])
def test_an_end_that_what_it_receives_closes_has_what_came_before(kind: Any, role: str) -> None:
    with kind.create(unique_name(), object, role="send") as sender:
        Closes.end = kind.open(sender.name, object, role=role if kind is Topic else "receive")
        for _ in range(3):
            sender.send(Closes())
        assert Closes.end.receive_many(3) == [None]
        assert Closes.end.closed
        Closes.end = None
