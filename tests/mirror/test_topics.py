# SPDX-License-Identifier: MIT
"""Topics between two hosts over loopback: which messages arrive, for whom, and what a slow
subscriber misses."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from support.hosts import Host

from memsection.mirror import contents, wire
from memsection.vocabulary.errors import CorruptError

TOPICS = "from memsection.channels import Topic"


def _publish(robot: Host, made: str = "Topic.create('prices', bytes)") -> None:
    robot.run(
        f"{TOPICS}\ntopic = keep({made})\npublication = keep(mirror.publish('prices', network=net))"
    )


def _subscribe(base: Host, **options: object) -> None:
    base.run(
        f"{TOPICS}\nreplica = keep(mirror.subscribe('robot/prices', network=net, **options))",
        options=options,
    )
    assert base.value("replica.wait(timeout=60)"), base.value(
        "(replica.state, str(replica.problem))"
    )


def test_every_message_arrives_in_order(robot: Host, base: Host) -> None:
    _publish(robot)
    _subscribe(base)
    assert base.value("(replica.state, replica.sequence)") == ("live", 1)
    base.run("here = keep(Topic.open('prices', role='receive'))")
    for number in range(5):
        robot.run(f"topic.send(b'message {number}')")
        assert base.value("here.receive(timeout=60)") == b"message %d" % number
    assert base.value("until(lambda: replica.sequence == 6)")
    assert base.value("replica.epoch") == robot.value("publication.epoch")
    assert base.value("replica.statistics")["missed"] == 0


def test_a_burst_arrives_whole(robot: Host, base: Host) -> None:
    _publish(robot, "Topic.create('prices', bytes, capacity=4096)")
    _subscribe(base)
    base.run("here = keep(Topic.open('prices', role='receive'))")
    robot.run("for n in range(3000): topic.send(n.to_bytes(4, 'little') * (1 + n % 200))")
    base.run(
        "found = [here.receive(timeout=60) for _ in range(3000)]\n"
        "right = all(one == n.to_bytes(4, 'little') * (1 + n % 200) for n, one in enumerate(found))"
    )
    assert base.value("(right, here.missed, replica.sequence)") == (True, 0, 3001)


def test_arrays_tables_and_records_arrive_as_what_they_are(robot: Host, base: Host) -> None:
    robot.run(
        f"{TOPICS}\nimport numpy as np, pyarrow as pa\n"
        "a = keep(Topic.create('arrays', np.ndarray, largest=1000)); t = "
        "keep(Topic.create('tables', 'arrow'))\n"
        "r = keep(Topic.create('dots', np.dtype([('x', '<i4'), ('y', '<f8')])))\n"
        "for one in (a, t, r): keep(mirror.publish(one, network=net))"
    )
    for name in ("arrays", "tables", "dots"):
        base.run(
            f"{TOPICS}\nreplica = keep(mirror.subscribe('robot/{name}', network=net))\n"
            f"assert replica.wait(timeout=60)\n{name} = keep(Topic.open('{name}', role='receive'))"
        )
    robot.run(
        "a.send(np.arange(6.0).reshape(2, 3)); a.send(np.arange(3_000_000)); t.send(pa.table({'x': "
        "[1, 2]}))\n"
        "r.send({'x': 7, 'y': 0.5})"
    )
    base.run("small, large = arrays.receive(60), arrays.receive(60)")
    assert base.value("(small.tolist(), small.dtype.str, large.shape, int(large[-1]))") == (
        [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
        "<f8",
        (3_000_000,),
        2_999_999,
    )
    assert base.value("tables.receive(60).column('x').to_pylist()") == [1, 2]
    assert base.value("dots.receive(60)") == {"x": 7, "y": 0.5}


def test_who_comes_late_gets_the_history(robot: Host, base: Host) -> None:
    _publish(robot, "Topic.create('prices', bytes, history=2)")
    robot.run("for n in range(9): topic.send(b'%d' % n)")
    _subscribe(base)
    base.run("here = keep(Topic.open('prices', role='receive'))")
    assert base.value("[here.receive(60), here.receive(60)]") == [b"7", b"8"]
    robot.run("topic.send(b'next')")
    assert base.value("here.receive(60)") == b"next"


def test_a_slow_link_carries_the_newest(robot: Host, base: Host) -> None:
    """A stopped subscriber is the slowest link; senders do not wait for it, also where they wait
    for subscribers."""
    _publish(robot, "Topic.create('prices', bytes, largest=3_000_000, capacity=4, slow='wait')")
    _subscribe(base)
    os.kill(base.pid, signal.SIGSTOP)
    try:
        robot.run(
            "for n in range(40):\n    topic.send(bytes([n]) * 3_000_000, timeout=60)\n    "
            "time.sleep(0.005)"
        )
    finally:
        os.kill(base.pid, signal.SIGCONT)
    base.run("here = keep(Topic.open('prices', role='receive'))")
    robot.run("topic.send(b'end')")
    base.run(
        "found = [here.receive(60)]\nwhile found[-1] != b'end': found.append(here.receive(60))"
    )
    assert base.value("all(one == one[:1] * len(one) for one in found[:-1])")
    numbers = base.value("[one[0] for one in found[:-1]]")
    assert numbers == sorted(set(numbers))
    assert base.value("(replica.sequence, here.missed)") == (42, 0)
    assert base.value("replica.statistics['missed'] > 0")


def test_what_is_sent_while_a_subscriber_is_stopped_arrives_when_it_goes_on(
    robot: Host, base: Host
) -> None:
    _publish(robot, "Topic.create('prices', bytes, capacity=1024)")
    _subscribe(base)
    base.run("here = keep(Topic.open('prices', role='receive'))")
    os.kill(base.pid, signal.SIGSTOP)
    try:
        robot.run("for n in range(700): topic.send(b'%d' % n)")
    finally:
        os.kill(base.pid, signal.SIGCONT)
    base.run("found = [here.receive(60) for _ in range(700)]")
    assert base.value("found == [b'%d' % n for n in range(700)]")
    assert base.value("replica.statistics['missed']") == 0


def test_subscribers_that_keep_everything_in_hand_hold_up_nobody(robot: Host, base: Host) -> None:
    _publish(robot, "Topic.create('prices', bytes, capacity=2, largest=100_000, overflow=False)")
    _subscribe(base)
    base.run("here = keep(Topic.open('prices', role='receive')); kept = []")
    robot.run("def send(n): topic.send(bytes([n]) * 100_000)")
    for number in range(6):
        robot.run("send(number)", number=number)
        assert base.value("until(lambda: replica.sequence == n)", n=number + 2)
        base.run("while here.wait(0): kept.append(here.receive(0, copy=False))")
    assert base.value("replica.statistics['missed'] > 0 and kept[0][0] == 0")
    base.run("del kept[:]")
    robot.run("send(7)")
    assert base.value("here.receive(60)[0]") == 7


def test_a_replica_of_a_topic_is_only_received_from(robot: Host, base: Host) -> None:
    _publish(robot)
    _subscribe(base)
    refused = base.refusal("Topic.open('prices', role='send')")
    assert refused.kind == "AccessError" and "publishes itself" in str(refused)
    base.run(
        "both = keep(Topic.open('prices')); observer = keep(Topic.open('prices', role='observe'))"
    )
    assert base.value("both.role") == "receive"
    for use in ("send(b'x')", "send_many([b'x'])", "sending(1)", "shutdown()"):
        assert base.refusal(f"both.{use}").kind == "AccessError"
    assert base.refusal("asyncio.run(both.send_async(b'x'))").kind == "AccessError"
    robot.run("topic.send(b'price')")
    assert base.value("(both.receive(60), observer.receive(60))") == (b"price", b"price")


@pytest.mark.sentence(37)
def test_objects_do_not_travel(robot: Host) -> None:
    robot.run(f"{TOPICS}\ntopic = keep(Topic.create('any', object))")
    refused = robot.refusal("mirror.publish(topic, network=net)")
    assert refused.kind == "ArgumentError" and "unpickles" in str(refused)
    robot.run(
        "prices = keep(Topic.create('prices', bytes)); publication = keep(mirror.publish(prices, "
        "network=net))"
    )
    assert robot.refusal("publication.commit()").kind == "ArgumentError"


def test_a_publisher_that_is_killed_is_gone_and_the_topic_goes_on_with_the_next(
    robot: Host, base: Host, host: Callable[..., Host], port: int
) -> None:
    _publish(robot)
    _subscribe(base)
    base.run("here = keep(Topic.open('prices', role='receive'))")
    os.kill(robot.pid, signal.SIGKILL)
    robot.program.process.wait(60)
    assert base.value("until(lambda: replica.state == 'gone')")
    assert base.refusal("here.receive(timeout=0.01)").kind == "WaitTimeoutError"
    again = host(beside=robot)
    again.run(f"net = mirror.Network('robot', listen=['tcp/127.0.0.1:{port}'])")
    _publish(again)
    assert base.value("until(lambda: replica.state == 'live')")
    again.run("topic.send(b'again')")
    assert base.value("here.receive(timeout=60)") == b"again"


def test_a_sender_that_starts_again_is_heard(robot: Host, base: Host) -> None:
    _publish(robot, "Topic.create('prices', bytes)")
    _subscribe(base)
    base.run("here = keep(Topic.open('prices', role='receive'))")
    robot.run(
        "topic.close(); time.sleep(0.1); topic = keep(Topic.open('prices', role='send')); "
        "topic.send(b'again')"
    )
    assert base.value("here.receive(timeout=60)") == b"again"


def test_a_topic_of_another_spec_takes_the_place_and_who_receives_is_told(
    robot: Host, base: Host
) -> None:
    _publish(robot)
    _subscribe(base)
    base.run("old = keep(Topic.open('prices', role='receive'))")
    robot.run("publication.close(); topic.close()")
    assert base.value("until(lambda: replica.state == 'gone')")
    _publish(robot, "Topic.create('prices', bytes, capacity=7)")
    assert base.refusal("old.receive(timeout=60)").kind == "EndOfChannelError"
    base.run("new = keep(Topic.open('prices', role='receive'))")
    robot.run("topic.send(b'new')")
    assert base.value("(new.receive(60), new.capacity)") == (b"new", 7)


def test_two_programs_share_a_topic_and_the_second_goes_on_when_the_first_dies(
    robot: Host, base: Host, host: Callable[..., Host]
) -> None:
    _publish(robot)
    _subscribe(base)
    second = host(beside=base)
    second.run("net = mirror.Network('base', connect=there)", there=base.value("net.connect"))
    _subscribe(second)
    assert second.value("until(lambda: replica._standby.opened is not None)")
    second.run("here = keep(Topic.open('prices', role='receive'))")
    robot.run("topic.send(b'one')")
    assert second.value("here.receive(60)") == b"one"
    assert second.value("until(lambda: replica.sequence == 2)")
    os.kill(base.pid, signal.SIGKILL)
    base.program.process.wait(60)
    assert second.value("until(lambda: replica.carries)")
    robot.run("topic.send(b'two')")
    assert second.value("here.receive(60)") == b"two"


FACTS = {
    "kind": "topic", "spec": "bytes", "layout": 1, "shape": [4, 0, 40, 0, 0, 1, 0], "capacity": 4, "largest": 100,
    "overflow": True, "slow": "wait", "history": 0, "observers": False, "version": 0,
}  # fmt: skip


@pytest.mark.sentence(37)
@pytest.mark.parametrize(
    "lie",
    [
        {"spec": "object"}, {"spec": 7}, {"layout": 2}, {"shape": [4, 0, 40]}, {"shape": [5, 0, 40, 0, 0, 1, 0]},
        {"shape": [4, 0, 1 << 30, 0, 0, 1, 0]}, {"shape": [4, 0, -1, 0, 0, 1, 0]}, {"shape": None}, {"capacity": 0},
        {"capacity": True}, {"history": 5}, {"largest": 1 << 40}, {"overflow": 1}, {"observers": "no"},
        {"spec": "record"}, {"version": 1.5},
    ],
)  # fmt: skip
def test_a_topic_that_cannot_be_is_refused_before_memory_is_committed(
    lie: dict[str, object],
) -> None:
    honest = contents.unpack(contents.pack(FACTS), 1 << 20)
    assert honest["slow"] == "drop" and honest["shape"][0] == 4
    with pytest.raises(CorruptError):
        contents.unpack(contents.pack({**FACTS, **lie}), 1 << 20)


@pytest.mark.sentence(37)
def test_messages_are_taken_apart_or_refused() -> None:
    first, second = wire.frame(3, 2, 0) + b"ab", wire.frame(5, 0, 1)
    found = [
        (number, kind, bytes(raw))
        for number, kind, raw in wire.messages(memoryview(first + second), 5)
    ]
    assert found == [(3, 0, b"ab"), (5, 1, b"")]
    assert wire.follows(first, 2, 3) and wire.follows(first, 7, 3) and not wire.follows(first, 1, 3)
    for lie in (
        first + second[:-1],  # half a record
        second + first,  # not in order
        first + first,  # the same again
        wire.frame(3, 3, 0) + b"ab",  # longer than what there is
        wire.frame(6, 0, 0),  # newer than announced
        wire.frame(3, 0, 1 << 31),  # would name memory of this host
    ):
        with pytest.raises(CorruptError):
            wire.messages(memoryview(lie), 5)
