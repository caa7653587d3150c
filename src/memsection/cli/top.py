# SPDX-License-Identifier: MIT
"""``memsection top``: all objects and processes, live, in the terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from memsection import errors


def top(
    interval: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 1.0,
    unnamed: Annotated[
        bool, typer.Option("--unnamed", "-u", help="Begin with unnamed objects shown too.")
    ] = False,
) -> None:
    """Watch all objects and the processes that hold them.

    s sorts, / filters, u shows unnamed objects too, Enter looks inside, q ends.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise errors.ArgumentError(
            "top: it needs a terminal; 'memsection ls --json' tells a program what there is"
        )
    from memsection.cli.top_screen import Top  # a terminal interface takes long to import

    screen = Top(interval, unnamed)
    screen.run()
    raise typer.Exit(screen.return_code or 0)
