# SPDX-License-Identifier: MIT
"""ShareableList gives back what was put in, or says that it cannot and changes nothing."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import shared_memory as originals

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsection.compat import ShareableList, SharedMemory, blocks

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.binary(max_size=40),
    st.text(max_size=20),
    st.binary(max_size=5).map(lambda value: value + bytes(9)),
)


@contextmanager
def shared(*arguments: object, **options: str) -> Iterator[ShareableList]:
    values = ShareableList(*arguments, **options)  # type: ignore[arg-type]
    try:
        yield values
    finally:
        values.shm.close()
        if blocks.POSIX:
            values.shm.unlink()


def same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return type(left) is type(right) and left == right


@settings(deadline=None, max_examples=100)
@given(st.lists(VALUES, max_size=8))
def test_every_value_comes_back(values: list[object]) -> None:
    with shared(values) as mine:
        other = ShareableList(name=mine.shm.name)
        assert len(other) == len(values)
        assert all(map(same, other, values))
        other.shm.close()


@settings(deadline=None, max_examples=100)
@given(VALUES, VALUES)
def test_a_value_that_is_put_in_the_place_of_another_comes_back_or_changes_nothing(
    old: object, new: object
) -> None:
    with shared([b"before", old, b"behind"]) as values:
        try:
            values[1] = new
        except ValueError as problem:
            assert "exceeds available storage" in str(problem)
            assert same(values[1], old)
        else:
            assert same(values[1], new)
        assert (values[0], values[2]) == (b"before", b"behind")


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_a_number_beyond_64_bits_is_refused_and_changes_nothing(number: int) -> None:
    with pytest.raises(OverflowError):
        ShareableList([number])
    with shared(["text"]) as values:
        with pytest.raises(struct.error):  # what the standard library raises
            values[0] = number
        assert values[0] == "text"


def test_a_list_that_cannot_be_made_leaves_no_block() -> None:
    before = set(blocks._handles)
    for bad in ([2**70], ["\ud800"], [object()]):
        with pytest.raises((OverflowError, UnicodeEncodeError, KeyError)):
            ShareableList(bad)  # type: ignore[arg-type]
    assert set(blocks._handles) == before


def test_an_index_beyond_either_end_is_an_error() -> None:
    with shared([1, 2, 3]) as values:
        for position in (3, -4, 100, -100):
            with pytest.raises(IndexError):
                values[position]
            with pytest.raises(IndexError):
                values[position] = 1
        assert [values[-1], values[-3]] == [3, 1]


def test_any_iterable_makes_a_list() -> None:
    with shared(value for value in ("a", 1)) as values:
        assert list(values) == ["a", 1]
        with shared(values) as copy:
            assert (list(copy), copy.format) == (list(values), values.format)


@pytest.mark.linux_only("the standard library's blocks are POSIX shared memory objects there")
def test_a_genuine_list_can_be_opened() -> None:
    genuine = originals.ShareableList(["text", b"bytes", 5, None, True, 2.5])
    try:
        mine = ShareableList(name=genuine.shm.name)
        assert list(mine) == list(genuine)
        mine[0], mine[2] = "other", 6
        assert (genuine[0], genuine[2]) == ("other", 6)
        mine.shm.close()
    finally:
        genuine.shm.close()
        genuine.shm.unlink()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 64,
        struct.pack("=q", 1 << 40),
        struct.pack("=4q", 1, 0, 1 << 40, 0),
        struct.pack("=4q", 1, 8, 0, 0),
    ],
)
def test_a_block_that_contains_no_list_is_refused(content: bytes) -> None:
    block = SharedMemory(create=True, size=max(1, len(content)))
    try:
        block.buf[: len(content)] = content
        with pytest.raises(ValueError, match="contains no ShareableList"):
            ShareableList(name=block.name)
    finally:
        block.close()
        if blocks.POSIX:
            block.unlink()
