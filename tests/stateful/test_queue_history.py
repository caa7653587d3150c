# SPDX-License-Identifier: MIT
"""Random histories of one queue, with ends opened and closed at will and one that dies, against a
deque."""

from __future__ import annotations

import os
import signal
from collections import deque
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.objects import unique_name

from memsection import EndOfChannelError, NoReceiverError, WaitTimeoutError
from memsection.channels import Queue

LENGTHS = st.sampled_from([0, 5, 112, 113, 4000, 9000, 70_000])


class QueueHistory(RuleBasedStateMachine):
    """The queue, its ends in this process, and what must wait in it."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[Queue[bytes]] = []
        self.held: list[Any] = []
        self.waits: deque[bytes] = deque()
        self.number = 0
        self.down = False

    @initialize(capacity=st.integers(1, 5))
    def create(self, capacity: int) -> None:
        self.capacity = capacity
        self.ends.append(Queue.create(unique_name(), bytes, capacity=capacity, memory=400_000))

    def value(self, length: int) -> bytes:
        self.number += 1
        return (b"%d " % self.number).ljust(length, b"x")

    def sends(self, value: bytes, operation: Any) -> None:
        if self.down:
            with pytest.raises(EndOfChannelError):
                operation()
        elif len(self.waits) == self.capacity:
            with pytest.raises((WaitTimeoutError, NoReceiverError)):
                operation()
        else:
            operation()
            self.waits.append(value)

    @rule(length=LENGTHS, end=st.integers(0, 9))
    def send(self, length: int, end: int) -> None:
        value = self.value(length)
        self.sends(value, lambda: self.ends[end % len(self.ends)].send(value, 0))

    @rule(length=st.sampled_from([20, 4000, 60_000]))
    def send_in_place(self, length: int) -> None:
        value = self.value(length)

        def make() -> None:
            with self.ends[0].sending(length, timeout=0) as memory:
                memory[:] = value

        self.sends(value, make)

    @rule(lengths=st.lists(LENGTHS, max_size=6))
    @precondition(lambda self: not self.down)
    def send_many(self, lengths: list[int]) -> None:
        values = [self.value(length) for length in lengths]
        fits = self.capacity - len(self.waits)
        try:
            assert self.ends[-1].send_many(values, 0) == min(len(values), fits)
        except NoReceiverError:
            assert len(values) > fits
        self.waits.extend(values[:fits])

    @rule(end=st.integers(0, 9), how=st.sampled_from(["copy", "view", "block", "into", "many"]))
    def receive(self, end: int, how: str) -> None:
        queue = self.ends[end % len(self.ends)]
        if not self.waits:
            with pytest.raises(
                EndOfChannelError if self.down else (WaitTimeoutError, EndOfChannelError)
            ):
                queue.receive(0)
            return
        expected = self.waits.popleft()
        if how == "copy":
            assert queue.receive(0) == expected
        elif how == "view":
            self.held.append((queue.receive(0, copy=False), expected))
        elif how == "block":
            with queue.receiving(0) as message:
                assert message.value == expected
        elif how == "into":
            target = bytearray(len(expected) + 1)
            assert queue.receive_into(target, 0) == len(expected) and target[:-1] == expected
        else:
            assert queue.receive_many(1, 0) == [expected]

    @rule()
    def let_go(self) -> None:
        for view, expected in self.held:
            assert view == expected
        self.held.clear()

    @rule()
    @precondition(lambda self: len(self.ends) < 5)
    def open(self) -> None:
        self.ends.append(Queue.open(self.ends[0].name, bytes))

    @rule()
    @precondition(lambda self: len(self.ends) > 1)
    def close_one(self) -> None:
        self.ends.pop(0).close()

    @rule(length=st.sampled_from([5, 4000]))
    @precondition(lambda self: self.waits and not self.down)
    def one_dies_with_a_message_in_hand_after_it_sent(self, length: int) -> None:
        value, pid = self.value(length), os.fork()
        if not pid:
            try:
                taken = self.ends[0].receive(0, copy=False)
                self.ends[0].send(value, 0)
                os.kill(os.getpid(), signal.SIGKILL)
                del taken
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        self.waits.popleft()
        self.waits.append(value)

    @rule()
    @precondition(lambda self: self.number > 25)
    def shut_down(self) -> None:
        self.ends[0].shutdown()
        self.down = True

    @invariant()
    def as_many_wait_as_must(self) -> None:
        if self.ends:
            assert len(self.ends[-1]) == len(self.waits)

    def teardown(self) -> None:
        self.let_go()
        for end in self.ends:
            end.close()


TestQueueHistory = QueueHistory.TestCase
TestQueueHistory.settings = settings(
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
