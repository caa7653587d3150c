# SPDX-License-Identifier: MIT
"""``memsection run --windows``: a script that was written for Windows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import typer

from memsection import errors
from memsection.vocabulary import status as st


def run(script: Sequence[str], packages: Sequence[str], children: bool = False) -> None:
    """Run a Python script that sees Windows, in an interpreter that has imported nothing yet.

    Raises:
        NotFoundError: There is no such script.
    """
    if not os.path.isfile(script[0]):
        raise errors.NotFoundError(
            f"run --windows: there is no script '{script[0]}'", ntstatus=st.NO_SUCH_FILE
        )
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    chosen = [word for package in packages for word in ("--as-windows", package)]
    chosen += ["--children"] if children else []
    command = [sys.executable, *flags, "-m", "memsection.compat.windows", *chosen, *script]
    # where exec is a new process, and the old one's end is taken for the end
    if sys.platform == "win32":
        raise typer.Exit(subprocess.call(command))
    sys.stdout.flush()
    os.execv(sys.executable, command)
