# SPDX-License-Identifier: MIT
"""``tools/check_shape.py``: what it calls too long, and that its list only shrinks."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[3] / "tools" / "check_shape.py"
spec = importlib.util.spec_from_file_location("check_shape", PATH)
assert spec is not None and spec.loader is not None
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in tool.FOLDERS:
        (tmp_path / folder).mkdir()
    allow(tmp_path, "")
    return tmp_path


def allow(root: Path, text: str) -> None:
    (root / "tools" / "shape_allowed.txt").write_text("# a heading\n" + text)


def function(lines: int, docstring: int = 0) -> str:
    words = ['    """' + "x\n" * (docstring - 1) + '"""'] if docstring else []
    return "\n".join(["def f():", *words, *["    pass"] * (lines - 1)]) + "\n"


def test_a_file_has_450_lines_and_a_function_50(root: Path) -> None:
    (root / "src" / "a.py").write_text("x = 1\n" * 450)
    (root / "src" / "b.py").write_text(function(50))
    assert tool.problems(root) == []
    (root / "src" / "a.py").write_text("x = 1\n" * 451)
    (root / "src" / "b.py").write_text(function(51))
    assert tool.problems(root) == [
        "src/a.py: 451 lines, it may have 450",
        "src/b.py:f: 51 lines, it may have 50",
    ]


def test_a_docstring_is_not_counted_and_methods_are(root: Path) -> None:
    (root / "src" / "a.py").write_text(function(50, docstring=30))
    assert tool.too_long(root) == {}
    indented = "".join(f"    {line}\n" for line in function(51).splitlines())
    (root / "tests" / "a.py").write_text("class A:\n" + indented.replace("def", "async def"))
    assert tool.too_long(root) == {"tests/a.py:f": 51}


def test_other_languages_count_by_file_and_what_was_made_does_not(root: Path) -> None:
    for name in ("a.pyx", "a.c", "b.c", "c.h", "d.txt", "cpython_d.py"):
        (root / "src" / name).write_text("x\n" * 500)
    assert set(tool.too_long(root)) == {"src/a.pyx", "src/b.c", "src/c.h"}, "a.c is of a.pyx"


def test_what_is_listed_may_have_what_the_list_says_and_no_more(root: Path) -> None:
    (root / "bench" / "a.py").write_text("x = 1\n" * 500)
    allow(root, "bench/a.py 500  # a table\n")
    assert tool.problems(root) == []
    allow(root, "bench/a.py 499  # a table\nsrc/gone.py 600  # it was one\n")
    assert tool.problems(root) == ["bench/a.py: 500 lines, it may have 499"]


def test_lowering_never_raises_and_adds_nothing(root: Path) -> None:
    for name, lines in (("a", 501), ("b", 600), ("c", 700)):
        (root / "src" / f"{name}.py").write_text("x = 1\n" * lines)
    (root / "src" / "d.py").write_text(function(51))
    allow(root, "src/a.py 650  # a\nsrc/b.py 500  # b\nsrc/d.py:f 80  # d\nsrc/gone.py 600  # e\n")
    tool.lower(root)
    assert (root / "tools" / "shape_allowed.txt").read_text() == (
        "# a heading\nsrc/a.py 550  # a\nsrc/b.py 500  # b\nsrc/d.py:f 60  # d\n"
    )


def test_a_row_says_why(root: Path) -> None:
    (root / "bench" / "a.py").write_text("x = 1\n" * 500)
    allow(root, "bench/a.py 500\n")
    assert tool.problems(root) == ["tools/shape_allowed.txt: bench/a.py: why? (# ...)"]


def test_a_function_takes_7_positional_parameters(root: Path) -> None:
    def parameters(count: int) -> str:
        return ", ".join(f"p{number}" for number in range(count))

    (root / "src" / "a.py").write_text(
        f"def f({parameters(7)}, *, more): ...\n"
        f"def CreateThing({parameters(9)}): ...\n"
        f"class A:\n    def m(self, {parameters(7)}): ...\n"
    )
    assert tool.problems(root) == []
    (root / "src" / "a.py").write_text(f"def f({parameters(8)}): ...\n")
    assert tool.problems(root) == ["src/a.py:f(): 8 positional parameters, it may have 7"]
    allow(root, "src/a.py:f() 8  # what the kernel is told\n")
    assert tool.problems(root) == []
