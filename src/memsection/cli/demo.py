# SPDX-License-Identifier: MIT
"""``memsection demo``: the example programs as real processes, and what each of them says.

The programs are those of ``examples/``, unchanged; this file types what a person would type into
two terminals, and checks that each program says what it should.
"""

from __future__ import annotations

import enum
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

import memsection
from memsection.cli.output import out

HELLO, ANSWER = "我将无我，不负人民", "为人民服务"
PATIENCE_SECONDS = 30.0
_STYLES = {"A": "bold cyan", "B": "bold magenta"}


class Which(enum.StrEnum):
    """Which pair to show."""

    NAMED = "named"
    ANONYMOUS = "anonymous"
    ALL = "all"


class Wrong(Exception):
    """A program did not say what it should."""


class Terminal:
    """One program in a terminal of its own, as it were: what it prints is shown, and waited for."""

    def __init__(self, label: str, program: Path, environment: dict[str, str]) -> None:
        self.label = label
        self.said = ""
        self._shown = 0
        self._ended = False
        self._more = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.show(f"$ python {program.parent.name}/{program.name}", "dim")

    def _read(self) -> None:
        assert self.process.stdout is not None
        data = b""
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            data += chunk
            with self._more:
                self.said = data.decode("utf-8", "replace").replace("\r\n", "\n")
                self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()

    def show(self, text: str, style: str = "") -> None:
        out.print(Text.assemble((f"  {self.label} │ ", _STYLES[self.label]), (text, style)))

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until it says this, and show everything up to there."""
        with self._more:
            self._more.wait_for(
                lambda: re.search(pattern, self.said[self._shown :]) or self._ended,
                PATIENCE_SECONDS,
            )
            found = re.search(pattern, self.said[self._shown :])
        if found is None:
            self._rest()
            raise Wrong(f"{self.label} did not say: {pattern}")
        self._print(self.said[self._shown : self._shown + found.end()])
        self._shown += found.end()
        return found

    def type(self, text: str) -> None:
        """Type a line, as a person would."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        self.show(f"▸ {text or '[Enter]'}", "bold")

    def last_line(self) -> str:
        """The last line that it printed before it ended."""
        self._reader.join(PATIENCE_SECONDS)
        lines = self.said.strip().splitlines()
        return lines[-1] if lines else ""

    def end(self) -> None:
        """Wait until it has ended, well."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        self._rest()
        if status:
            raise Wrong(f"{self.label} ended with exit status {status}")

    def stop(self) -> None:
        """End it, if something went wrong before it did."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE_SECONDS)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def _rest(self) -> None:
        self._print(self.said[self._shown :])
        self._shown = len(self.said)

    def _print(self, text: str) -> None:
        for line in text.strip("\n").splitlines():
            if line.strip():
                self.show(line.strip())


def demo(
    which: Annotated[Which, typer.Argument(help="Which pair of programs.")] = Which.ALL,
) -> None:
    """Run pairs of programs that share memory, as real processes, and show what each of them says.

    The exit status is not 0 when anything is not as it should be.
    """
    examples = _examples()
    try:
        with tempfile.TemporaryDirectory(prefix="memsection-demo-") as root:
            environment = _environment(root)
            if which in (Which.NAMED, Which.ALL):
                _say(
                    "A section with a name. A makes it, B opens it by the name; both see the same "
                    "memory."
                )
                _pair(examples / "win32", "named", environment)
                _say("The same with the Pythonic face, in five lines each.")
                _pair(examples / "pythonic", "named", environment)
            if which in (Which.ANONYMOUS, Which.ALL):
                _say(
                    "A section without a name. B takes A's handle over, told only A's process id "
                    "and the handle."
                )
                _pair(examples / "win32", "anonymous", environment)
                _say("The same with the Pythonic face.")
                _pair(examples / "pythonic", "anonymous", environment)
            left = [str(path) for path in Path(root).rglob("*") if path.is_file()]
            if left:
                raise Wrong(f"left behind: {', '.join(left)}")
    except (Wrong, subprocess.TimeoutExpired) as problem:
        raise typer.Exit(_tell_failure(str(problem))) from None
    out.print(
        "\nEverything is as it should be: each program read what the other wrote, and with the "
        "last of them the"
        " memory and\nthe names went, by themselves.",
        style="bold green",
    )


def _tell_failure(problem: str) -> int:
    out.print(f"\nThis is not as it should be: {problem}", style="bold red")
    return 1


def _say(text: str) -> None:
    out.print(f"\n{text}\n", style="bold")


def _examples() -> Path:
    package = Path(memsection.__file__).resolve().parent
    for directory in (package / "examples", package.parents[1] / "examples"):
        if (directory / "win32" / "named_a.py").exists():
            return directory
    raise Wrong(f"the example programs are not installed beside {package}")


def _environment(root: str) -> dict[str, str]:
    """That of the programs: names of their own, so that nothing else on this machine can be in the
    way."""
    package = str(Path(memsection.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "MEMSECTION_ROOT": root, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}


def _pair(directory: Path, kind: str, environment: dict[str, str]) -> None:
    """One pair of programs, from the first line to the end of both."""
    terminals: list[Terminal] = []

    def start(label: str) -> Terminal:
        terminals.append(Terminal(label, directory / f"{kind}_{label.lower()}.py", environment))
        return terminals[-1]

    try:
        a = start("A")
        pid, handle = a.expect(r"process id (\d+), handle (0x[0-9a-f]+)").groups()
        a.expect(f"A wrote: {HELLO}")
        a.expect("Press Enter when B has answered:")
        b = start("B")
        if kind == "anonymous":
            b.expect("Process id of A:")
            b.type(pid)
            b.expect("Handle in A:")
            b.type(handle)
        b.expect(f"B reads: {HELLO}")
        b.expect(f"B wrote: {ANSWER}")
        b.end()
        a.type("")
        a.expect(f"A reads: {ANSWER}")
        a.end()
        if kind == "named":
            out.print("\n  B once more, now that both have ended: the name is gone.\n")
            _show_gone(start("B"))
    finally:
        for terminal in terminals:
            terminal.stop()


def _show_gone(late: Terminal) -> None:
    """B once more, after both have ended: the name is gone."""
    late.process.wait(PATIENCE_SECONDS)
    last = late.last_line()
    late.show(last)
    if not re.search(r"\berror 2\b|WinError 2\b", last):
        raise Wrong("B, started after both had ended, did not find the name gone")
