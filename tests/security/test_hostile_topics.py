# SPDX-License-Identifier: MIT
"""Whoever may write a topic can spoil it and nothing else: wrong messages, errors, the end of the
time, and no more."""

from __future__ import annotations

import contextlib
import random
import struct
from typing import Any

import pytest
from support.objects import leaves_nothing, unique_name

from memsection import CorruptError, Error, Section
from memsection.channels import Topic
from memsection.content import schema

nothing_left = pytest.fixture(autouse=True)(leaves_nothing)
RING, TIME = 20480, 0.01


@pytest.mark.invariant("Q5")
@pytest.mark.parametrize(
    "value", [0, 1, 3, 4, 5, 1 << 31, (1 << 63) - 1, (1 << 64) - 1, 0xDEADBEEF12345678]
)
@pytest.mark.parametrize("at", [64, 128], ids=["tail", "head"])
@pytest.mark.parametrize("slow", ["drop", "wait"])
def test_any_value_in_a_hint_costs_time_and_no_message(slow: Any, at: int, value: int) -> None:
    with (
        Topic.create(unique_name(), bytes, role="send", capacity=4, slow=slow) as topic,
        Topic.open(topic.name, role="receive") as subscriber,
    ):
        for number in range(12):
            struct.pack_into("<Q", memoryview(topic._view), at, value)
            topic.send(b"%d" % number + b"x" * 3000 * (number % 2), 60)
            assert int(subscriber.receive(60).rstrip(b"x")) == number
        assert subscriber.missed == 0


@pytest.mark.sentence(12)
@pytest.mark.sentence(13)
@pytest.mark.parametrize("seed", range(6))
def test_random_words_anywhere_end_in_errors_wrong_messages_or_timeouts(seed: int) -> None:
    draw = random.Random(seed)
    with (
        Topic.create(
            unique_name(), bytes, role="both", capacity=4, slow=draw.choice(["drop", "wait"])
        ) as topic,
        Topic.open(topic.name, role="receive") as subscriber,
        Topic.open(topic.name, role="observe") as observer,
    ):
        memory = memoryview(topic._view)
        for _ in range(60):
            at = draw.randrange(64, RING + 4096) // 8 * 8
            struct.pack_into(
                "<Q",
                memory,
                at,
                draw.choice([draw.getrandbits(64), draw.getrandbits(20), 0, (1 << 64) - 1]),
            )
            for call in (
                lambda: topic.send(b"x" * draw.choice([10, 3000]), TIME),
                lambda: subscriber.receive(TIME),
                lambda: subscriber.receive(TIME, copy=False),
                lambda: observer.receive(TIME),
                lambda: observer.receive_newest(0),
                lambda: len(subscriber),
                lambda: subscriber.receivers,
            ):
                with contextlib.suppress(Error):
                    call()


@pytest.mark.parametrize(
    "change",
    [
        {"slow": "never"},
        {"observers": 1},
        {"history": 3},
        {"history": -1},
        {"shape": [4, 0, 6, 0, 0]},
        {"shape": [4, 0, 6, 0, 0, 3, 0]},
        {"shape": [4, 0, 6, 0, 0, 1, 9]},
    ],
)
def test_a_description_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with Topic.create(None, bytes, capacity=4) as topic:
        facts = dict(schema.describe(topic.section) or {})
        size = len(memoryview(topic._view))
    name = unique_name()
    section, view = schema.make(schema.section_attributes(name), size, {**facts, **change})
    with section, view:
        for role in ("receive", "observe"):
            with pytest.raises((CorruptError, Error)):
                Topic.from_section(Section.open(name, access="rw"), role=role)
