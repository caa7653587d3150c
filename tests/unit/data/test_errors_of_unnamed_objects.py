# SPDX-License-Identifier: MIT
"""What fails of an object without a name is told without one, and not as of ``None``."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest

from memsection import Error, RWLock, Section, arrays, latest, pickling, records
from memsection.channels import Queue, Topic
from memsection.vocabulary.text import about


def _described_otherwise(look: Callable[[Section], object]) -> None:
    """Open a section that holds an array as something else."""
    with Section.create(size=65536) as section, section.map() as view:
        view[:8] = b"\xff" * 8
        look(section)


def _closed(end: Queue[bytes]) -> Queue[bytes]:
    end.close()
    return end


def _send_too_much() -> None:
    with Queue.create(None, bytes, largest=16, overflow=False) as queue:
        queue.send(bytes(1 << 20), timeout=0)


def _write_while_reading() -> None:
    with RWLock.create() as lock, lock.read():
        with lock.write():
            pass


FAILURES: dict[str, Callable[[], object]] = {
    "records of none": lambda: records.create(None, "<i4", 0),
    "an array that grows badly": lambda: arrays.create(None, (8,), "u1", maximum=2),
    "a section without an array": lambda: _described_otherwise(arrays.from_section),
    "a section without records": lambda: _described_otherwise(records.from_section),
    "a section without a latest value": lambda: _described_otherwise(latest.from_section),
    "a section without a pickle": lambda: _described_otherwise(pickling.load),
    "a section without a queue": lambda: _described_otherwise(Queue.from_section),
    "a section without a topic": lambda: _described_otherwise(Topic.from_section),
    "a queue of nothing": lambda: Queue.create(None, bytes, capacity=0),
    "too large a history": lambda: Topic.create(None, bytes, capacity=4, history=1 << 40),
    "a closed end": lambda: _closed(Queue.create(None, bytes)).send(b""),
    "a closed end, pickled": lambda: pickle.dump(_closed(Queue.create(None, bytes)), io.BytesIO()),
    "too large a message": _send_too_much,
    "a lock taken twice": _write_while_reading,
}


@pytest.mark.parametrize("what", FAILURES)
def test_no_failure_speaks_of_none(what: str) -> None:
    with pytest.raises((Error, TypeError)) as caught:
        FAILURES[what]()
    assert "None" not in str(caught.value)
    assert str(caught.value).count("''") == 0


def test_what_is_shown_of_an_unnamed_end_speaks_of_none_neither() -> None:
    with closing(Queue.create(None, bytes)) as queue:
        assert "None" not in repr(queue)
    assert "None" not in repr(queue)
    with RWLock.create() as lock:
        assert "None" not in repr(lock)


@pytest.mark.parametrize(
    ("operation", "name", "said"),
    [
        ("open", "x", "open 'x'"),
        ("open", None, "open"),
        ("receive from", None, "receive"),
        ("send to", "", "send"),
        ("send to", "x", "send to 'x'"),
    ],
)
def test_a_name_is_told_where_there_is_one(operation: str, name: str | None, said: str) -> None:
    assert about(operation, name) == said


def test_an_array_says_nothing_of_none() -> None:
    array = arrays.create(None, (4,), "u1")
    assert isinstance(array, np.ndarray)
    assert "None" not in repr(array)
