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
import os
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from memsection.api.attributes import section_attributes as section_attributes
from memsection.api.operations import whole
from memsection.api.process import Process
from memsection.api.section import Section
from memsection.api.view import View, publish, published
from memsection.content import growing
from memsection.content.facts import Facts as Facts
from memsection.content.facts import facts_in, known_facts
from memsection.content.facts import remember as remember
from memsection.content.facts import text_of as text_of
from memsection.content.value_types import Field as Field
from memsection.content.value_types import Repeat as Repeat
from memsection.content.value_types import Scalar as Scalar
from memsection.content.value_types import Struct as Struct
from memsection.content.value_types import Type as Type
from memsection.content.value_types import fingerprint as fingerprint
from memsection.content.value_types import from_json as from_json
from memsection.content.value_types import is_count
from memsection.content.value_types import is_shape as is_shape
from memsection.content.value_types import to_json as to_json
from memsection.vocabulary import log
from memsection.vocabulary import protection as p
from memsection.vocabulary.errors import AccessError, ArgumentError, CorruptError, Error
from memsection.vocabulary.protection import PAGE_SIZE
from memsection.vocabulary.text import about, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.vocabulary.access_words import SectionAccess
    from memsection.vocabulary.structs import ObjectAttributes

MAGIC = b"MSschema"
BEING_MADE = b"MSmaking"  #: in the place of MAGIC until the data is complete
#: magic, version, crc32 of the text, its length, bytes of data
FOOTER = struct.Struct("<8sIIQQ32x")
VERSION = 1
ROOM_BESIDE = PAGE_SIZE - FOOTER.size  #: bytes of text in the page of the footer
LONGEST_TEXT = 1 << 20
LARGE = 1 << 16  #: bytes from which on a way round page faults pays
_GLANCE = 1024  #: bytes that are read of a description to find out whether it is known
PATIENCE = 10.0  #: seconds for which an opener waits for the one who makes the object
UNMARKED_PATIENCE = 1.0  #: the same while nothing says that anybody makes it


# -------------------------------------------------------------------- the description in a section


def _room(text: bytes) -> int:
    """Bytes of whole pages for the description."""
    return -(-(len(text) + FOOTER.size) // PAGE_SIZE) * PAGE_SIZE


class UndescribedError(ArgumentError, CorruptError):
    """A section without a description: nobody damaged it, it is something else than what was asked
    for."""

    ntstatus = ArgumentError.ntstatus


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
    attributes: ObjectAttributes | None,
    size: int,
    facts: Facts,
    *,
    content: Iterable[tuple[int, memoryview]] = (),
    fill: Callable[[UnwrittenSection], object] | None = None,
    rows: int | None = None,
) -> tuple[Section, View]:
    """A new section with ``size`` bytes of data and a description, and its view.

    ``attributes`` are what ``section_attributes`` gives.  Nobody who looks at the description sees
    the data before it is complete: bytes at offsets, or whatever ``fill`` does.  With
    ``exist_ok`` among the attributes the section may be an old one (``section.created``):
    then nothing is written, and comparing the facts is the caller's business.  With ``rows`` it can
    grow: that many of ``facts["maximum"]`` are there, and for the others memory is reserved only.
    """
    text = text_of(facts)
    if len(text) > LONGEST_TEXT:
        raise ArgumentError(
            f"create {attributes and attributes.ObjectName!r}: a description of {len(text)} bytes,"
            f" at most {LONGEST_TEXT} are possible"
        )
    # Whatever the size of one that exists: what is in it tells more of the difference than its size
    # does. Whole words, so that the magic has a place where it can be written at once.
    whole_size = -(-max(size, 1) // 8) * 8 + _room(text)
    kind = p.SEC_COMMIT
    if rows is not None:
        whole_size, kind = whole_size + growing.WORD, p.SEC_RESERVE
    section = Section._create(attributes, whole_size, "rw", kind)
    try:
        view = section.map()
        if section.created:
            if rows is not None:
                growing.begin(view, size, rows, facts["maximum"])
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


def is_footer(tail: bytes | None) -> bool:
    """Whether the last bytes of a section are those of a description."""
    return tail is not None and tail[-FOOTER.size :].startswith(MAGIC)


def read(whole: memoryview, view: View | None = None) -> tuple[Facts, int] | None:
    """The description at the end of a section, and how many bytes of data there are; None while
    there is none yet.

    Of what can grow it is that of its present state.  ``view`` is what the memory is of, where it
    may be reserved memory.

    Raises:
        UndescribedError: What is there is no description.
        CorruptError: It is a damaged one, or one of another version.
    """
    end = len(whole) - FOOTER.size
    if end < 0:
        raise UndescribedError("description: the section is too small for one")
    if view is not None and not view._is_committed(end, len(whole)):
        return None
    magic = published(whole, end)  # before the rest, which is complete only if the magic says so
    if magic in (bytes(8), BEING_MADE):
        return None
    if magic != MAGIC:
        raise UndescribedError("description: there is none")
    if view is not None and not view._is_whole:
        length = FOOTER.unpack_from(whole, end)[3]
        if ROOM_BESIDE < length <= end and not view._is_committed(end - length, end):
            raise CorruptError(f"description: no memory where its {length} bytes should be")
    facts, size = _check_footer(whole[end:], end, lambda start: whole[start:end])
    if view is None or "maximum" not in facts:
        return facts, size
    rows_at = _place_of_rows(facts, size, end)
    rows = growing.rows_there(view, whole[: rows_at + growing.WORD], size, facts["maximum"])
    return _present(facts, size, rows)


def _check_footer(footer: Any, end: int, text_from: Callable[[int], Any]) -> tuple[Facts, int]:
    """What a footer and the text before it say, and how many bytes of data there are."""
    _, version, checksum, length, size = FOOTER.unpack(footer)
    if version != VERSION:
        raise CorruptError(
            f"description: its version is {version}, this library knows version {VERSION}"
        )
    if length > min(end, LONGEST_TEXT) or size > end - length:
        raise CorruptError(
            f"description: {length} bytes of text and {size} of data in a section of "
            f"{end + FOOTER.size}"
        )
    text = bytes(text_from(end - length))
    facts = facts_in(text) if zlib.crc32(text) == checksum else None
    if facts is None:
        raise CorruptError("description: its text is damaged")
    return facts, size


def _place_of_rows(facts: Facts, size: int, end: int) -> int:
    """Where the number of rows is of what can grow."""
    maximum, shape = facts["maximum"], facts.get("shape")
    if not is_count(maximum) or not is_shape(shape) or not shape or shape[0] != maximum:
        raise CorruptError(f"description: {shown(maximum, 40)} rows of shape {shown(shape, 80)}")
    at = growing.place(size)
    if maximum < 1 or at + growing.WORD > end:
        raise CorruptError(f"description: {size} bytes of data and no room for their number")
    return at


def _present(facts: Facts, size: int, rows: int) -> tuple[Facts, int]:
    """The facts of what can grow, with the rows there are now in the place of all there may be."""
    return {**facts, "shape": [rows, *facts["shape"][1:]]}, size // facts["maximum"] * rows


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
    found = _known_description(section, len(view))
    if found is None:
        with memoryview(view) as whole:
            try:
                found = _await_description(section, view, whole)
            except UndescribedError:
                raise UndescribedError(
                    f"{about('open', section.name)}: asked for a section with {kind}, "
                    + _explain_missing(section, view, whole)
                ) from None
    facts, size = found
    if facts.get("kind") != kind:
        raise ArgumentError(
            f"{about('open', section.name)}: asked for {kind}, found {shown(facts.get('kind'), 40)}"
        )
    return view, facts, size


def _known_description(section: Section, whole_size: int) -> tuple[Facts, int] | None:
    """The description, where it is short and says what another one said before: read in one system
    call, where touching its page would cost a fault and some more when it is unmapped.

    None wherever there is more to be found out, to be looked at, or to be said.
    """
    if sys.platform != "linux" or whole_size < PAGE_SIZE:
        return None
    try:
        tail = os.pread(section.fileno(), _GLANCE, whole_size - _GLANCE)
    except OSError:
        return None
    at = _GLANCE - FOOTER.size
    if len(tail) != _GLANCE:
        return None
    magic, version, checksum, length, size = FOOTER.unpack_from(tail, at)
    if magic != MAGIC or version != VERSION or length > at:
        return None
    if size > whole_size - FOOTER.size - length:
        return None
    # The text may have been read before the magic was there; then this is not its checksum.
    facts = known_facts(tail[at - length : at], checksum)
    return None if facts is None or "maximum" in facts else (facts, size)


def _explain_missing(section: Section, view: View, whole: memoryview) -> str:
    """What to say of a section without a description: some other one, or one whose maker did not
    come to write it."""
    end = max(len(whole) - FOOTER.size, 0)
    if not view._is_committed(end, len(whole)) or not any(whole[end:]):
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


def _is_marked(view: View, whole: memoryview) -> bool:
    """Whether somebody says that the section is being made."""
    end = len(whole) - FOOTER.size
    return view._is_committed(end, len(whole)) and bytes(whole[end:][:8]) == BEING_MADE


def _await_description(section: Section, view: View, whole: memoryview) -> tuple[Facts, int]:
    """The description, once its maker has written it."""
    begun = time.monotonic()
    while (found := read(whole, view)) is None:
        marked = _is_marked(view, whole)
        # Without a mark it may be that its maker has not begun; more probably it is some other
        # section.
        if time.monotonic() - begun > (PATIENCE if marked else min(PATIENCE, UNMARKED_PATIENCE)):
            if not marked:
                raise UndescribedError("description: there is none yet")
            raise CorruptError(
                f"{about('open', section.name)}: it is not complete after {PATIENCE:g} s: whoever "
                "makes it has "
                "ended, or is stopped"
            )
        time.sleep(0.0005)
    return found


def explain(failure: AccessError, name: str, access: str) -> None:
    """Where a replica was opened to be written to, raise a refusal that says why that is, and what
    to do instead."""
    origin = _origin(name) if "w" in access else None
    if origin is not None:
        raise AccessError(
            f"{about('open', name)}: it is a replica of {shown(origin)!r}, which only that host "
            "writes: open it to read; "
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
            found = read(whole, view)
    except UndescribedError:
        return None
    except CorruptError as failure:
        log.tell(log.INFO, "passed over what %r says of its content: %s", section, failure)
        return None
    return None if found is None else _copy_of(found[0]) | {"size": found[1]}


def glance(section: Section) -> Facts | None:
    """As ``describe``, for lists of many: without a view where the system has descriptors.

    What it says of what can grow is not to be touched without ``describe``.

    Rights:
        As for ``describe``.

    Raises:
        AccessError: The handle lacks them.
    """
    if sys.platform != "linux":
        return describe(section)
    fd, end = section.fileno(), section.size - FOOTER.size
    # The magic first, and the rest when it says that all of it is there.
    if end < 0 or os.pread(fd, len(MAGIC), end) != MAGIC:
        return None
    try:
        facts, size = _check_footer(
            os.pread(fd, FOOTER.size, end), end, lambda start: os.pread(fd, end - start, start)
        )
        if "maximum" in facts:
            rows = os.pread(fd, growing.WORD, _place_of_rows(facts, size, end))
            facts, size = _present(facts, size, int.from_bytes(rows, sys.byteorder))
    except CorruptError as failure:
        log.tell(log.INFO, "passed over what %r says of its content: %s", section, failure)
        return None
    return _copy_of(facts) | {"size": size}


def _copy_of(facts: Facts) -> Facts:
    """A copy of them, which the caller may change."""
    return {key: _copy_of_value(value) for key, value in facts.items()}


def _copy_of_value(value: Any) -> Any:
    if isinstance(value, dict):
        return _copy_of(value)
    return [_copy_of_value(inner) for inner in value] if isinstance(value, list) else value


def compare(section: Section, asked: Mapping[str, object], found: Mapping[str, object]) -> None:
    """ArgumentError that shows both sides, unless everything asked for (not None) was found."""
    wrong = [key for key, value in asked.items() if value is not None and value != found[key]]
    if wrong:
        raise ArgumentError(
            f"{about('open', section.name)}: asked for "
            + ", ".join(f"{key} {asked[key]}" for key in wrong)
            + "; found "
            + ", ".join(f"{key} {shown(found[key], 500)}" for key in wrong)
        )
