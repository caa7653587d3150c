# SPDX-License-Identifier: MIT
"""``latest``: the value another process sees; the memory's own behaviour is tested with the
core."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated

import numpy as np
import pytest

from memsection import (
    AccessError,
    ArgumentError,
    CorruptError,
    NotFoundError,
    Section,
    WaitTimeoutError,
    latest,
)
from memsection.content import schema


@dataclasses.dataclass
class Pose:
    time: float
    at: Annotated[list[float], 3]


def test_another_process_reads_the_newest_value(name: str, other: Callable[..., str]) -> None:
    code = """
        from memsection import latest
        with latest.open(argv[1]) as reader:
            print(type(reader).__name__, reader.read_numbered())
    """
    with latest.create(name, Pose) as writer:
        assert other(code, name) == "Reader None\n"
        for step in range(1, 4):
            writer.write(Pose(step / 2, [step, 0, -step]))
        assert other(code, name) == "Reader (3, {'time': 1.5, 'at': [3.0, 0.0, -3.0]})\n"
        with latest.open(name, Pose) as reader:
            assert reader.read() == writer.read() == Pose(1.5, [3, 0, -3])
            assert reader.sequence == 3 and reader.layout is not None


def test_a_writer_in_another_process_never_tears(name: str) -> None:
    code = """
import sys
from memsection import latest
import numpy as np
with latest.create(sys.argv[1], 1 << 18) as writer:
    frame = np.zeros(1 << 16, np.uint32)
    for number in range(1, 400):
        frame[:] = number
        writer.write(frame)
        if number == 1:
            print("begun", flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline().strip() == b"begun"
        target, seen = np.empty(1 << 16, np.uint32), set()
        with latest.open(name, 1 << 18) as reader:
            while 399 not in seen:
                number, length = reader.read_into(target, 30)
                assert length == 1 << 18 and (target == target[0]).all() and target[0] == number
                seen.add(number)
        process.communicate(b"")
    assert process.returncode == 0


def test_a_value_is_made_in_place_or_not_at_all(name: str) -> None:
    with latest.create(name, 100) as writer, latest.open(name) as reader:
        with writer.writing(5) as memory:
            memory[:] = b"hello"
            assert reader.read() is None
        assert reader.read() == b"hello"
        with pytest.raises(KeyError), writer.writing() as memory:
            memory[:3] = b"bad"
            raise KeyError
        assert reader.read_numbered() == (1, b"hello")
        for length in (-1, 101):
            with pytest.raises(ArgumentError), writer.writing(length):
                pass


def test_the_next_writer_goes_on_where_the_last_one_stopped(name: str) -> None:
    with latest.create(name, 10) as first:
        first.write(b"one")
        with latest.open(name, write=True) as second:
            first.close()
            second.write(b"two")
            with latest.open(name) as reader:
                assert reader.read_numbered() == (2, b"two")
            assert type(second) is latest.Writer


def test_a_mismatch_shows_both_sides(name: str) -> None:
    with latest.create(name, Pose, version=2):
        for spec, version, shows in (
            (33, None, "asked for capacity 33; found capacity 32"),
            (None, 3, "found version 2"),
            (np.dtype([("t", "f8")]), None, "t: f8 at 0; 8 bytes"),
        ):
            with pytest.raises(ArgumentError) as caught:
                latest.open(name, spec, version=version)
            assert shows in str(caught.value)
    with latest.create(name, 32), pytest.raises(ArgumentError, match="found layout none"):
        latest.open(name, Pose)


@pytest.mark.parametrize(
    ("spec", "slots"), [(0, 4), (-1, 4), (10, 1), (10, 65), (10, -1), (2**70, 4), (str, 4)]
)
def test_what_cannot_be_is_refused(name: str, spec: int, slots: int) -> None:
    with pytest.raises(ArgumentError):
        latest.create(name, spec, slots=slots)
    with pytest.raises(NotFoundError):
        latest.open(name)


def test_values_that_do_not_fit_and_ends_that_are_closed_are_errors(name: str) -> None:
    with latest.create(name, 4) as writer:
        with pytest.raises(ArgumentError):
            writer.write(b"12345")
        with pytest.raises(FileExistsError):
            latest.create(name, 4)
        with latest.open(name) as reader:
            writer.write(b"1234")
            with pytest.raises(ArgumentError):
                reader.read_into(bytearray(3))
            assert not hasattr(reader, "write")
        for use in (reader.read, lambda: reader.sequence, lambda: reader.read_into(bytearray(4))):
            with pytest.raises(ArgumentError):
                use()
    with pytest.raises(ArgumentError):
        writer.write(b"")


def test_a_reader_with_a_read_only_handle_cannot_become_the_writer(name: str) -> None:
    with latest.create(name, 4) as writer:
        section = writer.section.duplicate("r")
        with pytest.raises(AccessError):
            latest.from_section(section, write=True)
        assert section.closed
        with latest.from_section(writer.section.duplicate("r")) as reader:
            assert reader.read() is None


def test_noise_in_the_memory_is_an_error(name: str) -> None:
    with latest.create(name, Pose) as writer:
        writer.write(Pose(1, [1, 2, 3]))
        with latest.open(name) as reader, writer.section.map() as view:
            view[24:32] = b"\xff" * 8
            with pytest.raises(WaitTimeoutError):
                reader.read(0.01)
            view[0:4] = b"what"
            with pytest.raises(CorruptError):
                latest.open(name)
    with Section.create(name, 4096), pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "PATIENCE", 1.01)
        with pytest.raises(CorruptError):
            latest.open(name)


def test_a_value_of_another_length_than_the_record_is_an_error(name: str) -> None:
    from memsection._native import seqlock

    with (
        latest.create(name, Pose) as writer,
        writer.section.map() as view,
        seqlock.Latest(view, writable=True) as raw,
    ):
        raw.write(b"short")
        with pytest.raises(CorruptError, match="5 bytes, a record has 32"):
            writer.read()
