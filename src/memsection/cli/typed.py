# SPDX-License-Identifier: MIT
"""What a section means, where it says so itself: records field by field, arrays as NumPy prints
them."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len

from memsection import Section, errors, latest, records
from memsection.content import schema
from memsection.vocabulary.text import shown

MOST_RECORDS = 32
MOST_COLUMNS = 12


def heading(facts: schema.Facts) -> str:
    """What it is, in a line."""
    words = {
        key: shown(facts[key], 200)
        for key in ("name", "count", "dtype", "shape", "order", "slots", "fingerprint", "version")
        if facts.get(key)
    }
    return f"{shown(facts.get('kind'), 40)}: " + ", ".join(
        f"{key} {value}" for key, value in words.items()
    )


def lines(section: Section, facts: schema.Facts) -> list[str] | None:
    """The values, a line each; None for what is not known here, and is better shown as bytes.

    Raises:
        CorruptError: The description makes no sense.
    """
    kind = facts.get("kind")
    try:
        if kind == "record":
            return _records(section)
        if kind == "latest" and "type" in facts:
            with latest.from_section(section.duplicate()) as value:
                found = value.read_numbered(0)
                return (
                    ["nothing was written yet"]
                    if found is None
                    else [f"number {found[0]}", *_fields(found[1])]
                )
        if kind == "arrow":
            from memsection import arrow

            with arrow.from_section(section.duplicate(), trusted=False) as shared:
                return _table(shared.table)
        if kind == "array":
            import numpy as np

            from memsection import arrays

            return np.array2string(
                arrays.from_section(section.duplicate(), access="r"), threshold=200
            ).splitlines()
    except (ImportError, errors.WaitTimeoutError):
        pass
    return None


def _table(table: Any) -> list[str]:
    """The first rows, under the names of their columns."""
    first = table.slice(0, MOST_RECORDS)
    columns = [
        [shown(name, 30), *(shown(one.as_py(), 40) for one in column)]
        for name, column in zip(table.column_names[:MOST_COLUMNS], first.columns, strict=False)
    ]
    widths = [max(map(cell_len, column)) for column in columns]
    found = [
        "  ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in zip(*columns, strict=True)
    ]
    for more, what in (
        (table.num_rows - MOST_RECORDS, "rows"),
        (table.num_columns - MOST_COLUMNS, "columns"),
    ):
        if more > 0:
            found.append(f"... and {more} {what} more")
    return found


def _records(section: Section) -> list[str]:
    found = []
    with records.from_section(section.duplicate()) as table:
        for index in range(min(len(table), MOST_RECORDS)):
            label = "" if len(table) == 1 else f"[{index}] "
            found += [f"{label}{field}" for field in _fields(table[index])]
        if len(table) > MOST_RECORDS:
            found.append(f"... and {len(table) - MOST_RECORDS} records more")
    return found


def _fields(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{shown(name)} = {field!r}" for name, field in value.items()]
    return [repr(value)]
