# SPDX-License-Identifier: MIT
"""``arrays``: what another process gets, how long it stays, and what a description cannot do."""

from __future__ import annotations

import gc
import json
import multiprocessing
import pickle
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest

from memsection import ArgumentError, CorruptError, NotFoundError, Section, arrays
from memsection.content import schema

STRUCTURED = np.dtype(
    [("id", "u1"), ("at", "<f8", (2, 3)), ("inner", [("when", "<M8[ns]"), ("text", "S7")])]
)
ALIGNED = np.dtype([("flag", "?"), ("value", "f8"), ("wide", "U3")], align=True)


def raw(array: np.ndarray[Any, Any]) -> bytes:
    """The bytes as they lie there, padding included."""
    return array.ravel(order="K").view(np.uint8).tobytes()


def exists(name: str) -> bool:
    try:
        Section.open(name).close()
    except NotFoundError:
        return False
    return True


def test_another_process_needs_only_the_name(name: str, other: Callable[..., str]) -> None:
    array = arrays.create(name, (3, 4), "f4")
    assert array.sum() == 0
    array[...] = np.arange(12).reshape(3, 4)
    told = other(
        """
        from memsection import arrays
        array = arrays.open(argv[1])
        print(array.dtype, array.shape, float(array.sum()))
        array[1, 2] = 100
    """,
        name,
    )
    assert told == "float32 (3, 4) 66.0\n"
    assert array[1, 2] == 100


@pytest.mark.parametrize(
    "dtype",
    [
        "?",
        "i1",
        "u8",
        "<f2",
        ">i4",
        "c16",
        "S5",
        "U4",
        "M8[us]",
        "m8",
        "V3",
        STRUCTURED,
        ALIGNED,
        "f4,u1,(2,)f8",
    ],
    ids=str,
)
def test_every_dtype_without_pointers_comes_back_as_it_was(name: str, dtype: Any) -> None:
    kind = np.dtype(dtype)
    values = np.frombuffer(bytes(range(1, 1 + 6 * kind.itemsize % 97)) * 200, np.uint8)[
        : 6 * kind.itemsize
    ]
    plain = (values % 2 if kind.kind == "b" else values % 100).copy().view(kind).reshape(2, 3)
    for order in ("C", "F"):
        source = np.asarray(plain, order=order)  # type: ignore[call-overload]
        put = arrays.put(name, source)
        found = arrays.open(name)
        assert found.dtype == kind and found.shape == (2, 3) and found.strides == source.strides
        assert raw(found) == raw(source) == raw(put)
        del put, found


@pytest.mark.parametrize(
    "source",
    [
        np.arange(24).reshape(2, 3, 4)[:, ::2, ::-1],
        np.array(5.5),
        np.zeros((0, 3)),
        [1, 2],
        np.arange(200_000)[::2],
        np.arange(6).reshape(2, 3).T,
    ],
    ids=range(6),
)
def test_anything_that_is_an_array_can_be_put(name: str, source: Any) -> None:
    put = arrays.put(name, source)
    found = arrays.open(name)
    for array in (put, found):
        assert np.array_equal(array, source) and array.dtype == np.asarray(source).dtype
    assert found.section is not None and found.section.name == name


@pytest.mark.parametrize("dtype", ["O", [("a", "O")], "S0", "V0", []])
def test_a_dtype_of_pointers_or_nothing_is_refused_and_leaves_no_name(
    name: str, dtype: Any
) -> None:
    with pytest.raises(ArgumentError):
        arrays.create(name, 3, dtype)
    with pytest.raises(ArgumentError):
        arrays.put(name, np.empty(2, np.dtype("O")))
    assert not exists(name)


def test_a_negative_shape_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError):
        arrays.create(name, (3, -1))


@pytest.mark.parametrize(
    ("asked", "shows"),
    [
        ({"dtype": "f8"}, "asked for dtype float64; found dtype float32"),
        ({"shape": (4, 3)}, "asked for shape (4, 3); found shape (3, 4)"),
        ({"version": 2}, "asked for version 2; found version 1"),
        ({"order": "F"}, "asked for order F; found order C"),
        (
            {"dtype": "i4", "shape": 3},
            "asked for dtype int32, shape (3,); found dtype float32, shape (3, 4)",
        ),
    ],
)
def test_a_mismatch_shows_both_sides(name: str, asked: Any, shows: str) -> None:
    array = arrays.create(name, (3, 4), "f4", version=1)
    with pytest.raises(ArgumentError) as caught:
        arrays.open(name, **asked)
    assert shows in str(caught.value) and name in str(caught.value)
    with pytest.raises(ArgumentError, match="found"):
        arrays.create(
            name, **{"shape": (3, 4), "dtype": "f4", "version": 1, **asked}, exist_ok=True
        )
    again = arrays.create(name, (3, 4), "f4", version=1, exist_ok=True)
    array[0, 0] = 4
    assert again[0, 0] == 4


def test_a_taken_name_is_an_error_and_put_replaces_on_request(name: str) -> None:
    array = arrays.put(name, [1, 2, 3])
    with pytest.raises(FileExistsError):
        arrays.put(name, [4, 5, 6])
    with pytest.raises(FileExistsError):
        arrays.create(name, 3)
    arrays.put(name, [4, 5, 6], exist_ok=True)
    assert array.tolist() == [4, 5, 6]
    with pytest.raises(ArgumentError, match="found shape"):
        arrays.put(name, [4, 5, 6, 7], exist_ok=True)
    assert array.tolist() == [4, 5, 6]


def test_it_is_read_only_where_the_handle_is(name: str) -> None:
    array = arrays.put(name, np.zeros(10))
    reader = arrays.open(name, access="r")
    with pytest.raises(ValueError):
        reader[0] = 1
    with pytest.raises(ValueError):
        reader.flags.writeable = True
    private = arrays.open(name, access="c")
    private[0] = 1
    assert (array[0], reader[0], private[0]) == (0, 0, 1)
    array[1] = 2
    assert reader[1] == 2


def test_a_part_keeps_the_memory_and_the_name_whatever_else_is_closed(name: str) -> None:
    array = arrays.put(name, np.arange(100_000))
    part = np.asarray(array)[10:20]
    del array
    gc.collect()
    assert exists(name)
    section = arrays.open(name).section
    assert section is not None
    assert part.sum() == 145
    del part, section
    gc.collect()
    assert not exists(name)


def test_closing_the_section_takes_the_name_and_not_the_values(name: str) -> None:
    array = arrays.put(name, np.arange(10))
    assert array.section is not None
    array.section.close()
    assert not exists(name)
    array[0] = 5
    assert array.sum() == 50


def test_what_is_computed_is_an_ordinary_array(name: str) -> None:
    array = arrays.put(name, np.arange(6.0).reshape(2, 3))
    assert type(array[1:]) is arrays.Array and array[1:].section is array.section is not None
    assert type(array + 1) is np.ndarray and type(np.sin(array)) is np.ndarray
    assert type(array.sum()) is np.float64 and type(array[0, 0]) is np.float64
    assert array.copy().section is None
    same = array
    same += 1
    assert same is array and array[0, 0] == 1
    assert np.add(array, 1, out=array) is array and array[0, 0] == 2


def test_other_libraries_take_it_without_a_copy(name: str) -> None:
    array = arrays.create(name, 4, "i4")
    shared = np.from_dlpack(array)
    by_interface = np.asarray(type("Any", (), {"__array_interface__": array.__array_interface__})())
    lent = memoryview(array)
    array[1] = 7
    assert shared[1] == by_interface[1] == lent[1] == 7
    assert array.section is not None
    array.section.close()
    del array, by_interface
    lent.release()
    gc.collect()
    assert shared.tolist() == [0, 7, 0, 0]


def _add(array: Any) -> tuple[str, bool, float]:
    array += 1
    return type(array).__name__, array.section is not None, float(array.sum())


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing_gets_the_same_memory(method: str, helpers: None) -> None:
    array = arrays.create(None, (4, 4), "f4")
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(_add, array).result() == ("Array", True, 16.0)
        assert pool.submit(_add, array[1:3, ::2]).result() == ("Array", True, 8.0)
    assert array.sum() == 20
    assert array[1].tolist() == [2, 1, 2, 1]


def test_an_ordinary_pickle_is_a_copy() -> None:
    array = arrays.put(None, [1, 2, 3])
    copy = pickle.loads(pickle.dumps(array))
    array[0] = 9
    assert copy.tolist() == [1, 2, 3] and copy.section is None


def test_a_section_that_came_otherwise_is_an_array_too(name: str) -> None:
    array = arrays.put(None, [1, 2, 3])
    assert array.section is not None
    again = arrays.from_section(array.section.duplicate("r"), dtype=int)
    array[2] = 4
    assert again.tolist() == [1, 2, 4] and not again.flags.writeable
    section = array.section.duplicate()
    with pytest.raises(ArgumentError):
        arrays.from_section(section, dtype="f4")
    assert section.closed


def test_no_warning_at_exit_with_arrays_alive(name: str, other: Callable[..., str]) -> None:
    other(
        """
        from memsection import arrays
        import numpy as np
        array = arrays.put(argv[1], np.arange(10))
        part = arrays.open(argv[1])[2:]
        cycle = [array]; cycle.append(cycle)
    """,
        name,
    )
    assert not exists(name)


def test_without_numpy_the_error_names_the_extra(other: Callable[..., str]) -> None:
    told = other("""
        import sys
        sys.modules["numpy"] = None
        import memsection
        try:
            import memsection.arrays
        except ImportError as error:
            print(error)
    """)
    assert "memsection[numpy]" in told


# -------------------------------------------------------------------- what a description cannot do


def forge(name: str, facts: Any, size: int = 96) -> Section:
    """A section whose description is well-formed and says this."""
    section, view = schema.make(schema.section_attributes(name), size, facts)
    view.close()
    return section


GOOD = {"kind": "array", "dtype": "<f8", "shape": [3, 4], "order": "C", "version": 0}


NONSENSE: list[dict[str, Any]] = [
    {"shape": [3, 5]},
    {"shape": [3, -4]},
    {"shape": [2**40, 2**40]},
    {"shape": "3"},
    {"shape": [3.0, 4]},
    {"shape": None},
    {"shape": [True] * 40},
    {"order": "K"},
    {"order": None},
    {"version": "1"},
    {"version": None},
    {"dtype": "O"},
    {"dtype": "<f8,O"},
    {"dtype": None},
    {"dtype": "|O8"},
    {"dtype": {"of": "<f8", "shape": [2**61, 2]}},
    {"dtype": {"fields": [["a", "<f8", 1]], "size": 8}},
    {"dtype": {"fields": [["a", "<f8", -1]], "size": 8}},
    {"dtype": {"fields": [["a", "<f4", 0], ["a", "<f4", 4]], "size": 8}},
    {"dtype": {"fields": [], "size": 8, "x": 1}},
    {"dtype": {"fields": [], "size": 0}},
]


def test_a_description_that_makes_no_sense_is_an_error(name: str) -> None:
    for change in NONSENSE:
        with forge(name, {**GOOD, **change}):
            with pytest.raises(CorruptError):
                arrays.open(name)


def test_a_description_nested_without_end_is_an_error(name: str) -> None:
    dtype: Any = "<f8"
    for _ in range(300):
        dtype = {"of": dtype, "shape": [1]}
    with forge(name, {**GOOD, "dtype": dtype}), pytest.raises(CorruptError):
        arrays.open(name)


def test_any_byte_of_the_footer_may_be_wrong(name: str) -> None:
    with forge(name, GOOD) as section, section.map() as view:
        for at in range(64):
            view[len(view) - 64 + at] ^= 0x80
            try:
                assert arrays.open(name).shape == (3, 4) and at >= 32  # bytes that mean nothing yet
            except CorruptError:
                assert at < 32
            view[len(view) - 64 + at] ^= 0x80


def test_a_text_of_huge_numbers_or_no_json_is_an_error(name: str) -> None:
    for text in (b"[" * 100_000, b'{"kind":' + b"9" * 5000 + b"}", b"\xff\xfe", b"[]", b'"x"', b""):
        with Section.create(name, 1 << 18) as section, section.map() as view:
            end = len(view) - schema.FOOTER.size
            view[end - len(text) : end] = text
            view[end:] = schema.FOOTER.pack(schema.MAGIC, 1, zlib.crc32(text), len(text), 96)
            with pytest.raises(CorruptError):
                arrays.open(name)


def test_a_section_of_something_else_is_an_error(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "PATIENCE", 1.02)
    with Section.create(name, 4096):
        with pytest.raises(CorruptError, match="no description"):
            arrays.open(name)
    with (
        forge(name, {"kind": "record"}),
        pytest.raises(ArgumentError, match="asked for array, found record"),
    ):
        arrays.open(name)
    with Section.create(name, 4096) as section, section.map() as view:
        view[4096 - 64 : 4096] = bytes(range(64))
        with pytest.raises(CorruptError):
            arrays.open(name)


def test_an_opener_waits_for_the_maker_and_not_for_ever(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            """
import sys, time
from memsection import arrays
from memsection.content import schema
def slow(fresh):
    print("made", flush=True)
    time.sleep(0.3)
    fresh.memory[:] = bytes([1]) * len(fresh.memory)
facts = {"kind": "array", "dtype": "|u1", "shape": [96], "order": "C", "version": 0}
section, view = schema.make(schema.section_attributes(sys.argv[1]), 96, facts, fill=slow)
sys.stdin.read()
view.close(); section.close()
""",
            name,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert maker.stdin is not None and maker.stdout is not None
    with maker:
        maker.stdout.readline()
        assert arrays.open(name, access="r").sum() == 96
        maker.stdin.close()
    monkeypatch.setattr(schema, "PATIENCE", 0.05)
    with forge(name, GOOD) as section, section.map() as view:
        view[len(view) - 64 : len(view) - 56] = schema.BEING_MADE
        with pytest.raises(CorruptError, match="not complete"):
            arrays.open(name)


def test_a_failed_copy_leaves_no_name(name: str) -> None:
    def fail(fresh: schema.Fresh) -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError):
        schema.make(schema.section_attributes(name), 96, GOOD, fill=fail)
    assert not exists(name)


def test_tools_can_read_what_a_section_holds(name: str) -> None:
    array = arrays.put(name, np.zeros(3, STRUCTURED))
    assert array.section is not None
    facts = schema.describe(array.section)
    assert facts is not None and json.dumps(facts)
    assert (facts["kind"], facts["shape"], facts["size"]) == ("array", [3], 3 * STRUCTURED.itemsize)
    with Section.create(size=4096) as plain:
        assert schema.describe(plain) is None
