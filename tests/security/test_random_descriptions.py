# SPDX-License-Identifier: MIT
"""Descriptions of channels that a stranger rewrote at random: an open is refused with an error of
the library, or gives an end whose operations end in errors, wrong messages or the time."""

from __future__ import annotations

import contextlib
import json
import random
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from support.objects import leaves_nothing, unique_name

from memsection import Error, Section
from memsection.channels import Client, Queue, Service, Topic
from memsection.content import schema

pytest.importorskip("numpy")
nothing_left = pytest.fixture(autouse=True)(leaves_nothing)
Make = Callable[[str], Any]
KINDS: dict[str, tuple[Make, tuple[Callable[[Section], Any], ...]]] = {
    "queue": (lambda name: Queue.create(name, bytes, capacity=4), (Queue.from_section,)),
    "topic": (
        lambda name: Topic.create(name, bytes, capacity=4, history=2),
        (
            lambda section: Topic.from_section(section, role="both"),
            lambda section: Topic.from_section(section, role="observe"),
        ),
    ),
    "service": (
        lambda name: Service.create(name, bytes, bytes, capacity=4),
        (Service.from_section, Client.from_section),
    ),
}


def odd_value(draw: random.Random, old: Any) -> Any:
    """What may stand in the place of a value: of another type, at a limit, or nearly right."""
    if isinstance(old, list) and old and draw.random() < 0.7:
        changed = list(old)
        changed[draw.randrange(len(old))] = odd_value(draw, old[0])
        return changed
    numbers = [0, 1, 3, 5, -1, 1 << 31, (1 << 31) - 1, 1 << 46, 1 << 62, 1 << 70, 4096]
    others = [None, True, False, 1.5, "", "x", "bytes", "object", [], {}, [[]], {"a": 1}, "wait"]
    return draw.choice(numbers + others)


def scribble(draw: random.Random, facts: dict[str, Any]) -> dict[str, Any]:
    changed = dict(facts)
    for _ in range(draw.randrange(1, 3)):
        key = draw.choice(sorted(changed))
        if draw.random() < 0.15:
            del changed[key]
        else:
            changed[key] = odd_value(draw, changed[key])
    return changed


def write(section: Section, text: bytes, size: int) -> None:
    with section.map() as view, memoryview(view) as memory:
        end = len(memory) - schema.FOOTER.size
        memory[end - len(text) : end] = text
        footer = schema.MAGIC, schema.VERSION, zlib.crc32(text), len(text), size
        schema.FOOTER.pack_into(memory, end, *footer)


def use(end: Any) -> None:
    """Every operation that needs nobody else."""
    for call in (
        lambda: end.send(b"x" * 200, 0),
        lambda: end.receive(0),
        lambda: end(b"x", 0.001),
        lambda: len(end),
        lambda: end.senders,
        lambda: end.servers,
    ):
        # AttributeError, TypeError: of the other kinds' operations
        with contextlib.suppress(Error, AttributeError, TypeError):
            call()


@pytest.mark.sentence(12)
@pytest.mark.sentence(13)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_a_description_rewritten_at_random_is_refused_or_used_within_bounds(
    kind: str, seed: int
) -> None:
    draw = random.Random(seed)
    make, opens = KINDS[kind]
    refused = 0
    with make(unique_name()) as channel:
        facts = {
            key: value
            for key, value in (schema.describe(channel.section) or {}).items()
            if key != "size"
        }
        with memoryview(channel._view) as whole:
            size = schema.FOOTER.unpack_from(whole, len(whole) - schema.FOOTER.size)[4]
        for _ in range(60):
            text = json.dumps(scribble(draw, facts)).encode()
            write(channel.section, text, draw.choice([size, size, size, size - 4096, size // 2]))
            for opening in opens:
                try:
                    end = opening(channel.section.duplicate())
                except Error:
                    refused += 1
                    continue
                use(end)
                end.close()
        write(channel.section, json.dumps(facts).encode(), size)
        for opening in opens:
            opening(channel.section.duplicate()).close()  # nobody else was harmed
    assert refused > 30  # most of them cannot be
