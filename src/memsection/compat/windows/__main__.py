# SPDX-License-Identifier: MIT
"""``python -m memsection.compat.windows [--as-windows PACKAGE]... [--children] SCRIPT
[ARGUMENT]...``: run a script that sees Windows."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence


def main() -> None:
    """Run the script of the command line."""
    if sys.argv[1:2] == ["--as-python"]:
        _run_child()
        return
    parser = argparse.ArgumentParser(prog="python -m memsection.compat.windows", allow_abbrev=False)
    parser.add_argument("--as-windows", action="append", default=[], metavar="PACKAGE")
    parser.add_argument("--children", action="store_true")
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
    from memsection.compat.windows import personality

    try:
        _choose(names, asked.children)
    except (ImportError, OSError) as problem:
        parser.error(str(problem))
    personality.run(asked.script)


def _choose(names: Sequence[str], children: bool) -> None:
    """Have modules see Windows, and children: all of them if asked for."""
    from memsection.compat.windows import personality, pywin32
    from memsection.compat.windows.children import provide

    pywin32.make_importable()
    personality.choose(names, provide(names, children))


def _run_child() -> None:
    """Run what the launcher for children was asked for, as the interpreter would."""
    from memsection.compat.windows import children, personality

    asked = children.requested_command_line()
    assert asked.program is not None
    names = [name for name in os.environ.get(children.PACKAGES, "").split(",") if name]
    all_children = os.environ.get(children.CHILDREN) == "1"
    sys.argv = [asked.program if not asked.kind else f"-{asked.kind}", *asked.arguments]
    sys.path[0] = "" if asked.kind or asked.program == "-" else os.path.dirname(asked.program)
    if asked.kind == "c" or asked.program == "-":
        _choose(names, all_children)
        text = asked.program if asked.kind else sys.stdin.read()
        personality.run_text(text, "<string>" if asked.kind else "<stdin>")
    elif asked.kind:
        sys.path[0] = os.getcwd()
        _choose(names, all_children)
        personality.run_module(asked.program)
    else:
        if not os.path.isfile(asked.program):
            sys.exit(f"python: can't open file '{asked.program}': no such script")
        sys.path[0] = os.path.dirname(os.path.abspath(asked.program))
        _choose(names, all_children)
        personality.run(asked.program)


if __name__ == "__main__":
    main()
