# SPDX-License-Identifier: MIT
"""The numbers that a channel is made with: whether they can be, and how its memory is divided."""

from __future__ import annotations

from memsection._native import ends
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import ArgumentError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.channels.base_codec import Codec, Facts
    from memsection.channels.opening import Shape

DEFAULT_LARGEST = 1 << 16
CAPACITY_MOST: int = ends.CAPACITY_MOST
_PAGE = 4096
_IN_HAND = 256  # calls that servers may have in hand at least

#: of the numbers, as those who open the channel accept them
_LEAST = {"capacity": 1, "largest": 1, "memory": 1}
_MOST = {"largest": 1 << 46, "memory": 1 << 46, "version": (1 << 62) - 1}
_MOST_OF_OTHERS = (1 << 31) - 1


def require_number(name: str | None, what: str, value: Any, operation: str = "create") -> int:
    """A number that the user gave, as an int.

    Raises:
        TypeError: It is no integer.
        ArgumentError: It is less or more than can be (ValueError).
    """
    head = about(operation, name)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{head}: {what} is a number, not {type(value).__name__}")
    number = whole_number(value, what)
    least = _LEAST.get(what, 0)
    most = CAPACITY_MOST if what == "capacity" else _MOST.get(what, _MOST_OF_OTHERS)
    if number < least:
        raise ArgumentError(f"{head}: asked for {what} {number}, the least is {least}")
    if number > most:
        raise ArgumentError(f"{head}: asked for {what} {number}, the most is {most}")
    return number


def require_numbers(name: str | None, facts: Facts, memory: int | None) -> int | None:
    """The same for all numbers of a channel that is made: ints from now on, in the facts; the
    memory is returned."""
    for what in ("capacity", "largest", "redeliver", "history", "retry", "version"):
        if what in facts and (what != "largest" or facts[what] is not None):
            facts[what] = require_number(name, what, facts[what])
    return None if memory is None else require_number(name, "memory", memory)


def room_for(largest: int) -> int:
    """Bytes of the place that a message of this length may need with what stands before it."""
    return largest + largest // 32 + _PAGE


def _shape_of(
    capacity: int, redeliver: int, largest: int, memory: int | None, fixed: int | None
) -> Shape:
    """How the memory for places is divided: units of 4 KiB and, for what does not fit a run of
    these, larger ones."""
    unit, run = ends.SMALL_UNIT, ends.RUN
    room = room_for(largest)
    large = -(-room // (run - 1) // _PAGE) * _PAGE if room > run * unit else 0
    if memory is None:
        small = max(capacity, -(-2 * room // unit)) if not large else capacity
        if fixed is not None and not large:  # every message has the same length
            each = -(-fixed // unit)
            small = max(
                2 * each, min(capacity, 1 << 16) * each if fixed > ends.SHORT or redeliver else 0
            )
        return capacity, redeliver, small, -(-2 * room // large) if large else 0, large
    # Memory for n of the largest takes n: what stands before each is not the user's to count.
    each, count = largest + largest // 32, memory // largest if largest >= _PAGE else 0
    if not large:
        small = max(memory // unit, -(-room // unit), count * -(-each // unit))
        return capacity, redeliver, small, 0, 0
    for_small = min(capacity * unit, memory // 8)
    units = max(-(-max(memory - for_small, room) // large), count * -(-each // large))
    return capacity, redeliver, for_small // unit, units, large


def limits(name: str | None, codec: Codec, facts: Facts, memory: int | None) -> tuple[int, Shape]:
    """``largest`` and the shape of the memory, from what the user gave, checked."""
    capacity, redeliver, largest = facts["capacity"], facts["redeliver"], facts["largest"]
    if largest is None:
        largest = codec.fixed or min(DEFAULT_LARGEST, memory or DEFAULT_LARGEST)
    if codec.fixed is not None and largest < codec.fixed:
        raise ArgumentError(
            f"{about('create', name)}: asked for messages of at most {largest} bytes, a record has "
            f"{codec.fixed}"
        )
    if memory is not None and memory < largest:
        raise ArgumentError(
            f"{about('create', name)}: asked for {memory} bytes of memory, and for messages of "
            f"{largest}"
        )
    shape = _shape_of(capacity, redeliver, largest, memory, codec.fixed)
    if not _size(shape):
        raise ArgumentError(
            f"{about('create', name)}: capacity {capacity}, messages of {largest} bytes, {memory} "
            "bytes of memory:"
            " no channel can be so large"
        )
    return largest, shape


def _size(shape: Shape) -> int:
    """Bytes of such a channel; 0 if it cannot be."""
    return ends.size(shape) if max(shape) <= _MOST_OF_OTHERS else 0


def limits_of_service(
    name: str | None, request: Codec, reply: Codec, facts: Facts, memory: int | None
) -> tuple[int, Shape]:
    """The same for a service, whose requests and answers share the memory, and the number of its
    calls."""
    capacity, largest = facts["capacity"], facts["largest"]
    longer = request if (request.fixed or 0) >= (reply.fixed or 0) else reply
    if largest is not None and memory is None:
        memory = 4 * room_for(largest) + min(capacity, 1 << 16) * ends.SMALL_UNIT
    if largest is None and longer.fixed is not None:
        largest = max(longer.fixed, DEFAULT_LARGEST)
    limit, shape = limits(name, longer, {**facts, "largest": largest}, memory)
    shape = *shape, 0, 0, capacity + max(capacity, _IN_HAND)
    if not _size(shape):
        raise ArgumentError(
            f"{about('create', name)}: capacity {capacity}: no service can be so large"
        )
    return limit, shape


def limits_of_topic(
    name: str | None, codec: Codec, facts: Facts, memory: int | None
) -> tuple[int, Shape]:
    """The same for a topic.

    Every position has had a message after the first lap, and in its place the next one is made: two
    more than there are positions, and, where senders wait, one for each message of the history.
    """
    capacity, history, waits = facts["capacity"], facts["history"], facts["slow"] == "wait"
    if history > capacity:
        raise ArgumentError(
            f"{about('create', name)}: asked for a history of {history} messages, the most is the "
            f"capacity, {capacity}"
        )
    places = capacity
    if memory is None:
        places = min(capacity + history * waits + 2, CAPACITY_MOST)
    limit, shape = limits(name, codec, {**facts, "capacity": places, "redeliver": 0}, memory)
    flags = ends.TOPIC | ends.SLOW_WAITS * waits | ends.OBSERVED * facts["observers"]
    whole: Shape = (capacity, 0, shape[2], shape[3], shape[4], flags, history)
    if not _size(whole):
        raise ArgumentError(f"{about('create', name)}: no topic can be so large")
    return limit, whole
