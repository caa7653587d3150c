# SPDX-License-Identifier: MIT
"""Runs the code that stands in a page of the documentation, so that no page can go stale.

What a fenced block means:

- ``python``: run, all blocks of a page in order and in one namespace; with ``>>>`` its output is compared too.
- ``python title="name.py"``: saved as a file, for the commands that follow.
- ``sh``: run by bash; every command has to succeed.
- ``console``: the lines with ``$`` are run, one shell for each block, and what they print is compared;
  ``...`` stands for anything.
- ``text``, ``c``, ``toml`` and so on: not code of ours, left alone.

Any other block, and a ``python`` or ``sh`` block that would be skipped, is an error: nothing is
exempt.  Run as a program it takes a page and works in the current directory.
"""

from __future__ import annotations

import doctest
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RUN = ("python", "sh", "console")
LEFT_ALONE = ("text", "c", "toml", "yaml", "csharp", "json", "powershell")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)(?P<rest>[^\n`]*)$")
_TITLE = re.compile(r'title="([^"]+)"')
COMMAND_SECONDS = 90


@dataclass(frozen=True)
class Block:
    """One fenced block: where it begins, what it is, its text."""

    line: int
    language: str
    title: str | None
    text: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    lines = page.splitlines()
    index = 0
    while index < len(lines):
        opening = _FENCE.match(lines[index])
        index += 1
        if opening is None:
            continue
        start, indent = index, len(opening["indent"])
        while index < len(lines) and lines[index].strip() != "```":
            index += 1
        if index == len(lines):
            raise ValueError(f"line {start}: a block that does not end")
        title = _TITLE.search(opening["rest"])
        text = "\n".join(line[indent:] for line in lines[start:index]) + "\n"
        found.append(Block(start + 1, opening["language"], title[1] if title else None, text))
        index += 1
    return found


def run_page(path: Path) -> int:
    """Run every block of a page in the current directory; how many were run.

    Raises:
        AssertionError: A block failed, printed something else, or has a language that nobody knows.
    """
    namespace: dict[str, object] = {"__name__": "__main__"}
    count = 0
    for block in blocks(path.read_text(encoding="utf-8")):
        place = f"{path.name}:{block.line}"
        if block.title is not None:
            inside = Path(block.title).resolve().is_relative_to(Path.cwd().resolve())
            assert inside, f"{place}: {block.title} lies outside of the current directory"
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            _python(block, place, namespace)
        elif block.language == "sh":
            _shell(block.text, place)
        elif block.language == "console":
            _console(block.text, place)
        else:
            assert block.language in LEFT_ALONE, f"{place}: a block of language {block.language!r}"
            continue
        count += 1
    return count


def _python(block: Block, place: str, namespace: dict[str, object]) -> None:
    if not block.text.lstrip().startswith(">>>"):
        exec(
            compile("\n" * (block.line - 1) + block.text, place, "exec", dont_inherit=True),
            namespace,
        )
        return
    test = doctest.DocTestParser().get_doctest(block.text, namespace, place, place, block.line - 1)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    result = runner.run(test, out=report.append, clear_globs=False)
    namespace.update(test.globs)
    assert not result.failed, f"{place}:\n{''.join(report)}"


def _shell(script: str, place: str) -> str:
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        stdin=subprocess.DEVNULL,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as shell:
        try:
            out, complaint = shell.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)  # with everything it started in the background
            raise
    assert shell.returncode == 0, f"{place}: exit status {shell.returncode}\n{out}{complaint}"
    return out + complaint


def _console(text: str, place: str) -> None:
    commands, expected = [], []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append(line[2:])
        elif commands and commands[-1].endswith("\\"):
            commands.append(line)
        else:
            expected.append(line)
    printed = _shell("exec 2>&1\n" + "\n".join(commands) + "\n", place)
    wanted = ".*".join(
        re.escape(" ".join(part.split())) for part in "\n".join(expected).split("...")
    )
    assert re.fullmatch(wanted.strip() or ".*", " ".join(printed.split()), re.DOTALL), (
        f"{place}: expected\n{chr(10).join(expected)}\nbut it printed\n{printed}"
    )


if __name__ == "__main__":
    print(run_page(Path(sys.argv[1]).resolve()))
