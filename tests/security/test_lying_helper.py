# SPDX-License-Identifier: MIT
"""A helper in a prefix that is none of ours: whatever it answers is an answer that makes sense, or
an error, and in time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has no prefixes", allow_module_level=True)

from memsection.vocabulary.errors import CorruptError, Error, WaitTimeoutError
from memsection.wine import helper, objects
from memsection.wine.processes import Prefix

#: Answers every command with the text that it was started with, ``hello`` honestly.
LIAR = """
import os, sys
for line in sys.stdin.buffer:
    os.write(1, b"ok 40 1\\n" if line == b"hello\\n" else sys.argv[1].encode("latin-1").decode("unicode_escape").encode())
"""
FLOOD = """
import os, sys
for line in sys.stdin.buffer:
    os.write(1, b"ok 40 1\\n") if line == b"hello\\n" else [os.write(1, b"entry Event 0 x\\n" * 4000) for _ in iter(int, 1)]
"""


class Lying(helper.Helper):
    """A helper whose other end is a program of this test's."""

    def __init__(self, program: str, *words: str) -> None:
        self._program = [sys.executable, "-I", "-S", "-c", program, *words]
        super().__init__(Prefix("/nowhere", 1, 1, 1, False))

    def _start(self, bits: int, keep: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )


@pytest.fixture
def lying() -> Iterator[Any]:
    made = []

    def make(*words: str) -> Lying:
        made.append(Lying(*words))
        return made[-1]

    yield make
    for each in made:
        each.close()
        assert each.process.returncode is not None


ANSWERS = [
    "ok",
    "",
    "ok x y z",
    "ok -4 -1 -1",
    "entry\\nok",
    "entry Event zz name\\nok",
    "entry Event 1\\nok",
    "error",
    "error x",
    "error 0",
    "error c0000034",
    "nothing",
    "ok 99999999999999999 1 1",
    "ok \\u001b[2J",
    "ok ffffffffffffffff ffffffffffffffff 1",
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_that_make_no_sense_are_errors(lying: Any, answer: str) -> None:
    for ask in (
        lambda made: objects.locate(made, "name", writable=False),
        lambda made: made.wait("4", 0),
        objects.listing,
    ):
        made = lying(LIAR, answer + "\\n")
        try:
            # nothing is listed, whatever the rest of the line says
            assert ask(made) is not None and answer.startswith("ok")
        except Error as problem:
            assert str(problem).isprintable()


def test_a_wait_has_no_result_that_there_is_not(lying: Any) -> None:
    with pytest.raises(CorruptError, match="makes no sense"):
        lying(LIAR, "ok 55\\n").wait("4", 0)


def test_a_flood_ends(lying: Any) -> None:
    made = lying(FLOOD)
    with pytest.raises(CorruptError):
        objects.listing(made)
    assert not made.alive


def test_a_line_without_end_and_silence_end(lying: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = lying(FLOOD.replace('\\n" *', '" *'))
    with pytest.raises(WaitTimeoutError):
        objects.listing(endless)
    silent = lying(LIAR, "")
    with pytest.raises(WaitTimeoutError):
        silent.ask("ls", 0.1)
    assert not endless.alive and not silent.alive
