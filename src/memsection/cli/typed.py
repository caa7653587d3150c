# SPDX-License-Identifier: MIT
"""What a section means, where it says so itself: records field by field, arrays as NumPy prints them."""

from __future__ import annotations

from memsection import Section, errors, latest, schema
from memsection.layouts import layout_in

MOST_RECORDS = 32


def heading(facts: schema.Facts) -> str:
    """What it is, in a line."""
    words = {key: facts[key] for key in ("name", "count", "dtype", "shape", "order", "slots", "fingerprint", "version")
             if facts.get(key)}
    return f"{facts.get('kind')}: " + ", ".join(f"{key} {value}" for key, value in words.items())


def lines(section: Section, facts: schema.Facts) -> list[str] | None:
    """The values, a line each; None for what is not known here, and is better shown as bytes.

    Raises:
        CorruptError: The description makes no sense.
    """
    kind = facts.get("kind")
    try:
        if kind == "record":
            return _records(section, facts)
        if kind == "latest" and "type" in facts:
            with latest.of(section.duplicate()) as value:
                found = value.read_numbered(0)
                return ["nothing was written yet"] if found is None else [f"number {found[0]}", *_fields(found[1])]
        if kind == "array":
            import numpy as np

            from memsection import arrays

            return np.array2string(arrays.of(section.duplicate(), access="r"), threshold=200).splitlines()
    except (ImportError, errors.WaitTimeoutError):
        pass
    return None


def _records(section: Section, facts: schema.Facts) -> list[str]:
    layout, count = layout_in(facts), int(facts.get("count", 1))
    found = []
    with section.map(access="r") as view:
        for index in range(min(count, MOST_RECORDS, len(view) // layout.size)):
            label = "" if count == 1 else f"[{index}] "
            found += [f"{label}{field}" for field in _fields(layout.unpack_from(view, index * layout.size))]
    if count > MOST_RECORDS:
        found.append(f"... and {count - MOST_RECORDS} records more")
    return found


def _fields(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{name} = {field!r}" for name, field in value.items()]
    return [repr(value)]
