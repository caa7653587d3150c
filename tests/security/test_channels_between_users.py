# SPDX-License-Identifier: MIT
"""Channels among users: who may open which end, what passes between two users, and what the death
of one does to the other."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from support.users import Program

Start = Callable[..., Program]
OWNER, OTHER, STRANGER = 12345, 12346, 12347
NAMES = "from memsection.channels import Client, Queue, Service, Topic"
SIZES = [5, 5000, 300_000]  # in the ring, in a place, in memory of its own


@pytest.fixture
def two(start: Start) -> tuple[Program, Program]:
    """A program of the channel's owner, and one of another user."""
    owner, other = start(OWNER), start(OTHER)
    for program in (owner, other):
        program.run(NAMES)
    return owner, other


MAKE = {
    "queue": "end = Queue.create('Global\\\\c', bytes, role='both', security=security)",
    "topic": "end = Topic.create('Global\\\\c', bytes, history=4, security=security)",
    "service": "end = Service.create('Global\\\\c', bytes, bytes, security=security)",
}
OPEN = {
    "queue": ["Queue.open('Global\\\\c')"],
    "topic": ["Topic.open('Global\\\\c')"],
    "service": ["Service.open('Global\\\\c')", "Client.open('Global\\\\c')"],
}


@pytest.mark.parametrize("kind", MAKE)
def test_who_is_not_named_in_a_channels_security_has_no_end_of_it(
    kind: str, two: tuple[Program, Program]
) -> None:
    owner, other = two
    owner.run(MAKE[kind], security=None)
    for opens in [
        *OPEN[kind],
        *(["Topic.open('Global\\\\c', role='observe')"] if kind == "topic" else []),
    ]:
        refused = other.refusal(opens)
        assert (refused.kind, refused.winerror) == ("AccessError", 5)
    owner.run("end.close()")


@pytest.mark.sentence(31)
@pytest.mark.parametrize("kind", MAKE)
def test_who_may_only_read_has_no_end_that_writes(kind: str, two: tuple[Program, Program]) -> None:
    owner, other = two
    owner.run(MAKE[kind], security="D:(A;;GA;;;OW)(A;;GR;;;WD)")
    for opens in OPEN[kind]:
        assert other.refusal(opens).kind == "AccessError"
        taken = opens.replace(
            "open('Global\\\\c'", "from_section(Section.open('Global\\\\c', access='r')"
        )
        assert other.refusal(taken).kind == "AccessError"
    if kind == "service":
        assert owner.value("end.servers, end.clients") == (1, 0)
    else:
        assert owner.value("end.senders, end.receivers") == (1, 1)
    owner.run("end.close()")


@pytest.mark.sentence(43)
def test_another_user_observes_a_topic_and_its_kernel_lets_it_write_nothing(
    root: str, two: tuple[Program, Program]
) -> None:
    owner, other = two
    owner.run(MAKE["topic"], security="D:(A;;GA;;;OW)(A;;GR;;;WD)")
    owner.run("for i in range(3): end.send(b'%d' % i + b' ' * 5000 * (i % 2))")
    other.run("seen = Topic.open('Global\\\\c', role='observe')")
    assert other.value("[seen.receive(60).strip() for _ in range(3)]") == [b"0", b"1", b"2"]
    owner.run("end.send(b'x' * 300_000)")
    assert other.value("len(seen.receive(60))") == 300_000
    assert other.refusal("seen.send(b'x')").kind == "AccessError"
    assert other.refusal("seen.shutdown()").kind == "AccessError"
    assert other.refusal("os.open(path, os.O_RDWR)", path=f"{root}/memsection.c").errno == 13
    other.refusal(
        "mmap.mmap(seen.section.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)"
    )
    assert owner.value("end.receivers, end.senders") == (1, 1), "no sender learns of it"
    other.run("seen.close()")
    owner.run("end.close()")


EVERYBODY = "D:(A;;GA;;;OW)(A;;GRGW;;;WD)"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["queue", "topic"])
def test_messages_of_any_size_pass_between_users_both_ways(
    kind: str, size: int, two: tuple[Program, Program]
) -> None:
    owner, other = two
    owner.run(MAKE[kind].replace("role='both', ", ""), security=EVERYBODY)
    other.run(f"end = {OPEN[kind][0]}")
    for sender, receiver in ((owner, other), (other, owner)):
        sender.run("end.send(b'x' * size)", size=size)
        assert receiver.value("end.receive(60) == b'x' * size", size=size)
        if kind == "topic":
            sender.run("end.receive(60)")
    for program in (other, owner):
        program.run("end.close()")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("owner_serves", [True, False])
def test_calls_of_any_size_are_answered_between_users(
    owner_serves: bool, size: int, two: tuple[Program, Program]
) -> None:
    owner, other = two
    owner.run(MAKE["service"], security=EVERYBODY)
    client = other
    if owner_serves:
        server = owner
    else:
        server, client = other, owner
        server.run("end = Service.open('Global\\\\c')")
    client.run(
        "client = Client.open('Global\\\\c'); future = client.submit(b'x' * size)", size=size
    )
    server.run(
        "call = end.receive(60); assert call.value == b'x' * size; call.reply(b'y' * size); del "
        "call",
        size=size,
    )
    assert client.value("future.result(60) == b'y' * size", size=size)
    client.run("client.close()")
    if not owner_serves:
        server.run("end.close()")
    owner.run("end.close()")


@pytest.mark.sentence(46)
@pytest.mark.parametrize("kind", ["queue", "topic"])
def test_memory_of_a_large_message_is_for_whom_the_channel_is_for(
    kind: str, root: str, start: Start, two: tuple[Program, Program]
) -> None:
    owner, other = two
    stranger = start(STRANGER)
    owner.run(MAKE[kind], security=f"D:(A;;GA;;;OW)(A;;GRGW;;;S-1-22-1-{OTHER})")
    other.run(f"end = {OPEN[kind][0]}; end.send(b'x' * 300_000)")
    (file,) = [f"{root}/{name}" for name in os.listdir(root) if "message-" in name]
    assert stranger.refusal("os.open(file, os.O_RDONLY)", file=file).errno == 13
    assert owner.refusal("os.open(file, os.O_RDWR)", file=file).errno == 13, (
        "receivers only read it"
    )
    assert owner.value("end.receive(60) == b'x' * 300_000")
    for program in (other, owner):
        program.run("end.close()")


@pytest.mark.sentence(46)
def test_memory_of_a_large_message_that_was_relayed_is_for_whom_the_topic_is_for(
    root: str, start: Start, two: tuple[Program, Program]
) -> None:
    owner, other = two
    stranger = start(STRANGER)
    owner.run(MAKE["topic"], security=f"D:(A;;GA;;;OW)(A;;GRGW;;;S-1-22-1-{OTHER})")
    other.run(
        "from memsection import Section\n"
        "from memsection.channels.relay import Sink\n"
        "sink = Sink.of(Section.open('Global\\c', access='rw'))\n"
        "assert sink.put(b'x' * 300_000, 0)"
    )
    (file,) = [f"{root}/{name}" for name in os.listdir(root) if "message-" in name]
    assert stranger.refusal("os.open(file, os.O_RDONLY)", file=file).errno == 13
    assert owner.value("end.receive(60) == b'x' * 300_000")
    other.run("sink.close()")
    owner.run("end.close()")


@pytest.mark.invariant("Q1")
def test_a_large_message_that_a_killed_user_left_is_named_and_goes_with_its_users_next_program(
    root: str, start: Start, two: tuple[Program, Program]
) -> None:
    owner, other = two
    owner.run(MAKE["queue"], security=EVERYBODY)
    other.run(f"end = {OPEN['queue'][0]}; end.send(b'x' * 300_000)")
    other.kill()
    owner.run("end.send(b'next')")
    assert owner.value("end.receive(60)") == b"next", "what went with its sender is passed over"
    (left,) = owner.value(
        "[(found.name, found.owner, found.problem) for found in nt.kernel.list_directory()"
        " if found.problem]"
    )
    assert "message-" in left[0] and left[1] == str(OTHER)
    assert "goes when its owner next uses a Global name" in left[2]
    (told,) = owner.value(
        "[check.found for check in nt.kernel.diagnose() if check.name == 'left by the killed']"
    )
    assert told.startswith("1 Global") and told.endswith(f"of {OTHER}")
    start(OTHER).run("Section.create('Global\\\\any', 4096).close()")
    assert not [name for name in os.listdir(root) if "message-" in name]
    owner.run("end.close()")


@pytest.mark.sentence(30)
def test_objects_of_another_user_are_read_only_by_who_says_so(two: tuple[Program, Program]) -> None:
    owner, other = two
    refused = {
        "Queue.create('Global\\\\c', security=security)": ["Queue.open('Global\\\\c')"],
        "Topic.create('Global\\\\c', security=security)": [
            "Topic.open('Global\\\\c')",
            "Topic.open('Global\\\\c', role='observe')",
        ],
        "Service.create('Global\\\\c', object, bytes, security=security)": [
            "Service.open('Global\\\\c')"
        ],
        "Service.create('Global\\\\c', bytes, object, security=security)": [
            "Client.open('Global\\\\c')"
        ],
    }
    for creates, opens in refused.items():
        owner.run(f"end = {creates}", security=EVERYBODY)
        for program in (owner, other):  # others may write to it: its owner is as careful
            for one in opens:
                failed = program.refusal(one)
                assert failed.kind == "AccessError" and "run code" in failed.text
        explicit = opens[0].replace(
            "c')", "c', reply=object)" if "Client" in opens[0] else "c', object)"
        )
        other.run(f"{explicit}.close()")
        owner.run("end.close()")


@pytest.mark.invariant("Q1")
@pytest.mark.parametrize("kind", ["queue", "topic"])
def test_another_users_death_with_messages_in_hand_keeps_no_place(
    kind: str, two: tuple[Program, Program]
) -> None:
    owner, other = two
    small = ", capacity=2, largest=3000, memory=8192, overflow=False, security"
    owner.run(
        MAKE[kind].replace(", history=4", "").replace(", security", small), security=EVERYBODY
    )
    other.run(f"end = {OPEN[kind][0]}")
    owner.run("for i in range(2): end.send(b'%d' % i + b' ' * 2900, 60)")
    other.run("kept = [end.receive(20, copy=False) for _ in range(2)]")
    other.kill()
    owner.run("for i in range(6): end.send(b'%d' % i + b' ' * 2900, 60); end.receive(60)")
    owner.run("end.close()")


@pytest.mark.invariant("Q1")
def test_a_client_is_told_of_the_death_of_another_users_server_and_servers_outlive_clients(
    two: tuple[Program, Program],
) -> None:
    owner, other = two
    owner.run(MAKE["service"] + "; client = Client.open('Global\\\\c')", security=EVERYBODY)
    other.run("other = Service.open('Global\\\\c')")
    owner.run("future = client.submit(b'x' * 5000)")
    other.run("call = other.receive(60)")
    other.kill()
    assert owner.refusal("future.result(60)").kind == "PeerDiedError"
    owner.run("future = client.submit(b'again'); end.receive(60).reply(b'yes')")
    assert owner.value("future.result(60)") == b"yes"
    owner.run("client.close(); end.close()")


def test_a_server_outlives_another_users_client_that_dies_with_a_call(
    two: tuple[Program, Program],
) -> None:
    owner, other = two
    owner.run(MAKE["service"], security=EVERYBODY)
    other.run("client = Client.open('Global\\\\c'); future = client.submit(b'x' * 5000)")
    owner.run("call = end.receive(60)")
    other.kill()
    assert owner.value("call.abandoned")
    owner.run(
        "call.reply(b'y' * 300_000); del call; client = Client.open('Global\\\\c'); "
        "end._core.recover()"
    )
    assert owner.value("end.clients, end._core.places_in_hand()[0]") == (1, 0)
    owner.run("client.close(); end.close()")
