# SPDX-License-Identifier: MIT
"""``pickling``: large buffers stay out of the pickle, and arrive whole."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from memsection import (
    ArgumentError,
    CorruptError,
    Event,
    HandleError,
    NotFoundError,
    Section,
    pickling,
)
from memsection.content import schema

pytestmark = pytest.mark.usefixtures("helpers")


def value() -> dict[str, object]:
    return {
        "big": np.arange(100_000.0),
        "small": np.arange(3),
        "text": "x",
        "fixed": np.frombuffer(bytes(50_000), "u1"),
        "raw": pickle.PickleBuffer(bytearray(b"r" * 40_000)),
        "columns": np.asfortranarray(np.ones((300, 200))),
        "gaps": np.arange(40_000)[::2],
    }


def test_another_process_loads_by_name(name: str, other: Callable[..., str]) -> None:
    with pickling.dump(name, value()):
        told = other(
            """
            from memsection import pickling
            value = pickling.load(argv[1])
            print(float(value["big"].sum()), value["small"].tolist(), bytes(value["raw"][:3]), value["gaps"][-1])
            value["big"][0] = 5
        """,
            name,
        )
        assert told == "4999950000.0 [0, 1, 2] b'rrr' 39998\n"
        again = pickling.load(name)
        assert again["big"][0] == 0 and again["columns"].flags.f_contiguous


def test_what_was_read_only_stays_so_and_the_rest_is_each_loaders_own(name: str) -> None:
    with pickling.dump(name, value()):
        one, two = pickling.load(name), pickling.load(name)
        assert one["big"].flags.writeable and not one["fixed"].flags.writeable
        one["big"][:] = 7
        assert two["big"][5] == 5 == pickling.load(name)["big"][5]


def test_shared_buffers_are_the_same_memory_and_read_only_where_the_handle_is(name: str) -> None:
    with pickling.dump(name, value()) as section:
        one, two = pickling.load(name, shared=True), pickling.load(name, shared=True)
        one["big"][3] = -1
        assert two["big"][3] == -1
        reader = pickling.load(section.duplicate("r"), shared=True)
        assert reader["big"][3] == -1 and not reader["big"].flags.writeable


def test_arrays_outlive_every_name_and_handle(name: str) -> None:
    with pickling.dump(name, value()):
        array = pickling.load(name)["big"]
    with Section.open(name, access="r"):
        pass
    part = array[10:12]
    del array
    gc.collect()
    assert part.tolist() == [10, 11]
    del part
    gc.collect()
    with pytest.raises(NotFoundError):
        pickling.load(name)


def test_bytes_go_to_one_other_process() -> None:
    data = pickling.dumps(value())
    assert len(data) < 170_000  # what has gaps stays inside, the rest is beside it
    code = """
import sys
from memsection import pickling
data = sys.stdin.buffer.read()
value = pickling.loads(data)
print(float(value["big"].sum()), value["big"].flags.writeable)
try:
    pickling.loads(data)
except ValueError as error:
    print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], input=data, capture_output=True
    )
    assert done.stdout.decode().split() == ["4999950000.0", "True", "HandleError"], done.stderr
    Event.create().close()  # a sender looks for what was taken whenever it closes something
    with pytest.raises(HandleError):
        pickling.loads(data)


def test_small_values_are_a_pickle_alone() -> None:
    for plain in ([1, "x"], (Section, b"x"), np.arange(5), None):
        data = pickling.dumps(plain)
        assert len(data) < 400
        for _ in range(2):
            assert np.array_equal(pickling.loads(data), plain)  # type: ignore[arg-type]
    array = np.arange(5)
    data = pickling.dumps(array, threshold=8)
    assert pickling.loads(data, shared=True).tolist() == array.tolist()


@pytest.mark.parametrize("data", [b"", b"MSpickl", b"MSpickl2x", pickle.dumps(5)])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ArgumentError):
        pickling.loads(data)


def test_what_cannot_be_pickled_leaves_no_name(name: str) -> None:
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickling.dump(name, {"array": np.zeros(100_000), "bad": lambda: 1})
    with pytest.raises(NotFoundError):
        pickling.load(name)


def test_a_table_of_buffers_that_leaves_the_section_is_an_error(name: str) -> None:
    with pickling.dump(name, np.zeros(100_000)) as section:
        facts = schema.describe(section)
        assert facts is not None
        with section.map() as view:
            at = facts["length"]
            for offset, length in ((0, 2**63), (2**63, 8), (facts["size"], 1), (2**64 - 8, 16)):
                view[at : at + 16] = offset.to_bytes(8, "little") + length.to_bytes(8, "little")
                with pytest.raises(CorruptError):
                    pickling.load(name)
    for wrong in ({"length": -1}, {"length": 10**9}, {"buffers": 10**9}, {"buffers": "1"}):
        made, view = schema.make(
            schema.section_attributes(name),
            100,
            {"kind": "pickle", "length": 1, "buffers": 1, **wrong},
        )
        with made, view, pytest.raises(CorruptError):
            pickling.load(name)
