# SPDX-License-Identifier: MIT
"""Finds files above 450 lines, functions above 50 (docstrings not counted), and functions of
more than 7 positional parameters.

What may be longer is listed in ``shape_allowed.txt``, each with how much it may have, lines in steps
of 50 and of 10, and why it stays: ``path 500  # why``, ``path:function 60  # why``,
``path:function() 8  # why`` for parameters.  That list only shrinks: nothing is added, and nothing
is raised.  ``--lower`` takes out what has become short enough, and lowers what has become shorter.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tools", "bench", "examples", "tests")
FILE_LINES, FUNCTION_LINES, PARAMETERS = 450, 50, 7
_LIST = "tools/shape_allowed.txt"
_CODE = (".py", ".pyi", ".pyx", ".pxd", ".pxi", ".c", ".h")


def is_ours(path: Path) -> bool:
    """Whether a file is written here: not made by Cython, and none of CPython's own tests."""
    if path.suffix == ".c" and path.with_suffix(".pyx").exists():
        return False
    return path.suffix in _CODE and not path.name.startswith("cpython_")


def functions(text: str) -> Iterator[tuple[str, int]]:
    """The functions of a Python file, each with its lines, those of docstrings not counted, and
    with ``()`` behind the name with its positional parameters."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node, clean=False) is not None:
                assert first.end_lineno is not None
                lines -= first.end_lineno - first.lineno + 1
            yield node.name, lines
            # A function of Windows has the parameters that its documentation has.
            if not node.name[0].isupper():
                names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
                yield f"{node.name}()", len(names) - (names[:1] in (["self"], ["cls"]))


def too_long(root: Path = ROOT) -> dict[str, int]:
    """What is longer than it should be: ``path`` or ``path:function``, and its lines."""
    found: dict[str, int] = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if not path.is_file() or not is_ours(path):
                continue
            text, name = path.read_text(encoding="utf-8"), path.relative_to(root).as_posix()
            if (lines := text.count("\n")) > FILE_LINES:
                found[name] = lines
            if path.suffix == ".py":
                for function, count in functions(text):
                    key = f"{name}:{function}"
                    if count > _limit(key):
                        found[key] = max(count, found.get(key, 0))
    return found


def read_allowed(root: Path = ROOT) -> dict[str, int]:
    """What the list says."""
    return {name: int(count) for name, count, _ in _rows(root)}


def _rows(root: Path) -> Iterator[tuple[str, str, str]]:
    """The rows of the list: name, number, and why, "" where it does not say."""
    for line in (root / _LIST).read_text(encoding="utf-8").splitlines():
        row, _, why = line.partition("#")
        if row:
            yield *row.split(), why.strip()


def problems(root: Path = ROOT) -> list[str]:
    """What is longer than it may be, one sentence each."""
    listed = read_allowed(root)
    unexplained = [f"{_LIST}: {name}: why? (# ...)" for name, _, why in _rows(root) if not why]
    return unexplained + [
        f"{name}: {count} {_unit(name)}, it may have {listed.get(name, _limit(name))}"
        for name, count in too_long(root).items()
        if count > listed.get(name, 0)
    ]


def _unit(name: str) -> str:
    return "positional parameters" if name.endswith("()") else "lines"


def _limit(name: str) -> int:
    if name.endswith("()"):
        return PARAMETERS
    return FUNCTION_LINES if ":" in name else FILE_LINES


def _round_up(name: str, count: int) -> int:
    """As many lines or parameters as the list has for so many."""
    step = 1 if name.endswith("()") else 10 if ":" in name else 50
    return -(-count // step) * step


def lower(root: Path = ROOT) -> None:
    """Take out of the list what is not too long any more, and lower what has become shorter."""
    found, listed = too_long(root), read_allowed(root)
    head = [line for line in (root / _LIST).read_text().splitlines() if line.startswith("#")]
    rows = [
        f"{name} {min(listed[name], _round_up(name, found[name]))}  # {why}"
        for name, _, why in sorted(_rows(root))
        if name in found
    ]
    (root / _LIST).write_text("\n".join([*head, *rows, ""]), encoding="utf-8")


if __name__ == "__main__":
    if "--lower" in sys.argv[1:]:
        lower()
    complaints = problems()
    print("\n".join(complaints) or "shape: nothing is longer than it may be")
    sys.exit(bool(complaints))
