# SPDX-License-Identifier: MIT
"""What a section says it contains, in a line and for programs: an array, a table, records, a latest
value, a channel.

Whoever may write to the section wrote that: what is not of the form that this library gives it is
left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memsection import Section, errors
from memsection.cli.channel_facts import KINDS, ChannelFacts, look
from memsection.content import schema
from memsection.vocabulary.structs import NamedObject
from memsection.vocabulary.text import shown

_LONGEST, _MOST = 40, 8  #: characters of a name, and names of columns or fields, in a line
_KINDS = ("array", "arrow", "record", "latest", "pickle", "rwlock")
_WORDS = {"pickle": "pickled object", "rwlock": "readers-writer lock"}

_NUMPY = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}


@dataclass(frozen=True)
class Content:
    """What is in a section: facts for programs, {} for bytes of no known meaning; of a channel what
    it says of itself."""

    facts: dict[str, Any]
    channel: ChannelFacts | None = None

    def words(self) -> str:
        """``array float64 (2, 3)``, ``table of 9 rows: a, b``; printable, "" for bytes."""
        if self.channel is not None:
            return self.channel.summary()
        facts = self.facts
        kind = facts.get("kind")
        if kind == "array":
            most = f", at most {facts['maximum']} rows" if "maximum" in facts else ""
            return f"array {facts['dtype']} ({', '.join(map(str, facts['shape']))}){most}"
        if kind == "arrow":
            return f"table of {facts['rows']} rows: {_list(facts['columns'])}"
        if kind == "record":
            plural = "s" * (facts["count"] != 1)
            return f"{facts['count']} record{plural} {facts['name']}: {_list(facts['fields'])}"
        if kind == "latest":
            return (
                f"latest {facts['name']}: {_list(facts['fields'])}"
                if "fields" in facts
                else "latest value"
            )
        if kind == "rwlock":
            from memsection.cli import lock_facts

            return lock_facts.words(facts)
        return _WORDS.get(str(kind), "")


_NOTHING = Content({})


def content_of_named(found: NamedObject) -> Content:
    """What is in the section of this name, as far as this user may read it."""
    if not found.name or found.problem:
        return _NOTHING
    tails = [holder.tail for holder in found.holders]
    if None not in tails and not any(map(schema.is_footer, tails)):
        return _NOTHING  # most sections: seen without opening them
    try:
        with Section.open(found.name, access="r") as section:
            return content_of(section)
    except (errors.Error, OSError):
        return _NOTHING


def content_of(section: Section) -> Content:
    """What is in a section."""
    # Not by mapping: a page that nobody has touched would get memory by our look.
    described = schema.glance(section)
    if described is not None and described.get("kind") in KINDS:
        return Content({}, look(section))
    if described is None or described.get("kind") not in _KINDS:
        return _NOTHING
    try:
        facts = _facts(described)
        if facts["kind"] == "rwlock":
            from memsection.cli import lock_facts

            facts |= lock_facts.look(section)
        return Content(facts)
    except (errors.CorruptError, TypeError, ValueError, KeyError):
        return _NOTHING


def _facts(described: schema.Facts) -> dict[str, Any]:
    kind = described["kind"]
    facts: dict[str, Any] = {"kind": kind, "bytes": described["size"]}
    if kind == "array" and schema.is_shape(described.get("shape")):
        return facts | {
            "dtype": _type(schema.from_json(described.get("dtype"))),
            "shape": described["shape"],
            **{key: _count(described[key]) for key in ("maximum",) if key in described},
        }
    if kind == "arrow":
        return facts | {
            "rows": _count(described["rows"]),
            "columns": [
                {"name": shown(name, 200), "type": shown(of, 200)}
                for name, of in described["columns"]
            ],
        }
    if kind in ("record", "latest"):
        if "type" in described:
            struct = schema.from_json(described["type"])
            fields = struct.fields if isinstance(struct, schema.Struct) else ()
            facts |= {
                "name": shown(described.get("name"), 200),
                "fields": [
                    {"name": shown(field.name, 200), "type": _type(field.type)} for field in fields
                ],
            }
        return facts | (
            {"count": _count(described["count"]), "name": facts["name"]} if kind == "record" else {}
        )
    if kind in _WORDS:
        return facts
    raise errors.CorruptError(f"description: {shown(kind, 40)}")


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise errors.CorruptError(f"description: {shown(value, 40)} is no count")
    return value


def _type(kind: schema.Type) -> str:
    """A type as NumPy calls it, where that is short."""
    if isinstance(kind, schema.Scalar):
        word = _NUMPY.get(kind.code[1])
        return f"{word}{8 * kind.size if word != 'bool' else ''}" if word else kind.code
    if isinstance(kind, schema.Repeat):
        return f"{_type(kind.of)}[{', '.join(map(str, kind.shape))}]"
    return "{" + _list([{"name": field.name} for field in kind.fields]) + "}"


def _list(parts: list[dict[str, str]]) -> str:
    words = [shown(part["name"], _LONGEST) for part in parts[:_MOST]]
    return ", ".join(words + ["..."] * (len(parts) > _MOST))
