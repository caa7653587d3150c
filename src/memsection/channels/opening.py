# SPDX-License-Identifier: MIT
"""Making and opening the section of a channel: its size, its description, and whether it is what
was asked for."""

from __future__ import annotations

from memsection.channels import results
from memsection.vocabulary.errors import AccessError, ArgumentError, CorruptError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.api.section import Section
    from memsection.api.security import Security
    from memsection.api.view import View
    from memsection.channels.specs import Codec, Spec

    Facts = dict[str, Any]
    #: capacity, redeliver, small units, large units, bytes of a large one; then flags and history
    #: of a topic; then calls
    Shape = tuple[int, ...]

DEFAULT_LARGEST = 1 << 16
NUMBERS = {"queue": 5, "topic": 7, "service": 8}  #: of the shape in a description
_PAGE = 4096
_OVERFLOW = "memsection-message-"
_IN_HAND = 256  # calls that servers may have in hand at least


def room_for(largest: int) -> int:
    """Bytes of the place that a message of this length may need with what stands before it."""
    return largest + largest // 32 + _PAGE


def shape_of(
    capacity: int, redeliver: int, largest: int, memory: int | None, fixed: int | None
) -> Shape:
    """How the memory for places is divided: units of 4 KiB and, for what does not fit a run of
    these, larger ones."""
    from memsection._native import ends

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
    if not large:
        return capacity, redeliver, max(memory // unit, -(-room // unit)), 0, 0
    for_large = max(memory - min(capacity * unit, memory // 8), room)
    return capacity, redeliver, max(memory - for_large, 0) // unit, -(-for_large // large), large


def limits(
    name: str | None,
    codec: Codec,
    capacity: int,
    largest: int | None,
    memory: int | None,
    redeliver: int,
) -> tuple[int, Shape]:
    """``largest`` and the shape of the memory, from what the user gave."""
    from memsection._native import ends

    for what, value, least in (
        ("capacity", capacity, 1),
        ("largest", largest, 1),
        ("memory", memory, 1),
        ("redeliver", redeliver, 0),
    ):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise TypeError(f"create {name!r}: {what} is a number, not {type(value).__name__}")
        if value is not None and value < least:
            raise ArgumentError(f"create {name!r}: asked for {what} {value}, the least is {least}")
    if capacity > ends.CAPACITY_MOST:
        raise ArgumentError(
            f"create {name!r}: asked for capacity {capacity}, the most is {ends.CAPACITY_MOST}"
        )
    if largest is None:
        largest = codec.fixed or min(DEFAULT_LARGEST, memory or DEFAULT_LARGEST)
    if codec.fixed is not None and largest < codec.fixed:
        raise ArgumentError(
            f"create {name!r}: asked for messages of at most {largest} bytes, a record has "
            f"{codec.fixed}"
        )
    if memory is not None and memory < largest:
        raise ArgumentError(
            f"create {name!r}: asked for {memory} bytes of memory, and for messages of {largest}"
        )
    shape = shape_of(capacity, redeliver, largest, memory, codec.fixed)
    if not ends.size(shape):
        raise ArgumentError(
            f"create {name!r}: capacity {capacity}, messages of {largest} bytes, {memory} bytes of "
            f"memory:"
            " no channel can be so large"
        )
    return largest, shape


def limits_of_service(
    name: str | None,
    request: Codec,
    reply: Codec,
    capacity: int,
    largest: int | None,
    memory: int | None,
    retry: int,
) -> tuple[int, Shape]:
    """The same for a service, whose requests and answers share the memory, and the number of its
    calls."""
    from memsection._native import ends

    if not isinstance(retry, int) or isinstance(retry, bool):
        raise TypeError(f"create {name!r}: retry is a number, not {type(retry).__name__}")
    if retry < 0:
        raise ArgumentError(f"create {name!r}: asked for retry {retry}, the least is 0")
    longer = request if (request.fixed or 0) >= (reply.fixed or 0) else reply
    if (
        largest is not None
        and memory is None
        and isinstance(largest, int)
        and isinstance(capacity, int)
    ):
        memory = 4 * room_for(largest) + min(capacity, 1 << 16) * ends.SMALL_UNIT
    if largest is None and longer.fixed is not None:
        largest = max(longer.fixed, DEFAULT_LARGEST)
    limit, shape = limits(name, longer, capacity, largest, memory, 0)
    shape = *shape, 0, 0, capacity + max(capacity, _IN_HAND)
    if not ends.size(shape):
        raise ArgumentError(f"create {name!r}: capacity {capacity}: no service can be so large")
    return limit, shape


def topic_limits(
    name: str | None,
    codec: Codec,
    capacity: int,
    largest: int | None,
    memory: int | None,
    history: int,
    waits: bool,
    observers: bool,
) -> tuple[int, Shape]:
    """``largest`` and the shape of a topic's memory, from what the user gave.

    Every position has had a message after the first lap, and in its place the next one is made: two
    more than there are positions, and, where senders wait, one for each message of the history.
    """
    from memsection._native import ends

    if not isinstance(history, int) or isinstance(history, bool):
        raise TypeError(f"create {name!r}: history is a number, not {type(history).__name__}")
    if isinstance(capacity, int) and not 0 <= history <= capacity:
        raise ArgumentError(
            f"create {name!r}: asked for a history of {history} messages, the most is the "
            f"capacity, {capacity}"
        )
    limit, shape = limits(name, codec, capacity, largest, memory, 0)
    if memory is None:
        limit, shape = limits(
            name, codec, min(capacity + history * waits + 2, ends.CAPACITY_MOST), largest, memory, 0
        )
    flags = ends.TOPIC | ends.SLOW_WAITS * waits | ends.OBSERVED * observers
    whole: Shape = (capacity, 0, shape[2], shape[3], shape[4], flags, history)
    if not ends.size(whole):
        raise ArgumentError(f"create {name!r}: no topic can be so large")
    return limit, whole


def make(
    kind: str,
    name: str | None,
    codec: Codec,
    facts: Facts,
    shape: Shape,
    *,
    exist_ok: bool,
    inheritable: bool,
    security: Security | str | bytes | None,
) -> tuple[Section, View]:
    """A section with an empty channel, or an old one that has the name (``section.created``)."""
    from memsection._native import ends
    from memsection.content import schema

    whole = {"kind": kind, "layout": results.LAYOUT, "shape": list(shape), **codec.facts(), **facts}
    return schema.make(
        name,
        ends.size(shape),
        whole,
        exist_ok=exist_ok,
        inheritable=inheritable,
        security=security,
        fill=lambda unwritten: ends.format(unwritten.memory, shape),
    )


def number(section: Section, facts: Facts, key: str, least: int) -> int:
    """A number of the description, checked."""
    value = facts.get(key)
    if type(value) is not int or not least <= value < 1 << 62:
        raise CorruptError(f"open {section.name!r}: the description says {key} {str(value)[:20]}")
    return value


def look(
    section: Section,
    kind: str,
    asked: Codec | None,
    version: int | None,
    others: Facts,
    *,
    writes: bool = True,
) -> tuple[View, Codec, Facts, Shape]:
    """The channel in a section, compared with what was asked for: view, codec, facts, and how its
    memory is divided."""
    from memsection._native import ends
    from memsection.channels.specs import codec_in
    from memsection.content import schema

    if writes and section.access not in ("rw", "rwx"):
        raise AccessError(
            f"open {section.name!r}: a channel's ends write to it, and this handle permits"
            f" {section.access or 'nothing'!r}"
        )
    view, facts, size = schema.attach(section, kind, access=None if writes else "r")
    if facts.get("layout") != results.LAYOUT:
        raise CorruptError(
            f"open {section.name!r}: its layout is version {str(facts.get('layout'))[:20]}, this "
            f"library"
            f" knows version {results.LAYOUT}"
        )
    found = codec_in(facts)
    numbers = {
        key: number(section, facts, key, least)
        for key, least in (
            ("capacity", 1),
            ("largest", 1),
            ("history" if kind == "topic" else "redeliver", 0),
            ("version", 0),
        )
    }
    schema.compare(
        section,
        {"spec": None if asked is None else asked.shown(), "version": version, **others},
        {
            "spec": found.shown(),
            **{key: facts.get(key) for key in ("overflow", "slow", "observers") if key in facts},
            **numbers,
        },
    )
    given = facts.get("shape")
    if (
        not isinstance(given, list)
        or len(given) != NUMBERS[kind]
        or any(type(one) is not int or not 0 <= one < 1 << 46 for one in given)
        or given[0] != numbers["capacity"]
    ):
        raise CorruptError(f"open {section.name!r}: the description of its memory is damaged")
    shape: Any = tuple(given)
    if max(*shape[:4], *shape[5:]) >= 1 << 31 or not 0 < ends.size(shape) <= size:
        raise CorruptError(
            f"open {section.name!r}: it has {size} bytes, which is not what its description says"
        )
    if kind == "topic":
        _check_topic(section, facts, shape)
    if type(facts.get("overflow")) is not bool:
        raise CorruptError(
            f"open {section.name!r}: the description says overflow "
            f"{str(facts.get('overflow'))[:20]}"
        )
    return view, asked or found, facts, shape


def _check_topic(section: Section, facts: Facts, shape: tuple[int, ...]) -> None:
    from memsection._native import ends

    flags = (
        ends.TOPIC
        | ends.SLOW_WAITS * (facts.get("slow") == "wait")
        | ends.OBSERVED * (facts.get("observers") is True)
    )
    if (
        facts.get("slow") not in ("drop", "wait")
        or type(facts.get("observers")) is not bool
        or shape[5] != flags
        or shape[6] != facts["history"]
    ):
        raise CorruptError(f"open {section.name!r}: the description of the topic is damaged")


def require_own(section: Section, spec: Spec | None) -> None:
    """A channel of objects of another user's is opened only by who says so: its senders can run
    code in receivers."""
    if spec is object:
        return
    from memsection.api.security import is_written_by_this_user_alone

    if not is_written_by_this_user_alone(section):
        raise AccessError(
            f"open {section.name!r}: it carries objects, and other users may write to it: whoever "
            f"sends to it can"
            " run code in its receivers; to open it all the same, give object as the spec"
        )


def overflow_names(section: Section) -> str:
    """What the names of memory for messages that do not fit begin with: where the channel's own
    name is."""
    name = section.name or ""
    return ("Global\\" if name.startswith("Global\\") else "") + _OVERFLOW


def overflow_security(section: Section) -> Security | None:
    """Who may open such memory: who may read the channel.  Another user's channel has a global
    name."""
    if not (section.name or "").startswith("Global\\"):
        return None
    from memsection.api.security import for_readers_of

    return for_readers_of(section)


__all__ = [
    "limits",
    "limits_of_service",
    "look",
    "make",
    "number",
    "overflow_names",
    "overflow_security",
    "require_own",
    "room_for",
    "shape_of",
    "topic_limits",
]
