# SPDX-License-Identifier: MIT
"""Tables whose writer is not trusted: whatever it writes, and whenever, the reader gets values or
an error."""

from __future__ import annotations

import decimal
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.users import SOURCE, TESTS

from memsection import CorruptError, Section, Security
from memsection.api.security import is_written_by_this_user_alone
from memsection.content import schema

pa: Any = pytest.importorskip(
    "pyarrow", reason="memsection[arrow] is not installed", exc_type=ImportError
)
arrow: Any = pytest.importorskip("memsection.arrow", exc_type=ImportError)


def columns() -> dict[str, Any]:
    """An array of every kind that has buffers of its own."""
    pairs = pa.map_(pa.string(), pa.int32())
    return {
        "number": pa.array([1, None, 3]),
        "boolean": pa.array([True, None, False]),
        "text": pa.array(["a", None, "word"]),
        "large text": pa.array(["a", None, "w"], pa.large_string()),
        "binary": pa.array([b"x", b"", None]),
        "text view": pa.array(["short", "x" * 100, None], pa.string_view()),
        "binary view": pa.array([b"y" * 50, None, b""], pa.binary_view()),
        "list": pa.array([[1, 2], None, []]),
        "large list": pa.array([["a"], None, ["b", "c"]], pa.large_list(pa.string())),
        "fixed list": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)),
        "list view": pa.array([[1], None, [2, 3]], pa.list_view(pa.int32())),
        "large list view": pa.array([[1], None, [2, 3]], pa.large_list_view(pa.int32())),
        "struct": pa.array([{"a": 1, "b": ["x"]}, None, {"a": None, "b": None}]),
        "map": pa.array([[("a", 1)], None, []], pairs),
        "dictionary": pa.array(["x", "y", "x"]).dictionary_encode(),
        "nested dictionary": pa.array(
            [["x"], ["y", None], None], pa.list_(pa.dictionary(pa.int8(), pa.string()))
        ),
        "dense union": pa.UnionArray.from_dense(
            pa.array([0, 1, 0], pa.int8()),
            pa.array([0, 0, 1], pa.int32()),
            [pa.array([1, 2]), pa.array(["z"])],
        ),
        "sparse union": pa.UnionArray.from_sparse(
            pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, 3]), pa.array(["z", "y", "x"])]
        ),
        "nothing": pa.nulls(3),
        "runs": pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]),
        "decimal": pa.array([decimal.Decimal("1.5"), None, None]),
        "fixed": pa.array([b"ab", None, b"cd"], pa.binary(2)),
        "empty struct": pa.array([{}, None, {}], pa.struct([])),
    }


@contextmanager
def forged(name: str, content: bytes) -> Iterator[Section]:
    """A section that is said to hold a table."""
    facts = {"kind": "arrow", "rows": 0, "version": 0, "columns": []}
    section, view = schema.make(
        schema.section_attributes(name), len(content), facts, content=[(0, memoryview(content))]
    )
    with section, view:
        yield section


def file_of(table: Any, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(
        sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)
    ) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", columns())
def test_every_kind_of_column_arrives_as_it_was(
    name: str, kind: str, compression: str | None
) -> None:
    array = columns()[kind]
    source = pa.table({kind: pa.chunked_array([array, array.slice(1)])}, metadata={"a": "b"})
    with forged(name, file_of(source, compression)), arrow.open(name, trusted=False) as shared:
        assert shared.table.equals(source) and shared.table.schema.equals(
            source.schema, check_metadata=True
        )
        assert not shared.trusted
        shared.table.validate(full=True)


def test_values_stay_in_the_section_and_what_leads_to_them_does_not(name: str) -> None:
    source = pa.table({"number": range(1000), "text": ["word"] * 1000, "flag": [True, None] * 500})
    with (
        arrow.put(name, source),
        arrow.open(name, trusted=False) as shared,
        shared.section.map(access="r") as other,
    ):
        first, last = shared._view.address, shared._view.address + len(other)
        inside = {
            column: [
                buffer is not None and first <= buffer.address < last
                for buffer in shared.table[column].chunks[0].buffers()
            ]
            for column in source.column_names
        }
        assert inside == {
            "number": [False, True],
            "text": [False, False, True],
            "flag": [False, False],
        }
        with Section.open(name) as section, section.map() as view:
            at = bytes(view).index((999).to_bytes(8, "little"))
            view[at : at + 8] = (-7).to_bytes(8, "little", signed=True)
        assert shared.table["number"][999].as_py() == -7


def test_who_is_trusted_is_told_by_owner_and_security(name: str) -> None:
    table = pa.table({"x": [1, 2]})
    for security, trusted in (
        (None, True),
        (Security(everyone="r"), True),
        (Security(everyone="rw"), False),
        (Security(users={12345: "rw"}), False),
        ("D:NO_ACCESS_CONTROL", False),
    ):
        if security is not None and not name.startswith("Global\\"):
            with Section.create(None, 4096, security=security) as section:
                assert is_written_by_this_user_alone(section) == trusted
        elif security is None:
            with arrow.put(name, table), arrow.open(name) as shared:
                assert shared.trusted
    with arrow.put(name, table), arrow.open(name, trusted=False) as shared:
        assert not shared.trusted and shared.table.equals(table)


@pytest.mark.linux_only("becomes another user")
@pytest.mark.sentence(28)
def test_a_table_of_another_user_is_not_trusted() -> None:
    from support import objects, users

    with users.programs() as start:
        owner = start(12345)
        name = objects.unique_name("Global\\")
        owner.run(
            "from memsection import Section, Security; from memsection.content import schema\n"
            "facts = {'kind': 'arrow', 'rows': 0, 'version': 0, 'columns': []}\n"
            "readable = schema.section_attributes(name, security=Security(everyone='r'))\n"
            "made = schema.make(readable, len(data), facts, content=[(0, memoryview(data))])",
            name=name,
            data=file_of(pa.table({"x": ["a", "b"]})),
        )
        with arrow.open(name) as shared:
            assert not shared.trusted and shared.table["x"].to_pylist() == ["a", "b"]
        owner.run("made[1].close(); made[0].close()")


USE = """
import sys
import pyarrow.compute as pc
from memsection import Error, arrow
read = open_ = 0
for name in sys.argv[1:]:
    try:
        shared = arrow.open(name, trusted=False)
    except Error as failure:
        assert str(failure).isprintable()
        continue
    open_ += 1
    table = shared.table
    table.validate(full=True)
    for column in table.columns:
        for use in (str, lambda c: c.to_pylist(), lambda c: c.combine_chunks(), lambda c: c.drop_null(),
                    lambda c: c.take([0]) if len(c) else None, pc.count, lambda c: pc.unique(c)):
            if len(column) < 1 << 20:
                try:
                    use(column)
                    read += 1
                except Exception as failure:
                    assert not isinstance(failure, SystemError), failure
print(open_, read)
"""


@pytest.mark.sentence(28)
def test_bytes_that_were_altered_anywhere_end_no_reader(name: str) -> None:
    """Each byte of offsets, bitmaps and metadata in turn becomes another one, by a chance that is
    always the same."""
    chance = random.Random(11)
    kept = []
    for kind, array in columns().items():
        good = file_of(pa.table({kind: array}))
        for number in range(10):
            bad = bytearray(good)
            for _ in range(chance.choice((1, 1, 3))):
                bad[chance.randrange(len(bad))] = chance.choice(
                    (0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))
                )
            kept.append((f"{name}-{kind}-{number}", bytes(bad if number else good)))
        kept.append((f"{name}-{kind}-cut", good[: chance.randrange(len(good))]))
    made = [
        schema.make(
            schema.section_attributes(each),
            len(data),
            {"kind": "arrow", "version": 0},
            content=[(0, memoryview(data))],
        )
        for each, data in kept
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-c", USE, *(each for each, _ in kept)],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": f"{SOURCE}:{TESTS}", **_root()},
            timeout=100,
        )
        assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
        opened, read = map(int, done.stdout.split())
        assert opened >= len(columns()) and read > 100
    finally:
        for section, view in made:
            view.close()
            section.close()


def _root() -> dict[str, str]:
    import os

    return {
        key: value
        for key, value in os.environ.items()
        if key in ("MEMSECTION_ROOT", "PATH", "SYSTEMROOT")
    }


@pytest.mark.sentence(28)
def test_an_offset_that_changes_after_it_was_checked_changes_nothing(name: str) -> None:
    words = ["abcdefgh"] * 1000
    source = pa.table(
        {"text": words, "list": [[1, 2, 3]] * 1000, "word": pa.array(words).dictionary_encode()}
    )
    content = file_of(source)
    with (
        forged(name, content) as section,
        arrow.open(name, trusted=False) as shared,
        section.map() as view,
    ):
        view[: len(content)] = b"\x7f" * len(content)
        assert shared.table["text"].to_pylist() == ["\x7f" * 8] * 1000
        assert shared.table["list"].to_pylist() == [[0x7F7F7F7F7F7F7F7F] * 3] * 1000
        assert shared.table["word"].to_pylist() == ["\x7f" * 8] * 1000


@pytest.mark.sentence(28)
@pytest.mark.parametrize("kind", columns())
def test_what_is_written_between_a_copy_and_its_check_changes_nothing(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each buffer is overwritten as soon as its copy is made, and everything when the table is
    there."""
    from memsection.content import arrow_checked

    source = pa.table({kind: columns()[kind]})
    memory = bytearray(file_of(source))
    whole = pa.py_buffer(memory)
    copy = arrow_checked._private
    copied = []

    def copy_and_spoil(buffer: Any) -> Any:
        made = copy(buffer)
        if buffer is not None and whole.address <= buffer.address < whole.address + whole.size:
            at = buffer.address - whole.address
            memory[at : at + buffer.size] = b"\x7f" * buffer.size
            copied.append(at)
        return made

    monkeypatch.setattr(arrow_checked, "_private", copy_and_spoil)
    table = arrow._foreign_table_in(whole)
    assert table.equals(source)
    assert copied or kind == "nothing"
    memory[:] = b"\x7f" * len(memory)
    assert len(table[kind].to_pylist()) == len(source)
    # whose values are not as they were told to be
    if kind not in ("text view", "binary view", "decimal"):
        table.validate(full=True)


def _with_null_at_1(kind: Any, *leading: Any) -> Any:
    """Three elements of which the second is null, over these buffers, and those of ``kind`` that
    follow."""
    array = pa.array([b"y" * 50, None, b"z" * 40], kind)
    return pa.Array.from_buffers(
        kind, 3, [array.buffers()[0], *leading, *array.buffers()[1 + len(leading) :]]
    )


def hostile_nulls() -> dict[str, tuple[Any, Any]]:
    """Arrays with something under a null that leads elsewhere, and what they are cast to."""
    made: dict[str, tuple[Any, Any]] = {}
    for kind in (pa.binary_view(), pa.string_view()):
        views = bytearray(pa.array([b"y" * 50, None, b"z" * 40], kind).buffers()[1])
        views[16:20] = (-88).to_bytes(4, "little", signed=True)  # the length
        made[str(kind)] = _with_null_at_1(kind, pa.py_buffer(bytes(views))), pa.binary()
    indices = pa.py_buffer(
        b"".join(index.to_bytes(4, "little", signed=True) for index in (0, -(1 << 30), 1))
    )
    valid = pa.array([1, None, 1]).buffers()[0]
    words = pa.array(["a", "b"])
    made["dictionary"] = (
        pa.DictionaryArray.from_buffers(
            pa.dictionary(pa.int32(), pa.string()), 3, [valid, indices], words
        ),
        pa.string(),
    )
    return made


@pytest.mark.sentence(28)
@pytest.mark.parametrize("kind", hostile_nulls())
def test_what_stands_where_a_value_is_null_leads_nowhere(name: str, kind: str) -> None:
    """Arrow checks what has a value alone, and then adds the lengths of all: the memory for a
    result was too small."""
    array, target = hostile_nulls()[kind]
    with forged(name, file_of(pa.table({kind: array}))), arrow.open(name, trusted=False) as shared:
        (chunk,) = shared.table[kind].chunks
        leading = bytes(chunk.buffers()[1])
        width = len(leading) // 3
        assert leading[width : 2 * width] == bytes(width)
        assert [value is None for value in chunk.cast(target).to_pylist()] == [False, True, False]


@pytest.mark.sentence(28)
def test_a_scale_that_no_decimal_has_is_refused(name: str) -> None:
    """Arrow looks the power of ten up in a table, at the scale: far after its end the process
    ended."""
    for scale, opens in (
        (38, True),
        (-38, True),
        (39, False),
        (2**31 - 1, False),
        (-(2**31), False),
    ):
        array = pa.Array.from_buffers(pa.decimal128(5, scale), 1, [None, pa.py_buffer(bytes(16))])
        with forged(name, file_of(pa.table({"x": array}))):
            if opens:
                with arrow.open(name, trusted=False) as shared:
                    assert len(shared.table) == 1
            else:
                with pytest.raises(CorruptError, match="scale"):
                    arrow.open(name, trusted=False)


def test_a_writer_that_never_rests_ends_no_reader(name: str, other: Callable[..., str]) -> None:
    """Offsets change while the reader opens, checks and reads; in a process of its own, because it
    could end it."""
    content = file_of(
        pa.table({"text": ["word"] * 500, "list": [[1, 2]] * 500, "flag": [True, None] * 250})
    )
    stop = threading.Event()
    with forged(name, content) as section, section.map() as view:

        def scribble() -> None:
            chance = random.Random(5)
            while not stop.is_set():
                at = chance.randrange(8, len(content) - 16)
                view[at] = chance.randrange(256)
                view[at] = content[at]

        writer = threading.Thread(target=scribble)
        writer.start()
        try:
            told = other(
                """
                from memsection import CorruptError, arrow
                opened = refused = 0
                for _ in range(60):
                    try:
                        with arrow.open(argv[1], trusted=False) as shared:
                            for column in shared.table.columns:
                                try:
                                    column.to_pylist()
                                except UnicodeDecodeError:
                                    pass
                            opened += 1
                    except CorruptError:
                        refused += 1
                print(opened + refused)
            """,
                name,
            )
        finally:
            stop.set()
            writer.join()
    assert told == "60\n"


@pytest.mark.sentence(28)
def test_a_copy_can_be_sorted_whatever_the_writer_does(
    name: str, other: Callable[..., str]
) -> None:
    """Arrow counts numbers of a small range by what it saw of them before: in place this ends the
    process at once."""
    rows = 2000  # from 1024 on it counts
    content = file_of(pa.table({"number": [row % 100 for row in range(rows)]}))
    stop = threading.Event()
    with forged(name, content) as section, section.map() as view:
        at = len(content) - rows * 4
        at = at - at % 8

        def scribble() -> None:
            words = memoryview(view).cast("B")[at : at + 8].cast("q")
            good = words[0]
            while not stop.is_set():
                words[0] = 1 << 40
                words[0] = good
            words.release()

        writer = threading.Thread(target=scribble)
        writer.start()
        try:
            told = other(
                """
                import pyarrow.compute as pc
                from memsection import arrow
                for _ in range(30):
                    with arrow.open(argv[1], trusted=False, copy=True) as shared:
                        for _ in range(20):
                            assert len(pc.sort_indices(shared.table["number"])) == 2000
                print("sorted")
            """,
                name,
            )
        finally:
            stop.set()
            writer.join()
    assert told == "sorted\n"


@pytest.mark.parametrize("trusted", [True, False])
def test_a_copy_is_the_table_as_it_was(name: str, trusted: bool) -> None:
    source = pa.table({"number": range(1000), "text": ["word"] * 1000})
    content = file_of(source)
    with forged(name, content) as section, arrow.open(name, trusted=trusted, copy=True) as shared:
        with section.map() as view:
            view[: len(content)] = bytes(len(content))
        assert shared.table.equals(source)


def test_a_body_that_would_become_too_much_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memsection.content import arrow_ipc

    source = pa.table({"zeros": pa.array([0] * (1 << 20))})
    content = file_of(source, "zstd")
    assert len(content) < 1 << 17
    with forged(name, content):
        with arrow.open(name, trusted=False) as shared:
            assert shared.table.equals(source)
        monkeypatch.setattr(arrow_ipc, "MOST_UNPACKED", 1 << 16)
        with pytest.raises(CorruptError, match="would become 8"):
            arrow.open(name, trusted=False)


def test_what_is_no_file_of_arrow_is_refused(name: str) -> None:
    good = file_of(pa.table({"x": ["a"]}))
    for content in (
        b"",
        b"ARROW1\0\0",
        b"ARROW1\0\0" + bytes(100) + b"ARROW1",
        b"\xff" * 300,
        good[:-7],
        good[8:],
        bytes(400),
        good.replace(b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"),
    ):
        with forged(name, content), pytest.raises(CorruptError, match="no Arrow table"):
            arrow.open(name, trusted=False)
