# SPDX-License-Identifier: MIT
"""``memsection save NAME FILE``: an array or a table of shared memory in a file."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from memsection import Section, errors
from memsection.cli import completion, contents, formats
from memsection.cli.output import err
from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import with_hint
from memsection.vocabulary.text import shown


def save(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="The section's name.", autocompletion=completion.names),
    ],
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The file; its ending says the form.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write an array to .npy, .npz or .csv, or a table to .parquet, .arrow, .feather or .csv.

    The file appears when it is complete. 'memsection share FILE NAME' is the reverse, also for the
    arrays NAME.a, NAME.b of an .npz file; 'memsection cat NAME' writes the bytes of any section.
    """
    members = _members(name) if Path(file).suffix.lower() == ".npz" else []
    if members:
        write_whole(Path(file), force, lambda part: formats.save_several(members, str(part)))
        err.print(shown(f"'{file}': arrays {', '.join(key for key, _ in members)}"))
        return
    with Section.open(name, access="r") as section:
        inside = contents.content_of(section)
        kind = inside.facts.get("kind")
        if kind not in ("array", "arrow"):
            raise errors.ArgumentError(
                f"save '{name}': it holds {inside.words() or 'bytes'}, no array and no table; "
                "'memsection cat NAME' writes its bytes"
            )
        write_whole(Path(file), force, lambda part: formats.save(section, str(kind), str(part)))
    err.print(shown(f"'{file}': {inside.words()}"))


def _members(name: str) -> list[tuple[str, str]]:
    """What 'share' made of an .npz file, where nothing else has the name: each key, and
    its section's name."""
    known = {entry.name for entry in kernel.list_directory() if entry.type_name == "Section"}
    if name in known:
        return []
    start = f"{name}."
    return sorted((each.removeprefix(start), each) for each in known if each.startswith(start))


def write_whole(file: Path, force: bool, write: Callable[[Path], object]) -> None:
    """Write a file beside its place, and move it there when it is complete: who looks there never
    sees a part of it.

    Raises:
        ExistsError: There is such a file, and it is not to be replaced.
        Error: It cannot be written.
    """
    if not force and os.path.lexists(file):
        # no object has the name: what is said of those that have does not help
        raise with_hint(
            errors.ExistsError(f"save '{file}': there is such a file; --force replaces it"), ""
        )
    try:
        with tempfile.TemporaryDirectory(prefix=".memsection-", dir=file.parent) as place:
            part = Path(place) / ("whole" + file.suffix)
            write(part)
            with contextlib.suppress(FileNotFoundError):
                os.chmod(part, os.stat(file).st_mode & 0o777)
            os.replace(part, file)
    except OSError as problem:
        if isinstance(problem, errors.Error):
            raise
        raise errors.Error(
            f"save '{file}': cannot be written: {problem.strerror}", ntstatus=st.UNEXPECTED_IO_ERROR
        ) from None
