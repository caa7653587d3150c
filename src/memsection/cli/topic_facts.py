# SPDX-License-Identifier: MIT
"""What can be seen of a topic from outside: its messages, and how far its subscribers are.

As in ``channel_facts``, everything was written by strangers: read once, checked, and shown.
"""

from __future__ import annotations

from collections import Counter

from memsection.cli import channel_facts as channel

_NUMBERS = 7  # of a topic's shape
_NOTE, _SEAT, _HOLDERS, _LINE = 32, 64, 16, 64  # ms_channel.h; holders in words
_WAITS = 2  # of the flags
_QUEUED, _LEFT = 3, 7


def _up(at: int) -> int:
    return -(-at // _LINE) * _LINE


def read(memory: channel.Memory, size: int, shape: object, found: channel.ChannelFacts) -> bool:
    """Fill in what the memory says; whether it makes sense."""
    if not isinstance(shape, list) or len(shape) != _NUMBERS:
        return False
    if any(channel._number(one) is None for one in shape):
        return False
    capacity, _, small, large, _, flags, history = shape
    if not 1 <= capacity <= channel._CAPACITY_MOST or history > capacity:
        return False
    positions = capacity + (history if flags & _WAITS else 0)
    header = channel.header(memory, size, positions, capacity, found)
    if header is None or max(small, large) > channel._UNITS_MOST:
        return False
    down, tail, head, _ = header
    ring, units = channel._members_end(), small + large
    words = ring + positions * channel._ENTRY
    seats = _up(_up(words + 8 * units) + _NOTE * units)
    found.waiting = min(channel._waiting(memory, ring, positions, head, tail), positions)
    found.shut_down = bool(down)
    held = _places_in_hand(
        memory, words, seats + (channel._ENDS_MOST + 1) * _SEAT, min(units, channel.MOST_PLACES)
    )
    found.in_hand = held.pop(0, 0)
    found.ends = channel._ends(memory, list(held.elements()))
    for slot, end in zip(channel.slots(memory), found.ends, strict=False):
        following, missed = (*channel._words(memory, seats + slot * _SEAT, 2), 0, 0)[:2]
        if end.role != "send":
            end.behind, end.missed = min((tail - following) % (1 << 64), positions), missed
    return True


def _places_in_hand(memory: channel.Memory, words: int, holders: int, units: int) -> Counter[int]:
    """How many places each slot has in hand; at 0, how many somebody has."""
    found: Counter[int] = Counter()
    for unit, word in enumerate(channel._words(memory, words, units)):
        if word & 15 not in (_QUEUED, _LEFT):
            continue
        bits = 0
        for index, part in enumerate(
            channel._words(memory, holders + unit * 8 * _HOLDERS, _HOLDERS)
        ):
            bits |= part << (64 * index)
        found[0] += bits > 1
        for slot in range(1, channel._ENDS_MOST + 1) if bits > 1 else ():
            found[slot] += bits >> slot & 1
    return +found
