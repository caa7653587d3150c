# SPDX-License-Identifier: MIT
"""What a description says: JSON, which can have been written by anybody, and is remembered once it
was looked through."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import ArgumentError
from memsection.vocabulary.text import shown

Made = TypeVar("Made")

Facts = dict[str, Any]
DEEPEST_TEXT = 100  #: lists and objects in one another: 16 types need 50


class Known(Facts):
    """Facts of a description that was read; nobody changes them, because who reads the same text
    again gets the same."""

    __slots__ = ("checksum", "made")

    checksum: int  #: crc32 of the text
    made: dict[Any, Any]  #: what was made of them already: a layout, a dtype


def remember(facts: Facts, key: Any, make: Callable[[Facts], Made]) -> Made:
    """What is made of the facts, once for each text: a pure function of them, whose result nobody
    changes."""
    if type(facts) is not Known:
        return make(facts)
    made: Made | None = facts.made.get(key)
    if made is None:
        made = make(facts)
        if len(facts.made) < _MOST_MADE:
            facts.made[key] = made
    return made


def text_of(facts: Any) -> bytes:
    """JSON in the one spelling that is used here."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ArgumentError("description: a name has half a character") from None


def version_number(version: object) -> int:
    """The program's own number for a layout.

    Raises:
        ArgumentError: It has more than 64 bits.
        TypeError: It is no int.
    """
    number = whole_number(version, "version")
    if not -(1 << 63) <= number < 1 << 63:
        raise ArgumentError(f"version: {shown(number, 60)} is not of 64 bits")
    return number


#: What texts say that were looked through already: the same ones come whenever the same names are
#: opened.
_found_good: dict[bytes, Known] = {}
_SHORT, _MOST_GOOD, _MOST_MADE = 1024, 256, 4


def known_facts(text: bytes, checksum: int) -> Known | None:
    """What a text says that was looked through before and has this checksum; None if it was not."""
    known = _found_good.get(text)
    return known if known is not None and known.checksum == checksum else None


def facts_in(text: bytes) -> Facts | None:
    """What a text says; None for no JSON, and for JSON that could not be worked with or shown."""
    known = _found_good.get(text)
    if known is not None:
        return known
    try:
        facts = json.loads(text.decode())
        text_of(facts)  # half characters, which JSON's escapes can spell, are in no text
    except (ValueError, RecursionError):
        return None
    if not isinstance(facts, dict) or not _is_shallow(facts):
        return None
    if len(text) > _SHORT:
        return facts
    known = Known(facts)
    known.checksum, known.made = zlib.crc32(text), {}
    if len(_found_good) >= _MOST_GOOD:
        _found_good.clear()
    _found_good[text] = known
    return known


def _is_shallow(facts: Facts) -> bool:
    """Whether it is nested so little that every later walk over it ends well, by whatever
    recursion."""
    level: list[Any] = [facts]
    for _ in range(DEEPEST_TEXT):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return True
    return False
