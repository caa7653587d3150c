# SPDX-License-Identifier: MIT
"""Children that are forked while other threads make and close objects have what their tables know,
and get on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support.forks import busy, child, use_everything
from support.objects import leaves_nothing, unique_name

import memsection
from memsection.nt import forks

_left = pytest.fixture(autouse=True)(leaves_nothing)
LIBRARY = Path(memsection.__file__).parent
#: Modules of the library that a child imports itself, or whose operations are a command line's.
ELSEWHERE = ("cli", "mirror", "compat", "channels", "nt/windows", "testing.py", "__init__.py")


@pytest.mark.invariant("O2")
def test_children_have_nothing_of_what_other_threads_had_begun() -> None:
    name = unique_name()
    with busy(name) as problems:
        said = [child(lambda: use_everything(name)) for _ in range(25)]
    assert [each for each in said if each] + problems == []


@pytest.mark.invariant("O2")
def test_what_operations_import_is_imported_before_a_fork() -> None:
    known = {needed for names in forks.NEEDED.values() for needed in names}
    missing = []
    for path in sorted(LIBRARY.rglob("*.py")):
        if any(str(path.relative_to(LIBRARY)).startswith(each) for each in ELSEWHERE):
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            for node in ast.walk(function):
                names = (
                    {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
                )
                if isinstance(node, ast.ImportFrom):
                    names = {f"{node.module}.{alias.name}" for alias in node.names} | {
                        str(node.module)
                    }
                    names = set() if names & known else {str(node.module)}
                missing += [
                    f"{path.name}: {each}"
                    for each in names - known
                    if each.split(".")[0] not in THIRD_PARTY
                ]
    assert missing == []


THIRD_PARTY = ("numpy", "pyarrow", "typing", "types", "importlib", "collections")
