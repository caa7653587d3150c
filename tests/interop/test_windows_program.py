# SPDX-License-Identifier: MIT
"""A Windows program that was compiled without this library, and a Linux process, share a
file-backed section.

The program is ``program.c`` beside this file, compiled by mingw-w64 and run by Wine.  Both
directions: who makes the file, and who writes.  Needs Wine and the compiler, which tools/wine.py
installs.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memsection import Section, win32

HERE = Path(__file__).resolve().parent
_spec = importlib.util.spec_from_file_location("wine_tool", HERE.parents[1] / "tools" / "wine.py")
assert _spec is not None and _spec.loader is not None
wine = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(wine)

SIZE = 0x3000
TEXT = "我将无我，不负人民".encode("utf-16-le")
ANSWER = "为人民服务".encode("utf-16-le")


class Program:
    """The running Windows program: a line goes there, a line comes back."""

    def __init__(self, executable: Path) -> None:
        self._process = subprocess.Popen(
            [*wine.loader(), str(executable)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=wine.environment(),
        )

    def ask(self, line: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().decode().strip()
        assert answer.startswith("ok"), f"{line}: {answer}"
        return answer[3:]

    def read(self, offset: int, count: int) -> bytes:
        return bytes.fromhex(self.ask(f"read {offset} {count}"))

    def write(self, offset: int, data: bytes) -> None:
        self.ask(f"write {offset} {data.hex()}")

    def end(self) -> int:
        self._process.communicate()
        return self._process.returncode


@pytest.fixture(scope="module")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("wine") is None or shutil.which(wine.COMPILER) is None:
        reason = f"needs wine and {wine.COMPILER}; tools/wine.py setup installs them"
        if "windows" in os.environ.get("MEMSECTION_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    wine.CACHE.mkdir(parents=True, exist_ok=True)
    output = tmp_path_factory.mktemp("interop") / "program.exe"
    subprocess.run(
        [
            wine.COMPILER,
            "-std=c11",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            str(HERE / "program.c"),
            "-o",
            str(output),
        ],
        check=True,
    )
    return output


@pytest.fixture
def start(executable: Path) -> Iterator[Callable[[], Program]]:
    running: list[Program] = []

    def one() -> Program:
        running.append(Program(executable))
        return running[-1]

    yield one
    for program in running:
        assert program.end() == 0


def test_bytes_go_both_ways_through_a_file_made_on_linux(
    start: Callable[[], Program], tmp_path: Path
) -> None:
    path = tmp_path / "made-here.bin"
    path.write_bytes(bytes(SIZE))
    with Section.from_file(path, access="rw") as section, section.map() as view:
        view[: len(TEXT)] = TEXT
        program = start()
        program.ask(f"map {wine.windows_path(path)} 0")
        assert program.ask("size") == str(SIZE)
        assert program.read(0, len(TEXT)) == TEXT
        program.write(0x2000, ANSWER)
        assert bytes(view[0x2000 : 0x2000 + len(ANSWER)]) == ANSWER
        view[0x2800:0x2805] = b"later"
        assert program.read(0x2800, 5) == b"later"
        program.ask("unmap")


def test_bytes_go_both_ways_through_a_file_made_on_windows(
    start: Callable[[], Program], tmp_path: Path
) -> None:
    path = tmp_path / "made-there.bin"
    program = start()
    program.ask(f"map {wine.windows_path(path)} {SIZE}")
    program.write(0x1234, TEXT)
    file = win32.CreateFile(
        str(path),
        win32.GENERIC_READ | win32.GENERIC_WRITE,
        win32.FILE_SHARE_READ | win32.FILE_SHARE_WRITE,
        None,
        win32.OPEN_EXISTING,
        0,
        0,
    )
    try:
        handle = win32.CreateFileMapping(file, None, win32.PAGE_READWRITE, 0, 0, None)
        with Section.from_handle(handle) as section, section.map() as view:
            assert len(view) == SIZE
            assert bytes(view[0x1234 : 0x1234 + len(TEXT)]) == TEXT
            view[0x10 : 0x10 + len(ANSWER)] = ANSWER
            assert program.read(0x10, len(ANSWER)) == ANSWER
            program.ask("unmap")
            assert bytes(view[0x1234 : 0x1234 + len(TEXT)]) == TEXT, (
                "the program let go, our view stays"
            )
    finally:
        win32.CloseHandle(file)


def test_what_was_flushed_and_closed_is_in_the_file_for_the_other(
    start: Callable[[], Program], tmp_path: Path
) -> None:
    path = tmp_path / "in-turn.bin"
    path.write_bytes(bytes(SIZE))
    with Section.from_file(path, access="rw") as section, section.map() as view:
        view[100:105] = b"first"
        view.flush()
    program = start()
    program.ask(f"map {wine.windows_path(path)} 0")
    assert program.read(100, 5) == b"first"
    program.write(105, b"second")
    program.ask("unmap")
    with Section.from_file(path) as section, section.map() as view:
        assert bytes(view[100:111]) == b"firstsecond"


def test_interlocked_counting_of_several_programs_is_seen_exactly(
    start: Callable[[], Program], tmp_path: Path
) -> None:
    path = tmp_path / "counter.bin"
    path.write_bytes(bytes(4096))
    programs = [start(), start()]
    with Section.from_file(path, access="rw") as section, section.map() as view:
        for program in programs:
            program.ask(f"map {wine.windows_path(path)} 0")
        for number, program in enumerate(programs, 1):
            program.ask("add 64 100000")
            assert struct.unpack_from("<I", view, 64)[0] == 100000 * number
        for program in programs:
            program.ask("unmap")
