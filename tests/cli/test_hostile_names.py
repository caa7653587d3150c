# SPDX-License-Identifier: MIT
"""Names, descriptions and command lines that hold commands for a terminal: nobody's screen carries
them out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memsection import Error, NotFoundError, Section
from memsection.cli import app
from memsection.cli.output import json_text
from memsection.vocabulary.text import shown

EVIL = "a\x1b]0;x\x07\x1b[2J\r\nb\u202etxt\u2066\x9b31m\x7f\u2028\u200b[red]"
OBJECTS = f"""
import sys
from memsection import *
evil = {EVIL!r}
held = [Section.create(evil, 4096), Mutex.create(evil + "m"), Event.create("Global\\\\" + evil),
        Semaphore.create(evil + "s", 1)]
from memsection import records
from memsection.content import schema
facts = {{"kind": "record", "name": evil, "type": {{"fields": [[evil, "<f8", 0], ["s", "|S8", 8]], "size": 16}}, "count": 2,
          "version": 0, "fingerprint": evil}}
held.append(schema.make(schema.section_attributes("described"), 32, facts))
held.append(schema.make(schema.section_attributes("undefined"), 32, {{"kind": evil, "name": evil, "shape": evil, "version": [evil]}}))
print(held[0].handle, flush=True)
sys.stdin.read()
"""


def is_plain(text: str) -> bool:
    """Whether all lines are printable: no escape, no change of direction, no half characters."""
    return all(line.isprintable() for line in text.split("\n"))


def test_only_what_is_printable_is_shown() -> None:
    assert shown(EVIL) == (
        "a\\x1b]0;x\\x07\\x1b[2J\\r\\nb\\u202etxt\\u2066\\x9b31m\\x7f\\u2028\\u200b[red]"
    )
    assert shown(shown(EVIL)) == shown(EVIL)
    assert shown("Straße 東京 \\ ' 😀") == "Straße 東京 \\ ' 😀"
    assert shown("\ud800\U000e0001") == "\\ud800\\U000e0001"
    assert shown("x" * 50, 10) == "x" * 10 + "..."


def test_json_keeps_its_value_and_shows_nothing_else() -> None:
    value = {EVIL: [EVIL, "ü\ud800😀\U000e0001"]}
    text = json_text(value)
    assert json.loads(text) == value and is_plain(text) and "ü" in text and "😀" in text


def test_errors_are_one_printable_line() -> None:
    with pytest.raises(NotFoundError) as caught:
        Section.open(EVIL)
    for text in (str(caught.value), caught.value.strerror, repr(caught.value)):
        assert text.isprintable() and "x1b" in text
    assert str(Error("two\nlines\x1b[m")) == r"[WinError 31] two\nlines\x1b[m"


COMMANDS = """
import contextlib, io, json, sys
from memsection.cli import app
for words in json.loads(sys.argv[1]):
    sys.argv[:] = ["memsection", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app.run()
        except SystemExit:
            pass
    sys.stdout.write(json.dumps([words, out.getvalue(), err.getvalue()]) + "\\n")
"""


@pytest.mark.sentence(27)
@pytest.mark.linux_only("Windows has names of its own in the same directories")
def test_no_command_prints_what_a_terminal_would_carry_out(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """All of them in one process: starting one for each takes long."""
    process = cli.python(OBJECTS)
    evil, none, pid = EVIL, f"{EVIL}none", str(process.pid)
    (tmp_path / "file").write_bytes(b"x")
    commands = [
        ("ls",),
        ("ls", "-u"),
        ("ls", "--json"),
        ("ls", "-u", "--json"),
        ("handles", pid),
        ("handles", pid, "--files"),
        ("handles", pid, "--json"),
        ("show", evil),
        ("show", f"{evil}m"),
        ("show", f"Global\\{evil}"),
        ("show", f"{evil}s", "--json"),
        ("peek", evil),
        ("peek", "described"),
        ("peek", "undefined"),
        ("show", "described"),
        ("rm", evil),
        ("rm", none),
        ("cat", none),
        ("peek", none),
        ("share", f"{evil}.file", evil),
        ("share", str(tmp_path / "file"), evil),
        ("run", "--name", none, "true"),
        ("run", f"{evil}-command"),
        ("doctor",),
        ("doctor", "--json"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(commands)],
        env=cli.environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    printed = {
        tuple(words): (out, err) for words, out, err in map(json.loads, done.stdout.splitlines())
    }
    assert printed.keys() == set(commands)
    for command, streams in printed.items():
        for text in streams:
            assert is_plain(text) and "Traceback" not in text, command
        assert any(streams), command
    assert shown(evil) in printed["ls",][0]
    assert {row["name"] for row in json.loads(printed["ls", "--json"][0])} >= {
        evil,
        f"Global\\{evil}",
    }
    assert r"\x1b]0;x\x07" in printed["peek", "described"][0]


def test_what_a_library_says_of_a_content_is_shown_without_what_is_in_it(  # type: ignore[no-untyped-def]
    cli, tmp_path: Path
) -> None:
    """Arrow names the types of fields when a form has no place for them."""
    program = (
        "import pyarrow, sys; from memsection import arrow; held = arrow.put('nested', "
        f"pyarrow.table({{'x': [{{{EVIL!r}: 1}}]}})); print(1, flush=True); sys.stdin.read()"
    )
    pytest.importorskip("pyarrow")
    cli.python(program)
    complaint = cli.fails("save", "nested", str(tmp_path / "table.csv"))
    assert is_plain(complaint) and "as .csv: " in complaint and r"\x1b]0;x\x07" in complaint
    assert list(tmp_path.glob("*.csv")) == []


def test_a_mistake_of_ours_is_told_without_what_is_in_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise LookupError(EVIL)

    monkeypatch.setattr(app, "assemble", fail)
    assert app.run() == 1
    complaint = capsys.readouterr().err
    assert "Traceback" in complaint and r"LookupError: a\x1b]0;x\x07" in complaint
    assert is_plain(complaint)


@pytest.mark.linux_only("drives the terminal interface over the Linux namespace")
def test_the_terminal_interface_shows_what_is_printable(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    cli.python(OBJECTS)
    program = """
import asyncio
from memsection.cli.top_screen import Top
from textual.widgets import DataTable, Static
async def main():
    app = Top(60.0, True)
    async with app.run_test() as pilot:
        rows = app.query_one(DataTable)
        cells = [str(cell) for row in range(rows.row_count) for cell in rows.get_row_at(row)]
        for found in list(app.shown):
            app.push_screen(__import__("memsection.cli.top_screen", fromlist=["x"]).Inside(found, 60.0))
            await pilot.pause()
            from rich.console import Console
            import io
            stream = io.StringIO()
            console = Console(file=stream, width=150)
            for part in app.screen.query(Static):
                visual = part.content if hasattr(part, "content") else part.renderable
                console.print(visual)
            cells += stream.getvalue().split("\\n")
            app.pop_screen()
            await pilot.pause()
    assert len(cells) > 30 and any("x1b" in cell for cell in cells)
    for cell in cells:
        assert cell.isprintable(), ascii(cell)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=cli.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, ascii(done.stderr[-2000:])


@pytest.mark.linux_only("a process may have any name there")
def test_command_lines_are_shown_without_what_is_in_them(cli) -> None:  # type: ignore[no-untyped-def]
    program = "import sys; from memsection import Section; s = Section.create('x', 1); print(1, flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, EVIL.replace("\ud800", "")],
        env=cli.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        process.stdout.readline()
        for command in (("show", "x"), ("rm", "x"), ("handles", str(os.getpid()))):
            done = cli.run(*command)
            assert is_plain((done.stdout + done.stderr).decode()), command
    finally:
        process.communicate()
