# SPDX-License-Identifier: MIT
"""``memsection handles PID``: what a process has in its handle table."""

from __future__ import annotations

from typing import Annotated

import typer

from memsection import errors
from memsection.cli import completion
from memsection.cli.ls import holder_json
from memsection.cli.output import (
    command_of,
    flags_words,
    note,
    print_json,
    print_rows,
    rights_words,
    size_words,
    type_word,
)
from memsection.nt import kernel
from memsection.vocabulary.names import win32_name
from memsection.vocabulary.object_types import LISTED


def handles(
    pid: Annotated[
        int, typer.Argument(metavar="PID", help="The process.", autocompletion=completion.pids)
    ],
    files: Annotated[
        bool, typer.Option("--files", help="Files and other descriptors too.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")] = False,
) -> None:
    """Search the handle table of a process: its sections, mutexes, events, semaphores and
    timers, named or not.

    A handle found here can be taken over from another process: Section.from_process(PID, HANDLE).
    """
    try:
        entries = kernel.process_handles(pid)
    except errors.NtError as failure:
        raise errors.public_error(failure) from None
    if not files:
        entries = [entry for entry in entries if entry.type_name in LISTED]
    if json:
        print_json([holder_json(entry) for entry in entries])
        return
    if not entries:
        note(f"Process {pid} ({command_of(pid) or 'unknown command'}) has no such handles.")
        return
    print_rows(
        ("HANDLE", "TYPE", "SIZE", "ACCESS", "FLAGS", "NAME"),
        [
            (
                f"{entry.handle:#x}",
                type_word(entry.type_name),
                size_words(entry.size) if entry.size else "-",
                rights_words(entry.type_name, entry.granted_access),
                flags_words(entry.attributes),
                (win32_name(entry.name) if entry.type_name != "File" else entry.name) or "-",
            )
            for entry in entries
        ],
        right=("HANDLE", "SIZE"),
    )
