# SPDX-License-Identifier: MIT
"""``memsection run``: a command that inherits a section."""

from __future__ import annotations

import os
import subprocess
from typing import Annotated, cast

import typer

from memsection import Section, errors
from memsection.cli import run_windows
from memsection.cli.output import parse_size
from memsection.vocabulary import status as st
from memsection.vocabulary.access_words import SectionAccess

_Windows = Annotated[
    bool,
    typer.Option(
        "--windows",
        help="Run a Python script that was written for Windows, as it is; it gets no section.",
    ),
]
_AsWindows = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PACKAGE", help="With --windows: a package that sees Windows too; can be repeated."
    ),
]
_Children = Annotated[
    bool,
    typer.Option(
        "--children",
        help="With --windows: Python programs that the script starts with sys.executable see "
        "Windows too.",
    ),
]


def run(
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND [ARGUMENT]...",
            help="What to run; {handle}, {size} and {pid} are replaced.  With "
            "--windows a Python script.",
        ),
    ],
    size: Annotated[
        str | None, typer.Option(help="A new section of this size (the default: 1M).")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="The section of this name; with --size it is made if there is none."),
    ] = None,
    file: Annotated[str | None, typer.Option(help="A section of this file.")] = None,
    access: Annotated[
        str, typer.Option(help="What the command may do with it: r, rw, c, or these with x.")
    ] = "rw",
    windows: _Windows = False,
    as_windows: _AsWindows = None,
    children: _Children = False,
) -> None:
    """Run a command that inherits the handle of a section.

    The command finds the handle's value in the environment variable MEMSECTION_HANDLE and takes it
    over with Section.from_handle(int(os.environ["MEMSECTION_HANDLE"])).  The section goes with the
    last process that holds it.
    """
    if windows:
        if (size, name, file, access) != (None, None, None, "rw"):
            raise typer.BadParameter(
                "--windows goes with --as-windows and --children alone: the script makes its own "
                "sections"
            )
        run_windows.run(command, as_windows or [], children)
    elif as_windows or children:
        raise typer.BadParameter("--as-windows and --children go with --windows")
    with _section(size, name, file, access) as section:
        child = _start(command, section)
    status = _status_of(child)
    raise typer.Exit(status if status >= 0 else 128 - status)


def _section(size: str | None, name: str | None, file: str | None, access: str) -> Section:
    """The section that the command is to have, inheritable."""
    permitted = cast(SectionAccess, access)  # anything else is refused where it is used
    if file is not None:
        return Section.from_file(file, name=name, access=permitted, inheritable=True)
    if name is not None and size is None:
        return Section.open(name, access=permitted, inheritable=True)
    section = Section.create(
        name, parse_size(size or "1M"), exist_ok=True, inheritable=access == "rw"
    )
    if access == "rw":
        return section
    with section:
        return section.duplicate(permitted, inheritable=True)


def _start(command: list[str], section: Section) -> subprocess.Popen[bytes]:
    """The command, with the section's handle."""
    facts = {"handle": str(section.handle), "size": str(section.size), "pid": str(os.getpid())}
    environment = {
        **os.environ,
        "MEMSECTION_HANDLE": facts["handle"],
        "MEMSECTION_SIZE": facts["size"],
    }
    words = [_fill_in(word, facts) for word in command]
    try:
        return subprocess.Popen(words, close_fds=False, env=environment)
    except OSError as problem:
        kind = (
            errors.NotFoundError if isinstance(problem, FileNotFoundError) else errors.AccessError
        )
        raise kind(f"run '{words[0]}': {problem.strerror}", ntstatus=st.NO_SUCH_FILE) from None


def _status_of(child: subprocess.Popen[bytes]) -> int:
    """Wait for the command to end; Ctrl-C is its own affair."""
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # the command got it too, and decides


def _fill_in(word: str, facts: dict[str, str]) -> str:
    for key, value in facts.items():
        word = word.replace("{" + key + "}", value)
    return word
