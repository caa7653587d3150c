# SPDX-License-Identifier: MIT
"""``memsection cat NAME``: the bytes of a named section on standard output."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from typing import Annotated

import typer

from memsection import Event, Mutex, Process, Section, View, errors
from memsection.cli import completion, content
from memsection.cli.output import progress
from memsection.content import schema
from memsection.vocabulary import status as st

_CHUNK = 4 * 1024 * 1024


def cat(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="The section's name.", autocompletion=completion.names),
    ],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait until the name exists.")
    ] = False,
    offset: Annotated[int, typer.Option(help="Bytes to leave out at the start.", min=0)] = 0,
    length: Annotated[int | None, typer.Option(help="Bytes to write at most.", min=0)] = None,
) -> None:
    """Write a section's bytes to standard output.

    What 'memsection share' put there comes out with its exact length; of any other section all
    pages are written.  A stream ('memsection share --follow') is written as it comes, until its
    end.
    """
    with _open(name, follow) as section:
        view = section.map(access="r")
        with view:
            found = content.find(view, name)
            if found is not None and found.state >= content.STREAM:
                found.release()
                _stream(name)
                return
            end = (
                _data_length(section, len(view)) if found is None else _complete_length(name, found)
            )
            start = min(offset, end)
            if length is not None:
                end = min(end, start + length)
            _write(name, view, start, end)
            view.check()
            if found is not None:
                found.release()


def _open(name: str, patient: bool) -> Section:
    while True:
        try:
            return Section.open(name, access="r")
        except errors.NotFoundError:
            if not patient:
                raise
        time.sleep(content.POLL_SECONDS / 4)


def _complete_length(name: str, found: content.Content) -> int:
    """The length of the content, once it is all there."""
    while found.state == content.FILLING:
        if not _lives(found.producer):
            raise errors.Error(
                f"cat '{name}': the process {found.producer} that filled it ended in the middle"
            )
        time.sleep(content.POLL_SECONDS / 4)
    return found.length


def _data_length(section: Section, whole: int) -> int:
    """The length of the data of an array or a table, which says it itself; all pages of anything
    else."""
    facts = schema.describe(section)
    return whole if facts is None else int(facts["size"])


def _lives(pid: int) -> bool:
    try:
        with Process(pid) as process:
            return process.alive
    except errors.Error:
        return False


def _write(name: str, view: View, start: int, end: int) -> None:
    sys.stdout.flush()
    shown = end - start if not sys.stdout.isatty() else 0
    with progress(name, shown) as bar:
        for position in range(start, end, _CHUNK):
            with memoryview(view)[position : min(position + _CHUNK, end)] as part:
                _all(part)
            bar.update(bar.task_ids[0], completed=position - start)


def _all(part: memoryview) -> None:
    """Write every byte, as the pipe takes them."""
    done = 0
    while done < len(part):
        with part[done:] as rest:
            done += os.write(sys.stdout.fileno(), rest)


def _stream(name: str) -> None:
    came, went = content.event_names(name)
    with (
        Section.open(name) as section,
        Event.open(came) as came_event,
        Event.open(went) as went_event,
        closing(Mutex.create(f"{name}.reader", exist_ok=True)) as reader,
        section.map() as view,
    ):
        if not reader.acquire(timeout=content.POLL_SECONDS, accept_abandoned=True):
            raise errors.Error(
                f"cat '{name}': another process reads this stream already",
                ntstatus=st.SHARING_VIOLATION,
            )
        found = content.Content.read(view, name)
        if found is None:
            raise errors.CorruptError(f"cat '{name}': the stream's trailer is gone")
        with Process(found.producer) as producer:
            ring = content.Ring(section, found, came_event, went_event)
            while ring.take(_all, lambda: producer.alive):
                pass
        found.release()
        reader.release()
