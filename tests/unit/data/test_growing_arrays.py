# SPDX-License-Identifier: MIT
"""Arrays that grow: what is new, who sees it, and what a length that somebody wrote cannot do."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from memsection import AccessError, ArgumentError, CommitError, CorruptError, Error, Section, arrays
from memsection.content import growing, schema


def test_grows_in_place_for_every_process(name: str, other: Callable[..., str]) -> None:
    array = arrays.create(name, (2, 3), "f4", maximum=100_000)
    part = array[1:]
    array[...] = 1
    longer = array.grow(5)
    assert longer.shape == (5, 3) and longer.sum() == 6
    longer[4] = 7
    told = other(
        """
        from memsection import arrays
        array = arrays.open(argv[1])
        print(array.shape, array.maximum, float(array.sum()))
        array.grow(100_000)[99_999, 2] = 9
        print(array.shape, array.current().shape)
    """,
        name,
    )
    assert told == "(5, 3) 100000 27.0\n(5, 3) (100000, 3)\n"
    assert array.shape == (2, 3) and longer.shape == (5, 3), "what is held stays as it is"
    now = array.current()
    assert now.shape == (100_000, 3) and now[99_999, 2] == 9 and now.sum() == 36
    part[0, 0] = 5
    assert now[1, 0] == 5, "all lengths are one memory"
    assert now.current() is now and longer.current().shape == now.shape


def test_never_shrinks_and_at_least_means_at_least(name: str) -> None:
    array = arrays.create(name, 10, "i8", maximum=20)
    assert array.grow(15).shape == (15,)
    assert array.grow(3).shape == (15,)
    assert array.grow(20).shape == (20,) and array.maximum == 20


@pytest.mark.linux_only("memory is refused at once; Wine has no such limit")
def test_memory_is_taken_for_the_rows_that_are_there(name: str) -> None:
    array = arrays.create(name, 1, "u1", maximum=1 << 40)
    assert array.grow(1 << 20).shape == (1 << 20,)
    with pytest.raises(CommitError):
        array.grow(1 << 40)
    assert array.current().shape == (1 << 20,), "nothing has changed"


def test_begins_empty(name: str) -> None:
    array = arrays.create(name, 0, "i4", maximum=10)
    assert array.shape == (0,) and array.current() is array
    assert arrays.open(name).shape == (0,)
    assert array.grow(4).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "arguments",
    [
        {"shape": 5, "maximum": 4},
        {"shape": (), "maximum": 4},
        {"shape": 0, "maximum": 0},
        {"shape": (3, 0), "maximum": 4},
        {"shape": (3, 2), "maximum": 4, "order": "F"},
    ],
    ids=str,
)
def test_what_cannot_grow_is_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="create"):
        arrays.create(name, **arguments)
    with pytest.raises(TypeError):
        arrays.create(name, 3, maximum=4.5)  # type: ignore[arg-type]


def test_growing_is_refused_where_it_cannot_be(name: str) -> None:
    array = arrays.create(name, 5, "i4", maximum=10)
    with pytest.raises(ArgumentError, match="at most 10"):
        array.grow(11)
    with pytest.raises(ArgumentError, match="asked for -1"):
        array.grow(-1)
    with pytest.raises(TypeError):
        array.grow("7")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="part"):
        array[1:].grow(7)
    with pytest.raises(ArgumentError, match="part"):
        array.view("u1").current()
    for access in ("r", "c"):
        found = arrays.open(name, access=access)  # type: ignore[arg-type]
        with pytest.raises(AccessError, match=f"{access!r}"):
            found.grow(7)
    fixed = arrays.create(None, 5, "i4")
    assert fixed.maximum is None and fixed.current() is fixed
    with pytest.raises(ArgumentError, match="without maximum"):
        fixed.grow(6)


def test_readers_see_what_others_added(name: str) -> None:
    array = arrays.create(name, 5, "i4", maximum=1 << 20)
    reader, copier = arrays.open(name, access="r"), arrays.open(name, access="c")
    copier[0] = 3
    array.grow(1 << 20)[-1] = 8
    assert reader.current()[-1] == 8 and not reader.current().flags.writeable
    mine = copier.current()
    assert mine[0] == 3 and mine[-1] == 8
    mine[-1] = 9
    assert array.current()[-1] == 8


def test_a_restarted_program_goes_on_with_it(name: str) -> None:
    array = arrays.create(name, 2, "i4", maximum=10, exist_ok=True)
    array.grow(7)
    again = arrays.create(name, 2, "i4", maximum=10, exist_ok=True)
    assert again.shape == (7,)
    for asked, wrong in (
        ({"shape": 2, "maximum": 11}, "maximum 11; found maximum 10"),
        ({"shape": 8, "maximum": 10}, "rows 8; found rows 7"),
        ({"shape": (2, 1), "maximum": 10}, "shape of a row"),
        ({"shape": 2, "maximum": 10, "dtype": "f8"}, "dtype"),
        ({"shape": 2}, "shape"),
    ):
        with pytest.raises(ArgumentError, match=wrong):
            arrays.create(name, **{"dtype": "i4", **asked}, exist_ok=True)  # type: ignore[arg-type]
    fixed = arrays.create(name + "f", 2, "i4")
    with pytest.raises(ArgumentError, match="found maximum None"):
        arrays.create(name + "f", 2, "i4", maximum=2, exist_ok=True)
    del fixed


def _grow_there(array: arrays.Array, rows: int) -> tuple[int, ...]:
    array.grow(rows)[rows - 1] = rows
    return array.shape


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_it_grows_wherever_it_was_passed_to(name: str, helpers: None, method: str) -> None:
    array = arrays.create(name, 3, "i4", maximum=1000)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.starmap(_grow_there, [(array, 10), (array, 500)]) == [(3,), (3,)]
    now = array.current()
    assert len(now) == 500 and now[9] == 10 and now[499] == 500
    assert pickle.loads(pickle.dumps(now)).shape == (500,)


def test_many_grow_it_at_once(name: str, other: Callable[..., str]) -> None:
    array = arrays.create(name, 0, "i8", maximum=200_000)
    code = """
import sys
from memsection import arrays
array = arrays.open(sys.argv[1])
for rows in range(int(sys.argv[2]), 200_001, 997):
    seen = array.grow(min(rows, 200_000))
    assert len(seen) >= rows and seen.sum() >= 0
"""
    growers = [
        subprocess.Popen([sys.executable, "-c", code, name, str(start)]) for start in (1, 300)
    ]
    longest = 0
    while any(grower.poll() is None for grower in growers):
        now = array.current()
        assert len(now) >= longest and not now.any()
        longest = len(now)
    assert [grower.wait(60) for grower in growers] == [0, 0]
    assert len(array.current()) > 199_000


@pytest.mark.linux_only("SIGKILL")
def test_who_is_killed_while_it_grows_leaves_it_whole(name: str) -> None:
    array = arrays.create(name, 0, "i8", maximum=1 << 22)
    code = """
import sys
from memsection import arrays
array = arrays.open(sys.argv[1])
print("grows", flush=True)
for rows in range(1, 1 << 22, 613):
    array.grow(rows)[-1] = 1
"""
    for number in range(6):
        grower = subprocess.Popen([sys.executable, "-c", code, name], stdout=subprocess.PIPE)
        assert grower.stdout is not None and grower.stdout.readline() == b"grows\n"
        time.sleep(0.01 * number)  # somewhere in the middle: each place is a good one
        os.kill(grower.pid, signal.SIGKILL)
        grower.communicate()
        now = array.current()
        assert now.sum() >= 0
    assert array.grow(1 << 22).shape == (1 << 22,)


# ---------------------------------------------------------------------- what others write


@pytest.mark.invariant("M1")
@pytest.mark.linux_only("Wine lets memory be read that is only reserved, so there it is there")
@pytest.mark.parametrize("rows", [3000, 100_000, 100_001, 1 << 40, (1 << 64) - 1])
def test_a_length_without_memory_is_damage(name: str, rows: int) -> None:
    array = arrays.create(name, 10, "i8", maximum=100_000)
    with Section.open(name) as section, section.map() as view:
        at = growing.place(100_000 * 8)
        view[at : at + 8] = rows.to_bytes(8, sys.byteorder)
        for use in (array.current, lambda: array.grow(20), lambda: arrays.open(name)):
            with pytest.raises(CorruptError, match="rows of at most 100000"):
                use()
        assert schema.describe(section) is None
        view[at : at + 8] = (5).to_bytes(8, sys.byteorder)
    assert array.current().shape == (5,), "one that is possible is believed"


@pytest.mark.parametrize(
    "facts",
    [
        {"maximum": 0, "shape": [0]},
        {"maximum": -1, "shape": [-1]},
        {"maximum": 5, "shape": [4]},
        {"maximum": 5, "shape": []},
        {"maximum": 7, "shape": [7]},
        {"maximum": 4096 // 8, "shape": [4096 // 8]},
        {"maximum": True, "shape": [1]},
        {"maximum": None, "shape": [5]},
        {"maximum": "5", "shape": ["5"]},
        {"maximum": 1 << 61, "shape": [1 << 61]},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [0, 8, 40, 4096, 8192 - 64 - 8])
def test_growing_arrays_of_any_description_are_read_or_refused(
    name: str, facts: dict[str, Any], size: int
) -> None:
    import json
    import zlib

    text = json.dumps({"kind": "array", "dtype": "<f8", "order": "C", "version": 0} | facts)
    whole = text.encode()
    with Section.create(name, 8192) as section, section.map() as view:
        end = len(view) - schema.FOOTER.size
        view[end - len(whole) : end] = whole
        view[end:] = schema.FOOTER.pack(
            schema.MAGIC, schema.VERSION, zlib.crc32(whole), len(whole), size
        )
        try:
            found = arrays.open(name)
        except Error as failure:
            assert str(failure).isprintable()
        else:
            assert found.shape == (0,) and found.maximum == facts["maximum"]


@pytest.mark.linux_only("Wine lets memory be read that is only reserved, so there it is there")
def test_a_section_that_is_only_reserved_is_no_array(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "UNMARKED_PATIENCE", 0.01)
    with Section.create(name, 1 << 20, commit=False) as section:
        assert schema.describe(section) is None
        with pytest.raises(ArgumentError, match="no description"):
            arrays.open(name)
        with section.map() as view:
            view.commit(len(view) - 4096)
            view[len(view) - 64 :] = schema.FOOTER.pack(schema.MAGIC, 1, 0, 10_000, 0)
            assert schema.describe(section) is None
            with pytest.raises(CorruptError, match="no memory"):
                arrays.open(name)


def test_an_array_that_was_put_can_grow(name: str, other: Callable[..., str]) -> None:
    values = np.arange(6, dtype="i4").reshape(2, 3)
    array = arrays.put(name, values, maximum=50_000)
    assert array.maximum == 50_000 and (array == values).all()
    array.grow(4)[3] = 9
    told = other("from memsection import arrays; print(arrays.open(argv[1]).tolist())", name)
    assert told == "[[0, 1, 2], [3, 4, 5], [0, 0, 0], [9, 9, 9]]\n"


def test_putting_again_grows_what_is_there_and_never_shrinks_it(name: str) -> None:
    first = arrays.put(name, np.ones((2, 2)), maximum=10)
    again = arrays.put(name, np.full((3, 2), 7.0), maximum=10, exist_ok=True)
    assert again.shape == (3, 2) and first.current().tolist() == [[7.0, 7.0]] * 3
    with pytest.raises(ArgumentError, match="asked for rows 1; found rows 3"):
        arrays.put(name, np.ones((1, 2)), maximum=10, exist_ok=True)
    with pytest.raises(ArgumentError, match="maximum"):
        arrays.put(name, np.ones((3, 2)), maximum=11, exist_ok=True)
    assert first.current().tolist() == [[7.0, 7.0]] * 3


def test_columns_of_an_array_that_is_put_to_grow_become_rows(name: str) -> None:
    values = np.arange(6.0).reshape(2, 3).T
    array = arrays.put(name, values, maximum=4)
    assert array.flags.c_contiguous and (array == values).all()
    assert (array.grow(4)[:3] == values).all()


def test_what_is_put_cannot_grow_to_fewer_rows_than_it_has(name: str) -> None:
    with pytest.raises(ArgumentError, match="cannot grow to 1 rows"):
        arrays.put(name, [1, 2], maximum=1)
    with pytest.raises(ArgumentError, match="cannot grow"):
        arrays.put(name, 5, maximum=1)


def test_a_large_array_that_is_put_to_grow_has_its_values(name: str) -> None:
    values = np.arange(100_000, dtype="i8")
    array = arrays.put(name, values, maximum=1_000_000)
    assert (array == values).all()
    assert not array.grow(200_000)[100_000:].any()
