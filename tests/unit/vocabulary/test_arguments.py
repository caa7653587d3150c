# SPDX-License-Identifier: MIT
"""Arguments that are not of the kind that is asked for: a TypeError that names the argument and
what was given."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from memsection import Event, Mutex, Section, Semaphore, arrays, latest, records, wait_all, wait_any
from memsection.vocabulary.arguments import seconds, whole_number


@pytest.mark.parametrize("value", [7, np.int64(7), np.uint8(7)])
def test_integers_of_any_library_are_whole_numbers(value: object) -> None:
    assert whole_number(value, "size") == 7 and type(whole_number(value, "size")) is int


@pytest.mark.parametrize(
    "value", [1, 0.5, np.float32(0.5), Fraction(1, 2), Decimal("0.5"), np.int64(2)]
)
def test_numbers_of_any_library_are_seconds(value: Any) -> None:
    assert seconds(value) == float(value)


class Record(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int)]


@pytest.mark.parametrize("size", [1.5, 4096.0, "4096", b"4", None, [1]])
@pytest.mark.parametrize(
    "use",
    [
        lambda size: Section.create(size=size),
        lambda size: Section.create("never", size),
        lambda size: Section.create("never", size, exist_ok=True),
        lambda size: Semaphore.create(initial=size),
        lambda size: Semaphore.create(maximum=size),
        lambda size: records.create(None, Record, size),
        lambda size: latest.create(None, 8, slots=size),
        lambda size: arrays.create(None, (2, size)),
    ],
    ids=[
        "section",
        "named section",
        "existing section",
        "initial",
        "maximum",
        "count",
        "slots",
        "shape",
    ],
)
def test_a_size_that_is_no_int_is_a_type_error(use: Callable[[Any], object], size: object) -> None:
    with pytest.raises(TypeError, match=f": an int is needed, not {type(size).__name__}"):
        use(size)


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda: Section.create(4096), r"not int: without a name write create\(size=4096\)"),  # type: ignore[arg-type]
        (lambda: Section.create(4096, 4096), "not int$"),  # type: ignore[arg-type]
        (lambda: Section.create(b"name", 4096), "not bytes$"),  # type: ignore[arg-type]
        (lambda: Section.from_file(__file__, name=4096), "not int$"),  # type: ignore[arg-type]
        (lambda: Semaphore.create(1), r"not int: without a name write create\(initial=1\)"),  # type: ignore[arg-type]
        (
            lambda: Mutex.create(True),
            r"not bool: without a name write create\(initial_owner=True\)",
        ),  # type: ignore[arg-type]
        (lambda: Event.create(True), r"create\(initial=True\) or create\(manual_reset=True\)"),  # type: ignore[arg-type]
        (lambda: arrays.create((2, 3), 4), "not tuple$"),  # type: ignore[arg-type]
        (lambda: arrays.create(4, float), "not int$"),  # type: ignore[arg-type]
        (lambda: arrays.put(np.zeros(3), 1), "not ndarray$"),  # type: ignore[arg-type]
        (lambda: records.create(Record, 3), "^name: a str is needed, or None, not PyCStructType$"),  # type: ignore[arg-type]
        (lambda: latest.create(64, 64), "not int$"),  # type: ignore[arg-type]
    ],
)
def test_a_name_that_is_none_is_a_type_error_with_the_way_out(
    use: Callable[[], object], says: str
) -> None:
    with pytest.raises(TypeError, match="^name: a str is needed, or None") as refused:
        use()
    assert re.search(says, str(refused.value))


@pytest.mark.linux_only("it asks for descriptors too")
def test_offsets_and_lengths_that_are_no_ints_are_type_errors() -> None:
    with Section.create(size=4096) as section, section.map() as view:
        for use in (
            lambda: section.map("0"),
            lambda: section.map(0, 1.5),
            lambda: view.commit(1.5),
            lambda: view.flush(0, "1"),
            lambda: Section.from_fd(section.fileno(), size=1.5),
        ):
            with pytest.raises(TypeError, match="an int is needed"):
                use()
        with section.map(np.int64(0), np.int64(10)) as part:
            assert len(part) == 10


@pytest.mark.parametrize("timeout", ["5", b"5", [1], 1j, object()])
def test_a_timeout_that_is_no_number_is_a_type_error(timeout: Any) -> None:
    with Event.create(initial=True) as event:
        for wait in (wait_any, wait_all):
            with pytest.raises(TypeError, match="number of seconds"):
                wait([event], timeout)


def test_an_existing_section_that_is_smaller_is_refused_with_both_sizes() -> None:
    with Section.create("test-smaller", 8192):
        with pytest.raises(
            ValueError, match=r"'test-smaller': asked for 1048576 bytes, .* has 8192"
        ):
            Section.create("test-smaller", 1 << 20, exist_ok=True)
        for size in (1, 8192):
            with Section.create("test-smaller", size, exist_ok=True) as again:
                assert not again.created and again.size == 8192


@pytest.mark.linux_only("on Windows the kernel does not say what it found")
def test_messages_name_things_as_users_do() -> None:
    import memsection

    for error in (memsection.NotFoundError, memsection.Error, memsection.AbandonedMutexError):
        assert error.__module__ == "memsection" and getattr(memsection, error.__name__) is error
    with Mutex.create("test-words") as mutex:
        pass
    with pytest.raises(PermissionError) as caught:
        mutex.release()
    assert "operation" not in str(caught.value) and "test-words" in str(caught.value)
    with pytest.raises(ValueError, match="asked for a section, .* a mutex"):
        Section.open("test-words")
    with pytest.raises(ValueError, match="asked for an event, .* a mutex"):
        Event.from_handle(mutex.handle)
    mutex.close()
    with pytest.raises(ValueError, match="create a section: asked for 0 bytes"):
        Section.create(size=0)
