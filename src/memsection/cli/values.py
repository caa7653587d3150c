# SPDX-License-Identifier: MIT
"""What a section contains, for programs: ``peek --json``."""

from __future__ import annotations

import math
from typing import Any

from memsection import Section, latest, records
from memsection.cli.contents import content_of
from memsection.content import schema

MOST = 10_000  #: values in a document; "truncated" says that there are more


def as_json(
    section: Section, facts: schema.Facts | None, offset: int, length: int
) -> dict[str, Any]:
    """Its meaning and its values; bytes in hexadecimal where it tells no meaning.

    Raises:
        ImportError: NumPy or Arrow is missing for what it contains.
    """
    known = {"name": section.name, **content_of(section).facts}
    kind = None if facts is None else facts.get("kind")
    if kind == "array":
        return known | _array(section)
    if kind == "arrow":
        from memsection import arrow

        with arrow.from_section(section.duplicate(), trusted=False) as shared:
            count = min(shared.table.num_rows, max(1, MOST // max(1, shared.table.num_columns)))
            rows = [
                {name: plain(value) for name, value in row.items()}
                for row in shared.table.slice(0, count).to_pylist()
            ]
            return known | {"values": rows, "truncated": count < shared.table.num_rows}
    if kind == "record":
        with records.from_section(section.duplicate()) as table:
            count = min(len(table), MOST)
            return known | {
                "values": [plain(one) for one in table[:count]],
                "truncated": count < len(table),
            }
    if kind == "latest" and facts is not None and "type" in facts:
        with latest.from_section(section.duplicate()) as value:
            found = value.read_numbered(0)
            number, content = (0, None) if found is None else found
            return known | {"number": number, "value": plain(content)}
    if kind == "topic" and facts is not None and (found := _topic(section, facts)) is not None:
        return known | found
    with section.map() as view:
        part = bytes(view[offset : offset + length])
        return known | {"offset": offset, "size": len(view), "bytes": part.hex()}


def _array(section: Section) -> dict[str, Any]:
    from memsection import arrays

    return numbers(arrays.from_section(section.duplicate(), access="r"))


def numbers(array: Any) -> dict[str, Any]:
    """The values of an array: whole rows, as far as so many fit."""
    if array.size <= MOST:
        return {"values": plain(array.tolist()), "truncated": False}
    each = array.size // array.shape[0]
    if each > MOST:  # not even one row
        return {"values": plain(array.ravel()[:MOST].tolist()), "truncated": True, "flat": True}
    return {"values": plain(array[: MOST // each].tolist()), "truncated": True}


def _topic(section: Section, facts: schema.Facts) -> dict[str, Any] | None:
    """The newest message of a topic, or why there is none to see; None where there are no
    channels."""
    from memsection.cli.topic_newest import Newest

    try:
        topic = Newest(section, facts, numbers=True)
    except ImportError:
        return None
    with topic:
        topic.look()
        return topic.as_json()


def plain(value: Any) -> Any:
    """The value as JSON can have it: bytes in hexadecimal, and as text what JSON has no number
    for."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, complex):
        return [plain(value.real), plain(value.imag)]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
