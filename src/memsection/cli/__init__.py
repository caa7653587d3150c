# SPDX-License-Identifier: MIT
"""The command line: one file per subcommand, over what is public.

This file is the entry point, and says what is missing when the libraries of ``memsection[cli]`` are
not installed.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; the exit status."""
    try:
        import psutil  # noqa: F401
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError as missing:
        print(
            f"memsection: the command line needs {missing.name}, which is not installed.\n"
            f"Install it with:  {sys.executable} -m pip install 'memsection[cli]'",
            file=sys.stderr,
        )
        return 1
    from memsection.cli.app import run

    return run()
