# SPDX-License-Identifier: MIT
"""What the bytes of a section mean, written down in the section itself.

The last pages of a section made by ``arrays``, ``records``, ``latest``, ``arrow`` or ``pickling``
hold its description: a JSON text and, at the very end, a footer of 64 bytes.  The data itself
begins at offset 0, so a program that knows nothing of this can map it.  This file owns the
description and the description of types; what is done with the data is the business of those
modules.

A description can have been written by anybody: it is data, checked here, and never code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from memsection.api.operations import whole
from memsection.api.process import Process
from memsection.api.section import Section
from memsection.api.security import Security
from memsection.api.view import View, publish, published
from memsection.vocabulary import log
from memsection.vocabulary import protection as p
from memsection.vocabulary.errors import AccessError, ArgumentError, CorruptError, Error
from memsection.vocabulary.protection import PAGE_SIZE
from memsection.vocabulary.text import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.vocabulary.access_words import SectionAccess

MAGIC = b"MSschema"
BEING_MADE = b"MSmaking"  #: in the place of MAGIC until the data is complete
#: magic, version, crc32 of the text, its length, bytes of data
FOOTER = struct.Struct("<8sIIQQ32x")
VERSION = 1
LONGEST_TEXT = 1 << 20
DEEPEST_TEXT = 100  #: lists and objects in one another: 16 types need 50
LONGEST_EMPTY = 1 << 16  #: lists in a field without values
LARGE = 1 << 16  #: bytes from which on a way round page faults pays
PATIENCE = 10.0  #: seconds for which an opener waits for the one who makes the object
UNMARKED_PATIENCE = 1.0  #: the same while nothing says that anybody makes it

Facts = dict[str, Any]

# ---------------------------------------------------------------------- types

_SCALAR = re.compile(
    r"[<>|](b1|[iu](1|2|4|8)|f(2|4|8|12|16)|c(8|16|24|32)|[SV][1-9]\d{0,9}|U[1-9]\d{0,8}|"
    r"[mM]8(\[\d{0,9}(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)\Z"
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value, in the array interface's spelling: ``<f8``, ``|S16``."""

    code: str

    @property
    def size(self) -> int:
        digits = re.match(r"\d+", self.code[2:])
        count = int(digits[0]) if digits else 0
        return 4 * count if self.code[1] == "U" else count


@dataclass(frozen=True, slots=True)
class Repeat:
    """A fixed number of values, last index fastest."""

    of: Type
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return self.of.size * prod(self.shape)


@dataclass(frozen=True, slots=True)
class Field:
    """A named value at an offset."""

    name: str
    type: Type
    offset: int


@dataclass(frozen=True, slots=True)
class Struct:
    """Named values at offsets."""

    fields: tuple[Field, ...]
    size: int


Type = Scalar | Repeat | Struct


def to_json(kind: Type) -> Any:
    """A type as JSON has it."""
    if isinstance(kind, Scalar):
        return kind.code
    if isinstance(kind, Repeat):
        return {"of": to_json(kind.of), "shape": list(kind.shape)}
    return {
        "fields": [[field.name, to_json(field.type), field.offset] for field in kind.fields],
        "size": kind.size,
    }


class UndescribedError(ArgumentError, CorruptError):
    """A section without a description: nobody damaged it, it is something else than what was asked
    for."""

    ntstatus = ArgumentError.ntstatus


def from_json(value: Any, depth: int = 0) -> Type:
    """The type that JSON describes; CorruptError if that is none."""
    if isinstance(value, str) and _SCALAR.match(value):
        return Scalar(value)
    if isinstance(value, dict) and depth < 16:
        if (
            value.keys() == {"of", "shape"}
            and is_shape(value["shape"])
            and _is_short_where_empty(value["shape"])
        ):
            return Repeat(from_json(value["of"], depth + 1), tuple(value["shape"]))
        if (
            value.keys() == {"fields", "size"}
            and _is_count(value["size"])
            and value["size"]
            and isinstance(value["fields"], list)
        ):
            fields = tuple(_field(one, value["size"], depth) for one in value["fields"])
            if len({field.name for field in fields}) == len(fields):
                return Struct(fields, value["size"])
    raise CorruptError(f"description: {shown(value, 80)} is not a type")


def _field(value: Any, size: int, depth: int) -> Field:
    if (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and _is_count(value[2])
    ):
        kind = from_json(value[1], depth + 1)
        if value[2] + kind.size <= size:
            return Field(value[0], kind, value[2])
    raise CorruptError(
        f"description: {shown(value, 80)} is not a field of a record of {size} bytes"
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def is_shape(value: Any) -> bool:
    """Whether JSON gave the shape of an array."""
    return (
        isinstance(value, list)
        and len(value) <= 32
        and all(map(_is_count, value))
        and prod(length or 1 for length in value) < 1 << 62
    )


def _is_short_where_empty(shape: list[int]) -> bool:
    """Whether a shape without values is no long walk: nothing bounds it otherwise, as the memory
    does for values."""
    return 0 not in shape or prod(length or 1 for length in shape) <= LONGEST_EMPTY


def fingerprint(kind: Type) -> str:
    """Sixteen hexadecimal digits that are equal for equal layouts: names, types, offsets, size."""
    return hashlib.sha256(text_of(to_json(kind))).hexdigest()[:16]


# ---------------------------------------------------------------------- the description in a
# section


def text_of(facts: Any) -> bytes:
    """JSON in the one spelling that is used here."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _room(text: bytes) -> int:
    """Bytes of whole pages for the description."""
    return -(-(len(text) + FOOTER.size) // PAGE_SIZE) * PAGE_SIZE


class UnwrittenSection:
    """Memory of a new section that nobody has used yet."""

    def __init__(self, section: Section, memory: memoryview) -> None:
        self.memory = memory
        try:
            self._fd = section.fileno()
        except Error:
            self._fd = -1  # a system without descriptors

    def write(self, offset: int, data: memoryview) -> None:
        """Put bytes there."""
        done = 0
        if len(data) >= LARGE and self._fd >= 0:
            # Through the descriptor: the system fills a page it has just made without clearing it
            # first and without a fault for each, in less than half the time.
            while done < len(data):
                done += os.pwrite(  # type: ignore[attr-defined, unused-ignore]  # where there is a descriptor
                    self._fd, data[done:], offset + done
                )
        self.memory[offset + done : offset + len(data)] = data[done:]


@whole
def make(
    name: str | None,
    size: int,
    facts: Facts,
    *,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
    content: Iterable[tuple[int, memoryview]] = (),
    fill: Callable[[UnwrittenSection], object] | None = None,
) -> tuple[Section, View]:
    """A new section with ``size`` bytes of data and a description, and its view.

    Nobody who looks at the description sees the data before it is complete: bytes at offsets, or
    whatever ``fill`` does.  With ``exist_ok`` the section may be an old one (``section.created``):
    then nothing is written, and comparing the facts is the caller's business.
    """
    text = text_of(facts)
    if len(text) > LONGEST_TEXT:
        raise ArgumentError(
            f"create {name!r}: a description of {len(text)} bytes, at most {LONGEST_TEXT} are "
            f"possible"
        )
    # Whatever the size of one that exists: what is in it tells more of the difference than its size
    # does. Whole words, so that the magic has a place where it can be written at once.
    whole_size = -(-max(size, 1) // 8) * 8 + _room(text)
    section = Section._create(
        name, whole_size, "rw", exist_ok, inheritable, security, p.SEC_COMMIT, 0, None
    )
    try:
        view = section.map()
        if section.created:
            with memoryview(view) as whole:
                end = len(whole)
                FOOTER.pack_into(whole, end - FOOTER.size, BEING_MADE, VERSION, 0, 0, 0)
                with whole[:size] as memory:
                    unwritten = UnwrittenSection(section, memory)
                    for offset, data in content:
                        unwritten.write(offset, data)
                    if fill is not None:
                        fill(unwritten)
                whole[end - FOOTER.size - len(text) : end - FOOTER.size] = text
                # The rest of the footer first: the magic says that all of it is there.
                rest = FOOTER.pack(MAGIC, VERSION, zlib.crc32(text), len(text), size)
                whole[end - FOOTER.size + 8 : end] = rest[8:]
                publish(whole, end - FOOTER.size, MAGIC)
    except BaseException:
        section.close()
        raise
    return section, view


def read(whole: memoryview) -> tuple[Facts, int] | None:
    """The description at the end of a section, and how many bytes of data there are; None while
    there is none yet.

    Raises:
        UndescribedError: What is there is no description.
        CorruptError: It is a damaged one, or one of another version.
    """
    end = len(whole) - FOOTER.size
    if end < 0:
        raise UndescribedError("description: the section is too small for one")
    magic = published(whole, end)  # before the rest, which is complete only if the magic says so
    if magic in (bytes(8), BEING_MADE):
        return None
    if magic != MAGIC:
        raise UndescribedError("description: there is none")
    _, version, checksum, length, size = FOOTER.unpack_from(whole, end)
    if version != VERSION:
        raise CorruptError(
            f"description: its version is {version}, this library knows version {VERSION}"
        )
    if length > min(end, LONGEST_TEXT) or size > end - length:
        raise CorruptError(
            f"description: {length} bytes of text and {size} of data in a section of {len(whole)}"
        )
    text = bytes(whole[end - length : end])
    facts = _facts_in(text) if zlib.crc32(text) == checksum else None
    if facts is None:
        raise CorruptError("description: its text is damaged")
    return facts, size


def _facts_in(text: bytes) -> Facts | None:
    """What a text says; None for no JSON, and for JSON that could not be worked with or shown."""
    try:
        facts = json.loads(text.decode())
        text_of(facts)  # half characters, which JSON's escapes can spell, are in no text
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) and _is_shallow(facts) else None


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


def attach(
    section: Section, kind: str, *, access: SectionAccess | None = None
) -> tuple[View, Facts, int]:
    """Map a section that should hold a ``kind``: the view, its facts, and how many bytes of data it
    has.

    Waits for the one who is just making it.

    Raises:
        CorruptError: The description is no valid one, or not complete in time.
        UndescribedError: There is none.
        ArgumentError: It describes something else.
    """
    view = section.map(access=access)
    with memoryview(view) as whole:
        try:
            facts, size = _awaited(section, whole)
        except UndescribedError:
            raise UndescribedError(
                f"open {section.name!r}: asked for a section with {kind}, "
                + _undescribed(section, whole)
            ) from None
    if facts.get("kind") != kind:
        raise ArgumentError(
            f"open {section.name!r}: asked for {kind}, found {shown(facts.get('kind'), 40)}"
        )
    return view, facts, size


def _undescribed(section: Section, whole: memoryview) -> str:
    """What to say of a section without a description: some other one, or one whose maker did not
    come to write it."""
    if not any(whole[-FOOTER.size :]):
        with contextlib.suppress(Error), Process(os.getpid()) as me:
            maker = next(
                (held.creator_pid for held in me.sections() if held.handle == section.handle), 0
            )
            if maker not in (0, os.getpid()) and _lives(maker):
                return (
                    f"and it is not complete, or something else: process {maker}, which made it, "
                    f"is alive and has "
                    "described nothing in it so far"
                )
    return "it has no description of what is in it"


def _lives(pid: int) -> bool:
    with Process(pid) as process:
        return process.alive


def _awaited(section: Section, whole: memoryview) -> tuple[Facts, int]:
    """The description, once its maker has written it."""
    begun = time.monotonic()
    while (found := read(whole)) is None:
        marked = bytes(whole[-FOOTER.size :][:8]) == BEING_MADE
        # Without a mark it may be that its maker has not begun; more probably it is some other
        # section.
        if time.monotonic() - begun > (PATIENCE if marked else min(PATIENCE, UNMARKED_PATIENCE)):
            if not marked:
                raise UndescribedError("description: there is none yet")
            raise CorruptError(
                f"open {section.name!r}: it is not complete after {PATIENCE:g} s: whoever makes it "
                f"has "
                "ended, or is stopped"
            )
        time.sleep(0.0005)
    return found


@contextlib.contextmanager
def explained(name: str, access: str) -> Iterator[None]:
    """Where a replica is opened to be written to, say in the refusal why that is, and what to do
    instead."""
    try:
        yield
    except AccessError as failure:
        origin = _origin(name) if "w" in access else None
        if origin is None:
            raise
        raise AccessError(
            f"open {name!r}: it is a replica of {shown(origin)!r}, which only that host writes: "
            f"open it to read; "
            "what this host has to say it publishes itself (memsection.mirror)",
            ntstatus=failure.ntstatus,
        ) from None


def _origin(name: str) -> str | None:
    """What the section of this name is a replica of, as it says itself."""
    try:
        with Section.open(name, access="r") as section:
            origin = (describe(section) or {}).get("replica")
    except Error:
        return None
    return origin if isinstance(origin, str) and len(origin) < 400 else None


def describe(section: Section) -> Facts | None:
    """What a section says of its content, or None: for tools that show any section.

    Rights:
        ``SECTION_QUERY`` and ``SECTION_MAP_READ``.

    Raises:
        AccessError: The handle lacks them.
    """
    try:
        with section.map(access="r") as view, memoryview(view) as whole:
            found = read(whole)
    except UndescribedError:
        return None
    except CorruptError as failure:
        log.tell(log.INFO, "passed over what %r says of its content: %s", section, failure)
        return None
    return None if found is None else {**found[0], "size": found[1]}


def compare(section: Section, asked: Mapping[str, object], found: Mapping[str, object]) -> None:
    """ArgumentError that shows both sides, unless everything asked for (not None) was found."""
    wrong = [key for key, value in asked.items() if value is not None and value != found[key]]
    if wrong:
        raise ArgumentError(
            f"open {section.name!r}: asked for "
            + ", ".join(f"{key} {asked[key]}" for key in wrong)
            + "; found "
            + ", ".join(f"{key} {shown(found[key], 500)}" for key in wrong)
        )
