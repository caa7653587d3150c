# SPDX-License-Identifier: MIT
"""``memsection receive NAME``: messages of a queue on standard output."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Any

import typer

from memsection import errors
from memsection.cli.output import json_line
from memsection.cli.queue_end import open_queue, tell_failures
from memsection.vocabulary.text import shown


def receive(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The queue's or topic's name.")],
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Wait until the name exists, and go on until the end of the queue.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Each message is a line of JSON.")
    ] = False,
    lines: Annotated[
        bool, typer.Option("--lines", help="A line's end after each message of bytes.")
    ] = False,
    create: Annotated[
        bool,
        typer.Option(
            "--create", help="Make the queue if there is none: of bytes, with --json of objects."
        ),
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds to wait for a message.", min=0)
    ] = None,
) -> None:
    """Take the next message of a queue, or read that of a topic, and write it to standard output.

    Bytes are written as they are (escaped on a terminal); anything else as a line of JSON, and what
    JSON has no word for as Python shows it.  A message is taken when it was written: one that could
    not be is given back if the queue redelivers.  A topic is only observed: it is opened for
    reading, and nobody counts it among the receivers or waits for it.
    """
    kind = (object if as_json else bytes) if create else None
    with tell_failures(), open_queue(name, "receive", patient=follow, create=kind) as queue:
        while True:
            try:
                with queue.receiving(timeout) as message:
                    _write(message.value, as_json, lines)
            except errors.EndOfChannelError:
                if not follow:
                    raise
                return
            if not follow:
                return


def _write(value: Any, as_json: bool, lines: bool) -> None:
    if as_json or not isinstance(value, (bytes, bytearray, memoryview)):
        data = json_line(_plain(value)).encode() + b"\n"
    elif sys.stdout.isatty():
        data = (shown(bytes(value).decode("utf-8", "backslashreplace")) + "\n").encode()
    else:
        data = bytes(value) + b"\n" * lines
    sys.stdout.flush()
    with memoryview(data) as whole:
        done = 0
        while done < len(whole):
            done += os.write(sys.stdout.fileno(), whole[done:])


def _plain(value: Any) -> Any:
    """The value, made of what JSON has words for."""
    return (
        json.loads(json.dumps(value, default=_other, skipkeys=True))
        if not _is_text(value)
        else _other(value)
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, (bytes, bytearray, memoryview))


def _other(value: Any) -> Any:
    if _is_text(value):
        return bytes(value).decode("utf-8", "backslashreplace")
    if hasattr(value, "to_pylist"):
        return value.to_pylist()
    if hasattr(value, "tolist"):
        return value.tolist()
    return repr(value)
