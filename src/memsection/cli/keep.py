# SPDX-License-Identifier: MIT
"""``memsection keep NAME...``: objects that live on while nobody else has them."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import ExitStack
from typing import Annotated

import typer

from memsection import Event, Mutex, Section, Semaphore, Timer, errors
from memsection.cli import completion
from memsection.cli.output import err, parse_span
from memsection.nt import kernel
from memsection.vocabulary.text import shown

_SLICE = 0.2  #: seconds between two looks for a signal, on a system whose waits hide them
_KINDS = (Section, Mutex, Event, Semaphore, Timer)
Kept = Section | Mutex | Event | Semaphore | Timer


def keep(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="What to keep.", autocompletion=completion.names),
    ],
    until: Annotated[
        str | None, typer.Option(help="How long: a time like 90s, 10m, 2h.", metavar="TIME")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait for names that do not exist yet.")
    ] = False,
) -> None:
    """Hold objects until Ctrl-C, so that they outlive the programs that use them.

    An object exists as long as some process has it. This one does nothing else: workers can all be
    restarted, and find what they left. With a name the objects that belong to it are kept, too: the
    mutex of a readers-writer lock, for example.
    """
    span = None if until is None else parse_span(until)
    ended = threading.Event()
    told: list[int] = []

    def end(number: int, _: object) -> None:
        told.append(number)
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with ExitStack() as stack:
        kept = [one for name in names for one in _open(name, wait, ended)]
        for one in kept:
            stack.callback(one.close)
        if not ended.is_set():
            err.print(shown(f"kept: {', '.join(str(one.name) for one in kept)}; Ctrl-C ends it"))
        deadline = None if span is None else time.monotonic() + span
        while not ended.wait(_SLICE if deadline is None else min(_SLICE, _seconds_left(deadline))):
            if deadline is not None and time.monotonic() >= deadline:
                return
    if signal.SIGINT in told:
        sys.exit(130)


def _seconds_left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _open(name: str, patient: bool, ended: threading.Event) -> list[Kept]:
    """The object of a name, whatever it is, and those that belong to it."""
    told = False
    while not ended.is_set():
        found: list[Kept] = []
        try:
            found.append(_one(name))
        except errors.NotFoundError:
            if not patient:
                raise
            if not told:
                err.print(shown(f"waiting for '{name}'"))
                told = True
            ended.wait(_SLICE)
            continue
        for other in kernel.list_directory():
            if other.name == f"{name}.gate":
                try:
                    found.append(_one(other.name))
                except errors.NotFoundError:
                    pass  # it went with its lock
        return found
    return []


def _one(name: str) -> Kept:
    for kind in _KINDS:
        try:
            return kind.open(name, access="r")
        except errors.HandleError:
            continue  # the name is that of another kind of object
    raise errors.HandleError(f"keep {name!r}: it is no section, mutex, event, semaphore or timer")
