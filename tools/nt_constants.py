#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes ``src/memsection/nt/constants.py``: the constants that go with the Nt-named functions, as
plain assignments.

They come from the tables of the vocabulary, where each value stands once.  Run it after a change
there; a test compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src" / "memsection" / "nt" / "constants.py"
HEAD = '''\
# SPDX-License-Identifier: MIT
"""Constants of the Nt-named face, under their documented names; written by ``tools/nt_constants.py``.

The values are those of ``vocabulary``.  They stand here so that people, searches and type checkers find them.
"""
'''


def constants() -> dict[str, dict[str, int]]:
    """Name to value, in groups."""
    from memsection.vocabulary import access, protection, status, structs

    groups = {
        title: {
            name: value
            for name, value in vars(module).items()
            if name.isupper() and isinstance(value, int)
        }
        for title, module in (
            ("Rights", access),
            ("Memory", protection),
            ("Objects and handles", structs),
        )
    }
    # What one module imports from another is listed once.
    seen: set[str] = set()
    for group in groups.values():
        for name in seen & group.keys():
            del group[name]
        seen |= group.keys()
    return {
        **groups,
        "Statuses": {row.name: value for value, row in status.rows_by_status().items()},
    }


def text() -> str:
    """What the file has to be."""
    parts = [HEAD]
    for title, group in constants().items():
        parts.append(f"\n# {title}.\n")
        parts += [f"{name} = {_spell(value)}\n" for name, value in group.items()]
    return "".join(parts)


def _spell(value: int) -> str:
    return str(value) if abs(value) < 10 else f"0x{value:X}"  # as the formatter has it


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
    print(f"wrote {TARGET}", file=sys.stderr)
