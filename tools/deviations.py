#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes docs/reference/deviations.md from the tables that the tests go by, so that the page cannot
go stale.

tools/deviations.py            # write it
tools/deviations.py --check    # exit status 1 if it is not what would be written
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "deviations.md"
sys.path.insert(0, str(ROOT / "tests" / "conformance"))

from deviations import BETWEEN_USERS, DEVIATIONS, OTHERS, Deviation  # noqa: E402

HEAD = """\
# Deviations

Where a program gets something else on Linux than on Windows. Everything else that the conformance suite and the tests
of the repository cover is the same. Each row is shown by a test that fails when the row is no longer true. What channels do
otherwise on Windows [stands with them](channels.md#on-windows).
"""


def rows(table: Iterable[tuple[str, Deviation]]) -> str:
    """A table of the page."""
    lines = [
        "| Operation | On Windows | Here | Error | Why | Shown by |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.operation} | {one.windows} | {one.here} | {one.error or 'none'} | {one.reason} | "
        f"`{name}` |"
        for name, one in table
    ]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page."""
    return (
        f"{HEAD}\n## Shown by a scenario of the conformance suite\n\n"
        f"{rows(sorted(DEVIATIONS.items()))}"
        f"\n## Shown by a test of its own\n\n{rows(sorted((OTHERS | BETWEEN_USERS).items()))}"
    )


def main() -> int:
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
