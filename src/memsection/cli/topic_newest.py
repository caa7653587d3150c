# SPDX-License-Identifier: MIT
"""The newest message of a topic, as an observer sees it: nobody learns of it, and nothing is taken.

A message is data that somebody wrote.  Objects are not read: who reads one runs its sender's code.
"""

from __future__ import annotations

from typing import Any

from rich.text import Text

from memsection import Section, errors
from memsection.cli import channel_facts, pictures, typed, values
from memsection.cli.output import out, wrap
from memsection.content import schema
from memsection.vocabulary.text import shown

NOTHING = "nothing was sent yet, or it is there no longer"
OBJECTS = "its messages are objects, which are not read here: who reads one runs its sender's code"


class Newest:
    """What a topic in a section tells about itself, again and again."""

    def __init__(self, section: Section, facts: schema.Facts, numbers: bool) -> None:
        self._section, self._numbers = section, numbers
        self._end: Any = None
        if facts.get("spec") != "object":
            from memsection.channels import Topic  # what not every system has

            self._end = Topic.from_section(section.duplicate(), role="observe", history=0)
            self._end._core.rewind(self._end.capacity)
        self.value: Any = None
        self.problem = OBJECTS if self._end is None else NOTHING

    def __enter__(self) -> Newest:
        return self

    def __exit__(self, *error: object) -> None:
        if self._end is not None:
            self._end.close()

    def look(self) -> None:
        """Have the newest message as ``value``, if there is a newer one."""
        if self._end is None:
            return
        try:
            self.value, self.problem = self._end.receive_newest(0), ""
        except (errors.WaitTimeoutError, errors.EndOfChannelError):
            pass  # what was seen last stays
        except errors.CorruptError as problem:
            self.value, self.problem = None, str(problem)

    def text(self, most: int) -> Text:
        """What it is, and the newest message: at most so many bytes of one of bytes."""
        from memsection.cli.peek import dump

        found = channel_facts.look(self._section)
        text = wrap("topic" if found is None else found.summary(), "cyan").append("\n", "")
        value = self.value
        if value is None:
            return text.append(shown(self.problem))
        if isinstance(value, bytes):
            text.append(f"the newest message, of {len(value)} bytes:\n")
            return text.append_text(dump(value[:most]))
        if _is_array(value):
            if out.is_terminal and not self._numbers and pictures.is_drawn(value):
                return text.append_text(pictures.draw(value, out.width, out.height - 4))
            return text.append("\n".join(shown(line) for line in _lines(value)))
        lines = typed._table(value) if hasattr(value, "num_rows") else typed._fields(value)
        return text.append("\n".join(shown(line) for line in lines))

    def as_json(self) -> dict[str, Any]:
        """The newest message for programs; and where there is none to see, why."""
        return {"kind": "topic"} | self._facts(self.value)

    def _facts(self, value: Any) -> dict[str, Any]:
        if value is None:
            return {"value": None, "problem": self.problem}
        if _is_array(value):
            about = {"dtype": str(value.dtype), "shape": list(value.shape)}
            return about | values.numbers(value)
        if hasattr(value, "num_rows"):
            count = min(value.num_rows, max(1, values.MOST // max(1, value.num_columns)))
            rows = [values.plain(row) for row in value.slice(0, count).to_pylist()]
            return {"values": rows, "truncated": count < value.num_rows}
        if isinstance(value, bytes):
            part = value[: values.MOST]
            return {"size": len(value), "bytes": part.hex(), "truncated": len(part) < len(value)}
        return {"value": values.plain(value)}


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "ndim")


def _lines(array: Any) -> list[str]:
    import numpy as np

    return [f"{array.dtype} {array.shape}", *np.array2string(array, threshold=200).splitlines()]
