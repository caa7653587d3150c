# SPDX-License-Identifier: MIT
"""Death between any two steps of every operation of a channel, with survivors that go on."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
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
BEFORE, VICTIMS = [1, 2], 99  # seeds
TOPIC = 1  # of a shape's flags
Make = Callable[..., Channel]


@pytest.fixture
def make(make_channel: Callable[..., Channel]) -> Make:
    return partial(make_channel, capacity=CAPACITY)


def sweep(
    make: Make,
    body: Callable[[Channel], object],
    audit: Callable[[Channel, End, End, str], None],
    *,
    before: list[int] = BEFORE,
    length: int = SHORT,
    **options: int,
) -> set[str]:
    """Kill a child at its first, second, third ... step until it ends alive; the names of all
    steps."""
    names: set[str] = set()
    for number in range(1, 200):
        channel = make(**options)
        sender, receiver = channel.open(SEND), channel.open(RECEIVE)
        for seed in before:
            assert sender.send(seed, length) == 0
        name = channel.dies_at(number, lambda channel=channel: body(channel))
        audit(channel, sender, receiver, name)
        goes_on(sender, receiver, length)
        sender.close()
        receiver.close()
        if not name:
            return names
        names.add(name)
    raise AssertionError("it never came to its end")


def drained(sender: End, receiver: End, sentinel: int = 77) -> list[int]:
    """What waits, found by sending one more."""
    found = []
    while True:
        result = sender.send(sentinel, timeout_ms=0)
        if result == 0:
            break
        assert result == -errno.ETIMEDOUT, result
        found.append(receiver.receive())
    while (one := receiver.receive()) != sentinel:
        assert one >= 0, one
        found.append(one)
    late = receiver.receive(timeout_ms=120)  # what was given back is found by a look
    return found if late == -errno.ETIMEDOUT else [*found, late]


def goes_on(sender: End, receiver: End, length: int) -> None:
    """After the audit: everything is free, and the whole capacity can be used, in order."""
    receiver.recover()
    assert receiver.busy() == (0, 0)
    for seed in range(CAPACITY):
        assert sender.send(seed, length) == 0
    assert sender.send(9, length, timeout_ms=0) == -errno.ETIMEDOUT
    assert [receiver.receive() for _ in range(CAPACITY)] == list(range(CAPACITY))
    assert receiver.busy() == (0, 0)


@pytest.mark.invariant("Q2")
@pytest.mark.invariant("Q4")
@pytest.mark.parametrize("length", [SHORT, PLACED, LONG])
def test_a_sender_that_dies_anywhere_has_sent_its_message_whole_or_not_at_all(
    make: Make, length: int
) -> None:
    def body(channel: Channel) -> None:
        channel.open(SEND).send(VICTIMS, length)

    def audit(channel: Channel, sender: End, receiver: End, name: str) -> None:
        assert [one for one in drained(sender, receiver) if one != VICTIMS] == BEFORE

    names = sweep(make, body, audit, length=length)
    assert {"send: before claiming a position", "send: before publishing"} <= names
    assert ("send: before queueing the place" in names) == (length > 112)
    assert ("place: before taking a part" in names) == (length == LONG)


@pytest.mark.invariant("Q2")
@pytest.mark.invariant("Q3")
@pytest.mark.parametrize("length", [SHORT, PLACED, LONG])
def test_a_receiver_that_dies_before_it_has_given_the_position_back_has_taken_nothing(
    make: Make, length: int
) -> None:
    def body(channel: Channel) -> None:
        assert channel.open(RECEIVE).receive() == BEFORE[0]

    def audit(channel: Channel, sender: End, receiver: End, name: str) -> None:
        found = drained(sender, receiver)
        gone = (
            name in ("", "receive: given back, before the bell", "place: freed, before the bell")
            or (length == SHORT and name.startswith("bell"))
            or name.startswith("close")
        )
        if length == LONG and name in (
            "place: before freeing its parts",
            "place: before freeing it",
        ):
            gone = True  # from here on it is nobody's message any more
        if name == "receive: given back, before the bell" and length > 112:
            gone = False  # its place says that the call had not returned
        # what is given to another is out of order
        assert sorted(found) == (BEFORE[1:] if gone else BEFORE), name

    names = sweep(make, body, audit, length=length)
    assert {
        "receive: claimed",
        "receive: copied",
        "receive: before giving the position back",
    } <= names


@pytest.mark.invariant("Q3")
@pytest.mark.parametrize("redeliver", [0, 1])
def test_a_receiver_that_dies_with_a_message_in_hand_takes_it_along_unless_it_may_be_redelivered(
    make: Make, redeliver: int
) -> None:
    def body(channel: Channel) -> None:
        end = channel.open(RECEIVE)
        assert end.receive(keep=True) == BEFORE[0]
        end.done()

    def audit(channel: Channel, sender: End, receiver: End, name: str) -> None:
        found = drained(sender, receiver)
        assert set(found) >= {BEFORE[1]} and len(found) == len(set(found))
        held = (
            "receive: held, before giving the position back",
            "receive: before giving the position back",
        )
        if name.startswith("kept") or name in (
            "receive: given back, before the bell",
            "place: before freeing it",
        ):
            assert (BEFORE[0] in found) == bool(redeliver), name
        elif name in (
            "receive: claimed",
            "receive: copied",
            "receive: before holding the place",
            *held,
        ):
            assert sorted(found) == BEFORE, name

    names = sweep(make, body, audit, length=PLACED, redeliver=redeliver)
    assert "kept: before freeing the place" in names


def test_a_message_given_back_for_another_receiver_is_there_after_any_death(make: Make) -> None:
    def body(channel: Channel) -> None:
        end = channel.open(RECEIVE)
        end.receive(keep=True)
        end.done(again=True)
        assert end.receive() == BEFORE[0]

    def audit(channel: Channel, sender: End, receiver: End, name: str) -> None:
        found = drained(sender, receiver)
        assert BEFORE[1] in found and len(found) == len(set(found))
        if name == "again: before taking":
            assert BEFORE[0] in found

    assert {"kept: before sending it again", "again: before taking"} <= sweep(
        make, body, audit, length=PLACED, redeliver=2
    )


@pytest.mark.invariant("Q4")
@pytest.mark.parametrize(
    "at", ["send: before publishing", "receive: copied", "kept: before freeing the place"]
)
def test_whoever_dies_while_it_sets_right_what_the_dead_left_leaves_that_to_the_next(
    make: Make, at: str
) -> None:
    def first(channel: Channel) -> None:
        end = channel.open(BOTH)
        if at.startswith("send"):
            end.send(VICTIMS, LONG)
        elif at.startswith("kept"):
            end.receive(keep=True)
            end.done()
        else:
            end.receive()

    names: set[str] = set()
    for number in range(1, 100):
        channel = make(redeliver=1)
        sender, receiver = channel.open(SEND), channel.open(RECEIVE)
        for seed in BEFORE:
            assert sender.send(seed, LONG) == 0
        assert channel.dies_at(at, lambda channel=channel: first(channel)) == at
        second = channel.dies_at(number, lambda channel=channel: channel.open(BOTH).recover())
        found = drained(sender, receiver)
        assert sorted(found) == BEFORE, (at, second, found)
        goes_on(sender, receiver, LONG)
        if not second:
            break
        names.add(second)
    assert any(name.startswith("recover: before") for name in names)


@pytest.mark.invariant("Q2")
@pytest.mark.invariant("Q3")
@pytest.mark.parametrize("flags", [0, TOPIC], ids=["queue", "topic"])
def test_who_recovers_late_takes_nothing_from_those_who_came_after_the_dead(
    make: Make, flags: int
) -> None:
    """Several may recover one dead end at a time: the slowest finds a position that is another's."""
    channel = make(capacity=1, flags=flags)
    sender, receiver = channel.open(SEND), channel.open(RECEIVE)
    with channel.stopped_at(
        "recover: before looking at a position's place", lambda end: end.recover()
    ) as finish:
        assert channel.dies_at(
            "send: before publishing", lambda: channel.open(SEND).send(VICTIMS, PLACED)
        )
        finish()
        assert receiver.recover() == 1
        assert sender.send(1, PLACED) == 0
    assert receiver.receive() == 1
    assert receiver.busy() == ((0, 0) if flags == 0 else (1, 1))  # a topic keeps its last message


TAKEN, IN_HAND = "receive: copied", "kept: before freeing the place"


@pytest.mark.invariant("Q2")
@pytest.mark.parametrize(
    ("dies_at", "length", "step"),
    [
        (TAKEN, SHORT, "recover: before filling a position again"),
        (TAKEN, SHORT, "recover: before setting the head back"),
        (TAKEN, PLACED, "recover: before setting the head back"),
        (TAKEN, PLACED, "recover: before forgetting the slot"),
        (IN_HAND, PLACED, "recover: before setting a place right"),
        (IN_HAND, PLACED, "recover: before forgetting the slot"),
    ],
)
def test_the_look_before_the_end_finds_what_another_is_just_setting_right(
    make: Make, dies_at: str, length: int, step: str
) -> None:
    channel = make(redeliver=1)
    sender, receiver = channel.open(SEND), channel.open(RECEIVE)
    assert sender.send(1, length) == 0

    def takes() -> None:
        end = channel.open(RECEIVE)
        end.receive(keep=dies_at == IN_HAND)
        end.done()

    with channel.stopped_at(step, lambda end: end.recover()) as recovers:
        assert channel.dies_at(dies_at, takes) == dies_at
        recovers()
        sender.shutdown()
        receiver.recover_all()
        assert receiver.receive(timeout_ms=0) == 1


@pytest.mark.parametrize("length", [SHORT, PLACED])
def test_a_sender_that_is_stopped_in_the_middle_is_waited_for_by_receivers_alone(
    make: Make, length: int
) -> None:
    channel = make()
    sender, receiver = channel.open(SEND), channel.open(RECEIVE)
    with channel.stopped_at(
        "send: before publishing", lambda end: end.send(VICTIMS, length)
    ) as sends:
        sends()
        for seed in range(1, CAPACITY):
            assert sender.send(seed, length) == 0
        assert receiver.receive(timeout_ms=100) == -errno.ETIMEDOUT, "it may still come first"
        assert sender.send(9, length, timeout_ms=0) == -errno.ETIMEDOUT
    assert [receiver.receive() for _ in range(CAPACITY)] == [VICTIMS, 1, 2, 3]
    goes_on(sender, receiver, length)


@pytest.mark.parametrize("length", [SHORT, PLACED])
def test_a_receiver_that_is_stopped_in_the_middle_holds_up_nobody_until_its_position_comes(
    make: Make, length: int
) -> None:
    channel = make()
    sender, receiver = channel.open(SEND), channel.open(RECEIVE)
    assert sender.send(VICTIMS, length) == 0
    with channel.stopped_at("receive: claimed", lambda end: end.receive()) as receives:
        receives()
        for seed in range(1, CAPACITY):  # as many positions as are left in this lap
            assert sender.send(seed, length) == 0
            assert receiver.receive() == seed
        assert receiver.receive(timeout_ms=100) == -errno.ETIMEDOUT
        assert sender.send(9, length, timeout_ms=100) == -errno.ETIMEDOUT
    assert sender.send(9, length) == 0
    assert receiver.receive() == 9, "the other one has what it was taking"
    goes_on(sender, receiver, length)


@pytest.mark.parametrize("what", ["open", "close", "shutdown"])
def test_a_death_in_opening_closing_or_shutting_down_leaves_the_channel_usable(
    make: Make, what: str
) -> None:
    def body(channel: Channel) -> None:
        end = channel.open(BOTH)
        if what == "close":
            end.close()
        if what == "shutdown":
            end.shutdown()

    for number in range(1, 60):
        channel = make()
        sender, receiver = channel.open(SEND), channel.open(RECEIVE)
        assert sender.send(1) == 0
        name = channel.dies_at(number, lambda channel=channel: body(channel))
        assert receiver.receive() == 1
        result = sender.send(2, timeout_ms=0)
        assert result in ((0,) if what != "shutdown" else (0, -errno.EPIPE))
        if result == 0:
            assert receiver.receive() == 2
        else:
            assert receiver.receive(timeout_ms=0) == -errno.EPIPE
        if not name:
            return
    raise AssertionError("it never came to its end")


@pytest.mark.invariant("Q1")
def test_who_waits_for_one_that_dies_is_told(make: Make) -> None:
    channel = make()
    receiver = channel.open(RECEIVE)

    def send_and_die() -> None:
        end = channel.open(SEND)
        end.send(1)
        end.send(2, PLACED)

    assert channel.dies_at(10_000, send_and_die) == ""
    assert [receiver.receive(), receiver.receive(), receiver.receive()] == [1, 2, -errno.ENOTCONN]
    sender = channel.open(SEND)
    assert sender.send(3) == 0 and receiver.receive() == 3, "it works again when a sender comes"
    receiver.close()
    for seed in range(CAPACITY):
        assert sender.send(seed) == 0
    assert sender.send(9) == -errno.ENOTCONN


@pytest.mark.invariant("Q2")
@pytest.mark.invariant("Q3")
def test_a_message_that_is_given_to_another_is_whole_although_its_places_were_used_again(
    make: Make,
) -> None:
    for number in range(1, 60):
        channel = make(small=9)
        sender, receiver = channel.open(SEND), channel.open(RECEIVE)
        assert sender.send(1, LONG) == 0
        name = channel.dies_at(number, lambda channel=channel: channel.open(RECEIVE).receive())
        for seed in (2, 3):  # over every unit that is free
            assert sender.send(seed, LONG) == 0
        receiver.recover()
        found = [receiver.receive() for _ in range(2)]
        found.append(receiver.receive(100))
        assert all(one in (1, 2, 3, -errno.ETIMEDOUT) for one in found), (name, found)
        if not name:
            return
    raise AssertionError("it never came to its end")


def lock_for_reading(channel: Channel) -> int:
    """A description that may only read, with a read lock on every slot."""
    reader = os.open(f"/proc/self/fd/{channel.fd}", os.O_RDONLY)
    base = (1 << 62) + (1 << 32)
    fcntl.fcntl(
        reader, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, base + 3, 2000, 0)
    )
    return reader


@pytest.mark.sentence(32)
def test_who_may_only_read_can_keep_others_from_opening_and_hides_no_death(make: Make) -> None:
    channel = make()
    sender, receiver = channel.open(SEND), channel.open(RECEIVE)
    for seed in BEFORE:
        assert sender.send(seed, LONG) == 0
    assert channel.dies_at(
        "send: before publishing", lambda: channel.open(SEND).send(VICTIMS, LONG)
    )
    reader = lock_for_reading(channel)
    try:
        assert receiver.receive() == 1 and receiver.receive() == 2
        assert receiver.receive(200) == -errno.ETIMEDOUT
        goes_on(sender, receiver, LONG)
        with pytest.raises(AssertionError, match="Too many users"):
            channel.open(BOTH)
    finally:
        os.close(reader)
    channel.open(BOTH).close()
