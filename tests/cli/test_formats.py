# SPDX-License-Identifier: MIT
"""Files of arrays and tables: shared, looked at, saved; and what the shell completes."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memsection import Section, arrays
from memsection.cli import completion, typed

pa: Any = pytest.importorskip(
    "pyarrow", reason="memsection[arrow] is not installed", exc_type=ImportError
)
csv: Any = pytest.importorskip("pyarrow.csv")
parquet: Any = pytest.importorskip("pyarrow.parquet")
arrow: Any = pytest.importorskip("memsection.arrow")

TABLE = pa.table({"n": [1, 2, 3], "text": ["a", "b\x1b[31m", None]})


def write(file: Path) -> None:
    if file.suffix == ".parquet":
        parquet.write_table(TABLE, file)
    elif file.suffix == ".csv":
        csv.write_csv(TABLE.select(["n"]), file)
    elif file.suffix == ".npz":
        np.savez(file, one=np.arange(3), two=np.eye(2))
    elif file.suffix == ".npy":
        np.save(file, np.arange(6.0).reshape(2, 3))
    else:
        with pa.ipc.new_file(file, TABLE.schema) as writer:
            writer.write_table(TABLE)


def shared(cli, file: Path, name: str):  # type: ignore[no-untyped-def]
    process = cli.start("share", str(file), name)
    line = process.stderr.readline().decode()
    assert re.match(rf"'{re.escape(name)}[.\w]*': (array|table)", line), line
    return process


@pytest.mark.parametrize("form", [".parquet", ".arrow", ".csv", ".npy"])
def test_what_was_shared_can_be_saved(cli, tmp_path: Path, form: str) -> None:  # type: ignore[no-untyped-def]
    write(source := tmp_path / f"source{form}")
    process = shared(cli, source, "data")
    (tmp_path / f"target{form}").write_bytes(b"old")
    assert "--force" in cli.fails("save", "data", str(tmp_path / f"target{form}"))
    assert (
        cli.run("save", "data", str(target := tmp_path / f"target{form}"), "--force").returncode
        == 0
    )
    if form == ".npy":
        assert np.array_equal(np.load(target), np.load(source)) and np.load(target).dtype == float
    elif form == ".csv":
        assert csv.read_csv(target) == csv.read_csv(source)
    else:
        whole = (
            parquet.read_table(target)
            if form == ".parquet"
            else pa.ipc.open_file(target).read_all()
        )
        assert whole == TABLE
        text = cli.output("peek", "data")
        assert "b\\x1b[31m" in text and "\x1b" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name])
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


def test_each_array_of_an_npz_file_has_a_name(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write(source := tmp_path / "both.npz")
    process = shared(cli, source, "both")
    assert b"two" in process.stderr.readline()
    assert "[0 1 2]" in cli.output("peek", "both.one")
    assert "as .npy" in cli.fails("save", "both.two", str(tmp_path / "x.parquet"))
    assert not (tmp_path / "x.parquet").exists()
    said = cli.run("save", "both", str(target := tmp_path / "again.npz"))
    assert said.returncode == 0, said.stderr
    with np.load(source) as before, np.load(target) as after:
        assert set(before) == set(after) == {"one", "two"}
        assert all(np.array_equal(before[key], after[key]) for key in before)
    told = cli.fails("save", "both", str(target))
    assert "--force" in told and "who holds it" not in told


@pytest.mark.parametrize("form", [".parquet", ".arrow", ".csv", ".npy", ".npz"])
def test_a_file_that_is_not_what_its_name_says_is_refused(cli, tmp_path: Path, form: str) -> None:  # type: ignore[no-untyped-def]
    (wrong := tmp_path / f"wrong{form}").write_bytes(
        b"\x00\xff\x1b[31m" * 9 if form != ".csv" else b""
    )
    message = cli.fails("share", str(wrong), "N")
    assert "--bytes" in message and "\x1b" not in message


def test_bytes_are_not_saved_as_an_array(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_bytes(b"abc")
    cli.share(tmp_path / "file", "N")
    assert "no array and no table" in cli.fails("save", "N", str(tmp_path / "x.npy"))


def test_top_without_a_terminal_is_refused(cli) -> None:  # type: ignore[no-untyped-def]
    assert "needs a terminal" in cli.fails("top")


def test_only_names_that_a_shell_takes_as_words_are_completed() -> None:
    from support import objects

    prefix = objects.unique_name()
    with (
        Section.create(f"{prefix}.plain"[:60], 4096) as plain,
        Section.create(f"{prefix}.$(true)", 4096),
        Section.create(f"{prefix}.a b", 4096),
    ):
        assert completion.names(prefix) == [plain.name]
    assert completion.names(prefix) == []


def test_a_long_table_says_how_much_is_not_shown() -> None:
    wide = pa.table({f"c{number}": range(100) for number in range(20)})
    with arrow.put(None, wide) as whole:
        lines = typed.lines(whole.section, {"kind": "arrow"})
    assert lines is not None and lines[-2:] == ["... and 68 rows more", "... and 8 columns more"]
    assert lines[0].split() == [f"c{number}" for number in range(12)]


def test_saved_numbers_are_those_of_the_array(tmp_path: Path) -> None:
    from memsection.cli import formats

    array = arrays.put(None, np.array([[0.1, 1e300], [-2.5, 3]]))
    assert array.section is not None
    formats.save(array.section, "array", str(tmp_path / "x.csv"))
    assert np.array_equal(np.loadtxt(tmp_path / "x.csv", delimiter=","), array)
