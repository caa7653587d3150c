# SPDX-License-Identifier: MIT
"""Making and opening the section of a channel: its size, its description, and whether it is what
was asked for."""

from __future__ import annotations

from functools import cache, partial
from weakref import ref

from memsection._native import ends
from memsection.api.descriptors import with_descriptors
from memsection.api.operations import settled
from memsection.channels import results
from memsection.vocabulary.errors import AccessError, ArgumentError, CorruptError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from memsection.api.section import Section
    from memsection.api.security import Security
    from memsection.api.view import View
    from memsection.channels.base_codec import Codec, Spec
    from memsection.vocabulary.access_words import SectionAccess
    from memsection.vocabulary.structs import ObjectAttributes

    Facts = dict[str, Any]
    #: capacity, redeliver, small units, large units, bytes of a large one; then flags and history
    #: of a topic; then calls
    Shape = tuple[int, ...]

DEFAULT_LARGEST = 1 << 16
NUMBERS = {"queue": 5, "topic": 7, "service": 8}  #: of the shape in a description
_PAGE = 4096
_OVERFLOW = "memsection-message-"
_IN_HAND = 256  # calls that servers may have in hand at least


@cache
@settled
def _schema() -> Any:
    from memsection.content import schema

    return schema


@cache
@settled
def _endpoint() -> Any:
    from memsection.content import endpoint

    return endpoint


def open_section(name: str, access: SectionAccess, timeout: float | None) -> Section:
    """As ``content.endpoint.open_section``, which is imported when a channel is opened."""
    found: Section = _endpoint().open_section(name, access, timeout)
    return found


def room_for(largest: int) -> int:
    """Bytes of the place that a message of this length may need with what stands before it."""
    return largest + largest // 32 + _PAGE


def shape_of(
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
    for what, value, least in (
        ("capacity", capacity, 1),
        ("largest", largest, 1),
        ("memory", memory, 1),
        ("redeliver", redeliver, 0),
    ):
        if value is None and what in ("largest", "memory"):
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(
                f"{about('create', name)}: {what} is a number, not {type(value).__name__}"
            )
        if value < least:
            raise ArgumentError(
                f"{about('create', name)}: asked for {what} {value}, the least is {least}"
            )
    if capacity > ends.CAPACITY_MOST:
        raise ArgumentError(
            f"{about('create', name)}: asked for capacity {capacity}, the most is "
            f"{ends.CAPACITY_MOST}"
        )
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
    shape = shape_of(capacity, redeliver, largest, memory, codec.fixed)
    if not ends.size(shape):
        raise ArgumentError(
            f"{about('create', name)}: capacity {capacity}, messages of {largest} bytes, {memory} "
            "bytes of memory:"
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
    if not isinstance(retry, int) or isinstance(retry, bool):
        raise TypeError(f"{about('create', name)}: retry is a number, not {type(retry).__name__}")
    if retry < 0:
        raise ArgumentError(f"{about('create', name)}: asked for retry {retry}, the least is 0")
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
        raise ArgumentError(
            f"{about('create', name)}: capacity {capacity}: no service can be so large"
        )
    return limit, shape


def topic_limits(
    name: str | None, codec: Codec, facts: Facts, memory: int | None
) -> tuple[int, Shape]:
    """``largest`` and the shape of a topic's memory, from what the user gave as its facts.

    Every position has had a message after the first lap, and in its place the next one is made: two
    more than there are positions, and, where senders wait, one for each message of the history.
    """
    capacity, largest, history = facts["capacity"], facts["largest"], facts["history"]
    waits = facts["slow"] == "wait"
    if not isinstance(history, int) or isinstance(history, bool):
        raise TypeError(
            f"{about('create', name)}: history is a number, not {type(history).__name__}"
        )
    if isinstance(capacity, int) and not 0 <= history <= capacity:
        raise ArgumentError(
            f"{about('create', name)}: asked for a history of {history} messages, the most is the "
            f"capacity, {capacity}"
        )
    limit, shape = limits(name, codec, capacity, largest, memory, 0)
    if memory is None:
        limit, shape = limits(
            name, codec, min(capacity + history * waits + 2, ends.CAPACITY_MOST), largest, memory, 0
        )
    flags = ends.TOPIC | ends.SLOW_WAITS * waits | ends.OBSERVED * facts["observers"]
    whole: Shape = (capacity, 0, shape[2], shape[3], shape[4], flags, history)
    if not ends.size(whole):
        raise ArgumentError(f"{about('create', name)}: no topic can be so large")
    return limit, whole


def make(
    kind: str, attributes: ObjectAttributes | None, codec: Codec, facts: Facts, shape: Shape
) -> tuple[Section, View]:
    """A section with an empty channel, or an old one that has the name (``section.created``)."""
    schema = _schema()
    whole = {"kind": kind, "layout": results.LAYOUT, "shape": list(shape), **codec.facts(), **facts}
    made: tuple[Section, View] = schema.make(
        attributes,
        ends.size(shape),
        whole,
        fill=lambda unwritten: ends.format(unwritten.memory, shape),
    )
    return made


def number(section: Section, facts: Facts, key: str, least: int) -> int:
    """A number of the description, checked."""
    value = facts.get(key)
    if type(value) is not int or not least <= value < 1 << 62:
        raise CorruptError(
            f"{about('open', section.name)}: the description says {key} {str(value)[:20]}"
        )
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
    schema = _schema()
    if writes and section.access not in ("rw", "rwx"):
        raise AccessError(
            f"{about('open', section.name)}: a channel's ends write to it, and this handle permits"
            f" {section.access or 'nothing'!r}"
        )
    view, facts, size = schema.attach(section, kind, access=None if writes else "r")
    shape, numbers, needed = schema.remember(
        facts, ("channel", kind), lambda facts: _read_facts(section, kind, facts)
    )
    if asked is not None and asked.fixed is None and facts.get("spec") == asked.word:
        found = asked  # of these specs the word says all
    else:
        from memsection.channels.specs import codec_in

        found = codec_in(facts)
    if found is not asked or version is not None or others:
        schema.compare(
            section,
            {"spec": None if asked is None else asked.shown(), "version": version, **others},
            {
                "spec": found.shown(),
                **{
                    key: facts.get(key) for key in ("overflow", "slow", "observers") if key in facts
                },
                **numbers,
            },
        )
    if needed > size:
        raise CorruptError(
            f"{about('open', section.name)}: it has {size} bytes, which is not what its "
            "description says"
        )
    return view, asked or found, facts, shape


def _read_facts(section: Section, kind: str, facts: Facts) -> tuple[Shape, Facts, int]:
    """What a description says, checked as far as it depends on nothing else: how the memory is
    divided, the numbers that can be asked for, and how many bytes of memory there have to be."""

    if facts.get("layout") != results.LAYOUT:
        raise CorruptError(
            f"{about('open', section.name)}: its layout is version "
            f"{str(facts.get('layout'))[:20]}, this library"
            f" knows version {results.LAYOUT}"
        )
    numbers = {
        key: number(section, facts, key, least)
        for key, least in (
            ("capacity", 1),
            ("largest", 1),
            ("history" if kind == "topic" else "redeliver", 0),
            ("version", 0),
        )
    }
    shape, needed = _checked_shape(section, kind, facts)
    if kind == "topic":
        _check_topic(section, facts, shape)
    if type(facts.get("overflow")) is not bool:
        raise CorruptError(
            f"{about('open', section.name)}: the description says overflow "
            f"{str(facts.get('overflow'))[:20]}"
        )
    return shape, numbers, needed


def _checked_shape(section: Section, kind: str, facts: Facts) -> tuple[Shape, int]:
    """How the memory is divided, and how many bytes of it there have to be."""
    given = facts.get("shape")
    if (
        not isinstance(given, list)
        or len(given) != NUMBERS[kind]
        or any(type(one) is not int or not 0 <= one < 1 << 46 for one in given)
        or given[0] != facts["capacity"]
    ):
        raise CorruptError(
            f"{about('open', section.name)}: the description of its memory is damaged"
        )
    shape: Any = tuple(given)
    needed = 0 if max(*shape[:4], *shape[5:]) >= 1 << 31 else ends.size(shape)
    if not needed:
        raise CorruptError(
            f"{about('open', section.name)}: the description of its memory is damaged"
        )
    return shape, needed


def _check_topic(section: Section, facts: Facts, shape: tuple[int, ...]) -> None:
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
        raise CorruptError(
            f"{about('open', section.name)}: the description of the topic is damaged"
        )


def require_own(section: Section, spec: Spec | None) -> None:
    """A channel of objects of another user's is opened only by who says so: its senders can run
    code in receivers."""
    if spec is object:
        return
    from memsection.api.security import is_written_by_this_user_alone

    if not is_written_by_this_user_alone(section):
        raise AccessError(
            f"{about('open', section.name)}: it carries objects, and other users may write to it: "
            "whoever sends to it can"
            " run code in its receivers; to open it all the same, give object as the spec"
        )


def connect(
    channel: results.Channel, section: Section, facts: Facts, make: Callable[[], Any]
) -> Any:
    """The core that ``make`` gives, over a section that was just made or checked, and what the
    parts of its end share filled in."""
    channel.name = name = section.name
    channel.largest, channel.overflow = facts["largest"], facts["overflow"]
    channel.prefix = overflow_names(name)
    channel.security = partial(overflow_security, section)
    core = with_descriptors(section, make)
    channel.end = ref(core)
    return core


def descriptor(section: Section) -> int:
    """What the core needs of a section beside its memory; -1 on a system without descriptors."""
    return -1 if ends.BY_NAME else section.fileno()


def overflow_names(name: str | None) -> str:
    """What the names of memory for messages that do not fit begin with: where the channel's own
    name is."""
    return ("Global\\" if name and name.startswith("Global\\") else "") + _OVERFLOW


def overflow_security(section: Section) -> Security | None:
    """Who may open such memory: who may read the channel.  Another user's channel has a global
    name."""
    if not (section.name or "").startswith("Global\\"):
        return None
    from memsection.api.security import for_readers_of

    return for_readers_of(section)


__all__ = [
    "connect",
    "descriptor",
    "limits",
    "limits_of_service",
    "look",
    "make",
    "number",
    "open_section",
    "overflow_names",
    "overflow_security",
    "require_own",
    "room_for",
    "shape_of",
    "topic_limits",
]
