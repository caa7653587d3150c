# SPDX-License-Identifier: MIT
"""What can be seen of a service from outside: the calls that wait, and who has others in hand.

As in ``channel_facts``, everything was written by strangers: read once, checked, and shown.
"""

from __future__ import annotations

from typing import Any

from memsection.cli import channel_facts as channel
from memsection.vocabulary.text import shown

_NUMBERS, _CALLS_MOST, _LOOKED_AT = 8, 1 << 23, 1 << 16  # of a service's shape; cells
_CELL, _NOTE, _UNIT, _LINE, _PAGE = 192, 32, 4224, 64, 4096  # ms_call.h, ms_channel.h
_IN_HAND = (2, 3)  # TAKING, SERVING


def look(memory: channel.Memory, size: int, described: dict[str, Any]) -> channel.ChannelFacts:
    """The service in a section, by its description."""
    answers = described.get("reply")
    answered = answers.get("spec") if isinstance(answers, dict) else None
    found = channel.ChannelFacts("service", f"{described.get('spec')} to {answered}")
    for key in ("capacity", "largest", "version"):
        setattr(found, key, channel._number(described.get(key)))
    if described.get("layout") != channel.LAYOUT:
        found.problem = f"a layout of version {shown(described.get('layout'), 20)}, not known here"
    elif not _read(memory, size, described.get("shape"), found):
        found.problem = "damaged"
    return found


def _read(memory: channel.Memory, size: int, shape: object, found: channel.ChannelFacts) -> bool:
    """Fill in what the memory says; whether it makes sense."""
    if not isinstance(shape, list) or len(shape) != _NUMBERS:
        return False
    calls = shape[7]
    if type(calls) is not int or not 0 < calls <= _CALLS_MOST:
        return False
    if not channel._read(memory, size, shape[:5], found):
        return False
    at = _cells(shape)
    if at + calls * _CELL > size:
        return False
    words = channel._words(memory, at, min(calls, _LOOKED_AT) * _CELL // 8)[:: _CELL // 8]
    servers = [word >> 14 & 0x3FF for word in words if word & 15 in _IN_HAND]
    found.in_hand = len(servers)
    found.ends = channel._ends(memory, servers)
    for end in found.ends:
        end.role = {"send": "client", "receive": "server"}.get(end.role, end.role)
    return True


def _cells(shape: list[int]) -> int:
    """Where the cells begin (ms_end.c)."""
    capacity, _, small, large, large_unit = shape[:5]
    units = small + large
    words = channel._members_end() + capacity * channel._ENTRY
    notes = _up(words + 8 * units, _LINE)
    places = _up(_up(notes + _NOTE * units, _LINE), _PAGE)
    return places + small * _UNIT + large * large_unit


def _up(at: int, to: int) -> int:
    return -(-at // to) * to
