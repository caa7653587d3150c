# SPDX-License-Identifier: MIT
"""``python -m memsection.compat.windows [--as-windows PACKAGE]... SCRIPT [ARGUMENT]...``: run a
script that sees Windows."""

from __future__ import annotations

import argparse
import os
import sys


def main() -> None:
    """Run the script of the command line."""
    parser = argparse.ArgumentParser(prog="python -m memsection.compat.windows", allow_abbrev=False)
    parser.add_argument("--as-windows", action="append", default=[], metavar="PACKAGE")
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    if not os.path.isfile(asked.script):
        parser.error(f"there is no script '{asked.script}'")
    sys.argv = [asked.script, *asked.arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(asked.script))
    names = [name for words in asked.as_windows for name in words.split(",") if name]
    if sys.platform == "win32":
        import runpy

        runpy.run_path(asked.script, run_name="__main__")
        return
    from memsection.compat.windows import personality, pywin32

    pywin32.make_importable()
    try:
        personality.choose(names)
    except ImportError as problem:
        parser.error(str(problem))
    personality.run(asked.script)


if __name__ == "__main__":
    main()
