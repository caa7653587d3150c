# SPDX-License-Identifier: MIT
"""Random histories of one service, with clients that give up and die, and servers that die with
calls, against a list of calls."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from errno import EAGAIN, EPIPE
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.objects import unique_name
from support.workers import fork, kill, reap, stopped_in

from memsection import EndOfChannelError, RemoteError, WaitTimeoutError
from memsection._native import ends
from memsection.channels import Client, Service

LENGTHS = st.sampled_from([7, 112, 113, 4000, 70_000])  # in the cell, in a place, elsewhere


@dataclass
class Asked:
    """A call of this process's: what its client waits with, and what must become of it."""

    client: Client[bytes, bytes]
    asked: Any
    value: bytes
    given_up: bool = False
    result: int = -EAGAIN
    answer: bytes | str | None = None
    of_the_dead: bool = False  #: the answer


class ServiceHistory(RuleBasedStateMachine):
    """The service, its ends in this process, and its calls in the order in which they were asked.

    A call of a child's is None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.servers: list[Service[bytes, bytes]] = []
        self.clients: list[Client[bytes, bytes]] = []
        self.tickets: list[Asked | None] = []  #: what the ring has, given up or not
        self.in_hand: list[tuple[Any, Asked | None]] = []
        self.open: list[Asked] = []  #: what clients here wait for
        self.number = 0
        self.down = False

    @initialize(capacity=st.integers(1, 4), retry=st.integers(0, 1))
    def create(self, capacity: int, retry: int) -> None:
        self.capacity = capacity
        service = Service.create(unique_name(), bytes, bytes, capacity=capacity, retry=retry)
        self.servers.append(service)
        self.clients.append(Client.open(service.name, bytes, bytes))

    def value(self, length: int) -> bytes:
        self.number += 1
        return (b"%d " % self.number).ljust(length, b"x")

    # ------------------------------------------------------------------ clients

    @rule(length=LENGTHS, end=st.integers(0, 9))
    def ask(self, length: int, end: int) -> None:
        client = self.clients[end % len(self.clients)]
        sides, value = client._codec, self.value(length)
        if self.down or len(self.tickets) == self.capacity:
            with pytest.raises(EndOfChannelError if self.down else WaitTimeoutError):
                sides.ask(client._core, sides.parts(value), 0)
            return
        call = Asked(client, sides.ask(client._core, sides.parts(value), 0), value)
        self.tickets.append(call)
        self.open.append(call)

    @rule(which=st.integers(0, 20))
    @precondition(lambda self: self.open)
    def take_the_answer_or_see_what_became_of_it(self, which: int) -> None:
        call = self.open[which % len(self.open)]
        assert call.asked.look() == call.result
        if call.result == -EAGAIN:
            return
        self.open.remove(call)
        sides = call.client._codec
        try:
            if call.result:
                return
            payload = call.asked.take()
            if isinstance(call.answer, str):
                with pytest.raises(RemoteError, match=call.answer):
                    sides.answer(*payload, True)
            else:
                assert sides.answer(*payload, True) == call.answer
        finally:
            sides.end(call.asked)

    @rule(which=st.integers(0, 20))
    @precondition(lambda self: self.open)
    def give_up(self, which: int) -> None:
        call = self.open.pop(which % len(self.open))
        call.client._codec.end(call.asked)
        call.given_up = True

    # ------------------------------------------------------------------ servers

    def waiting(self) -> list[Asked]:
        """The calls that somebody still waits for, and no server has."""
        return [one for one in self.tickets if one is not None and not one.given_up]

    def taken(self) -> Asked | None:
        """What a server gets next; those before it that were given up are gone then."""
        while self.tickets:
            call = self.tickets.pop(0)
            if call is not None and not call.given_up:
                return call
        return None

    @rule(end=st.integers(0, 9), copy=st.booleans())
    def serve(self, end: int, copy: bool) -> None:
        server = self.servers[end % len(self.servers)]
        expected = self.taken()
        if expected is None:
            with pytest.raises(EndOfChannelError if self.down else WaitTimeoutError):
                server.receive(0)
            return
        call = server.receive(0, copy=copy)
        assert call.value == expected.value and not call.abandoned
        self.in_hand.append((call, expected))

    @rule(which=st.integers(0, 20), length=LENGTHS)
    @precondition(lambda self: self.in_hand)
    def reply(self, which: int, length: int) -> None:
        call, asked = self.in_hand.pop(which % len(self.in_hand))
        answer = self.value(length)
        assert call.abandoned == (asked is None or asked.given_up)
        call.reply(answer)
        if asked is not None:
            asked.result, asked.answer = 0, answer

    @rule(which=st.integers(0, 20))
    @precondition(lambda self: self.in_hand)
    def fail(self, which: int) -> None:
        call, asked = self.in_hand.pop(which % len(self.in_hand))
        text = f"failure {self.number}"
        call.fail(ValueError(text))
        if asked is not None:
            asked.result, asked.answer = 0, text

    @rule(which=st.integers(0, 20))
    @precondition(lambda self: self.in_hand)
    def drop(self, which: int) -> None:
        call, asked = self.in_hand.pop(which % len(self.in_hand))
        del call
        if asked is not None:
            asked.result = ends.GONE

    # ------------------------------------------------------------------ ends that come and go

    @rule()
    @precondition(lambda self: len(self.clients) < 3)
    def open_a_client(self) -> None:
        self.clients.append(Client.open(self.servers[0].name, bytes, bytes))

    @rule()
    @precondition(lambda self: len(self.servers) < 3)
    def open_a_server(self) -> None:
        self.servers.append(Service.open(self.servers[0].name, bytes, bytes))

    @rule()
    @precondition(lambda self: len(self.clients) > 1)
    def close_a_client(self) -> None:
        """What it asked goes on: who asked has the call."""
        if any(call.client is self.clients[0] for call in self.open):
            return
        self.clients.pop(0).close()

    @rule(length=LENGTHS, answers=st.booleans())
    @precondition(lambda self: self.tickets and not self.down)
    def a_server_dies_with_a_call(self, length: int, answers: bool) -> None:
        """Or after it has answered: then the answer is there, unless it lay outside the service."""
        if not self.waiting() or (answers and length == 70_000):
            return
        answer, name = self.value(length), self.servers[0].name

        def child() -> None:
            call = Service.open(name, bytes, bytes).receive(60)
            if answers:
                call.reply(answer)
            os.kill(os.getpid(), signal.SIGKILL)

        assert reap(fork(child)) == -signal.SIGKILL
        self.servers[0]._core.recover()
        asked = self.taken()
        assert asked is not None
        asked.result, asked.answer = (0, answer) if answers else (ends.GONE, None)
        asked.of_the_dead = answers

    @rule(length=st.sampled_from([7, 4000]))
    @precondition(lambda self: not self.down and len(self.tickets) < self.capacity)
    def a_client_dies_with_a_call_that_waits(self, length: int) -> None:
        value, name = self.value(length), self.servers[0].name

        def child() -> None:
            client = Client.open(name, bytes, bytes)
            client._codec.ask(client._core, client._codec.parts(value), 0)
            os.kill(os.getpid(), signal.SIGKILL)

        assert reap(fork(child)) == -signal.SIGKILL
        self.servers[0]._core.recover()
        self.tickets.append(None)

    @rule(length=st.sampled_from([7, 4000]), answer=LENGTHS)
    @precondition(lambda self: not self.down and not self.tickets)
    def a_client_dies_with_a_call_in_hand_or_an_answer(self, length: int, answer: int) -> None:
        value, name = self.value(length), self.servers[0].name

        def child() -> object:
            client = Client.open(name, bytes, bytes)
            return client, client._codec.ask(client._core, client._codec.parts(value), 0)

        pid = stopped_in(child)
        call = self.servers[-1].receive(60)
        assert call.value == value and not call.abandoned
        if answer == 113:  # the answer waits when its client dies
            call.reply(self.value(answer))
            assert call.given().is_there
            kill(pid)
            assert not call.given().is_there
        else:
            kill(pid)
            assert call.abandoned
            self.in_hand.append((call, None))

    @rule(immediate=st.booleans())
    @precondition(lambda self: self.number > 20)
    def shut_down(self, immediate: bool) -> None:
        self.servers[0].shutdown(immediate and not self.tickets)
        self.down = True

    # ------------------------------------------------------------------ at any time

    @invariant()
    def nobody_waits_for_what_is_over(self) -> None:
        for call in self.open:
            assert call.asked.look() in (call.result, -EPIPE if self.down else call.result)

    @invariant()
    def nothing_is_kept_in_hand_but(self) -> None:
        """Requests that were not copied; and the answers of dead servers are their clients'."""
        values = [call.value for call, _ in self.in_hand if isinstance(call.value, memoryview)]
        values += [call.answer for call in self.open if call.of_the_dead]
        if self.servers:
            kept = sum(112 < len(value) < 70_000 for value in values)
            assert self.servers[0]._core.places_in_hand()[0] == kept

    @invariant()
    def the_living_are_counted(self) -> None:
        if self.servers:
            counted = self.clients[0].servers, self.clients[0].clients
            assert counted == (len(self.servers), len(self.clients))

    def teardown(self) -> None:
        for call in self.open:
            call.client._codec.end(call.asked)
            call.given_up = True
        self.in_hand.clear()
        if self.servers:
            self.nothing_is_left()
        for end in (*self.clients, *self.servers):
            end.close()

    def nothing_is_left(self) -> None:
        """Neither a place, nor a call, nor a position."""
        server, client = self.servers[0], self.clients[0]
        with pytest.raises(EndOfChannelError if self.down else WaitTimeoutError):
            server.receive(0)
        assert server._core.places_in_hand()[0] == 0
        if not self.down:
            last = [
                client._codec.ask(client._core, client._codec.parts(b"x" * 4000), 0)
                for _ in range(self.capacity)
            ]
            for asked in last:
                server.receive(0).reply(b"y")
                assert asked.look() == 0
                client._codec.end(asked)


TestServiceHistory = ServiceHistory.TestCase
TestServiceHistory.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
