# SPDX-License-Identifier: MIT
"""What ls, show and --json say that a section contains."""

from __future__ import annotations

import re

import pytest

from memsection.cli import contents, output
from memsection.content import schema

DATA = """
import sys
from dataclasses import dataclass
import numpy as np, pyarrow as pa
from memsection import arrays, arrow, latest, records
@dataclass
class Point:
    x: float
    y: records.int32
a = arrays.create("a", (2, 3), np.uint8)
t = arrow.put("t", pa.table({"one": [1, 2], "two\\x1b[31m": ["x", "y"]}))
r = records.create("r", Point, 5)
n = latest.create("n", Point)
m = latest.create("m", 64)
print(1, flush=True)
sys.stdin.read()
"""


@pytest.mark.linux_only("Windows has names of its own in the same directories")
def test_ls_and_show_tell_what_a_section_contains(cli) -> None:  # type: ignore[no-untyped-def]
    cli.python(DATA)
    table = cli.output("ls")
    for name, words in {
        "a": r"array uint8 \(2, 3\)",
        "t": r"table of 2 rows: one, two\\x1b\[31m",
        "r": r"5 records Point: x, y",
        "n": "latest Point: x, y",
        "m": "latest value",
    }.items():
        assert re.search(rf"^{name} +Section, {words}  ", table, re.M), table
    found = {row["name"]: row.get("content") for row in cli.json("ls")}
    assert found["a"] == {"kind": "array", "bytes": 6, "dtype": "uint8", "shape": [2, 3]}
    assert found["t"]["columns"][0] == {"name": "one", "type": "int64"}
    assert "x: float64" in cli.output("show", "r")
    assert cli.json("show", "n")["content"]["fields"] == [
        {"name": "x", "type": "float64"},
        {"name": "y", "type": "int32"},
    ]


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": "array", "dtype": "<f8", "shape": "many"},
        {"kind": "array", "dtype": "O", "shape": [1]},
        {"kind": "arrow", "rows": -1, "columns": []},
        {"kind": "arrow", "rows": 1, "columns": 5},
        {"kind": "arrow", "rows": 1, "columns": [["a"]]},
        {"kind": "record", "count": "1"},
        {"kind": "record", "count": 1},
        {"kind": "latest", "type": {"fields": 3, "size": 1}},
        {"kind": ["array"]},
        {"kind": "\x1b[2J"},
    ],
)
def test_a_description_that_makes_no_sense_is_bytes(facts: schema.Facts) -> None:
    section, view = schema.make(None, 64, facts)
    with section, view:
        assert contents.content_of(section).words() == ""


def test_rows_that_do_not_fit_are_lines_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("a" * 20, "Section", "1 KiB", "root", "12:rw"), ("b\x1b", "Event", "-", "root", "12")]
    columns = ("NAME", "TYPE", "SIZE", "OWNER", "HOLDERS")
    for terminal in (False, True):
        console = output.Console(
            highlight=False,
            markup=False,
            soft_wrap=True,
            width=40,
            force_terminal=terminal,
            color_system=None,
        )
        monkeypatch.setattr(output, "out", console)
        output.print_rows(columns, rows, right=("SIZE",))
        lines = capsys.readouterr().out.splitlines()
        if terminal:
            assert (
                "  type Section" in lines and "  size 1 KiB" in lines and max(map(len, lines)) <= 40
            )
            assert not any(line.startswith("  size -") for line in lines)
        else:
            assert lines[0].split() == list(columns) and len(lines) == 3
        assert not any("\x1b]" in line or "b\x1b" in line for line in lines)


LOCKED = """
import os, sys
from memsection import RWLock, arrays
lock = RWLock.create("l", exist_ok=True)
grown = arrays.create("g", (2, 3), "u1", maximum=7, exist_ok=True)
getattr(lock, "acquire_" + sys.argv[1])() if sys.argv[1:] else None
print(os.getpid(), flush=True)
sys.stdin.read()
"""


@pytest.mark.linux_only("there is a readers-writer lock on Linux only")
def test_who_has_a_readers_writer_lock_is_shown(cli) -> None:  # type: ignore[no-untyped-def]
    def lock() -> tuple[str, dict[str, object]]:
        row = re.search(r"^l +Section, (.*?)  ", cli.output("ls"), re.M)
        assert row
        content = {row["name"]: row.get("content") for row in cli.json("ls")}["l"]
        return row[1], {key: content[key] for key in ("readers", "writer", "state")}

    cli.python(LOCKED)
    assert lock() == ("readers-writer lock", {"readers": 0, "writer": None, "state": "free"})
    assert re.search(r"^g +Section, array uint8 \(2, 3\), at most 7 rows  ", cli.output("ls"), re.M)
    readers = [cli.python(LOCKED, "read") for _ in range(2)]
    assert lock()[0] == "readers-writer lock, 2 processes read"
    assert "2 processes read" in cli.output("show", "l")
    for reader in readers:
        reader.kill()
        reader.wait()
    assert lock()[1]["state"] == "free", "those who died read no more"
    writer = cli.python(LOCKED, "write")
    assert lock()[1] == {"readers": 0, "writer": writer.pid, "state": "written"}
    assert lock()[0].endswith(f"process {writer.pid} writes")
    writer.kill()
    writer.wait()
    assert lock()[0].endswith(f"process {writer.pid} died writing")
