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
from memsection.vocabulary.errors import AccessError, CorruptError
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

NUMBERS = {"queue": 5, "topic": 7, "service": 8}  #: of the shape in a description
_OVERFLOW = "memsection-message-"


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
    "look",
    "make",
    "number",
    "open_section",
    "overflow_names",
    "overflow_security",
    "require_own",
]
