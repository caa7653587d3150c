# SPDX-License-Identifier: MIT
"""Compares the invariants of docs/design/invariants.md with the code that cites them and the tests
that show them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_DEFINED = re.compile(r"^\*\*([A-Z]\d+)\*\*", re.MULTILINE)
_MARKED = re.compile(r"mark\.invariant\(([^)]*)\)")
_CITED = re.compile(r"\((?:invariants? )?([A-Z]\d(?:, [A-Z]\d)*)\)|\binvariants? ([A-Z]\d+)\b")


def numbers(pattern: re.Pattern[str], text: str) -> set[str]:
    """The numbers in everything that a pattern finds."""
    return {
        number for match in pattern.finditer(text) for number in re.findall(r"[A-Z]\d+", match[0])
    }


def problems(root: Path = ROOT) -> list[str]:
    """What does not fit, one sentence each."""
    defined = set(
        _DEFINED.findall((root / "docs/design/invariants.md").read_text(encoding="utf-8"))
    )
    tested: set[str] = set()
    found = []
    for path in sorted((root / "tests").rglob("*.py")):
        marked = numbers(_MARKED, path.read_text(encoding="utf-8"))
        tested |= marked
        found += [
            f"{path.relative_to(root)}: shows {number}, which is not defined"
            for number in marked - defined
        ]
    for path in sorted((root / "src").rglob("*")):
        if path.suffix in (".py", ".pyx", ".c", ".h") and path.is_file():
            cited = numbers(_CITED, path.read_text(encoding="utf-8"))
            found += [
                f"{path.relative_to(root)}: cites {number}, which is not defined"
                for number in cited - defined
            ]
    return found + [
        f"docs/design/invariants.md: no test shows {number}" for number in sorted(defined - tested)
    ]


if __name__ == "__main__":
    complaints = problems()
    print("\n".join(complaints) or "invariants: every number is defined and shown by a test")
    sys.exit(bool(complaints))
