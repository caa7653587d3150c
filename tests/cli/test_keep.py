# SPDX-License-Identifier: MIT
"""``memsection keep``: what it holds stays, and goes with it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

MAKES = """
import sys
from memsection import Event, RWLock, Section
section = Section.create("kept-section", 4096)
with section.map() as view:
    view[:5] = b"hello"
lock, event = RWLock.create("kept-lock"), Event.create("kept-event")
print("made", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def maker(cli):  # type: ignore[no-untyped-def]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", MAKES],
        env=cli.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"made\n"
    yield process
    process.communicate()


def names(cli):  # type: ignore[no-untyped-def]
    return [one["name"] for one in cli.json("ls")]


def test_what_is_kept_outlives_who_made_it_and_ends_with_ctrl_c(cli, maker) -> None:  # type: ignore[no-untyped-def]
    keeper = cli.start("keep", "kept-section", "kept-lock", "kept-event")
    assert (
        keeper.stderr.readline()
        == b"kept: kept-section, kept-lock, kept-lock.gate, kept-event; Ctrl-C ends it\n"
    )
    maker.kill()
    maker.wait()
    assert sorted(names(cli)) == ["kept-event", "kept-lock", "kept-lock.gate", "kept-section"]
    assert cli.run("cat", "kept-section").stdout[:5] == b"hello"
    keeper.send_signal(signal.SIGINT)
    assert keeper.wait(60) == 130
    assert names(cli) == []


def test_it_waits_for_a_name_and_ends_in_time(cli, maker) -> None:  # type: ignore[no-untyped-def]
    done = cli.run("keep", "--until", "0.1s", "kept-event")
    assert (done.returncode, done.stdout) == (0, b"")
    waiting = cli.start("keep", "--wait", "--until", "1h", "not-yet")
    assert waiting.stderr.readline() == b"waiting for 'not-yet'\n"
    other = cli.start("keep", "--wait", "kept-section")
    assert b"kept: kept-section" in other.stderr.readline()
    for process in (waiting, other):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_what_cannot_be_kept_is_an_error(cli) -> None:  # type: ignore[no-untyped-def]
    assert "'memsection ls' shows the names that exist" in cli.fails("keep", "nothing")
    assert "is no length of time" in cli.fails("keep", "--until", "soon", "nothing", status=2)


def test_help_is_wrapped_where_the_terminal_ends(cli) -> None:  # type: ignore[no-untyped-def]
    cli.environment["COLUMNS"] = "40"
    lines = [line.strip() for line in cli.output("keep", "--help").splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith("An object exists"))
    paragraph = lines[start : start + 6]
    assert all(len(line) >= 27 for line in paragraph[:-1]), paragraph
