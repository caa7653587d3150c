# SPDX-License-Identifier: MIT
"""Random histories of one topic, with subscribers that come, are slow, observe and die, against a
list of what was sent."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.objects import unique_name
from support.workers import fork, kill, reap, stopped_in

from memsection import EndOfChannelError, MessageTooLargeError, WaitTimeoutError
from memsection.channels import Topic

LARGEST = 4000
LENGTHS = st.sampled_from([6, 112, 113, LARGEST])
LARGE = 9000
LOST = b""  #: in the list: a message with memory of its own, whose sender died
HOW = st.sampled_from(["copy", "view", "block", "into", "many", "newest"])


@dataclass
class Subscriber:
    """An end that receives, and what it must get next."""

    end: Topic[bytes]
    next: int
    since: int  #: how many messages had been sent when it was opened
    missed: int = 0
    held: list[Any] = field(default_factory=list)

    @property
    def observes(self) -> bool:
        return self.end.role == "observe"


class TopicHistory(RuleBasedStateMachine):
    """The topic, its ends in this process, and everything that was ever sent."""

    def __init__(self) -> None:
        super().__init__()
        self.senders: list[Topic[bytes]] = []
        self.subscribers: list[Subscriber] = []
        self.sent: list[bytes] = []
        self.down = False

    @initialize(
        capacity=st.integers(1, 5),
        history=st.integers(0, 3),
        slow=st.sampled_from(["drop", "wait"]),
        overflow=st.booleans(),
        observers=st.booleans(),
    )
    def create(
        self, capacity: int, history: int, slow: Any, overflow: bool, observers: bool
    ) -> None:
        self.capacity, self.history = capacity, min(history, capacity)
        self.waits, self.overflow = slow == "wait", overflow
        self.senders.append(
            Topic.create(
                unique_name(),
                bytes,
                role="send",
                capacity=capacity,
                history=self.history,
                largest=LARGEST,
                slow=slow,
                overflow=overflow,
                observers=observers,
            )
        )

    # ------------------------------------------------------------------ what must be

    def value(self, length: int) -> bytes:
        return (b"%d " % len(self.sent)).ljust(length, b"x")

    def oldest(self, subscriber: Subscriber) -> int:
        """The oldest message that is still there for an end."""
        positions = self.capacity + (self.history if self.waits else 0)
        return max(0, len(self.sent) - positions)

    def must_wait(self) -> bool:
        """Whether a subscriber has not had as many messages since it was opened as may wait."""
        return self._is_behind(lambda one: max(one.next, one.since))

    def may_wait(self) -> bool:
        """The same with those of the history: a sender sees how far back a newcomer began with its
        next look, which it may take later."""
        return self._is_behind(lambda one: one.next)

    def _is_behind(self, begin: Callable[[Subscriber], int]) -> bool:
        return self.waits and any(
            len(self.sent) - begin(one) >= self.capacity
            for one in self.subscribers
            if not one.observes
        )

    def sends(self, value: bytes, operation: Any) -> None:
        if self.down:
            with pytest.raises(EndOfChannelError):
                operation()
        elif self.must_wait():
            with pytest.raises(WaitTimeoutError):
                operation()
        else:
            try:
                operation()
            except WaitTimeoutError:
                assert self.may_wait()
            else:
                self.sent.append(value)

    def expected(self, subscriber: Subscriber, newest: bool) -> bytes | None:
        """What the end gets next, None for nothing; what it lost before that is counted."""
        oldest = self.oldest(subscriber)
        if oldest > subscriber.next:
            subscriber.missed += oldest - min(max(subscriber.next, subscriber.since), oldest)
            subscriber.next = oldest
        if newest and subscriber.next < len(self.sent):
            subscriber.next = len(self.sent) - 1
        while subscriber.next < len(self.sent):
            value = self.sent[subscriber.next]
            subscriber.next += 1
            if value is not LOST:
                return value
            subscriber.missed += 1
        return None

    # ------------------------------------------------------------------ sending

    @rule(length=LENGTHS, end=st.integers(0, 9))
    def send(self, length: int, end: int) -> None:
        value = self.value(length)
        self.sends(value, lambda: self.senders[end % len(self.senders)].send(value, 0))

    @rule()
    def send_in_place(self) -> None:
        value = self.value(LARGEST)

        def make() -> None:
            with self.senders[0].sending(LARGEST, timeout=0) as memory:
                memory[:] = value

        self.sends(value, make)

    @rule()
    @precondition(lambda self: not self.down)
    def send_what_is_too_large(self) -> None:
        value = self.value(LARGE)
        if self.overflow:
            self.sends(value, lambda: self.senders[-1].send(value, 0))
        else:
            with pytest.raises(MessageTooLargeError):
                self.senders[-1].send(value, 0)

    @rule(count=st.integers(0, 7), length=LENGTHS)
    @precondition(lambda self: not self.down)
    def send_many(self, count: int, length: int) -> None:
        values = [(b"%d " % (len(self.sent) + n)).ljust(length, b"x") for n in range(count)]
        sent = self.senders[0].send_many(values, 0)
        for value in values:
            if self.must_wait():
                break
            if not sent and self.may_wait():
                break
            self.sent.append(value)
            sent -= 1
        assert sent == 0

    # ------------------------------------------------------------------ receiving

    @rule(end=st.integers(0, 9), how=HOW)
    @precondition(lambda self: self.subscribers)
    def receive(self, end: int, how: str) -> None:
        subscriber = self.subscribers[end % len(self.subscribers)]
        topic, newest = subscriber.end, how == "newest"
        expected = self.expected(subscriber, newest)
        take = topic.receive_newest if newest else topic.receive
        if expected is None:
            with pytest.raises(EndOfChannelError if self.down else WaitTimeoutError):
                take(0)
        elif how in ("copy", "newest"):
            assert take(0) == expected
        elif how == "view":
            assert topic.receive(0, copy=False) == expected
        elif how == "block":
            with topic.receiving(0) as message:
                assert message.value == expected
        elif how == "into":
            target = bytearray(len(expected) + 1)
            assert topic.receive_into(target, 0) == len(expected) and target[:-1] == expected
        else:
            assert topic.receive_many(1, 0) == [expected]
        assert topic.missed == subscriber.missed

    @rule(end=st.integers(0, 9))
    @precondition(lambda self: not any(one.held for one in self.subscribers))
    def keep_in_hand(self, end: int) -> None:
        """One at a time: there are places for as many beside those of all positions."""
        keeping = [one for one in self.subscribers if not one.observes]
        if not keeping:
            return
        subscriber = keeping[end % len(keeping)]
        expected = self.expected(subscriber, False)
        if expected is None:
            with pytest.raises(EndOfChannelError if self.down else WaitTimeoutError):
                subscriber.end.receive(0, copy=False)
        else:
            subscriber.held.append((subscriber.end.receive(0, copy=False), expected))

    @rule()
    def let_go(self) -> None:
        for subscriber in self.subscribers:
            for view, expected in subscriber.held:
                assert view == expected, "nobody writes over a message in hand"
            subscriber.held.clear()

    # ------------------------------------------------------------------ ends that come and go

    @rule(wanted=st.integers(0, 3), role=st.sampled_from(["receive", "observe"]))
    @precondition(lambda self: len(self.subscribers) < 4)
    def subscribe(self, wanted: int, role: Any) -> None:
        wanted = min(wanted, self.history)
        end = Topic.open(self.senders[0].name, bytes, role=role, history=wanted)
        self.subscribers.append(Subscriber(end, max(0, len(self.sent) - wanted), len(self.sent)))

    @rule(end=st.integers(0, 9))
    @precondition(lambda self: self.subscribers)
    def unsubscribe(self, end: int) -> None:
        subscriber = self.subscribers.pop(end % len(self.subscribers))
        for view, expected in subscriber.held:
            assert view == expected
        subscriber.end.close()

    @rule()
    @precondition(lambda self: len(self.senders) < 3)
    def open_a_sender(self) -> None:
        self.senders.append(Topic.open(self.senders[0].name, bytes, role="send"))

    @rule()
    @precondition(lambda self: len(self.senders) > 1)
    def close_a_sender(self) -> None:
        self.senders.pop(0).close()

    @rule()
    def a_subscriber_dies_with_messages_in_hand(self) -> None:
        name, history = self.senders[0].name, self.history

        def child() -> object:
            end = Topic.open(name, bytes, role="receive", history=history)
            held: list[object] = [end]
            with suppress(WaitTimeoutError, EndOfChannelError):  # of what waits some may be lost
                held += [end.receive(0, copy=False)]
                held += [end.receive(0, copy=False)]
            return held

        kill(stopped_in(child))

    @rule(length=st.sampled_from([6, LARGEST, LARGE]))
    @precondition(lambda self: not self.down)
    def a_sender_dies_after_it_sent(self, length: int) -> None:
        if self.may_wait() or (length == LARGE and not self.overflow):
            return
        value, name = self.value(length), self.senders[0].name

        def child() -> None:
            Topic.open(name, bytes, role="send").send(value, 60)
            os.kill(os.getpid(), signal.SIGKILL)

        assert reap(fork(child)) == -signal.SIGKILL
        self.sent.append(LOST if length == LARGE else value)

    @rule()
    @precondition(lambda self: len(self.sent) > 25)
    def shut_down(self) -> None:
        self.senders[0].shutdown()
        self.down = True

    # ------------------------------------------------------------------ at any time

    @invariant()
    def the_living_are_counted(self) -> None:
        if self.senders:
            receivers = sum(not one.observes for one in self.subscribers)
            assert self.senders[0].senders == len(self.senders)
            assert self.senders[0].receivers == receivers

    @invariant()
    def what_was_missed_is_counted(self) -> None:
        for one in self.subscribers:
            assert one.end.missed <= one.missed + max(
                0, self.oldest(one) - max(one.next, one.since)
            )
            assert one.end.missed >= one.missed

    def teardown(self) -> None:
        self.let_go()
        for subscriber in self.subscribers:
            subscriber.end.close()
        for end in self.senders:
            end.close()


TestTopicHistory = TopicHistory.TestCase
TestTopicHistory.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
