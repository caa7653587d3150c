# SPDX-License-Identifier: MIT
"""Death between any two steps of every operation of a topic, with survivors that go on."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import partial

import pytest

if sys.platform != "linux":
    pytest.skip("channels exist on Linux only", allow_module_level=True)

from native.channel_steps import BOTH, RECEIVE, SEND, Channel, End
from native.compiling import needs_compiler

pytestmark = needs_compiler

SHORT, PLACED, LONG = 64, 3000, 12000  # bytes: in the ring, in one unit, in three
CAPACITY = 4
TOPIC, WAITS, OBSERVED = 1, 3, 5
BEFORE, VICTIMS, SENTINEL = [1, 2], 99, 77  # seeds
Make = Callable[..., Channel]


@pytest.fixture
def make(make_channel: Callable[..., Channel]) -> Make:
    return partial(make_channel, capacity=CAPACITY, flags=TOPIC)


def used(channel: Channel, length: int) -> tuple[End, End]:
    """A sender and a subscriber of a topic whose positions all had a message before, and two that
    wait."""
    sender, subscriber = channel.open(SEND), channel.open(RECEIVE)
    for seed in range(10, 10 + 2 * CAPACITY):
        assert sender.send(seed, length) == 0 and subscriber.receive() == seed
    for seed in BEFORE:
        assert sender.send(seed, length) == 0
    return sender, subscriber


def sweep(
    make: Make,
    body: Callable[[Channel], object],
    *,
    length: int,
    may_add: bool = False,
    **options: int,
) -> set[str]:
    """Kill a child at its first, second, third ... step until it ends alive; the names of all
    steps.

    Each time the subscriber has to get what was sent before, the victim's message whole or not at
    all, and what is sent after.
    """
    names: set[str] = set()
    for number in range(1, 200):
        channel = make(**options)
        sender, subscriber = used(channel, length)
        name = channel.dies_at(number, lambda channel=channel: body(channel))
        assert sender.send(SENTINEL, length) == 0, name
        found = []
        while (one := subscriber.receive()) != SENTINEL:
            assert one >= 0, (name, os.strerror(-one))
            found.append(one)
        assert [one for one in found if one != VICTIMS] == BEFORE, name
        assert found in (BEFORE, [*BEFORE, VICTIMS]) if may_add else found == BEFORE, (name, found)
        goes_on(sender, subscriber, length, name)
        sender.close()
        subscriber.close()
        if not name:
            return names
        names.add(name)
    raise AssertionError("it never came to its end")


def goes_on(sender: End, subscriber: End, length: int, name: str) -> None:
    """Every position and all of the memory can be used again, and nothing is in the hands of the
    dead."""
    for seed in range(3 * CAPACITY):
        assert sender.send(seed, length) == 0 and subscriber.receive() == seed, name
    subscriber.recover()
    sender.recover()
    assert subscriber.unsettled() == 0, name
    assert subscriber.missed() == 0, name


@pytest.mark.invariant("Q2")
@pytest.mark.invariant("Q4")
@pytest.mark.parametrize("flags", [TOPIC, WAITS, OBSERVED])
@pytest.mark.parametrize("length", [SHORT, PLACED, LONG])
def test_a_sender_that_dies_anywhere_has_sent_its_message_whole_or_not_at_all(
    make: Make, length: int, flags: int
) -> None:
    names = sweep(
        make,
        lambda channel: channel.open(SEND).send(VICTIMS, length),
        length=length,
        may_add=True,
        flags=flags,
    )
    assert {"send: before claiming a position", "send: before publishing"} <= names
    if length > 112:
        assert {
            "place: before taking it out of the ring",
            "send: place named",
            "send: before queueing the place",
        } <= names


@pytest.mark.invariant("Q3")
@pytest.mark.parametrize("flags", [TOPIC, WAITS])
def test_a_sender_that_dies_while_it_makes_room_leaves_no_place_behind(
    make: Make, flags: int
) -> None:
    names: set[str] = set()
    for number in range(1, 100):
        channel = make(flags=flags, small=6)  # for two messages
        sender, subscriber = channel.open(SEND), channel.open(RECEIVE)
        for seed in BEFORE:
            assert sender.send(seed, LONG) == 0 and subscriber.receive() == seed
        name = channel.dies_at(
            number, lambda channel=channel: channel.open(SEND).send(VICTIMS, LONG)
        )
        assert sender.send(SENTINEL, LONG) == 0, name
        assert subscriber.receive() in (VICTIMS, SENTINEL)
        for seed in range(10, 20):
            assert sender.send(seed, LONG) == 0, name
            while subscriber.receive() != seed:
                pass
        subscriber.recover()
        sender.recover()
        assert subscriber.unsettled() == 0, name
        names.add(name)
        if not name:
            assert {
                "room: before taking a message out",
                "room: taken out, before its place",
            } <= names
            return
    raise AssertionError("it never came to its end")


@pytest.mark.invariant("Q3")
@pytest.mark.invariant("Q4")
@pytest.mark.parametrize("flags", [TOPIC, WAITS])
@pytest.mark.parametrize("length", [SHORT, PLACED, LONG])
def test_a_subscriber_that_dies_anywhere_disturbs_nobody_and_holds_nothing(
    make: Make, length: int, flags: int
) -> None:
    def body(channel: Channel) -> None:
        end = channel.open(RECEIVE)
        end.rewind(2)
        assert end.receive(keep=True) == BEFORE[0]
        if length != SHORT:
            end.done()
        assert end.receive() == BEFORE[1]
        end.close()

    names = sweep(make, body, length=length, flags=flags, history=2)
    if length != SHORT:
        assert {
            "receive: before holding the place",
            "receive: holding the place, before looking again",
            "receive: let go, before freeing the place",
        } <= names


@pytest.mark.invariant("Q3")
@pytest.mark.parametrize("length", [PLACED, LONG])
def test_a_place_that_left_the_ring_in_the_hands_of_one_who_dies_is_free(
    make: Make, length: int
) -> None:
    names: set[str] = set()
    for number in range(1, 300):
        channel = make(history=2)
        sender, subscriber = used(channel, length)

        def body(channel: Channel = channel) -> None:
            end = channel.open(BOTH)
            end.rewind(2)
            assert end.receive(keep=True) == BEFORE[0]
            for seed in range(30, 36):
                assert end.send(seed, length) == 0
            end.done()

        name = channel.dies_at(number, body)
        assert sender.send(SENTINEL, length) == 0
        while subscriber.receive() != SENTINEL:
            pass
        for seed in range(3 * CAPACITY):
            assert sender.send(seed, length) == 0 and subscriber.receive() == seed, name
        subscriber.recover()
        sender.recover()
        assert subscriber.unsettled() == 0, name
        names.add(name)
        if not name:
            assert {
                "place: before leaving it",
                "place: left, before looking again",
                "place: before taking what was left",
            } <= names
            return
    raise AssertionError("it never came to its end")


@pytest.mark.invariant("Q4")
@pytest.mark.parametrize(
    "at",
    [
        "send: before publishing",
        "send: before taking the old place out",
        "receive: let go, before freeing the place",
        "receive: holding the place, before looking again",
    ],
)
def test_whoever_dies_while_it_sets_right_what_the_dead_left_leaves_that_to_the_next(
    make: Make, at: str
) -> None:
    def first(channel: Channel) -> None:
        end = channel.open(BOTH)
        if at.startswith("send"):
            end.send(VICTIMS, LONG)
        end.rewind(2)
        end.receive(keep=True)
        end.done()

    for number in range(1, 100):
        channel = make(history=2)
        sender, subscriber = used(channel, LONG)
        assert channel.dies_at(at, lambda channel=channel: first(channel)) == at
        second = channel.dies_at(number, lambda channel=channel: channel.open(BOTH).recover())
        assert [subscriber.receive() for _ in BEFORE] == BEFORE
        goes_on(sender, subscriber, LONG, second)
        if not second:
            return
    raise AssertionError("it never came to its end")


@pytest.mark.invariant("Q1")
def test_a_subscriber_whose_sender_dies_is_told_and_a_sender_without_subscribers_goes_on(
    make: Make,
) -> None:
    channel = make(flags=WAITS)
    subscriber = channel.open(RECEIVE)
    assert channel.dies_at(10_000, lambda: [channel.open(SEND).send(seed) for seed in BEFORE]) == ""
    assert [subscriber.receive() for _ in range(3)] == [*BEFORE, -errno.ENOTCONN]
    sender = channel.open(SEND)
    assert sender.send(3) == 0 and subscriber.receive() == 3, "it works again when a sender comes"
    for seed in range(CAPACITY):
        assert sender.send(seed) == 0
    assert sender.send(9, timeout_ms=0) == -errno.ETIMEDOUT
    subscriber.close()
    for seed in range(3 * CAPACITY):
        assert sender.send(seed) == 0
