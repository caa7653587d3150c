# SPDX-License-Identifier: MIT
"""The programs in examples/ do what the articles describe, each as a process of its own, with
somebody typing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
HELLO, ANSWER = "我将无我，不负人民", "为人民服务"
PATIENCE_SECONDS = 60


class Terminal:
    """A program that somebody types into and reads from."""

    def __init__(self, program: Path, environment: dict[str, str], *options: str) -> None:
        self.said = ""
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(program), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )

    def expect(self, text: str) -> None:
        """Read on until the program has said this."""
        self.expect_match(re.escape(text))

    def expect_match(self, pattern: str) -> None:
        """Read on until what the program has said has this in it."""
        assert self.process.stdout is not None
        while not re.search(pattern, self.said):
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            assert more, f"it ended without saying {pattern!r}:\n{self.said}"
            self.said += more.decode("utf-8", "replace").replace("\r\n", "\n")

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def end(self) -> str:
        """Let the program end well; everything it said."""
        rest, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        self.said += rest.decode("utf-8", "replace").replace("\r\n", "\n")
        assert self.process.returncode == 0, self.said
        return self.said


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A namespace of its own, and text as UTF-8."""
    root = tmp_path / "namespace"
    root.mkdir(mode=0o700)
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    return {
        **os.environ,
        "MEMSECTION_ROOT": str(root),
        "PYTHONPATH": path,
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def terminals(environment: dict[str, str]) -> Iterator[list[Terminal]]:
    """Programs started by a test; what still runs at its end is ended."""
    started: list[Terminal] = []
    yield started
    for terminal in started:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.communicate()


def _start(terminals: list[Terminal], environment: dict[str, str], name: str) -> Terminal:
    terminals.append(Terminal(EXAMPLES / name, environment))
    return terminals[-1]


@pytest.mark.parametrize("b_face", ["win32", "pythonic"])
@pytest.mark.parametrize("a_face", ["win32", "pythonic"])
def test_two_programs_meet_at_a_name(
    a_face: str, b_face: str, terminals: list[Terminal], environment: dict[str, str]
) -> None:
    first = _start(terminals, environment, f"{a_face}/named_a.py")
    first.expect("Press Enter")
    second = _start(terminals, environment, f"{b_face}/named_b.py")
    assert f"B reads: {HELLO}\nB wrote: {ANSWER}" in second.end()
    first.type("")
    assert f"A reads: {ANSWER}" in first.end()


@pytest.mark.parametrize("b_face", ["win32", "pythonic"])
@pytest.mark.parametrize("a_face", ["win32", "pythonic"])
def test_two_programs_meet_by_process_id_and_handle(
    a_face: str, b_face: str, terminals: list[Terminal], environment: dict[str, str]
) -> None:
    first = _start(terminals, environment, f"{a_face}/anonymous_a.py")
    first.expect("Press Enter")
    told = re.search(r"process id (\d+), handle (0x[0-9a-f]+)", first.said)
    assert told is not None
    second = _start(terminals, environment, f"{b_face}/anonymous_b.py")
    second.expect("Process id of A:")
    second.type(told[1])
    second.expect("Handle in A:")
    second.type(told[2])
    assert f"B reads: {HELLO}\nB wrote: {ANSWER}" in second.end()
    first.type("")
    assert f"A reads: {ANSWER}" in first.end()


def test_the_second_program_alone_says_what_is_missing(
    terminals: list[Terminal], environment: dict[str, str]
) -> None:
    alone = _start(terminals, environment, "win32/named_b.py")
    output, _ = alone.process.communicate(timeout=PATIENCE_SECONDS)
    assert alone.process.returncode == 1
    assert b"error 2" in output


def test_a_section_that_may_be_read_cannot_be_opened_for_writing(
    terminals: list[Terminal], environment: dict[str, str]
) -> None:
    said = _start(terminals, environment, "win32/security_descriptor.py").end()
    assert said.splitlines() == [
        "descriptor: D:(A;;GR;;;WD)",
        "opening for reading: granted",
        "opening for reading and writing: error 5",
        "read: 我将无我",
        "mapping that handle for writing: error 5",
    ]


def test_a_child_has_its_parents_handles_when_both_switches_are_on(
    terminals: list[Terminal], environment: dict[str, str]
) -> None:
    lines = _start(terminals, environment, "win32/inherit_parent.py").end().splitlines()
    assert len(lines) == 4
    assert all(
        line.endswith(f"the child ended with 6, and the section says {HELLO}") for line in lines[:3]
    )
    assert lines[3].endswith(f"the child ended with 0, and the section says {ANSWER}")


def test_a_name_lives_as_long_as_anybody_has_a_handle(
    terminals: list[Terminal], environment: dict[str, str]
) -> None:
    said = _start(terminals, environment, "win32/reference_count.py").end()
    assert said.splitlines() == [
        "created: 1 handle",
        "inherited by a child: 2 handles",
        "closed here: the name is still there",
        "the child has ended: the name is gone",
    ]


@pytest.mark.linux_only("there are channels on Linux only so far")
def test_a_pipeline_goes_on_whoever_is_killed(
    terminals: list[Terminal], environment: dict[str, str]
) -> None:
    program = EXAMPLES / "pipeline/run.py"
    pipeline = Terminal(program, environment, "--size", "120", "160", "--workers", "2")
    terminals.append(pipeline)
    pipeline.expect("frames/s")
    for part in ("camera.py", "detector.py", "viewer.py"):
        told = re.findall(rf"^{part} is process (\d+)", pipeline.said, re.MULTILINE)
        os.kill(int(told[-1]), signal.SIGKILL)
        pipeline.said = pipeline.said[-200:]  # what was said before counts no more
        pipeline.expect_match(rf"{part} is process \d+\n(.|\n)*\d frames/s, by workers \d+")
        pipeline.said = "\n".join(
            f"{one} is process {pid}" for one, pid in _parts(pipeline.process.pid)
        )
    children = _parts(pipeline.process.pid)
    assert sorted(name for name, _ in children) == ["camera.py", *["detector.py"] * 2, "viewer.py"]
    # the camera ends by itself, then the workers, then the viewer, which closes the output
    pipeline.process.kill()
    pipeline.process.communicate(timeout=PATIENCE_SECONDS)


def _parts(pid: int) -> list[tuple[str, int]]:
    """The programs that a process has started, and their process ids."""
    commands = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):  # one that was killed, and is not yet collected
            commands.append((child.cmdline(), child.pid))
    # a process that ended has none
    return [(Path(command[1]).name, child) for command, child in commands if command]


def test_every_program_in_examples_is_run_by_a_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    pairs = {
        f"{face}/{pair}"
        for face in ("win32", "pythonic")
        for pair in ("named_a", "named_b", "anonymous_a", "anonymous_b")
    }
    started_by_others = {
        "win32/inherit_child",
        "pipeline/camera",
        "pipeline/detector",
        "pipeline/viewer",
    }
    for path in EXAMPLES.rglob("*.py"):
        name = path.relative_to(EXAMPLES).with_suffix("").as_posix()
        assert name in pairs | started_by_others or f'"{name}.py"' in tests, (
            f"{name} is run by no test"
        )
