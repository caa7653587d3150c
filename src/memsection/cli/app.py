# SPDX-License-Identifier: MIT
"""The subcommands put together, and what becomes of a failure: a sentence, a hint, an exit
status."""

from __future__ import annotations

import inspect
import os
import re
import sys
from typing import Annotated

import typer

import memsection
from memsection.cli import (
    bench,
    cat,
    demo,
    doctor,
    handles,
    keep,
    ls,
    mirror,
    peek,
    receive,
    rm,
    run_command,
    save,
    send,
    share,
    show,
    top,
)
from memsection.cli.output import complain

app = typer.Typer(
    name="memsection",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Shared memory with names, handles, rights and a lifetime: Windows section objects.",
)
for function in (
    demo.demo,
    share.share,
    cat.cat,
    save.save,
    ls.ls,
    show.show,
    peek.peek,
    top.top,
    handles.handles,
    keep.keep,
    rm.rm,
    send.send,
    receive.receive,
    doctor.doctor,
):
    app.command()(function)
app.add_typer(mirror.app, name="mirror")
app.add_typer(bench.app, name="bench")
app.command(
    "run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)(run_command.run)
if sys.platform != "win32":
    from memsection.cli import wine

    app.add_typer(wine.app, name="wine")


def _join_lines(group: typer.Typer) -> None:
    """Have help texts wrapped where the terminal ends, and not where the docstring's lines do."""
    for command in group.registered_commands:
        text = inspect.getdoc(command.callback) if command.callback is not None else None
        if command.help is None and text:
            command.help = re.sub(r"(?<!\n)\n(?![\n ])", " ", text)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _join_lines(inner.typer_instance)


_join_lines(app)


def _version(yes: bool) -> None:
    if yes:
        print(f"memsection {memsection.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_version
        ),
    ] = False,
) -> None:
    pass


def run() -> int:
    """Run the command line; the exit status: 0, 1 for a failure, 2 for a wrong use, 130 after
    Ctrl-C."""
    try:
        app(prog_name="memsection")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as problem:
        return complain(problem)
    return 0
