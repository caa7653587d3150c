# SPDX-License-Identifier: MIT
"""What all subcommands print alike: tables, sizes, failures, progress."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Container, Iterable, Sequence
from functools import lru_cache
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from memsection import errors
from memsection.api.section_access import access_words
from memsection.nt import kernel
from memsection.vocabulary import object_types, structs
from memsection.vocabulary import status as st
from memsection.vocabulary.text import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.progress import Progress

# No markup: object names and paths may contain brackets.
out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
_LAST_COLUMN = 24  #: so much of the last column must fit beside the others, the rest wraps
LARGE = 16 * 1024 * 1024  #: bytes from which a transfer shows its progress

_HINTS = {
    st.OBJECT_NAME_NOT_FOUND: "'memsection ls' shows the names that exist.",
    st.OBJECT_NAME_COLLISION: "'memsection show NAME' tells who holds it; choose another name, or "
    "wait.",
    st.ACCESS_DENIED: "'memsection show NAME' tells who may do what; 'memsection doctor' what this "
    "machine permits.",
    st.COMMITMENT_LIMIT: "'memsection top' shows which sections are large.",
    st.NAMESPACE_REFUSED: "'memsection doctor' tells what is wrong with it.",
    st.HOLDER_OUT_OF_REACH: "'memsection doctor' tells what this process may look into.",
}


def complain(problem: OSError | errors.NtError | ImportError) -> int:
    """Say what went wrong and what can be done about it; the exit status."""
    if isinstance(problem, errors.NtError):  # where a subcommand asks the kernel interface itself
        problem = errors.public_error(problem)
    if isinstance(problem, ImportError) and os.strerror(errno.EMFILE) not in str(problem):
        raise problem
    err.print(_in_lines(Text.assemble(("memsection: ", "bold red"), shown(problem)), err))
    if isinstance(problem, errors.Error):
        hint = _HINTS.get(problem.ntstatus, "") if problem.hint is None else problem.hint
        if hint:
            note(hint)
    if os.strerror(errno.ENOSPC) in str(problem) and getattr(problem, "hint", None) is None:
        note("Make room there, or write somewhere else.")
    if os.strerror(errno.EMFILE) in str(problem):
        note("Close some files, or have the limit raised: 'ulimit -Hn', or LimitNOFILE=.")
    return 1


def note(text: str) -> None:
    """A word on standard error that nobody needs to read."""
    err.print(_in_lines(Text(shown(text)), err), style="dim")


def size_words(size: int) -> str:
    """A size for people: ``4 KiB``, ``1.5 GiB``; exact below 1 KiB."""
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.4g} {unit}"


def parse_size(text: str) -> int:
    """Bytes of ``4096``, ``64K``, ``1.5G``, ``10 MiB``."""
    digits = text.strip().rstrip("bBiI ")
    factor = 1
    if digits and digits[-1].upper() in "KMGT":
        factor = 1024 ** (1 + "KMGT".index(digits[-1].upper()))
        digits = digits[:-1]
    try:
        size = int(float(digits) * factor) if factor > 1 else int(digits, 0)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no size; examples: 4096, 64K, 1.5G") from None
    if size < 1:
        raise typer.BadParameter(f"a size is at least 1 byte, not {text}")
    return size


def parse_span(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``10m``, ``1.5h``, ``2d``."""
    factors = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    digits = text.strip().lower()
    factor = factors.get(digits[-1:], 0)
    try:
        span = float(digits[:-1] if factor else digits) * (factor or 1)
    except ValueError:
        span = -1.0
    if not 0 <= span < float("inf"):
        raise typer.BadParameter(f"{text!r} is no length of time; examples: 90, 90s, 10m, 1.5h")
    return span


def json_text(value: Any) -> str:
    """A JSON document for people and programs: the same value, with every unprintable character as
    JSON's escape."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "\n".join(
        line if line.isprintable() else "".join(map(_json_character, line))
        for line in text.split("\n")
    )


def json_line(value: Any) -> str:
    """A JSON document on one line, with every unprintable character as JSON's escape."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(map(_json_character, text))


def _json_character(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json_text(value) + "\n")


class _PlainTable(Table):
    """A table whose cells show what is in them, whoever wrote it."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        super().add_row(
            *(Text(shown(cell)) if isinstance(cell, str) else cell for cell in cells), **options
        )


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """A plain table of text as it is; some columns to the right."""
    made = _PlainTable(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=column not in ("NAME", "HOLDERS", "COMMAND"),
        )
    return made


def print_rows(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Container[str] = ()
) -> None:
    """Print rows under their headings, however many there are; each as lines of its own where they
    do not fit.

    Thousands of rows take ``rich`` seconds, and columns that wrap in a narrow terminal cannot be
    read.
    """
    safe = [[shown(cell) for cell in row] for row in rows]
    widths = _widths(columns, safe)
    if out.is_terminal and not _fits(widths, out.width):
        out.print(_as_lines(columns, safe, out.width))
        return
    out.print(Text(_row(columns, widths, columns, right), "bold"))
    out.file.write("".join(_row(columns, widths, row, right) + "\n" for row in safe))


def inner_rows(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, right: Container[str] = ()
) -> Table | Text:
    """The same to be shown in a part of the terminal that is ``width`` cells wide."""
    safe = [[shown(cell) for cell in row] for row in rows]
    if not _fits(_widths(columns, safe), width):
        return _as_lines(columns, safe, width)
    made = table(*columns, right=[column for column in columns if column in right])
    for row in safe:
        made.add_row(*row)
    return made


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(_width, column)) for column in zip(columns, *rows, strict=True)]


def _fits(widths: Sequence[int], width: int) -> bool:
    return sum(widths[:-1]) + 2 * len(widths[:-1]) + min(widths[-1], _LAST_COLUMN) <= width


def _as_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Text:
    """Each row as its first cell and a line for each other one that says something, wrapped between
    words."""
    lines = []
    for row in rows:
        lines.append(Text(row[0], "bold"))
        for heading, cell in zip(columns[1:], row[1:], strict=True):
            line = f"  {heading.lower()} {cell}"
            if cell in ("", "-"):
                continue
            if _width(line) <= width:
                lines.append(Text(line))
            else:
                first, *others = _wrap_words(Text(line.strip()), width - 4)
                lines.extend([Text("  ") + first, *(Text("    ") + other for other in others)])
    return Text("\n").join(lines)


def wrap(line: str, style: str = "") -> Text:
    """A line as lines that end between words, where a terminal is too narrow for it."""
    return _in_lines(Text(shown(line), style), out)


def _in_lines(text: Text, console: Console) -> Text:
    return Text("\n").join(_wrap_words(text, console.width)) if console.is_terminal else text


def _wrap_words(text: Text, width: int) -> list[Text]:
    parts = list(text.wrap(out, max(width, 1)))
    for part in parts:
        part.rstrip()
    return parts


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _row(
    columns: Sequence[str], widths: list[int], row: Sequence[str], right: Container[str]
) -> str:
    cells = []
    for heading, width, cell in zip(columns, widths, row, strict=True):
        gap = " " * (width - _width(cell))
        cells.append(gap + cell if heading in right else cell + gap)
    return "  ".join(cells).rstrip()


@lru_cache(256)
def rights_words(type_name: str, granted: int) -> str:
    """An access mask for people: ``rw`` for a section, otherwise ``all`` or the names of the
    rights."""
    if type_name == "Section" and (words := access_words(granted)):
        return words
    kind = object_types.BY_NAME.get(type_name)
    if kind is None:
        return f"{granted:#x}"
    return (
        kind.words(granted)
        .lower()
        .replace(f"{type_name.lower()}_", "")
        .replace("all_access", "all")
    )


def type_word(type_name: str) -> str:
    """What this library calls the type; inside Windows a mutex is a mutant."""
    return "Mutex" if type_name == "Mutant" else type_name


def flags_words(attributes: int) -> str:
    """``inherit,protect`` as far as set."""
    return ",".join(
        word
        for bit, word in ((structs.OBJ_INHERIT, "inherit"), (structs.OBJ_PROTECT_CLOSE, "protect"))
        if attributes & bit
    )


def process_ids() -> list[int]:
    """All processes.

    Raises:
        Error: There is no /proc to see them in.
    """
    import psutil

    try:
        found: list[int] = psutil.pids()
        return found
    except (IndexError, OSError):  # IndexError: psutil found not a single one
        kernel.process_handles(os.getpid())  # says what is missing
        raise


def command_of(pid: int) -> str:
    """The command line of a process, printable; "" when it cannot be told."""
    import psutil

    try:
        process = psutil.Process(pid)
        return shown(" ".join(process.cmdline()) or process.name())
    except psutil.Error:
        return ""


def progress(description: str, total: int | None) -> Progress:
    """A progress bar on standard error, shown only where somebody can see it and it matters."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(
        *columns,
        console=err,
        transient=True,
        disable=not err.is_terminal or (total is not None and total < LARGE),
    )
    bar.add_task(shown(description), total=total)
    return bar
