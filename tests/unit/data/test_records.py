# SPDX-License-Identifier: MIT
"""``records`` and ``layouts``: one layout, whatever it was made from, and what compilers make of
its declarations."""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

from memsection import ArgumentError, CorruptError, records
from memsection._native import view
from memsection.content import schema


@dataclasses.dataclass
class Point:
    x: float
    y: records.float32


@dataclasses.dataclass
class Telemetry:
    number: int
    ok: bool
    name: Annotated[str, 10]
    key: Annotated[bytes, 3]
    at: Point
    grid: Annotated[list[float], "f4", 2, 3]
    track: Annotated[tuple[Point], 2]
    port: records.uint16
    half: records.float16


VALUE = Telemetry(
    -5,
    True,
    "wörld",
    b"a\0\0",
    Point(1.25, 2.5),
    [[1, 2, 3], [4, 5, 6]],
    (Point(3, 4), Point(5, 6)),
    65535,
    0.5,
)


class CPoint(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_float)]


class CTelemetry(ctypes.Structure):
    _fields_ = [
        ("number", ctypes.c_int64),
        ("ok", ctypes.c_bool),
        ("name", ctypes.c_char * 10),
        ("at", CPoint),
        ("grid", ctypes.c_float * 3 * 2),
        ("port", ctypes.c_uint16),
    ]


class Packed(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("flag", ctypes.c_uint8), ("value", ctypes.c_double)]


ODD = np.dtype(
    {
        "names": ["late", "early", "class"],
        "formats": [">u4", "c8", "U3"],
        "offsets": [20, 1, 30],
        "itemsize": 50,
    }
)


def test_a_dataclass_goes_through_a_section(name: str, other: Callable[..., str]) -> None:
    with records.create(name, Telemetry, 3) as table:
        assert len(table) == 3 and table[2] == Telemetry(
            0, False, "", bytes(3), Point(0, 0), [[0, 0, 0]] * 2, (Point(0, 0),) * 2, 0, 0
        )
        table[1] = VALUE
        assert table[1] == VALUE and table[-2] == VALUE and table[0] != VALUE
        told = other(
            """
            from memsection import records
            with records.open(argv[1]) as table:
                print(table[1])
                value = dict(table[1])
                value["port"] = 7
                table[2] = value
                print(table.layout.fingerprint, len(table))
        """,
            name,
        )
        assert (
            "'name': b'w\\xc3\\xb6rld', 'key': b'a\\x00\\x00', 'at': {'x': 1.25, 'y': 2.5}" in told
        )
        assert f"{table.layout.fingerprint} 3" in told
        assert table[2] == dataclasses.replace(VALUE, port=7)
        assert table.array["port"].tolist() == [0, 65535, 7]


def test_equal_layouts_are_equal_whatever_they_were_made_from() -> None:
    @dataclasses.dataclass
    class Same:
        x: float
        y: records.float32

    kinds = [
        Point,
        Same,
        CPoint,
        np.dtype([("x", "f8"), ("y", "f4")], align=True),
        records.layout(Point),
    ]
    assert len({records.layout(kind).fingerprint for kind in kinds}) == 1
    other = [
        np.dtype([("x", "f8"), ("y", "f4")]),
        np.dtype([("x", "f8"), ("z", "f4")], align=True),
        np.dtype([("x", "f8"), ("y", "u4")], align=True),
        np.dtype([("y", "f4"), ("x", "f8")], align=True),
    ]
    assert len({records.layout(kind).fingerprint for kind in [Point, *other]}) == 5


def test_c_lays_a_dataclass_out_as_ctypes_does() -> None:
    kind = {field.name: field.offset for field in records.layout(CTelemetry).struct.fields}
    assert kind == {"number": 0, "ok": 8, "name": 9, "at": 24, "grid": 40, "port": 64}
    mine = {field.name: field.offset for field in records.layout(Telemetry).struct.fields}
    assert {name: mine[name] for name in ("number", "ok", "name", "at", "grid")} == {
        name: kind[name] for name in ("number", "ok", "name", "at", "grid")
    }
    assert records.layout(CTelemetry).size == ctypes.sizeof(CTelemetry)


def test_a_ctypes_structure_lies_in_the_memory(name: str) -> None:
    table = records.create(name, CTelemetry, 2)
    live = table.live(1)
    live.at.x = 4.5
    live.name = b"abc"
    assert (table[1].at.x, table[1].name, table[0].at.x) == (4.5, b"abc", 0)
    table[0] = CTelemetry(number=3)
    assert table.value.number == 3 and table.array["number"].tolist() == [3, 0]
    array = table.array
    table.close()
    live.number = 9
    assert array["number"].tolist() == [3, 9]
    del live, array
    gc.collect()
    with records.create(name, Point) as table, pytest.raises(ArgumentError):
        table.live()


def test_a_dtype_works_with_and_without_pythons_own_types(name: str) -> None:
    with records.create(name, ODD, 2) as table:
        # From bytes, and compared as bytes: Wine's C library knows no complex numbers.
        value = np.frombuffer(bytes([0, *b"complex!", *bytes(11), 0, 0, 0, 1, *bytes(26)]), ODD)[0]
        table[1] = value
        assert table[1].tobytes() == value.tobytes() == table.array[1].tobytes()
        with records.open(name) as found:
            assert found.array[1].tobytes() == value.tobytes() and found.array["late"].tolist() == [
                0,
                1,
            ]
            with pytest.raises(ArgumentError, match="NumPy"):
                found[0]


def test_a_mismatch_shows_both_layouts(name: str) -> None:
    with records.create(name, Point, 2, version=3):
        for asked, shows in [
            (
                {"spec": Packed},
                ("flag: u1 at 0, value: f8 at 1; 9 bytes", "x: f8 at 0, y: f4 at 8; 16 bytes"),
            ),
            ({"count": 3}, ("asked for count 3", "found count 2")),
            ({"version": 4}, ("asked for version 4", "found version 3")),
        ]:
            with pytest.raises(ArgumentError) as caught:
                records.open(name, **asked)  # type: ignore[arg-type]
            assert all(one in str(caught.value) for one in shows)
        with pytest.raises(ArgumentError, match="found"):
            records.create(name, Packed, 2, exist_ok=True)
        with pytest.raises(FileExistsError):
            records.create(name, Point, 2)
        records.create(name, Point, 2, version=3, exist_ok=True).close()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"port": 65536}, "record"),
        ({"port": -1}, "record"),
        ({"name": "wörldwörld"}, "record.name: 12 bytes"),
        ({"name": "a\0"}, "0"),
        ({"key": b"ab"}, "record.key: 2 bytes, the field has 3"),
        ({"number": "x"}, "record"),
        ({"grid": [[1, 2, 3]]}, "record.grid: 1 values"),
        ({"grid": [[1, 2, 3], [1]]}, r"record.grid\[1\]: 1 values"),
        ({"track": (Point(1, 2),)}, "record.track: 1 values"),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_refused_and_changes_nothing(
    value: dict[str, Any], says: str
) -> None:
    kind = records.layout(Telemetry)
    memory = bytearray(kind.size)
    kind.pack_into(memory, 0, VALUE)
    before = bytes(memory)
    with pytest.raises(ArgumentError, match=says):
        kind.pack_into(memory, 0, dataclasses.replace(VALUE, **value))
    assert memory == before


def test_a_mapping_with_other_fields_is_refused() -> None:
    with pytest.raises(ArgumentError, match="the layout has"):
        records.layout(Point).pack_into(bytearray(16), 0, {"x": 1})
    with pytest.raises(ArgumentError):
        records.layout(CPoint).pack_into(bytearray(100), 0, Packed())


def _dataclass(annotation: Any) -> type:
    return dataclasses.make_dataclass("Made", [("field", annotation)])


class Bits(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint32, 4)]


class Pointer(ctypes.Structure):
    _fields_ = [("to", ctypes.c_void_p)]


class Text(ctypes.Structure):
    _fields_ = [("to", ctypes.c_char_p)]


class Variant(ctypes.Union):
    _fields_ = [("a", ctypes.c_int)]


class HasUnion(ctypes.Structure):
    _fields_ = [("either", Variant)]


@pytest.mark.parametrize(
    "spec",
    [
        *map(
            _dataclass,
            (
                str,
                bytes,
                list[int],
                object,
                dict,
                int | None,
                Annotated[int, "x4"],
                Annotated[str, 0],
                Annotated[bytes, 2, 3],
                complex,
                "Unheard",
            ),
        ),
        dataclasses.make_dataclass("Empty", []),
        Bits,
        Pointer,
        Text,
        HasUnion,
        np.dtype("f8"),
        np.dtype([("a", "O")]),
        int,
        5,
        "x",
    ],
    ids=str,
)
def test_what_has_no_fixed_layout_is_refused(spec: Any) -> None:
    with pytest.raises(ArgumentError):
        records.layout(spec)


def test_an_index_outside_and_a_count_of_none_are_refused(name: str) -> None:
    with pytest.raises(ArgumentError):
        records.create(name, Point, 0)
    with records.create(name, Point, 2) as table:
        for index in (2, -3):
            with pytest.raises(IndexError):
                table[index]
            with pytest.raises(IndexError):
                table[index] = Point(1, 2)


def test_a_read_only_handle_gives_read_only_records(name: str) -> None:
    with records.create(name, CPoint) as table, records.open(name, CPoint, access="r") as reader:
        table[0] = CPoint(1, 2)
        assert reader.value.x == 1
        with pytest.raises(TypeError):
            reader[0] = CPoint(3, 4)
        with pytest.raises(TypeError):
            reader.live()


def test_a_description_that_makes_no_sense_is_an_error(name: str) -> None:
    kind = records.layout(Point)
    good = {
        "kind": "record",
        "name": "Point",
        "type": schema.to_json(kind.struct),
        "count": 2,
        "version": 0,
        "fingerprint": kind.fingerprint,
    }
    for change in (
        {"count": 3},
        {"count": 0},
        {"count": -1},
        {"count": "2"},
        {"version": None},
        {"type": "<f8"},
        {"type": None},
        {"type": {"fields": [], "size": 0}},
        {
            "type": {
                "fields": [["a", {"of": {"fields": [], "size": 0}, "shape": [2**61]}, 0]],
                "size": 16,
            }
        },
    ):
        section, view = schema.make(schema.section_attributes(name), 32, {**good, **change})
        with section, view, pytest.raises(CorruptError):
            records.open(name)


# ---------------------------------------------------------------------- declarations

SPECS = {
    "dataclass": Telemetry,
    "ctypes": CTelemetry,
    "packed": Packed,
    "odd": ODD,
    "words": np.dtype(
        [
            ("int", "i4"),
            ("a b", "M8[us]"),
            ("1st", "?"),
            ("ünï", "V5"),
            ("half", "f2"),
            ("nested", [("for", "c16", (2,)), ("z", "u1")], (3,)),
        ]
    ),
}
compiler = shutil.which("gcc") or shutil.which("clang")


@pytest.mark.skipif(not compiler, reason="needs a C compiler")
@pytest.mark.linux_only("uses the system's C compiler")
@pytest.mark.parametrize("spec", SPECS)
def test_a_c_compiler_agrees_with_the_declaration(spec: str) -> None:
    assert compiler
    text = records.layout(SPECS[spec]).c()
    assert "_Static_assert(sizeof(" in text and text.count("offsetof") >= len(
        records.layout(SPECS[spec]).struct.fields
    )
    done = subprocess.run(
        [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"],
        input=text,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not compiler, reason="needs a C compiler")
@pytest.mark.linux_only("a C program maps the memfd of the section")
def test_a_c_program_reads_and_writes_the_records(name: str, tmp_path: Path) -> None:
    assert compiler
    source, program = tmp_path / "reader.c", tmp_path / "reader"
    source.write_text(
        records.layout(Telemetry).c()
        + """
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
int main(int count, char **arguments)
{
    int fd = count == 2 ? open(arguments[1], O_RDWR) : -1;
    Telemetry *all = mmap(NULL, 3 * sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (all == MAP_FAILED)
        return 1;
    Telemetry *one = &all[1];
    printf("%lld %d %s %c %g %g %g %g %u\\n", (long long)one->number, one->ok, one->name, one->key[0], one->at.x,
           one->at.y, one->grid[1][2], one->track[1].x, one->port);
    all[2].port = 4711;
    all[2].grid[0][1] = 1.5f;
    return 0;
}
"""
    )
    subprocess.run(
        [
            compiler,
            "-std=c11",
            "-Wall",
            "-Werror",
            "-D_GNU_SOURCE",
            str(source),
            "-o",
            str(program),
        ],
        check=True,
    )
    with records.create(name, Telemetry, 3) as table:
        table[1] = VALUE
        fd = table.section.fileno()
        told = subprocess.run(
            [str(program), f"/proc/self/fd/{fd}"], pass_fds=[fd], capture_output=True, text=True
        )
        assert told.stdout == "-5 1 wörld a 1.25 2.5 6 5 65535\n"
        assert (table[2].port, table[2].grid[0][1]) == (4711, 1.5)


def test_fields_that_overlap_have_no_declaration() -> None:
    kind = records.layout(
        np.dtype({"names": ["a", "b"], "formats": ["u4", "u4"], "offsets": [0, 2], "itemsize": 8})
    )
    for declare in (kind.c, kind.csharp):
        with pytest.raises(ArgumentError, match="'a' and 'b' overlap"):
            declare()


def test_csharp_gets_explicit_offsets() -> None:
    text = records.layout(Telemetry).csharp()
    for line in (
        "[StructLayout(LayoutKind.Explicit, Size = 104)]",
        "public unsafe struct Telemetry",
        "[FieldOffset(0)] public long number;",
        "[FieldOffset(8)] public byte ok; // 0 or 1",
        "[FieldOffset(9)] public fixed byte name[10];",
        "[FieldOffset(24)] public Telemetry_at at;",
        "[FieldOffset(40)] public fixed float grid[6]; // [2, 3]",
        "[FieldOffset(64)] public fixed byte track[32]; // 2 x Telemetry_track",
        "[FieldOffset(96)] public ushort port;",
    ):
        assert line in text
    assert "late; // bytes in the other order" in records.layout(ODD).csharp()
    words = records.layout(SPECS["words"]).csharp()
    assert (
        "public int int_;" in words
        and "public long a_b; // time: M8[us]" in words
        and "_1st;" in words
    )


def test_a_name_in_a_description_cannot_leave_its_line() -> None:
    facts = {
        "type": {"fields": [["x; } evil(); {\n#include <no>", "<f8", 0]], "size": 8},
        "name": "a\n*/ evil",
    }
    kind = schema.from_json(json.loads(json.dumps(facts["type"])))
    from memsection.content.layouts import layout_in

    for text in (layout_in(facts).c(), layout_in(facts).csharp()):
        assert "evil()" not in text and "#include <no>" not in text and "*/ evil" not in text
    assert kind.size == 8


@pytest.mark.parametrize("size", [1, 7, 8, 4096, 70001])
def test_a_description_is_published_when_all_of_it_is_there(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, object]] = []

    def publish(whole: memoryview, offset: int, mark: bytes) -> None:
        assert offset % 8 == 0 and schema.read(whole) is None  # somebody who looks now waits
        complete = bytearray(whole)
        complete[offset : offset + 8] = mark
        seen.append((offset, schema.read(memoryview(complete))))
        view.publish(whole, offset, mark)

    monkeypatch.setattr(schema, "publish", publish)
    section, made = schema.make(
        None, size, {"kind": "test"}, content=[(0, memoryview(b"x" * size))]
    )
    assert [found for _, found in seen] == [({"kind": "test"}, size)]
    with memoryview(made) as whole:
        assert schema.read(whole) == ({"kind": "test"}, size) and bytes(whole[:size]) == b"x" * size
    made.close()
    section.close()
