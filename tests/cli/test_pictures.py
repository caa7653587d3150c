# SPDX-License-Identifier: MIT
"""``peek`` draws arrays, writes them as PNG, and says for programs what a section contains."""

from __future__ import annotations

import json
import os
import pty
import select
import struct
import subprocess
import sys
import zlib
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from memsection.cli import pictures, png, values  # noqa: E402  # they need NumPy
from memsection.cli.output import shown  # noqa: E402

MAKES = """
import sys
from dataclasses import dataclass
import numpy as np
from memsection import Section, arrays, latest, records
@dataclass
class Point:
    x: float
    y: float
y, x = np.mgrid[0:20, 0:30]
kept = [arrays.put("grey", (x * y % 256).astype("u1")), arrays.put("heat", np.where(x > 3, x * 1.0, np.nan)),
        arrays.put("curve", np.sin(np.arange(1000.0))), arrays.put("few", np.arange(6).reshape(2, 3)),
        arrays.put("colours", np.stack([x, y, x], -1).astype("u1")), arrays.put("text", np.array(["a", "b"])),
        arrays.put("many", np.arange(30000).reshape(3, 10000)), records.create("points", Point, 2)]
kept[-1][1] = Point(1.5, float("inf"))
newest, plain = latest.create("newest", Point), Section.create("plain", 4096)
newest.write(Point(2.0, 3.0))
print("made", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def made(cli: Any) -> Any:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", MAKES],
        env=cli.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"made\n"
    yield cli
    process.communicate()


def pixels_of(data: bytes) -> tuple[tuple[int, int, int, int], bytes]:
    """(width, height, depth, colour type) and the bytes of the rows, checked as a reader of PNG
    does."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack_from(">I", data, at + 8 + length)[0]
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colours, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [0, 0, 0]
    flat = zlib.decompress(chunks[b"IDAT"])
    row = len(flat) // height
    assert all(flat[start] == 0 for start in range(0, len(flat), row))
    return (width, height, depth, colours), b"".join(
        flat[start + 1 : start + row] for start in range(0, len(flat), row)
    )


@pytest.mark.parametrize(
    "shape, kind, colours",
    [
        ((2, 3), "u1", 0),
        ((2, 3, 3), "u1", 2),
        ((2, 3, 4), "u1", 6),
        ((2, 3), "<u2", 0),
        ((2, 3), ">u2", 0),
    ],
)
def test_a_file_has_every_pixel_as_it_is(shape: tuple[int, ...], kind: str, colours: int) -> None:
    image = (np.arange(np.prod(shape)).reshape(shape) * 9).astype(kind)
    head, rows = pixels_of(png.png_bytes(pictures.image_of(image)))
    assert head == (3, 2, 8 * image.dtype.itemsize, colours)
    assert rows == image.astype(image.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize(
    "array",
    [
        np.array([[0.0, 1.0], [0.5, np.nan]]),
        np.array([[-5, 5], [0, -5]]),
        np.array([[False, True], [True, False]]),
        np.array([[-1e308, 1e308], [0, np.inf]]),
        np.zeros((2, 2)),
        np.array([[1 << 62, -(1 << 62)], [0, 0]]),
    ],
    ids=str,
)
def test_other_numbers_go_from_black_to_white(array: Any) -> None:
    image = pictures.image_of(array)
    assert image.dtype == np.uint8 and image.shape == (2, 2)
    if array.any():
        assert image.max() == 255 and image.min() == 0


@pytest.mark.parametrize(
    "shape", [(16,), (5000,), (16, 16), (300, 17), (17, 300), (16, 20, 1), (40, 40, 3), (40, 40, 4)]
)
@pytest.mark.parametrize("kind", ["?", "u1", "i8", "f2", "f8"])
@pytest.mark.parametrize("width, height", [(40, 10), (5, 1), (200, 50)])
def test_a_picture_fits_the_terminal_whatever_the_array(
    shape: tuple[int, ...], kind: str, width: int, height: int
) -> None:
    noise = np.random.default_rng(1).integers(-9, 9, shape).astype(kind)
    assert pictures.is_drawn(noise)
    lines = pictures.draw(noise, width, height).plain.split("\n")
    assert len(lines) <= height + 1, "the scale has a line of its own"
    if width >= 40:
        assert max(map(len, lines)) <= width
    assert all(shown(line) == line for line in lines)


def test_numbers_that_are_none_are_drawn_as_something() -> None:
    for fill in (np.nan, np.inf, -np.inf, 1e308, -1e308):
        for shape in ((20,), (20, 20), (20, 20, 3)):
            noise = np.full(shape, fill)
            noise[0] = -noise[0]
            assert pictures.draw(noise, 40, 10).plain


def test_a_curve_goes_where_its_values_go() -> None:
    lines = pictures.draw(np.arange(100.0), 60, 4).plain.split("\n")
    assert lines[0].startswith("99 ") and lines[-1].lstrip().startswith("0 ")
    first = [line.replace("⠀", " ").rstrip() for line in lines]
    assert len(first[0]) > len(first[-1]), "it rises to the right"


def test_few_values_and_text_stay_as_they_are() -> None:
    for array in (
        np.zeros(5),
        np.zeros((3, 50)),
        np.zeros((50, 50, 7)),
        np.array(["a"] * 50),
        np.zeros((50, 50), "c16"),
        np.zeros((20, 20), [("a", "f8")]),
        np.zeros((0, 30)),
    ):
        assert not pictures.is_drawn(array)


def test_peek_writes_a_picture_and_no_file_twice(made: Any, tmp_path: Any) -> None:
    file = tmp_path / "x.png"
    assert "30 x 20 pixels" in made.run("peek", "grey", "--save", str(file)).stderr.decode()
    y, x = np.mgrid[0:20, 0:30]
    assert pixels_of(file.read_bytes()) == ((30, 20, 8, 0), (x * y % 256).astype("u1").tobytes())
    assert "--force replaces it" in made.fails("peek", "colours", "--save", str(file))
    assert made.run("peek", "colours", "--save", str(file), "--force").returncode == 0
    assert pixels_of(file.read_bytes())[0] == (30, 20, 8, 2)
    for name, what in (
        ("curve", "array float64 (1000)"),
        ("points", "2 records Point"),
        ("plain", "bytes"),
    ):
        assert what in made.fails("peek", name, "--save", str(tmp_path / "y.png"))
    assert "written as .png" in made.fails("peek", "grey", "--save", str(tmp_path / "x.gif"))
    assert "goes with neither" in made.fails("peek", "grey", "--save", "z.png", "--watch", status=2)
    assert os.listdir(tmp_path) == ["x.png"]


def test_peek_says_for_programs_what_is_there(made: Any) -> None:
    few = made.json("peek", "few")
    assert (few["kind"], few["dtype"], few["values"]) == ("array", "int64", [[0, 1, 2], [3, 4, 5]])
    assert made.json("peek", "heat")["values"][0][2:5] == ["nan", "nan", 4.0]
    many = made.json("peek", "many")
    assert many["truncated"] and many["values"] == [list(range(10000))]
    assert made.json("peek", "points")["values"] == [{"x": 0.0, "y": 0.0}, {"x": 1.5, "y": "inf"}]
    newest = made.json("peek", "newest")
    assert (newest["number"], newest["value"]) == (1, {"x": 2.0, "y": 3.0})
    plain = made.json("peek", "plain", "--offset", "4", "--length", "2")
    assert (plain["bytes"], plain["offset"], plain["size"]) == ("0000", 4, 4096)
    assert made.json("peek", "few", "--hex", "--length", "9")["bytes"] == "000000000000000001"
    assert made.json("peek", "text")["values"] == ["a", "b"]


def test_values_are_what_json_can_have() -> None:
    found = values.plain(
        {
            "a": (1, 2.5, None),
            "b": b"\0\xff",
            "c": 1j,
            "d": [float("-inf")],
            "e": np.datetime64(0, "s"),
        }
    )
    assert json.loads(json.dumps(found)) == {
        "a": [1, 2.5, None],
        "b": "00ff",
        "c": [0.0, 1.0],
        "d": ["-inf"],
        "e": "1970-01-01T00:00:00",
    }


@pytest.mark.parametrize("columns", [40, 140])
def test_a_terminal_gets_pictures_and_a_pipe_numbers(made: Any, columns: int) -> None:
    def in_terminal(*words: str) -> str:
        ours, theirs = pty.openpty()
        environment = {
            **made.environment,
            "COLUMNS": str(columns),
            "LINES": "40",
            "TERM": "xterm-256color",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "memsection", *words],
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        printed = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:
                break  # it has ended
            printed += part
        os.close(ours)
        assert process.wait(60) == 0
        return printed.decode()

    assert "▀" in in_terminal("peek", "grey")
    assert "▀" not in in_terminal("peek", "grey", "--numbers")
    assert any(0x2801 <= ord(character) < 0x2900 for character in in_terminal("peek", "curve"))
    assert "[[0 1 2]" in in_terminal("peek", "few")
    assert "▀" not in made.output("peek", "grey")
