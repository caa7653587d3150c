# SPDX-License-Identifier: MIT
"""``memsection send NAME``: messages into a queue, from a file or a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from errno import EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from memsection import errors
from memsection.cli.output import note
from memsection.cli.queue_end import open_queue, tell_failures
from memsection.cli.show import find
from memsection.vocabulary.text import shown

_NO_FILE = ENOENT, ENOTDIR, ENAMETOOLONG, EINVAL  #: of a text that names none


def send(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The queue's name.")],
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]",
            help="What to send; standard input when omitted, or '-'. With --json it may be the "
            "document itself.",
        ),
    ] = "-",
    as_json: Annotated[
        bool, typer.Option("--json", help="Each line is a JSON document, and a message of its own.")
    ] = False,
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line is a message, without its end.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the name exists.")] = False,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds to wait for room, for each message.", min=0)
    ] = None,
) -> None:
    """Send the bytes of a file, or of standard input, as one message.

    With --lines or --json each line is a message of its own, sent as it comes.
    """
    if as_json and lines:
        raise typer.BadParameter("--json takes lines already: give one of --json and --lines")
    source = sys.stdin.buffer if file == "-" else _open_file(file, as_json)
    with tell_failures(), source, open_queue(name, "send", patient=wait) as queue:
        word = queue._codec.word
        sent = 0
        for value in _values(source, word, as_json, lines, name):
            queue.send(value, timeout)
            sent += 1
        alone = queue.senders < 2 and not queue.receivers
    if sent and alone and not _is_held(name):
        raise errors.Error(
            f"send '{name}': nobody else had the queue open, so it is gone, and with it what was"
            " sent; start a receiver first ('memsection receive NAME --follow --create')"
        )
    note(f"{shown(name)}: {sent} sent")


def _open_file(file: str, as_json: bool) -> BinaryIO:
    try:
        return Path(file).open("rb")
    except OSError as problem:
        if as_json and problem.errno in _NO_FILE:
            with contextlib.suppress(ValueError, RecursionError):  # it is no JSON either
                return BytesIO(json.dumps(json.loads(file)).encode())
        kind = (
            errors.NotFoundError if isinstance(problem, FileNotFoundError) else errors.AccessError
        )
        raise kind(f"send '{file}': {problem.strerror}") from None


def _is_held(name: str) -> bool:
    found = find(name)
    return found is not None and any(holder.pid != os.getpid() for holder in found.holders)


def _values(source: BinaryIO, word: str, as_json: bool, lines: bool, name: str) -> Iterator[Any]:
    """The messages, made so that the queue's spec takes them."""
    if word == "arrow":
        raise errors.ArgumentError(
            f"send '{name}': it carries Arrow tables, which are sent from Python"
        )
    if word not in ("object", "bytes") and not as_json:
        raise errors.ArgumentError(
            f"send '{name}': it carries {word}s: give each as a line of JSON (--json)"
        )
    if as_json and word == "bytes":
        raise errors.ArgumentError(
            f"send '{name}': it carries bytes, which are sent as they are:"
            " without --json, or with --lines"
        )
    if not as_json and not lines:
        yield source.read()
        return
    for number, line in enumerate(source, 1):
        text = line.removesuffix(b"\n")
        yield _decode(text, number, word, name) if as_json else text


def _decode(text: bytes, number: int, word: str, name: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise errors.ArgumentError(f"send '{name}': line {number} is no JSON: {problem}") from None
    if word != "array":
        return value
    import numpy as np

    try:
        return np.asarray(value)
    except ValueError as problem:
        raise errors.ArgumentError(f"send '{name}': line {number} is no array: {problem}") from None
