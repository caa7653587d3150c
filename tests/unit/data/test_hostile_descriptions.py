# SPDX-License-Identifier: MIT
"""Descriptions that anybody may have written: whatever they say, a reader gets an error of this
library, and soon."""

from __future__ import annotations

import ctypes
import json
import random
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from memsection import (
    ArgumentError,
    CorruptError,
    Error,
    NotFoundError,
    Section,
    arrays,
    latest,
    pickling,
    records,
)
from memsection._native import seqlock
from memsection.content import facts as facts_of
from memsection.content import schema

LONG = 1 << 31
OVERLAPPING = [[f"f{number}", {"of": "|V1", "shape": [4096]}, 0] for number in range(4000)]
TYPES: dict[str, Any] = {
    "no values, two milliards of lists": {
        "fields": [["a", {"of": "<f4", "shape": [LONG, 0]}, 0]],
        "size": 4096,
    },
    "the same deeper": {
        "fields": [["a", {"of": {"of": "<f4", "shape": [LONG, 0]}, "shape": [1]}, 0]],
        "size": 4096,
    },
    "many lists without values": {
        "fields": [[f"f{number}", {"of": "<f4", "shape": [60000, 0]}, 0] for number in range(2000)],
        "size": 4096,
    },
    "sixteen million values over each other": {"fields": OVERLAPPING, "size": 4096},
    "overlapping inside": {
        "fields": [["a", {"fields": [["x", "<f8", 0], ["y", "<f8", 0]], "size": 8}, 0]],
        "size": 4096,
    },
    "overlapping in a list": {
        "fields": [
            [
                "a",
                {"of": {"fields": [["x", "<f8", 0], ["y", "<f8", 0]], "size": 8}, "shape": [2]},
                0,
            ]
        ],
        "size": 4096,
    },
    "one name twice": {"fields": [["a", "<f4", 0], ["a", "<f4", 4]], "size": 4096},
    "half a character": {"fields": [["\ud800", "<f4", 0]], "size": 4096},
    "a number that NumPy has not": {"fields": [["a", "<f2", 0], ["b", "<f12", 4]], "size": 4096},
    "the other byte order": {"fields": [["a", ">f8", 0]], "size": 4096},
    "text of a terminal": {"fields": [["\x1b]0;x\x07\u202e", "<f8", 0]], "size": 4096},
    "mostly nothing": {"fields": [["a", "|b1", 4095]], "size": 4096},
}


@contextmanager
def forge(name: str, facts: Any, size: int = 4096) -> Iterator[Section]:
    """A section whose description says anything; the text may have what no JSON of ours has."""
    text = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
    room = -(-(len(text) + schema.FOOTER.size) // 4096) * 4096
    with Section.create(name, size + room) as section, section.map() as view:
        end = len(view) - schema.FOOTER.size
        view[end - len(text) : end] = text
        view[end:] = schema.FOOTER.pack(
            schema.MAGIC, schema.VERSION, zlib.crc32(text), len(text), size
        )
        yield section


@contextmanager
def quick() -> Iterator[None]:
    """A watchdog: what is inside ends in a few seconds, or the test fails."""

    def ring(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def use(read: Any) -> None:
    """Do all that a reader does; only errors of this library may come of it."""
    try:
        read()
    except Error as failure:
        assert str(failure).isprintable()


@pytest.mark.sentence(13)
@pytest.mark.invariant("M1")
@pytest.mark.linux_only("a watchdog by SIGALRM")
@pytest.mark.parametrize("kind", TYPES)
def test_records_of_any_type_are_read_or_refused_soon(name: str, kind: str) -> None:
    facts = {
        "kind": "record",
        "name": "x\x1b[31m",
        "type": TYPES[kind],
        "count": 1,
        "version": 0,
        "fingerprint": "0",
    }

    def read() -> None:
        with records.open(name) as found:
            repr(found.layout)
            use(lambda: found.value)
            use(lambda: found.array)
            use(found.layout.c)
            use(found.layout.csharp)

    with forge(name, facts), quick():
        use(read)


@pytest.mark.linux_only("a watchdog by SIGALRM")
@pytest.mark.parametrize("kind", TYPES)
def test_latest_values_of_any_type_are_read_or_refused_soon(name: str, kind: str) -> None:
    facts = {"kind": "latest", "name": "x", "type": TYPES[kind], "version": "\x1b[31m"}

    def read() -> None:
        with latest.open(name) as found:
            use(found.read)

    size = seqlock.size(4096, 4)
    with forge(name, facts, size) as section, section.map() as view:
        with (
            memoryview(view)[:size] as memory,
            seqlock.Latest(memory, writable=True, capacity=4096, slots=4) as lock,
        ):
            lock.write(bytes(4096))
        with quick():
            use(read)
            use(lambda: latest.open(name, version=3))
            use(lambda: latest.open(name, 8))


@pytest.mark.linux_only("a watchdog by SIGALRM")
def test_a_record_of_lists_without_end_is_refused(name: str) -> None:
    facts = {
        "kind": "record",
        "name": "x",
        "type": TYPES["no values, two milliards of lists"],
        "count": 1,
        "version": 0,
        "fingerprint": "0",
    }
    with forge(name, facts), quick(), pytest.raises(CorruptError):
        records.open(name)


def test_fields_without_values_stay_possible(name: str) -> None:
    class Tail(ctypes.Structure):
        _fields_ = [("b", ctypes.c_int), ("a", ctypes.c_int * 0 * 2)]

    with records.create(name, Tail) as table, records.open(name) as found:
        table.value = Tail(7)
        assert found.value == {"a": [[], []], "b": 7}


def test_a_large_record_of_foreign_layout_is_read_with_the_layout_or_as_an_array(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memsection.content import layouts

    monkeypatch.setattr(layouts, "MOST_FOREIGN", 100)
    with (
        records.create(name, np.dtype([("a", "u1", (200,))])) as table,
        records.open(name) as found,
    ):
        with pytest.raises(ArgumentError, match="use .array"):
            found[0]
        assert found.array["a"].shape == (1, 200)
        with records.open(name, table.layout) as known:
            assert len(known.value["a"]) == 200


SHAPES: list[Any] = [[1 << 61, 0], [0, 1 << 61, 4], [1 << 40, 0, 1 << 40], [0] * 33, [1] * 32]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "dtype",
    ["<f8", "|S2147483648", {"of": "<f4", "shape": [LONG, 0]}, {"fields": [], "size": 1 << 40}],
    ids=str,
)
def test_arrays_of_any_shape_are_read_or_refused(name: str, shape: Any, dtype: Any) -> None:
    facts = {"kind": "array", "dtype": dtype, "shape": shape, "order": "C", "version": 0}
    for size in (0, 8):
        with forge(name, facts, size):
            use(lambda: repr(arrays.open(name)))


def test_texts_that_are_no_text_are_damage(name: str) -> None:
    deep = b'{"kind":' + b"[" * 400 + b"]" * 400 + b"}"
    for text in (
        b'{"kind":"\\ud800"}',
        b'{"kind":"array","dtype":"\\udfff"}',
        '{"kind":"array"}'.encode("utf-16"),
        b'{"kind":"\xed\xa0\x80"}',
        deep,
    ):
        with forge(name, text):
            for module in (arrays, records, latest):
                with pytest.raises(CorruptError, match="damaged"):
                    module.open(name)
            with Section.open(name, access="r") as section:
                assert schema.describe(section) is None


def test_random_changes_of_good_descriptions_give_errors_of_this_library(name: str) -> None:
    chance = random.Random(3)
    good = {
        "record": {
            "kind": "record",
            "name": "P",
            "type": {
                "fields": [["a", "<f8", 0], ["b", {"of": "|u1", "shape": [2, 4]}, 8]],
                "size": 16,
            },
            "count": 4,
            "version": 0,
            "fingerprint": "x",
        },
        "array": {"kind": "array", "dtype": "<f8", "shape": [4, 2], "order": "C", "version": 0},
        "pickle": {"kind": "pickle", "length": 10, "buffers": 1},
    }
    values = [
        None,
        -1,
        0,
        1,
        LONG,
        1 << 61,
        1 << 63,
        1 << 70,
        1.5,
        float("inf"),
        "",
        "\x1b",
        "<f8",
        "|V0",
        [],
        {},
        [[]],
        True,
        "9" * 50,
    ]
    opened = 0
    for kind, module in (("record", records), ("array", arrays), ("pickle", pickling)):
        for _ in range(60):
            facts = json.loads(json.dumps(good[kind]))
            where, key = chance.choice(_places(facts))
            where[key] = chance.choice(values)
            with forge(name, facts, 64):
                found = None
                try:
                    if module is pickling:
                        pickling.load(name)
                    else:
                        found = module.open(name)
                        opened += 1
                        repr(found[0])
                except Error as failure:
                    assert str(failure).isprintable()
                except Exception as failure:
                    assert module is pickling and type(failure).__name__ in (
                        "UnpicklingError",
                        "EOFError",
                    ), facts
                finally:
                    if found is not None:
                        found.section.close()
    assert opened


def _places(value: Any) -> list[tuple[Any, Any]]:
    keys = value.items() if isinstance(value, dict) else enumerate(value)
    return [
        place
        for key, inner in keys
        for place in [(value, key), *(_places(inner) if isinstance(inner, (dict, list)) else [])]
    ]


def test_what_is_no_array_is_said_to_be_none(name: str) -> None:
    with Section.create(name, 4096) as section, section.map() as view:
        view[:] = bytes(range(256)) * 16
        for module in (arrays, records, latest):
            with pytest.raises(ArgumentError, match="no description of what is in it") as caught:
                module.open(name)
            assert "version" not in str(caught.value)


def test_another_version_is_told_as_such(name: str) -> None:
    kept = arrays.put(name, np.zeros(3))
    with Section.open(name) as section, section.map() as view:
        view[len(view) - 56 : len(view) - 52] = (9).to_bytes(4, "little")
        with pytest.raises(CorruptError, match="version is 9, this library knows version 1"):
            arrays.open(name)
    del kept


@pytest.mark.linux_only("SIGSTOP")
def test_a_maker_that_is_stopped_is_not_taken_for_another_kind_of_section(name: str) -> None:
    maker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            """
import os, signal, sys
from memsection import Section, latest
def stop(self, *arguments, **options):
    print("made", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
Section.map = stop
latest.create(sys.argv[1], 8)
""",
            name,
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert maker.stdout is not None and maker.stdout.readline() == b"made\n"
        with pytest.raises(CorruptError, match=f"not complete.*process {maker.pid}"):
            latest.open(name)
    finally:
        maker.kill()
        maker.communicate()
    with pytest.raises(NotFoundError):
        latest.open(name)  # and so what a kill left of the name is swept


def test_texts_that_were_good_once_are_bounded_and_not_read_again() -> None:
    for number in range(3 * facts_of._MOST_GOOD):
        text = facts_of.text_of({"kind": "array", "shape": [number]})
        first, again = facts_of.facts_in(text), facts_of.facts_in(text)
        assert first == again == {"kind": "array", "shape": [number]}
        assert first is again
        assert len(facts_of._found_good) <= facts_of._MOST_GOOD
    for bad in (b'{"kind":"\\ud800"}', b"[1]", b'{"a":' + b"[" * 400 + b"]" * 400 + b"}"):
        assert facts_of.facts_in(bad) is facts_of.facts_in(bad) is None
    long = facts_of.text_of({"kind": "x" * 2 * facts_of._SHORT})
    assert facts_of.facts_in(long) and long not in facts_of._found_good


@contextmanager
def described() -> Iterator[tuple[Section, Any, int]]:
    """A section whose description is known, its view, and where the footer is."""
    section, view = schema.make(None, 64, {"kind": "array", "shape": [16]})
    with section, view:
        schema.attach(section, "array")[0].close()
        end = len(view) - schema.FOOTER.size
        _, _, checksum, length, _ = schema.FOOTER.unpack(view[end:])
        assert facts_of.known_facts(bytes(view[end - length : end]), checksum) is not None
        yield section, view, end


@pytest.mark.parametrize(
    ("magic", "version", "checksum", "size", "error"),
    [
        (schema.MAGIC, schema.VERSION, 1, 0, "its text is damaged"),
        (schema.MAGIC, schema.VERSION + 1, 0, 0, "its version is"),
        (schema.MAGIC, schema.VERSION, 0, 1 << 40, "bytes of text and"),
        (b"MSnoting", schema.VERSION, 0, 0, "no description"),
    ],
)
def test_a_text_that_was_good_once_excuses_no_footer(
    magic: bytes, version: int, checksum: int, size: int, error: str
) -> None:
    with described() as (section, view, end):
        _, _, good, length, room = schema.FOOTER.unpack(view[end:])
        view[end:] = schema.FOOTER.pack(magic, version, good ^ checksum, length, size or room)
        with pytest.raises(CorruptError, match=error):
            schema.attach(section, "array")


def test_another_text_under_the_footer_of_a_known_one_is_not_taken_for_it() -> None:
    with described() as (section, view, end):
        _, _, _, length, room = schema.FOOTER.unpack(view[end:])
        other = bytes(view[end - length : end]).replace(b"16", b"32")
        view[end - length : end] = other
        with pytest.raises(CorruptError, match="its text is damaged"):
            schema.attach(section, "array")
        view[end:] = schema.FOOTER.pack(
            schema.MAGIC, schema.VERSION, zlib.crc32(other), length, room
        )
        for _ in range(2):  # read, and known
            _, facts, size = schema.attach(section, "array")
            assert (facts["shape"], size) == ([32], room)


def test_what_is_being_made_is_waited_for_though_its_text_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schema, "PATIENCE", 0.05)
    with described() as (section, view, end):
        view[end : end + 8] = schema.BEING_MADE
        with pytest.raises(CorruptError, match="not complete"):
            schema.attach(section, "array")
