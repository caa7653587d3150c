# SPDX-License-Identifier: MIT
"""Files and pipes through named sections: the same bytes come out, whatever their number."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from memsection import PAGE_SIZE, errors
from memsection.cli import content
from memsection.cli.output import parse_size, size_words

LENGTHS = [
    0,
    1,
    63,
    64,
    65,
    PAGE_SIZE - content.SIZE,
    PAGE_SIZE - content.SIZE + 1,
    PAGE_SIZE,
    3 * PAGE_SIZE + 17,
]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_file_comes_out_with_its_exact_length(cli, tmp_path: Path, length: int) -> None:  # type: ignore[no-untyped-def]
    data = os.urandom(length)
    (tmp_path / "file").write_bytes(data)
    cli.share(tmp_path / "file", "N")
    done = cli.run("cat", "N")
    assert (done.returncode, done.stdout) == (0, data)


def test_a_large_file_comes_out_as_it_went_in(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data = os.urandom(1 << 20) * 40 + b"end"
    (tmp_path / "file").write_bytes(data)
    cli.share(tmp_path / "file", "N")
    assert cli.run("cat", "N").stdout == data
    assert cli.run("cat", "N", "--offset", "100", "--length", "10").stdout == data[100:110]
    assert cli.run("cat", "N", "--offset", str(len(data) - 2)).stdout == b"nd"


def test_standard_input_comes_out_with_its_exact_length(cli) -> None:  # type: ignore[no-untyped-def]
    process = cli.start("share", "-", "N", stdin=subprocess.PIPE)
    data = os.urandom(1_000_001)
    process.stdin.write(data)
    process.stdin.close()
    process.stdin = None
    assert process.stderr.readline().startswith(b"'N': 1000001 bytes")
    assert cli.run("cat", "N").stdout == data


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_name_goes_when_sharing_ends(cli, tmp_path: Path, ending: signal.Signals) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_bytes(b"abc")
    process = cli.share(tmp_path / "file", "N")
    process.send_signal(ending)
    assert process.wait(60) == (130 if ending == signal.SIGINT else 0)
    message = cli.fails("cat", "N")
    assert "[WinError 2] open section 'N': no object of that name" in message
    assert "memsection ls" in message


def test_the_name_goes_when_sharing_is_killed(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_bytes(b"abc")
    process = cli.share(tmp_path / "file", "N")
    process.kill()
    process.wait(60)
    assert "WinError 2" in cli.fails("cat", "N")


def test_a_name_is_shared_once(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_bytes(b"abc")
    cli.share(tmp_path / "file", "N")
    message = cli.fails("share", str(tmp_path / "file"), "N")
    assert "WinError 183" in message and "'N'" in message


def test_a_section_of_somebody_else_comes_out_in_whole_pages(cli) -> None:  # type: ignore[no-untyped-def]
    cli.python(
        "import sys; from memsection import *; s = Section.create('N', 5000); s.map()[:3] = "
        "b'abc'; "
        "print(1, flush=True); sys.stdin.read()"
    )
    assert cli.run("cat", "N").stdout == b"abc" + bytes(2 * PAGE_SIZE - 3)


@pytest.mark.parametrize(
    "scribble",
    [
        b"struct.pack_into('<I', v, len(v) - 48, 99)",  # the version
        b"struct.pack_into('<I', v, len(v) - 44, 77)",  # the state
        b"struct.pack_into('<Q', v, len(v) - 40, 1 << 40)",  # the length
    ],
)
def test_a_scribbled_trailer_is_a_clear_error(cli, tmp_path: Path, scribble: bytes) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_bytes(b"abc")
    cli.share(tmp_path / "file", "N")
    cli.python(
        f"import struct; import sys; from memsection import *; s = Section.open('N'); v = s.map(); "
        f"{scribble.decode()}; "
        "print(1, flush=True); sys.stdin.read()"
    )
    assert "WinError 1392" in cli.fails("cat", "N")


@pytest.mark.parametrize("length", [0, 1, 5_000_000])
def test_a_pipe_of_any_length_goes_through_a_small_ring(cli, tmp_path: Path, length: int) -> None:  # type: ignore[no-untyped-def]
    data = os.urandom(length)
    (tmp_path / "in").write_bytes(data)
    with open(tmp_path / "in", "rb") as source:
        writer = cli.start("share", "-", "N", "--follow", "--buffer", "64K", stdin=source)
    out, complaint = cli.start("cat", "--follow", "N").communicate(timeout=60)
    assert (out, complaint) == (data, b"")
    _, words = writer.communicate(timeout=60)
    assert writer.returncode == 0
    assert f"'N': {length} bytes passed on".encode() in words


def test_a_stream_whose_writer_is_killed_is_an_error(cli) -> None:  # type: ignore[no-untyped-def]
    writer = cli.start("share", "-", "N", "--follow", stdin=subprocess.PIPE)
    writer.stderr.readline()
    writer.stdin.write(b"begun")
    writer.stdin.flush()
    reader = cli.start("cat", "N")
    assert os.read(reader.stdout.fileno(), 100) == b"begun"
    writer.kill()
    writer.wait(60)
    writer.stdin.close()
    writer.stdin = None
    assert reader.wait(60) == 1
    assert b"ended in the middle, after 5 bytes" in reader.stderr.read()


def test_a_stream_has_one_reader_at_a_time_and_may_change_it(cli) -> None:  # type: ignore[no-untyped-def]
    writer = cli.start("share", "-", "N", "--follow", stdin=subprocess.PIPE)
    writer.stderr.readline()
    first = cli.start("cat", "N")
    writer.stdin.write(b"one")
    writer.stdin.flush()
    assert os.read(first.stdout.fileno(), 100) == b"one"
    assert "WinError 32" in cli.fails("cat", "N")
    first.kill()
    first.wait(60)
    writer.stdin.write(b"two")
    writer.stdin.close()
    writer.stdin = None
    assert cli.run("cat", "N").stdout == b"two"
    assert writer.wait(60) == 0


def test_what_cannot_be_read_is_refused_by_name(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert "cannot be read: No such file" in cli.fails("share", str(tmp_path / "none"), "N")
    assert "directory" in cli.fails("share", str(tmp_path), "N")
    (tmp_path / "file").write_bytes(b"abc")
    assert "WinError 161" in cli.fails("share", str(tmp_path / "file"), "\\N")
    assert "no size" in cli.fails("share", "-", "N", "--follow", "--buffer", "much", status=2)


def test_more_than_the_machine_has_is_refused(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with open(tmp_path / "file", "wb") as file:
        file.truncate(1 << 42)
    assert "WinError 1455" in cli.fails("share", str(tmp_path / "file"), "N")


def test_nobody_listening_any_more_is_no_traceback(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_bytes(bytes(1 << 20))
    cli.share(tmp_path / "file", "N")
    reader = cli.start("cat", "N")
    reader.stdout.read(10)
    reader.stdout.close()
    assert reader.wait(60) == 1
    assert b"Traceback" not in reader.stderr.read()
    reader.stdout = None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("64K", 65536),
        ("1.5G", 3 << 29),
        ("10 MiB", 10 << 20),
        ("0x10", 16),
        ("1TiB", 1 << 40),
    ],
)
def test_sizes_are_understood(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (3 << 29, "1.5 GiB"), (5 << 50, "5120 TiB")],
)
def test_sizes_are_written_for_people(size: int, words: str) -> None:
    assert size_words(size) == words


def test_an_error_has_its_status() -> None:
    assert errors.CorruptError().winerror == 1392
