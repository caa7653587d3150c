# SPDX-License-Identifier: MIT
"""Queues on the command line: seen from outside, sent to, received from, measured."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from support import objects

from memsection.channels import Queue
from memsection.cli.channel_facts import ChannelFacts
from memsection.cli.contents import content_of_named
from memsection.nt import kernel


def row_of(cli: Any, name: str) -> Any:
    """What ``ls`` tells of a name: on Windows there are others in the same directory."""
    [row] = [row for row in cli.json("ls") if row["name"] == name]
    return row


QUEUE = """
import sys
from memsection.channels import Queue
q = Queue.create("jobs", {spec}, capacity=4, redeliver=1, largest=8192)
{more}
print(1, flush=True)
sys.stdin.read()
"""


def test_ls_and_show_know_a_queue(cli) -> None:  # type: ignore[no-untyped-def]
    more = (
        "q.send(b'x'); q.send(b'y' * 5000); q.send(b'z'); q.receive(); held = q.receive(copy=False)"
    )
    process = cli.python(QUEUE.format(spec="bytes", more=more))
    row = row_of(cli, "jobs")
    assert row["channel"] == {
        "kind": "queue",
        "spec": "bytes",
        "capacity": 4,
        "largest": 8192,
        "redeliver": 1,
        "slow": None,
        "history": None,
        "version": 0,
        "shut_down": False,
        "waiting": 1,
        "in_hand": 1,
        "repaired": 0,
        "problem": None,
        "ends": [
            {
                "pid": process.pid,
                "role": "both",
                "alive": True,
                "in_hand": 1,
                "behind": None,
                "missed": None,
            }
        ],
    }
    assert "Section, queue of bytes, 1 of 4 waiting, 1 in hand" in cli.output("ls")
    text = cli.output("show", "jobs")
    assert (
        "queue of bytes, 1 of 4 waiting, 1 in hand" in text and "largest 8192, redeliver 1" in text
    )
    assert f"process {process.pid}, both, 1 in hand: " in text


@pytest.mark.parametrize("kind", ["Queue", "Topic"])
def test_ls_and_show_tell_what_was_taken_back_from_the_dead(cli, kind: str) -> None:  # type: ignore[no-untyped-def]
    holder = cli.python(
        f"import sys\nfrom memsection.channels import {kind}\n"
        f"end = {kind}.create('jobs', bytes, capacity=4); end.send(bytes(5000))\n"
        "held = end.receive(copy=False); print(1, flush=True); sys.stdin.read()"
    )
    cli.python(
        f"import sys\nfrom memsection.channels import {kind}\n"
        f"end = {kind}.open('jobs'); print(1, flush=True)\n"
        "sys.stdin.readline(); end._core.recover(); print(1, flush=True); sys.stdin.read()"
    )
    other = cli.started[-1]
    holder.kill()
    holder.wait()
    other.stdin.write(b"\n")
    other.stdin.flush()
    other.stdout.readline()
    assert row_of(cli, "jobs")["channel"]["repaired"] == 1
    assert ", 1 repaired" in cli.output("ls") and ", 1 repaired" in cli.output("show", "jobs")


@pytest.mark.linux_only(
    "in Wine nobody can tell who writes a section: then no objects are received"
)
def test_a_document_is_sent_from_the_command_line_itself(cli) -> None:  # type: ignore[no-untyped-def]
    cli.python(QUEUE.format(spec="object", more=""))
    for document in ('{"path": "a/b", "n": [1,\n2]}', json.dumps("x" * 5000), "7"):
        cli.run("send", "jobs", "--json", document)
        assert json.loads(cli.output("receive", "jobs", "--json")) == json.loads(document)
    assert "No such file" in cli.fails("send", "jobs", "--json", "{no document}")
    assert "No such file" in cli.fails("send", "jobs", "7")


TOPIC = """
import sys
from memsection.channels import Topic
t = Topic.create("frames", bytes, role="send", capacity=4, slow={slow!r}, history=2)
end = Topic.open("frames", role="receive")
for number in range(4):
    t.send(b"%d" % number * 3000)
held = end.receive(copy=False)
t.send(b"4")
if {slow!r} == "drop":
    for number in range(5, 8):
        t.send(b"%d" % number)
    end.receive()
print(1, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("slow", ["drop", "wait"])
def test_ls_and_show_know_a_topic_and_how_far_its_subscribers_are(cli, slow: str) -> None:  # type: ignore[no-untyped-def]
    process = cli.python(TOPIC.format(slow=slow))
    row = row_of(cli, "frames")
    sender, subscriber = row["channel"]["ends"]
    behind, missed = (3, 3) if slow == "drop" else (4, 0)
    assert sender == {
        "pid": process.pid,
        "role": "send",
        "alive": True,
        "in_hand": 0,
        "behind": None,
        "missed": None,
    }
    assert subscriber == {
        "pid": process.pid,
        "role": "receive",
        "alive": True,
        "in_hand": 1,
        "behind": behind,
        "missed": missed,
    }
    assert (
        row["channel"]["in_hand"] == 1
        and row["channel"]["slow"] == slow
        and row["channel"]["history"] == 2
    )
    text = cli.output("show", "frames")
    assert "topic of bytes" in text and f"slow {slow}, history 2" in text
    assert f"receive, 1 in hand, {behind} behind" + (f", {missed} missed" if missed else "") in text


def test_a_topic_is_observed_and_sent_to_from_a_shell(cli) -> None:  # type: ignore[no-untyped-def]
    cli.python(TOPIC.format(slow="drop"))
    assert cli.output("receive", "frames").strip() == "6"
    assert cli.output("receive", "frames").strip() == "6", "who observes takes nothing away"
    row = row_of(cli, "frames")
    assert row["channel"]["waiting"] == 4


NEWEST = """
import sys
import numpy as np
from memsection.channels import Topic
topic = Topic.create("frames", {spec}, capacity=4)
{sends}
print(1, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("spec", "sends", "seen"),
    [
        ("bytes", "topic.send(b'old'); topic.send(b'the newest')", "|the newest|"),
        (
            "np.ndarray",
            "topic.send(np.arange(6).reshape(2, 3))",
            "int64 (2, 3)\n[[0 1 2]\n [3 4 5]]",
        ),
        ("np.dtype([('x', 'f8'), ('n', 'i4')])", "topic.send({'x': 1.5, 'n': 7})", "1.5"),
        ("object", "topic.send([1])", "objects, which are not read here"),
        ("bytes", "", "nothing was sent yet"),
    ],
)
def test_peek_shows_the_newest_message_of_a_topic(cli, spec: str, sends: str, seen: str) -> None:  # type: ignore[no-untyped-def]
    cli.python(NEWEST.format(spec=spec, sends=sends))
    for _ in range(2):
        text = cli.output("peek", "frames").replace("│", "|")
        assert "topic of" in text and seen in text, "it is looked at, and not taken"
    row = row_of(cli, "frames")
    assert [end["role"] for end in row["channel"]["ends"]] == ["both"]


@pytest.mark.parametrize(
    ("spec", "sends", "seen"),
    [
        ("bytes", "topic.send(b'old'); topic.send(b'new')", {"size": 3, "bytes": "6e6577"}),
        (
            "np.ndarray",
            "topic.send(np.arange(4.0).reshape(2, 2))",
            {"dtype": "float64", "shape": [2, 2], "values": [[0.0, 1.0], [2.0, 3.0]]},
        ),
        (
            "np.dtype([('x', 'f8'), ('n', 'i4')])",
            "topic.send({'x': 1.5, 'n': 7})",
            {"value": {"x": 1.5, "n": 7}},
        ),
        (
            "'arrow'",
            "import pyarrow as pa; topic.send(pa.table({'a': [1, None]}))",
            {"values": [{"a": 1}, {"a": None}], "truncated": False},
        ),
        ("bytes", "topic.send(bytes(20_000))", {"size": 20_000, "truncated": True}),
        ("bytes", "", {"value": None, "problem": "nothing was sent yet, or it is there no longer"}),
    ],
)
def test_peek_gives_programs_the_newest_message_of_a_topic(  # type: ignore[no-untyped-def]
    cli, spec: str, sends: str, seen: dict[str, object]
) -> None:
    if "arrow" in spec:
        pytest.importorskip("pyarrow")
    cli.python(NEWEST.format(spec=spec, sends=sends))
    for _ in range(2):
        found = cli.json("peek", "frames")
        assert seen.items() <= found.items(), "it is looked at, and not taken"
        assert found["kind"] == "topic" and found["name"] == "frames"
    assert cli.json("peek", "frames", "--hex")["bytes"]


def test_peek_gives_programs_no_object_of_a_topic_and_says_why(cli) -> None:  # type: ignore[no-untyped-def]
    cli.python(NEWEST.format(spec="object", sends="topic.send([1])"))
    found = cli.json("peek", "frames")
    assert found["value"] is None and "runs its sender's code" in found["problem"]


COUNTED = """
import sys
from memsection.channels import Topic
topic = Topic.create("prices", bytes, role="send", history=4)
observer = Topic.open("prices", role="observe")
topic.send(b"one")
print(1, flush=True)
for line in sys.stdin:
    print(topic.receivers, observer.receivers, observer.senders, flush=True)
"""


def test_who_observes_from_a_shell_is_no_receiver_and_who_receives_is_one(cli) -> None:  # type: ignore[no-untyped-def]
    counting = cli.python(COUNTED)

    def counts() -> list[int]:
        counting.stdin.write(b"\n")
        counting.stdin.flush()
        return [int(count) for count in counting.stdout.readline().split()]

    follower = cli.start("receive", "prices", "--follow", "--lines")
    assert follower.stdout.readline() == b"one\n"
    assert counts() == [0, 0, 1]
    receiver = cli.python(
        "import sys; from memsection.channels import Topic; "
        "t = Topic.open('prices', role='receive'); print(1, flush=True); sys.stdin.read()"
    )
    assert counts() == [1, 1, 1]
    receiver.kill()
    receiver.wait()
    assert counts() == [0, 0, 1]
    counting.kill()
    assert follower.wait(60) == 0, "nobody is left who sends"


def test_the_dead_are_shown_as_such(cli) -> None:  # type: ignore[no-untyped-def]
    process = cli.python(QUEUE.format(spec="bytes", more=""))
    worker = cli.python(
        "import sys; from memsection.channels import Queue; "
        "q = Queue.open('jobs', role='receive'); "
        "print(1, flush=True); sys.stdin.read()"
    )
    worker.kill()
    worker.wait()
    text = cli.output("show", "jobs")
    assert (
        f"process {process.pid}, both: " in text
        and f"process {worker.pid}, receive, which has ended" in text
    )


@pytest.mark.parametrize(
    ("start", "end"), [(0, 512), (512, 32768), (0, None), (64, 144), (-64, None)]
)
def test_a_queue_that_somebody_spoiled_is_shown_as_far_as_it_makes_sense(
    start: int, end: int | None
) -> None:
    name = objects.unique_name()

    def look_at() -> ChannelFacts | None:
        return content_of_named(
            next(one for one in kernel.list_directory() if one.name == name)
        ).channel

    with Queue.create(name, bytes, capacity=4) as queue, queue.section.map() as view:
        found = look_at()
        assert found is not None and found.problem is None
        view[start:end] = b"\xff" * len(view[start:end])
        found = look_at()
        assert found is None or found.problem == "damaged" or 0 <= found.waiting <= 4
        assert found is None or found.summary().isprintable()
        assert (found is None) == (start in (-64,) or (start, end) == (0, None))


def test_commands_for_a_terminal_in_a_spec_are_shown(cli) -> None:  # type: ignore[no-untyped-def]
    evil = "\x1b]0;x\x07"
    facts = {
        "kind": "queue",
        "spec": evil,
        "name": evil,
        "layout": 1,
        "shape": [4, 0, 4, 0, 0],
        "capacity": 4,
    }
    cli.python(
        "import sys; from memsection.content import schema; "
        f"s = schema.make(schema.section_attributes('evil'), 32768, {facts!r}); print(1, flush=True); sys.stdin.read()"
    )
    assert "\x1b" not in cli.output("show", "evil")
    assert "queue of \\x1b]0;x\\x07, damaged" in cli.output("ls")


def test_bytes_go_through_a_queue_as_they_are(cli) -> None:  # type: ignore[no-untyped-def]
    cli.python(QUEUE.format(spec="bytes", more=""))
    data = os.urandom(50_000)  # longer than the longest that has a place
    assert cli.run("send", "jobs", "--lines", stdin=b"one\n").returncode == 0
    assert cli.output("receive", "jobs", "--lines") == "one\n"
    sender = cli.start("send", "jobs", "-", stdin=subprocess.PIPE)
    sender.stdin.write(data)
    sender.stdin.close()
    sender.stdin = None
    assert cli.run("receive", "jobs").stdout == data
    assert sender.wait(60) == 0


@pytest.mark.linux_only(
    "in Wine nobody can tell who writes a section: then no objects are received"
)
def test_json_goes_through_a_queue_of_objects(cli) -> None:  # type: ignore[no-untyped-def]
    process = cli.python(
        QUEUE.format(
            spec="object", more="q.send({'bytes': b'a\\x1b', 'set': {1}, 'text': '\\x1b'})"
        )
    )
    text = cli.output("receive", "jobs")
    assert "\x1b" not in text and json.loads(text) == {
        "bytes": "a\x1b",
        "set": "{1}",
        "text": "\x1b",
    }
    assert cli.run("send", "jobs", "--json", stdin=b'{"a": [1, 2]}\nnull\n').returncode == 0
    process.communicate(timeout=60)


def test_a_pipeline_ends_when_its_first_part_does(cli) -> None:  # type: ignore[no-untyped-def]
    receiver = cli.start("receive", "lines", "--follow", "--create", "--lines")
    sender = cli.start("send", "lines", "--lines", "--wait", stdin=subprocess.PIPE)
    sender.stdin.write(b"one\n")
    sender.stdin.flush()
    assert receiver.stdout.readline() == b"one\n"
    sender.stdin.close()
    sender.stdin = None
    assert (receiver.wait(60), sender.wait(60)) == (0, 0)


def test_what_cannot_be_sent_is_an_error_that_says_why(cli) -> None:  # type: ignore[no-untyped-def]
    assert "WinError 2" in cli.fails("receive", "nothing")
    cli.python(QUEUE.format(spec="bytes", more="q.shutdown()"))
    assert "without --json" in cli.fails("send", "jobs", "--json")
    assert "shut down" in cli.fails("send", "jobs", os.devnull)
    assert "shut down" in cli.fails("receive", "jobs")
    assert cli.output("receive", "jobs", "--follow") == ""


def test_bench_measures_all_rows(cli) -> None:  # type: ignore[no-untyped-def]
    rows = cli.json("bench", "channel", "--rounds", "1")
    assert [(row["case"], row["bytes"]) for row in rows] == [
        ("echo", 64),
        ("echo", 1 << 20),
        ("one way", 64),
        ("one way", 1 << 20),
    ]
    assert all(
        row["ratio"] == row["queue_seconds"] / row["multiprocessing_queue_seconds"] > 0
        for row in rows
    )
