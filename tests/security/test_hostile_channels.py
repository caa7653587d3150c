# SPDX-License-Identifier: MIT
"""Whoever may write a channel can spoil it and nothing else: wrong messages, errors, the end of the
time, and no more."""

from __future__ import annotations

import contextlib
import json
import pickle
import random
import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from support.objects import leaves_nothing, unique_name

from memsection import AccessError, ArgumentError, CorruptError, Error, Section
from memsection.channels import Queue
from memsection.content import schema

np = pytest.importorskip("numpy")
nothing_left = pytest.fixture(autouse=True)(leaves_nothing)
RING, ENTRY, MEMBERS = 20480, 128, 512
TIME = 0.02


def memory_of(queue: Queue[Any]) -> memoryview:
    return memoryview(queue._view)


def test_the_ring_is_where_this_test_scribbles() -> None:
    with Queue.create(None, bytes, capacity=4) as queue:
        queue.send(b"abcdefgh")
        assert bytes(memory_of(queue)[RING + 16 : RING + 24]) == b"abcdefgh"


@pytest.mark.sentence(12)
@pytest.mark.sentence(13)
@pytest.mark.invariant("Q5")
@pytest.mark.parametrize(
    "value", [0, 1, 3, 4, 5, 1 << 31, (1 << 63) - 1, (1 << 64) - 1, 0xDEADBEEF12345678]
)
@pytest.mark.parametrize("at", [64, 128], ids=["tail", "head"])
def test_any_value_in_a_hint_costs_time_and_no_message(at: int, value: int) -> None:
    with Queue.create(None, bytes, capacity=4) as queue:
        for i in range(6):
            queue.send(b"%d" % i)
            queue.receive()
        for i in range(3):
            struct.pack_into("<Q", memory_of(queue), at, value)
            queue.send(b"%d" % i, 60)
        struct.pack_into("<Q", memory_of(queue), at, value)
        found = sorted(queue.receive(60) for _ in range(3))
        assert found == [b"0", b"1", b"2"] and len(queue) == 0
        for _ in range(8):
            queue.send(b"x", 60)
            assert queue.receive(60) == b"x"


@pytest.mark.sentence(13)
def test_a_peer_that_rings_for_ever_costs_time_alone() -> None:
    with Queue.create(None, bytes, capacity=4) as queue:
        for at in (64, 128, 256, 260, 264, 320, 324, 384, 388):
            struct.pack_into("<I", memory_of(queue), at, 0xFFFFFFFF)
        with pytest.raises(Error):
            queue.receive(TIME)


@pytest.mark.sentence(13)
@pytest.mark.parametrize("length", [0, 113, 5000, 1 << 31, (1 << 32) - 2, (1 << 32) - 1])
@pytest.mark.parametrize("unit", [0, 1, 1 << 20, (1 << 64) - 1])
def test_lengths_and_places_of_a_message_at_their_limits(length: int, unit: int) -> None:
    with Queue.create(None, bytes, capacity=4) as queue:
        queue.send(b"x" * 50)
        struct.pack_into("<I", memory_of(queue), RING + 8, length)
        struct.pack_into("<QQ", memory_of(queue), RING + 16, unit, 1 << 40)
        with contextlib.suppress(CorruptError):
            assert len(queue.receive(TIME)) <= 112
        queue.send(b"next", 60)
        assert queue.receive(60) == b"next"


@pytest.mark.sentence(13)
@pytest.mark.parametrize("spec", [object, np.ndarray, "arrow"], ids=str)
def test_damaged_content_is_an_error_and_no_fault(spec: Any) -> None:
    if spec == "arrow":
        pa = pytest.importorskip("pyarrow")
        value: Any = pa.table({"a": list(range(500))})
    else:
        value = np.arange(1000)
    draw = random.Random(7)
    with Queue.create(None, spec, capacity=4) as queue:
        for round_ in range(60):
            queue.send(value)
            taken = queue._core.take_whole(0)
            whole = bytearray(taken)
            taken.give_back()
            at = bytes(memory_of(queue)).find(bytes(whole))
            for _ in range(draw.randrange(1, 6)):
                memory_of(queue)[at + draw.randrange(min(len(whole), 200))] = draw.randrange(256)
            with contextlib.suppress(Exception):  # whatever it is, it is told or wrong
                queue.receive(0, copy=round_ % 2 == 0)
            assert len(queue) == 0


@pytest.mark.sentence(12)
@pytest.mark.sentence(13)
def test_random_words_everywhere_end_in_errors_wrong_messages_or_the_time() -> None:
    draw = random.Random(11)
    for _ in range(12):
        with Queue.create(None, bytes, capacity=8, memory=50_000, largest=8000) as queue:
            memory = memory_of(queue)
            for _ in range(40):
                at = draw.choice(
                    [draw.randrange(64, RING, 8), draw.randrange(RING, RING + 8 * ENTRY + 400, 8)]
                )
                struct.pack_into(
                    "<Q", memory, at, draw.choice([draw.getrandbits(64), draw.getrandbits(20), 0])
                )
                with contextlib.suppress(Error):
                    queue.send(bytes(draw.choice([8, 500, 6000])), 0)
                with contextlib.suppress(Error):
                    queue.receive(0, copy=draw.random() < 0.5)
                len(queue)
                assert queue.senders <= 1024


def rewritten(section: Section, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the description as a stranger would."""
    with section.map() as view:
        memory = memoryview(view)
        facts, size = schema.read(memory) or ({}, 0)
        facts = dict(facts)  # who reads the same text gets the same
        change(facts)
        text = json.dumps(facts).encode()
        end = len(memory) - schema.FOOTER.size
        memory[end - len(text) : end] = text
        schema.FOOTER.pack_into(
            memory, end, schema.MAGIC, schema.VERSION, zlib.crc32(text), len(text), size
        )
        memory.release()


def _sets(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda facts: facts.__setitem__(key, value)


@pytest.mark.sentence(13)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("capacity", 0),
        ("capacity", "many"),
        ("capacity", 1 << 40),
        ("capacity", 9),
        ("largest", -1),
        ("redeliver", None),
        ("shape", [4]),
        ("shape", [4, 0, 1 << 40, 0, 0]),
        ("shape", [4, 0, 1000, 0, 0]),
        ("shape", [4, 0, 4, 7, 0]),
        ("shape", [4, 7, 34, 0, 0]),
        ("shape", "x"),
        ("overflow", 7),
        ("version", 1.5),
        ("spec", "parrot"),
        ("spec", ["x"]),
        ("spec", "record"),
        ("layout", 9),
        ("layout", None),
    ],
    ids=str,
)
def test_a_description_that_cannot_be_is_refused(key: str, value: Any) -> None:
    name = unique_name()
    with Queue.create(name, bytes, capacity=4) as queue:
        rewritten(queue.section, _sets(key, value))
        with pytest.raises((CorruptError, ArgumentError)):
            Queue.open(name)


@pytest.mark.sentence(13)
def test_a_description_that_was_read_before_is_held_against_the_memory_each_time() -> None:
    name = unique_name()
    with Queue.create(name, bytes, capacity=4) as queue:
        Queue.open(name, bytes).close()  # what the text says is known from here on
        memory = memory_of(queue)
        end = len(memory) - schema.FOOTER.size
        magic, version, checksum, length, size = schema.FOOTER.unpack_from(memory, end)
        schema.FOOTER.pack_into(memory, end, magic, version, checksum, length, size - 4096)
        with pytest.raises(CorruptError, match=f"it has {size - 4096} bytes"):
            Queue.open(name, bytes)
        schema.FOOTER.pack_into(memory, end, magic, version, checksum, length, size)
        with Queue.open(name, bytes) as other:
            queue.send(b"x")
            assert other.receive(0) == b"x"
        for differently in ({"spec": object}, {"spec": bytes, "version": 3}):
            with pytest.raises(ArgumentError, match="asked for"):
                Queue.open(name, **differently)


@pytest.mark.sentence(30)
def test_objects_of_another_user_are_opened_only_by_who_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = unique_name()
    with Queue.create(name), Queue.create(name + "b", bytes):
        monkeypatch.setattr(
            "memsection.api.security.is_written_by_this_user_alone", lambda section: False
        )
        with pytest.raises(AccessError, match="run code"):
            Queue.open(name)
        Queue.open(name, object).close()
        Queue.open(name + "b").close()


@pytest.mark.sentence(30)
def test_receiving_bytes_and_arrays_never_unpickles() -> None:
    with Queue.create(None, bytes) as queue, Queue.create(None, np.ndarray) as arrays:
        queue.send(pickle.dumps(pytest.fail))
        assert isinstance(queue.receive(), bytes)
        with pytest.raises(TypeError, match="pointers"):
            arrays.send(np.array([pytest.fail]))


@pytest.mark.sentence(31)
def test_who_may_only_read_has_no_end_of_a_queue() -> None:
    name = unique_name()
    with Queue.create(name, bytes) as queue:
        with pytest.raises(AccessError):
            Queue.from_section(queue.section.duplicate("r"))
        assert queue.receivers == 1


@pytest.mark.sentence(13)
def test_a_pickle_is_copied_before_it_is_read() -> None:
    """What is unpickled can no longer be changed by anybody: the bytes are private."""
    with Queue.create(None) as queue:
        queue.send({"a": b"x" * 3000})
        taken = queue._core.take_whole(0)
        parts = queue._codec.split(memoryview(taken), taken.format, False)
        assert type(parts[0]) is bytes
        taken.finish()


def test_other_processes_go_on_while_one_scribbles() -> None:
    program = textwrap.dedent("""
        import random, struct, sys, time
        from memsection import Section
        section = Section.open(sys.argv[1])
        view = section.map()
        draw, memory, end = random.Random(3), memoryview(view), time.monotonic() + 0.6
        print("ready", flush=True)
        while time.monotonic() < end:
            at = draw.choice([draw.randrange(64, 20480, 4), draw.randrange(20480, 21600, 4)])
            struct.pack_into("<I", memory, at, draw.choice([draw.getrandbits(32), draw.getrandbits(4), 0]))
        """)
    name = unique_name()
    with Queue.create(name, bytes, capacity=8, largest=5000, memory=60_000) as queue:
        with subprocess.Popen(
            [sys.executable, "-c", program, name], stdout=subprocess.PIPE
        ) as stranger:
            assert stranger.stdout is not None and stranger.stdout.readline() == b"ready\n"
            while stranger.poll() is None:
                for length in (10, 4000):
                    with contextlib.suppress(Error):
                        queue.send(bytes(length), 0.001)
                    with contextlib.suppress(Error):
                        queue.receive(0.001)
        assert stranger.returncode == 0


@pytest.mark.sentence(13)
@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize(
    "shape", [(0, 1 << 63), ((1 << 64) - 1, 0), (0, 1 << 40, 1 << 40), (1 << 62, 0, 4)]
)
def test_lengths_beyond_all_memory_of_an_array_without_elements_are_an_error(
    shape: tuple[int, ...], copy: bool
) -> None:
    with Queue.create(None, np.ndarray, redeliver=1) as queue:
        queue.send(np.zeros((0,) * len(shape)))
        memory = memory_of(queue)
        at = bytes(memory).index(b'"<f8"') - 8 * len(shape)
        struct.pack_into(f"<{len(shape)}Q", memory, at, *shape)
        with pytest.raises(CorruptError, match="no array can be of"):
            queue.receive(0, copy=copy)
        assert len(queue) == 0 and queue._core.places_in_hand()[0] == 0
