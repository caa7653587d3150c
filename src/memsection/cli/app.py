# SPDX-License-Identifier: MIT
"""The subcommands put together, and what becomes of a failure: a sentence, a hint, an exit
status."""

from __future__ import annotations

import inspect
import os
import re
import sys
import traceback
from importlib import import_module
from typing import Annotated

import typer

import memsection
from memsection.vocabulary.errors import NtError
from memsection.vocabulary.text import shown

#: The subcommands in the order of the help, each with the file of its name.
_COMMANDS = (
    "demo",
    "share",
    "cat",
    "save",
    "ls",
    "show",
    "peek",
    "top",
    "handles",
    "keep",
    "rm",
    "send",
    "receive",
    "doctor",
)
#: those that have subcommands of their own
_GROUPS = ("mirror", "bench") if sys.platform == "win32" else ("mirror", "bench", "wine")


def assemble(only: str | None = None) -> typer.Typer:
    """The command line with all subcommands, or with one: the files of the others are not loaded,
    which take longer than most subcommands do."""
    app = typer.Typer(
        name="memsection",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Shared memory with names, handles, rights and a lifetime: Windows section objects.",
    )
    app.callback()(_options)
    for name in _COMMANDS:
        if only in (name, None):
            app.command()(getattr(import_module(f"memsection.cli.{name}"), name))
    if only in ("run", None):
        from memsection.cli import run_command

        passed_on = {"ignore_unknown_options": True, "allow_interspersed_args": False}
        app.command("run", context_settings=passed_on)(run_command.run)
    for name in _GROUPS:
        if only in (name, None):
            app.add_typer(import_module(f"memsection.cli.{name}").app, name=name)
    _join_lines(app)
    return app


def _join_lines(group: typer.Typer) -> None:
    """Have help texts wrapped where the terminal ends, and not where the docstring's lines do."""
    for command in group.registered_commands:
        text = inspect.getdoc(command.callback) if command.callback is not None else None
        if command.help is None and text:
            command.help = re.sub(r"(?<!\n)\n(?![\n ])", " ", text)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _join_lines(inner.typer_instance)


def _version(yes: bool) -> None:
    if yes:
        print(f"memsection {memsection.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_version
        ),
    ] = False,
) -> None:
    pass


def _chosen_command() -> str | None:
    """The subcommand that is run, where the first word is one; None where all have to be known."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    completes = "_MEMSECTION_COMPLETE" in os.environ
    return word if word in (*_COMMANDS, *_GROUPS, "run") and not completes else None


def run() -> int:
    """Run the command line; the exit status: 0, 1 for a failure, 2 for a wrong use, 130 after
    Ctrl-C."""
    try:
        assemble(_chosen_command())(prog_name="memsection")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, NtError, ImportError) as problem:
        from memsection.cli.output import complain

        return complain(problem)
    except Exception as problem:
        # A mistake of ours, told as Python would; but what names and contents of others brought
        # into its text reaches no terminal as it is.
        for line in "".join(traceback.format_exception(problem)).rstrip("\n").split("\n"):
            print(shown(line), file=sys.stderr)
        return 1
    return 0
