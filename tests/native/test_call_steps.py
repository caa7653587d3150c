# SPDX-License-Identifier: MIT
"""Death between any two steps of every operation of a service: calls are answered once, or told of,
and nothing stays taken.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from functools import partial

import pytest

if sys.platform != "linux":
    pytest.skip("channels exist on Linux only", allow_module_level=True)

from native.channel_steps import RECEIVE, SEND, Channel, End
from native.compiling import needs_compiler

pytestmark = needs_compiler

SHORT, PLACED, LONG = 64, 3000, 12000  # bytes: in the cell, in one unit, in three
CAPACITY, CALLS = 4, 6
SURVIVOR, VICTIM = 5, 99  # seeds
Make = Callable[[], Channel]


@pytest.fixture
def make(make_channel: Callable[..., Channel]) -> Make:
    return partial(make_channel, capacity=CAPACITY, calls=CALLS)


def served(server: End, length: int) -> list[int]:
    """Answer whatever waits."""
    found = []
    while (seed := server.take(timeout_ms=0)) >= 0:
        found.append(seed)
        server.reply(length)
    assert seed == -errno.ETIMEDOUT, seed
    return found


def goes_on(client: End, server: End, length: int) -> None:
    """Everything is free, and as many calls as ever can be asked and answered."""
    server.recover()
    client.recover()
    served(server, length)  # tickets of the dead
    assert (server.busy(), server.cells()) == ((0, 0), 0)
    for seed in range(CAPACITY):
        assert client.ask(seed, length) == 0 and server.take() == seed and server.reply(length) == 0
        assert client.answer() == seed
    assert (server.busy(), server.cells()) == ((0, 0), 0)


def sweep(
    make: Make,
    body: Callable[[Channel], object],
    audit: Callable[[End, End, str], None],
    length: int,
) -> set[str]:
    """Kill a child at its first, second, third ... step until it ends alive; the names of all
    steps.
    """
    names: set[str] = set()
    for number in range(1, 200):
        channel = make()
        client, server = channel.open(SEND), channel.open(RECEIVE)
        assert client.ask(SURVIVOR, length) == 0
        name = channel.dies_at(number, lambda channel=channel: body(channel))
        audit(client, server, name)
        goes_on(client, server, length)
        if not name:
            return names
        names.add(name)
    raise AssertionError("it never came to its end")


@pytest.mark.invariant("Q4")
@pytest.mark.invariant("Q6")
@pytest.mark.parametrize("length", [SHORT, PLACED, LONG])
def test_a_server_that_dies_anywhere_has_answered_or_its_client_is_told(
    make: Make, length: int
) -> None:
    outcomes: dict[str, int] = {}

    def body(channel: Channel) -> None:
        server = channel.open(RECEIVE)
        assert server.take() == SURVIVOR
        assert server.reply(length) == 0

    def audit(client: End, server: End, name: str) -> None:
        server.recover()
        again = served(server, length)
        outcome = client.answer()
        assert outcome in (SURVIVOR, -errno.ENOTCONN, -errno.ESTALE), (name, outcome)
        assert again in ([], [SURVIVOR]) and (outcome == SURVIVOR or not again)
        outcomes[name] = outcome

    names = sweep(make, body, audit, length)
    assert {
        "serve: taking",
        "serve: before giving the position back",
        "serve: in hand",
        "serve: before answering",
    } <= names
    assert outcomes["serve: before taking"] == SURVIVOR, (
        "nobody had it: another server has answered"
    )
    assert outcomes["serve: taking"] == outcomes["serve: before having it in hand"] == -errno.ESTALE
    assert outcomes["serve: in hand"] == outcomes["serve: before answering"] == -errno.ENOTCONN
    assert outcomes["serve: answered, before the bell"] == outcomes[""] == SURVIVOR


@pytest.mark.invariant("Q3")
@pytest.mark.invariant("Q4")
@pytest.mark.parametrize("length", [SHORT, PLACED, LONG])
def test_a_client_that_dies_anywhere_leaves_no_call_and_no_place_behind(
    make: Make, length: int
) -> None:
    def body(channel: Channel) -> None:
        client, server = channel.open(SEND), channel.open(RECEIVE)
        assert client.ask(VICTIM, length) == 0
        assert server.take() == SURVIVOR and server.reply(length) == 0
        assert server.take() == VICTIM and server.reply(length) == 0
        assert client.answer() == VICTIM

    def audit(client: End, server: End, name: str) -> None:
        server.recover()
        served(server, length)
        assert client.answer() in (SURVIVOR, -errno.ENOTCONN, -errno.ESTALE), name

    names = sweep(make, body, audit, length)
    assert {
        "call: before claiming a cell",
        "call: before its ticket",
        "call: answer copied",
        "call: before ending it",
    } <= names
    assert ("call: before holding the place" in names) == (length > 112)


@pytest.mark.invariant("Q6")
@pytest.mark.parametrize("when", ["waiting", "in hand", "answered"])
@pytest.mark.parametrize("length", [SHORT, LONG])
def test_a_death_while_a_call_is_given_up_leaves_nothing(
    make: Make, length: int, when: str
) -> None:
    def body(channel: Channel) -> None:
        client, server = channel.open(SEND), channel.open(RECEIVE)
        assert server.take() == SURVIVOR and server.reply(length) == 0
        assert client.ask(VICTIM, length) == 0
        if when != "waiting":
            assert server.take() == VICTIM
        if when == "answered":
            assert server.reply(length) == 0
        client.cancel()
        if when == "in hand":
            assert server.reply(length) == -errno.ESTALE, "an answer that nobody waits for"

    def audit(client: End, server: End, name: str) -> None:
        server.recover()
        assert VICTIM not in served(server, length) or name, "it was given up"
        assert client.answer() in (SURVIVOR, -errno.ENOTCONN, -errno.ESTALE), name

    sweep(make, body, audit, length)


@pytest.mark.invariant("Q4")
@pytest.mark.parametrize(
    "at",
    [
        "serve: taking",
        "serve: in hand",
        "serve: answered, before the bell",
        "call: answer copied",
        "call: before freeing the cell",
    ],
)
def test_whoever_dies_while_it_sets_calls_of_the_dead_right_leaves_that_to_the_next(
    make: Make, at: str
) -> None:
    def first(channel: Channel) -> None:
        client, server = channel.open(SEND), channel.open(RECEIVE)
        assert client.ask(VICTIM, LONG) == 0
        for seed in (SURVIVOR, VICTIM):
            assert server.take() == seed and server.reply(LONG) == 0
        client.answer()

    names: set[str] = set()
    for number in range(1, 200):
        channel = make()
        client, server = channel.open(SEND), channel.open(RECEIVE)
        assert client.ask(SURVIVOR, LONG) == 0
        assert channel.dies_at(at, lambda channel=channel: first(channel)) == at
        second = channel.dies_at(number, lambda channel=channel: channel.open(RECEIVE).recover())
        server.recover()
        served(server, LONG)
        assert client.answer() in (SURVIVOR, -errno.ENOTCONN, -errno.ESTALE), (at, second)
        goes_on(client, server, LONG)
        if not second:
            break
        names.add(second)
    assert "recover: before setting a call right" in names


@pytest.mark.invariant("Q6")
def test_a_late_answer_reaches_no_other_call(make: Make) -> None:
    channel = make()
    client, server, other = channel.open(SEND), channel.open(RECEIVE), channel.open(RECEIVE)
    assert client.ask(1) == 0 and server.take() == 1
    client.cancel()
    assert client.ask(2) == 0 and other.take() == 2
    assert server.reply() == -errno.ESTALE
    assert other.reply() == 0 and client.answer() == 2
    assert client.ask(3) == 0
    client.cancel()
    assert client.ask(4) == 0
    assert server.take() == 4, "what was given up before anybody had it is given to nobody"
    assert server.drop() == 0 and client.answer() == -errno.ENOTCONN
    assert client.ask(5) == 0 and server.take() == 5 and server.drop(again=True) == 0
    assert client.answer() == -errno.ESTALE
    goes_on(client, server, SHORT)


@pytest.mark.invariant("Q4")
@pytest.mark.parametrize("length", [SHORT, PLACED, LONG])
def test_a_call_that_is_given_up_at_any_step_of_its_server_is_no_damage(
    make: Make, length: int
) -> None:
    names: set[str] = set()
    for number in range(1, 200):
        channel = make()
        client, server = channel.open(SEND), channel.open(RECEIVE)
        assert client.ask(1, length) == 0
        results: list[int] = []

        def serves(server: End = server, results: list[int] = results) -> None:
            results.append(server.take(timeout_ms=0))
            if results == [1]:
                results.append(server.reply(length))

        name = channel.meanwhile(number, client.cancel, serves)
        assert results in ([1, 0], [1, -errno.ESTALE], [-errno.ETIMEDOUT]), (name, results)
        if not name:
            client.cancel()
        goes_on(client, server, length)
        if not name:
            break
        names.add(name)
    assert {"serve: before taking", "serve: taking", "serve: before having it in hand"} <= names
    assert length == SHORT or "call: before holding the place" in names


@pytest.mark.invariant("Q1")
def test_who_waits_for_an_answer_is_told_when_nobody_is_left(make: Make) -> None:
    channel = make()
    client = channel.open(SEND)
    assert client.ask(1) == 0 and client.answer(timeout_ms=30) == -errno.ETIMEDOUT, (
        "somebody may still come"
    )
    assert channel.dies_at(10_000, lambda: channel.open(RECEIVE)) == ""
    assert client.ask(2) == 0 and client.answer() == -errno.ENOTCONN
    server = channel.open(RECEIVE)
    assert client.ask(3) == 0 and server.take() == 3
    server.close()
    assert client.answer(timeout_ms=120) == -errno.ETIMEDOUT, (
        "its end was closed, and the call is still in hand"
    )
    assert client.ask(4) == 0 and server.reply() == -errno.ESTALE
    assert client.answer() == -errno.ENOTCONN


def test_as_many_calls_as_there_are_cells_and_not_one_more(make: Make) -> None:
    channel = make()
    client, server = [channel.open(SEND) for _ in range(CALLS + 1)], channel.open(RECEIVE)
    for seed in range(CAPACITY):
        assert client[seed].ask(seed) == 0
    assert client[CAPACITY].ask(4, timeout_ms=0) == -errno.ETIMEDOUT, "the ring is full"
    servers = [channel.open(RECEIVE) for _ in range(CALLS)]
    assert [servers[i].take() for i in range(CAPACITY)] == list(range(CAPACITY))
    for seed in range(CAPACITY, CALLS):
        assert client[seed].ask(seed) == 0
    assert client[CALLS].ask(6, timeout_ms=0) == -errno.ETIMEDOUT, "the cells are taken"
    assert server.take() == CAPACITY
    assert servers[0].reply() == 0 and client[0].answer() == 0
    assert client[CALLS].ask(6) == 0
    for one in servers[1:CAPACITY]:
        one.drop()
    server.drop()
