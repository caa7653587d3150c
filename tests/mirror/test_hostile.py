# SPDX-License-Identifier: MIT
"""What a hostile publisher may send: it is refused before memory is committed, and the last good
snapshot stays."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from support.hosts import Host

from memsection.mirror import contents, wire
from memsection.vocabulary.errors import ArgumentError, CorruptError

LIMIT = 1 << 20
LATEST = {"kind": "latest", "capacity": 64, "slots": 4, "version": 0}
ARRAY = {"kind": "array", "dtype": "<f8", "shape": [4], "order": "C", "version": 0}
RECORD = {
    "kind": "record",
    "name": "P",
    "type": {"fields": [["x", "<f8", 0]], "size": 8},
    "count": 2,
    "version": 0,
}


@pytest.mark.sentence(37)
@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        7,
        {},
        {"kind": "pickle", "length": 1, "buffers": 0},
        {"kind": ["latest"]},
        {"kind": None},
        {**LATEST, "capacity": 0},
        {**LATEST, "capacity": LIMIT + 1},
        {**LATEST, "capacity": 1 << 70},
        {**LATEST, "capacity": True},
        {**LATEST, "capacity": "64"},
        {**LATEST, "slots": 1},
        {**LATEST, "slots": 10**9},
        {**LATEST, "version": "0"},
        {**LATEST, "type": "<f8"},
        {**LATEST, "type": {"fields": [], "size": 65}},
        {**LATEST, "type": {"fields": [["x", "<f8", 60]], "size": 64}},
        {**ARRAY, "dtype": "O"},
        {**ARRAY, "dtype": "|O8"},
        {**ARRAY, "shape": [-1]},
        {**ARRAY, "shape": [1 << 61, 8]},
        {**ARRAY, "shape": "4"},
        {**ARRAY, "order": "K"},
        {**ARRAY, "dtype": {"of": "<f8", "shape": [0]}},
        {**RECORD, "count": 0},
        {**RECORD, "count": -1},
        {**RECORD, "type": "<f8"},
        {"kind": "arrow", "rows": -1, "columns": [], "version": 0},
        {"kind": "arrow", "rows": 1, "columns": [[1, 2]], "version": 0},
    ],
    ids=lambda said: json.dumps(said)[:60],
)
def test_a_description_that_lies_is_refused(said: Any) -> None:
    with pytest.raises(CorruptError):
        contents.unpack(json.dumps(said).encode(), LIMIT)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"{",
        b"[" * 60_000,
        b" " * (contents.LONGEST_DESCRIPTION + 1),
        b'{"kind": "latest", "capacity": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_text_that_is_no_description_is_refused(text: bytes) -> None:
    with pytest.raises(CorruptError):
        contents.unpack(text, LIMIT)


def test_what_is_not_known_is_not_passed_on() -> None:
    found = contents.unpack(
        json.dumps({**LATEST, "replica": "x/y", "more": [1] * 100, "slots": 64}).encode(), LIMIT
    )
    assert found == {**LATEST, "slots": contents.MOST_SLOTS}
    for capacity, slots in ((LIMIT, 2), (LIMIT // 2, 2), (LIMIT // 3, 3), (LIMIT // 50, 8)):
        text = json.dumps({**LATEST, "capacity": capacity, "slots": 64}).encode()
        assert contents.unpack(text, LIMIT)["slots"] == slots
    named = contents.unpack(json.dumps({**RECORD, "fingerprint": "forged"}).encode(), LIMIT)
    assert named["fingerprint"] != "forged"


@pytest.mark.sentence(37)
@pytest.mark.parametrize(
    ("facts", "size"),
    [
        (LATEST, 65),
        (ARRAY, 31),
        (ARRAY, 33),
        (RECORD, 17),
        ({"kind": "bytes"}, 0),
        ({"kind": "bytes"}, LIMIT + 1),
        ({"kind": "arrow", "rows": 0, "columns": [], "version": 0}, LIMIT + 1),
    ],
)
def test_a_size_that_does_not_fit_the_description_is_refused(
    facts: dict[str, Any], size: int
) -> None:
    with pytest.raises(CorruptError):
        contents.check_size(contents.unpack(json.dumps(facts).encode(), LIMIT), size, LIMIT)


def test_records_of_the_wire_are_what_they_say_or_refused() -> None:
    news = wire.Announcement(5, 7, 100, b"digested")
    assert wire.announcement(news.pack()) == news
    assert wire.offset_of(wire.chunk(5, 7, 50), news) == 50
    assert wire.is_commit(wire.commit(5, 7, 100), news)
    assert not wire.is_commit(wire.commit(5, 8, 100), news) and not wire.is_commit(
        wire.commit(5, 7, 99), news
    )
    assert wire.wants(wire.pack_wanted(5, 7, 100)) == (5, 7, 100)
    for raw in (
        None,
        b"",
        os.urandom(44),
        news.pack()[:-1],
        b"XXXX" + news.pack()[4:],
        wire.chunk(5, 7, 0),
        wire.Announcement(0, 1, 1, b"x" * 8).pack(),
        wire.Announcement(1, 1, 1 << 63, b"x" * 8).pack(),
    ):
        with pytest.raises(CorruptError):
            wire.announcement(raw)
    for raw in (
        b"",
        wire.chunk(5, 8, 0),
        wire.chunk(6, 7, 0),
        wire.commit(5, 7, 0),
        os.urandom(32),
    ):
        with pytest.raises(CorruptError):
            wire.offset_of(raw, news)
    for request in (None, b"", news.pack(), os.urandom(24)):
        with pytest.raises(CorruptError):
            wire.wants(request)


@pytest.mark.parametrize(
    "name", ["a/b", "a*b", "@x", "$*", "ä?#", "a b", "Global\\x", "%41", ".", "..", "\u202e"]
)
def test_every_name_is_one_part_of_a_key(name: str) -> None:
    prefix = wire.prefix("robot", name)
    assert prefix.count("/") == 2 and not set("*?#$@ ") & set(prefix)
    assert wire.path_of(f"{prefix}/head") == f"robot/{name}"
    assert wire.split(f"robot/{name}") == ("robot", name)


@pytest.mark.parametrize(
    "path", ["", "robot", "robot/", "/x", "ro bot/x", "a*/x", "@a/x", "x" * 64 + "/y"]
)
def test_a_path_that_names_no_host_is_refused(path: str) -> None:
    with pytest.raises(ArgumentError):
        wire.split(path)


#: Statements with which a publisher of the test's says what it likes; ``parts`` is what it answers
#: to a pull.
LIAR = """
import zenoh
from memsection.mirror import contents, wire
config = zenoh.Config()
for name, value in {"mode": "peer", "listen/endpoints": ["tcp/127.0.0.1:PORT"], "scouting/multicast/enabled": False,
                    "scouting/gossip/enabled": False}.items():
    config.insert_json5(name, json.dumps(value))
session = keep(zenoh.open(config))
prefix, text = wire.prefix("robot", "camera"), contents.pack(FACTS)
record = wire.Announcement(9, 1, SIZE, contents.digest(text))
asked = []
def tell(query):
    with query: query.reply(prefix + "/head", text, attachment=record.pack())
def pull(query):
    with query:
        asked.append(1)
        for payload, attachment in parts:
            query.reply(prefix + "/pull", payload, attachment=attachment)
first = text, record.pack()
parts = PARTS
made = [session.declare_queryable(prefix + "/head", tell), session.declare_queryable(prefix + "/pull", pull),
        session.liveliness().declare_token(prefix + "/alive/" + "%016x" % 9)]
"""

LIES = {
    "no commit record": "[first, (bytes(64), wire.chunk(9, 1, 0))]",
    "a commit record of another snapshot": "[first, (bytes(64), wire.chunk(9, 1, 0)), (b'', "
    "wire.commit(9, 2, 64))]",
    "too little": "[first, (bytes(63), wire.chunk(9, 1, 0)), (b'', wire.commit(9, 1, 64))]",
    "too much": "[first, (bytes(65), wire.chunk(9, 1, 0)), (b'', wire.commit(9, 1, 64))]",
    "parts in the wrong order": "[first, (bytes(32), wire.chunk(9, 1, 32)), (bytes(32), "
    "wire.chunk(9, 1, 0)), "
    "(b'', wire.commit(9, 1, 64))]",
    "a part twice": "[first, (bytes(32), wire.chunk(9, 1, 0)), (bytes(32), wire.chunk(9, 1, 0)), "
    "(b'', wire.commit(9, 1, 64))]",
    "noise": "[first, (b'x', b'y'), (os.urandom(100), os.urandom(32))]",
    "noise instead of an announcement": "[(os.urandom(100), os.urandom(44))]",
    "another description": '[(b\'{"kind": "bytes"}\', record.pack()), (bytes(64), wire.chunk(9, 1, '
    "0)), "
    "(b'', wire.commit(9, 1, 64))]",
    "a larger size than announced": "[(text, wire.Announcement(9, 1, 1 << 40, "
    "contents.digest(text)).pack())]",
}


@pytest.mark.sentence(37)
@pytest.mark.parametrize("lie", LIES)
def test_a_pull_of_lies_publishes_nothing(lie: str, robot: Host, base: Host, port: int) -> None:
    robot.run(
        LIAR.replace("PORT", str(port))
        .replace("FACTS", repr(LATEST))
        .replace("SIZE", "64")
        .replace("PARTS", LIES[lie])
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert robot.value("until(lambda: len(asked) > 1)")
    base.run(
        "try: arrived = replica.wait(timeout=0.2)\nexcept memsection.CorruptError: arrived = False"
    )
    assert base.value("arrived") is False
    assert base.value("replica.sequence") == 0
    robot.run(
        "parts = [first, (b'honest' * 10 + b'1234', wire.chunk(9, 1, 0)), (b'', wire.commit(9, "
        "1, 64))]"
    )
    assert base.value("until(lambda: replica.sequence == 1)")
    assert base.value("keep(latest.open('camera')).read()") == b"honest" * 10 + b"1234"
    robot.run("del made")


@pytest.mark.sentence(37)
def test_an_oversized_announcement_commits_no_memory(robot: Host, base: Host, port: int) -> None:
    robot.run(
        LIAR.replace("PORT", str(port))
        .replace("FACTS", repr({"kind": "bytes"}))
        .replace("SIZE", str(1 << 50))
        .replace("PARTS", "[first]")
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    refused = base.refusal("replica.wait(timeout=60)")
    assert refused.kind == "CorruptError" and "max_size" in str(refused)
    assert (
        base.value(
            "[entry.name for entry in __import__('memsection.nt', "
            "fromlist=['x']).kernel.list_directory() "
            "if entry.name == 'camera']"
        )
        == []
    )
    robot.run("del made")


def test_noise_on_every_key_ends_nothing(robot: Host, base: Host, port: int) -> None:
    """A subscriber that sends what no subscriber would."""
    robot.run(
        "camera = keep(latest.create('camera', 64)); camera.write(b'one'); publication = "
        "keep(mirror.publish(camera, "
        "network=net))"
    )
    base.run(
        "replica = keep(mirror.subscribe('robot/camera', network=net)); replica.wait(timeout=60)\n"
        "session = replica._receiver._session; prefix = replica._receiver._prefix\n"
        "for n in range(100):\n"
        "    for what in ('head', 'pull'):\n"
        "        session.get(f'{prefix}/{what}', payload=os.urandom(n), timeout=1)\n"
        "    session.put(f'{prefix}/news', os.urandom(n), attachment=os.urandom(n % 50))\n"
        "    session.put(f'{prefix}/alive/{n}', b'')"
    )
    robot.run("camera.write(b'two')")
    assert base.value("until(lambda: replica.sequence == 2)")
    assert base.value("keep(latest.open('camera')).read()") == b"two"
    assert base.value("until(lambda: replica.problem is None)")


#: Statements after those of LIAR: an answer to a pull whose parts come one byte at a time.
DRIPS = """
import time
go_on = [1]
def drip(query, prefix=prefix, text=text, record=record, asked=asked, wire=wire, sleep=time.sleep, go_on=go_on):
    with query:
        asked.append(1)
        query.reply(prefix + "/pull", text, attachment=record.pack())
        for at in range(1000):
            sleep(0.05)
            if not go_on: break
            query.reply(prefix + "/pull", b"x", attachment=wire.chunk(9, 1, at))
made[1].undeclare()
made[1] = session.declare_queryable(prefix + "/pull", drip)
"""
#: The same: publications that appear and end all the time.
TOKENS = """
import threading
go_on = [1]
def flood(session=session, prefix=prefix, go_on=go_on, sleep=__import__("time").sleep):
    number = 10
    while go_on:
        number += 1
        sleep(0.001)
        session.liveliness().declare_token(prefix + "/alive/%016x" % number).undeclare()
flooding = threading.Thread(target=flood)
flooding.start()
"""


@pytest.mark.sentence(37)
@pytest.mark.parametrize("more", [DRIPS, TOKENS], ids=["drips", "tokens without end"])
def test_a_replica_of_a_liar_is_closed_at_once(
    more: str, robot: Host, base: Host, port: int
) -> None:
    robot.run(
        (LIAR + more)
        .replace("PORT", str(port))
        .replace("FACTS", repr({**LATEST, "capacity": 1000}))
        .replace("SIZE", "1000")
        .replace("PARTS", "[first]")
    )
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    if more is DRIPS:
        assert robot.value("until(lambda: len(asked) > 0)")
    else:
        assert base.value("until(lambda: replica._receiver._alive)")
    base.run("replica.close()")
    assert not base.value("replica._thread.is_alive()")  # close had not given it up
    robot.run("go_on.clear(); del made")
    if more is TOKENS:
        robot.run("flooding.join(60)")


#: Statements after those of LIAR: the first pull is answered by halves, and then by nothing.
SILENCE = """
held = []
def half(query, prefix=prefix, text=text, record=record, asked=asked, wire=wire, held=held, parts=parts):
    asked.append(1)
    query.reply(prefix + "/pull", text, attachment=record.pack())
    query.reply(prefix + "/pull", bytes(32), attachment=wire.chunk(9, 1, 0))
    if len(asked) > 1:
        query.reply(prefix + "/pull", bytes(32), attachment=wire.chunk(9, 1, 32))
        query.reply(prefix + "/pull", b"", attachment=wire.commit(9, 1, 64))
    else:
        held.append(query)
made[1].undeclare()
made[1] = session.declare_queryable(prefix + "/pull", half)
"""


@pytest.mark.sentence(37)
def test_a_pull_that_has_become_silent_is_given_up_and_the_next_one_is_whole(
    robot: Host, base: Host, port: int
) -> None:
    robot.run(
        (LIAR + SILENCE)
        .replace("PORT", str(port))
        .replace("FACTS", repr(LATEST))
        .replace("SIZE", "64")
        .replace("PARTS", "[]")
    )
    base.run("from memsection.mirror import pulling; usual, pulling.QUIET = pulling.QUIET, 0.3")
    base.run("replica = keep(mirror.subscribe('robot/camera', network=net))")
    assert base.value("replica.wait(timeout=60)")
    assert robot.value("len(asked)") > 1
    assert base.value("keep(latest.open('camera')).read()") == bytes(64)
    base.run("pulling.QUIET = usual")
    robot.run("held.clear(); del made")


def test_a_look_that_a_write_overtakes_puts_nothing_back(base: Host) -> None:
    """Other threads look at the status while who carries writes it."""
    base.run(
        "from memsection.mirror.status import Shared, Status\n"
        "shared = keep(Shared('x', 'robot/x')); keep(shared.carrier)\n"
        "shared.carries(); shared.write(epoch=5, sequence=1)\n"
        "read, before = shared._end.read, shared._end.read()\n"
        "shared.write(sequence=2)\n"
        "shared._end.read = lambda: before\n"  # read before that write, looked at after it
        "shared.look(); shared._end.read = read\n"
        "shared.write(heard_ns=1); shared.carrier.release()"
    )
    assert base.value("shared.look().sequence") == 2
