# SPDX-License-Identifier: MIT
"""``memsection wine ...``: sections of programs that run in Wine or Proton."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import os
import signal
import time
from collections.abc import Callable
from json import dumps
from typing import Annotated, Any, cast

import typer

from memsection import Section, errors, wine
from memsection.cli import peek as bytes_of
from memsection.cli.output import command_of, err, note, out, print_json, size_words, table
from memsection.vocabulary.access_words import ReadOrWrite
from memsection.vocabulary.errors import with_hint
from memsection.wine import memory, processes

app = typer.Typer(no_args_is_help=True, help="Sections of programs that run in Wine or Proton.")
_PREFIX = typer.Option(
    "--prefix", "-p", metavar="DIRECTORY", help="The prefix; the only one that runs if not given."
)
_NAME = typer.Argument(metavar="NAME", help=r"The name there, such as Local\acpmf_physics.")
_JSON = typer.Option("--json", help="One JSON document, for programs.")


@app.command()
def ls(prefix: Annotated[str | None, _PREFIX] = None, json: Annotated[bool, _JSON] = False) -> None:
    """List the named objects of the prefixes that run, or of one."""
    running = (
        wine.prefixes() if prefix is None else [one for one in wine.prefixes() if _is(one, prefix)]
    )
    if prefix is not None and not running:
        raise with_hint(
            errors.NotFoundError(f"wine ls: the prefix '{prefix}' does not run"),
            processes.SEE_PREFIXES,
        )
    found = [(one, wine.ls(one.path)) for one in running]
    if json:
        print_json(
            [
                {
                    "prefix": one.path,
                    "pid": one.pid,
                    "server": one.server,
                    "contained": one.contained,
                    "objects": [
                        {"name": thing.name, "type": thing.type, "size": thing.size}
                        for thing in objects
                    ],
                }
                for one, objects in found
            ]
        )
        return
    if not running:
        note("No prefix of this user runs.")
        return
    shown = table("NAME", "TYPE", "SIZE", "PREFIX", right=("SIZE",))
    for one, objects in found:
        for thing in objects:
            shown.add_row(
                thing.name,
                thing.type.lower().replace("mutant", "mutex"),
                size_words(thing.size) if thing.size else "-",
                one.path,
            )
    out.print(shown)


def _is(one: wine.Prefix, path: str) -> bool:
    return os.path.realpath(path) == os.path.realpath(one.path)


@app.command()
def show(
    name: Annotated[str, _NAME],
    prefix: Annotated[str | None, _PREFIX] = None,
    json: Annotated[bool, _JSON] = False,
) -> None:
    """Show the facts of a section, and which processes of Wine have it mapped."""
    with wine.open(name, prefix=prefix) as section:
        facts = os.fstat(section.fileno())
        holders = [
            pid for pid in memory.holders((facts.st_dev, facts.st_ino)) if pid != os.getpid()
        ]
        if json:
            print_json(
                {
                    "name": name,
                    "size": section.size,
                    "device": facts.st_dev,
                    "inode": facts.st_ino,
                    "holders": holders,
                }
            )
            return
        shown = table("NAME", "SIZE", "INODE", "MAPPED BY", right=("SIZE",))
        shown.add_row(
            name,
            size_words(section.size),
            str(facts.st_ino),
            ", ".join(f"{pid} {command_of(pid)[:40]}" for pid in holders) or "nobody",
        )
        out.print(shown)


@app.command()
def peek(
    name: Annotated[str, _NAME],
    prefix: Annotated[str | None, _PREFIX] = None,
    offset: Annotated[int, typer.Option(help="The first byte to show.", min=0)] = 0,
    length: Annotated[int, typer.Option(help="How many bytes to show.", min=1)] = 256,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the program.", min=0)] = 0,
    raw: Annotated[bool, typer.Option("--hex", help="Bytes, also where they are text.")] = False,
    json: Annotated[bool, _JSON] = False,
) -> None:
    """Look at the content of a section as it is now: UTF-8 text as text, everything else as
    bytes."""
    with wine.open(name, prefix=prefix, wait=wait) as section, section.map() as view:
        shown = bytes_of.shown_bytes(view, f"wine peek '{name}'", offset, length)
        if json:
            data = bytes(view[shown])
            print_json({"name": name, "size": len(view), "offset": offset, "data": data.hex()})
        else:
            out.print(bytes_of.text_or_dump(view, shown, raw=raw)[0])


@app.command()
def publish(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A section of this library's.")],
    there: Annotated[
        str | None, typer.Argument(metavar="NAME_THERE", help="Its name there, if another.")
    ] = None,
    prefix: Annotated[str | None, _PREFIX] = None,
    access: Annotated[str, typer.Option(help="What programs there may do with it: r or rw.")] = "r",
) -> None:
    """Give programs in a prefix a section of this library's, until Ctrl-C or the prefix ends."""
    words = cast(ReadOrWrite, access)  # anything else is refused where it is used
    with (
        Section.open(name, access=words) as section,
        wine.publish(section, there or name, prefix) as published,
    ):
        _until(
            lambda: not published.alive,
            lambda: err.print(f"'{name}' is '{published.name}' in the prefix, until Ctrl-C"),
        )


@app.command()
def bridge(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Names there, or patterns with * and ?.")
    ],
    prefix: Annotated[str | None, _PREFIX] = None,
    access: Annotated[
        str, typer.Option(help="What programs here may do with them: r or rw.")
    ] = "r",
    json: Annotated[bool, typer.Option("--json", help="One line of JSON for each change.")] = False,
) -> None:
    """Have sections and events of a program under the same names here, until Ctrl-C; also when it
    starts again."""
    said: dict[str, Any] = {}

    def tell() -> bool:
        for one in running.status():
            if said.get(one.name) != one:
                said[one.name] = one
                if json:
                    typer.echo(
                        dumps(
                            {
                                "name": one.name,
                                "state": one.state,
                                "restarts": one.restarts,
                                "problem": one.problem or None,
                            }
                        )
                    )
                else:
                    err.print(
                        f"'{one.name}': {one.state}" + (f": {one.problem}" if one.problem else "")
                    )
        return False

    with wine.bridge(names, prefix, access=cast(ReadOrWrite, access)) as running:
        _until(tell)


def _until(ended: Callable[[], bool], begin: Callable[[], None] = lambda: None) -> None:
    """Wait for an end, or for Ctrl-C, which ends this from the moment on that *begin* says so."""
    # a shell's background job begins with Ctrl-C ignored
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        begin()
        while not ended():
            time.sleep(0.2)
    except KeyboardInterrupt:
        pass
