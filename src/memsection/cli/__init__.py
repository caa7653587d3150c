# SPDX-License-Identifier: MIT
"""The command line: one file per subcommand, over what is public.

This file is the entry point, and says what is missing when the libraries of ``memsection[cli]`` are
not installed.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> int:
    """Run the command line; the exit status."""
    for library in ("psutil", "rich", "typer"):
        # Found and not loaded: not every subcommand needs each of them.
        if find_spec(library) is None:
            print(
                f"memsection: the command line needs {library}, which is not installed.\n"
                f"Install it with:  {sys.executable} -m pip install 'memsection[cli]'",
                file=sys.stderr,
            )
            return 1
    try:
        from memsection.cli.app import run
    except KeyboardInterrupt:
        return 130  # while it loads; ``run`` says the same afterwards

    return run()
