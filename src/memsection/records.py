# SPDX-License-Identifier: MIT
"""Typed records in sections: a dataclass, a ctypes structure or a NumPy dtype as the layout of the
bytes.

A layout has a fingerprint, which is compared when a section is opened, and prints itself as C and
C# declarations for programs on the other side (``layouts``).  Records lie at offset 0, one after
the other.  Changing a record is not atomic: a value that one writes while others read is
``latest``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from memsection.api.operations import whole
from memsection.api.section import Section
from memsection.api.security import Security
from memsection.content import schema
from memsection.content.endpoint import open_section, open_section_async
from memsection.content.facts import version_number
from memsection.content.layouts import (
    Layout,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    layout,
    uint8,
    uint16,
    uint32,
    uint64,
)
from memsection.content.record_sequence import Record, Records, records_in
from memsection.vocabulary.arguments import object_name, whole_number
from memsection.vocabulary.errors import ArgumentError
from memsection.vocabulary.text import about

if TYPE_CHECKING:
    from memsection.content.layouts import Spec
    from memsection.vocabulary.access_words import SectionAccess

__all__ = [
    "Layout",
    "Records",
    "create",
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "layout",
    "from_section",
    "open",
    "open_async",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]


@overload
def create(
    name: str | None,
    spec: type[Record],
    count: int = 1,
    *,
    version: int = 0,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Records[Record]: ...
@overload
def create(
    name: str | None,
    spec: Spec,
    count: int = 1,
    *,
    version: int = 0,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Records[Any]: ...


@whole
def create(
    name: str | None,
    spec: Spec,
    count: int = 1,
    *,
    version: int = 0,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Records[Any]:
    """Make records of zeros.

    Args:
        name: What other processes open them by; None for a section that is only passed on.
        spec: The layout: a dataclass, a ctypes structure, a structured dtype.
        count: How many.
        version: A number of the program's own, for meanings that change while the layout does not.
        exist_ok: Whether records that have the name already are opened instead, if they are as
            asked for.
        inheritable: Whether child processes get the handle.
        security: Who may open them by name; this user alone when omitted.

    Rights:
        As for ``Section.create``.

    Raises:
        ExistsError: The name is taken (FileExistsError).
        ArgumentError: No such layout can be; or what exists differs, and the error shows both
            (ValueError).
        CommitError: More memory than there is (MemoryError).
    """
    object_name(name)
    kind, count = layout(spec), whole_number(count, "count")
    if count < 1:
        raise ArgumentError(
            f"{about('create', name)}: asked for {count} records, there is at least one"
        )
    facts = {
        "kind": "record",
        "name": kind.name,
        "type": schema.to_json(kind.struct),
        "count": count,
        "fingerprint": kind.fingerprint,
        "version": version_number(version),
    }
    section, view = schema.make(
        schema.section_attributes(
            name, exist_ok=exist_ok, inheritable=inheritable, security=security
        ),
        kind.size * count,
        facts,
    )
    if section.created:
        return Records(section, view, kind, count, version)
    return from_section(section, kind, count=count, version=version)


@overload
def open(
    name: str,
    spec: type[Record],
    *,
    access: SectionAccess = "rw",
    count: int | None = None,
    version: int | None = None,
    timeout: float | None = 0,
) -> Records[Record]: ...
@overload
def open(
    name: str,
    spec: Spec | None = None,
    *,
    access: SectionAccess = "rw",
    count: int | None = None,
    version: int | None = None,
    timeout: float | None = 0,
) -> Records[Any]: ...


@whole
def open(
    name: str,
    spec: Spec | None = None,
    *,
    access: SectionAccess = "rw",
    count: int | None = None,
    version: int | None = None,
    timeout: float | None = 0,
) -> Records[Any]:
    """Open records by their name.

    Args:
        name: As given to ``create``.
        spec: The layout that they should have; the one they have when omitted.
        access: ``"r"``, ``"rw"`` or ``"c"``: copy-on-write.
        count: How many they should be.
        version: What it should be.
        timeout: Seconds to wait until something has the name; not at all when omitted, for ever
            when None.

    Rights:
        As for ``Section.open`` with this access.

    Raises:
        NotFoundError: Nothing has this name (FileNotFoundError).
        NameTimeoutError: Nothing had it within the time; a ``NotFoundError`` and a
            ``WaitTimeoutError``.
        AccessError: It does not grant the access (PermissionError).
        ArgumentError: They are not as they should be, and the error shows both; or there are none
            (ValueError).
        CorruptError: The description makes no sense.
    """
    section = open_section(name, access, timeout)
    return from_section(section, spec, count=count, version=version)


@overload
async def open_async(
    name: str,
    spec: type[Record],
    *,
    access: SectionAccess = "rw",
    count: int | None = None,
    version: int | None = None,
    timeout: float | None = None,
) -> Records[Record]: ...
@overload
async def open_async(
    name: str,
    spec: Spec | None = None,
    *,
    access: SectionAccess = "rw",
    count: int | None = None,
    version: int | None = None,
    timeout: float | None = None,
) -> Records[Any]: ...


async def open_async(
    name: str,
    spec: Spec | None = None,
    *,
    access: SectionAccess = "rw",
    count: int | None = None,
    version: int | None = None,
    timeout: float | None = None,
) -> Records[Any]:
    """As ``open``, waiting for the name without blocking the event loop, for ever when ``timeout``
    is omitted.

    Rights:
        As for ``open``.

    Raises:
        NameTimeoutError: Nothing had the name within the time.
        Error: As ``open`` otherwise.
    """
    section = await open_section_async(name, access, timeout)
    return from_section(section, spec, count=count, version=version)


@overload
def from_section(
    section: Section, spec: type[Record], *, count: int | None = None, version: int | None = None
) -> Records[Record]: ...
@overload
def from_section(
    section: Section,
    spec: Spec | None = None,
    *,
    count: int | None = None,
    version: int | None = None,
) -> Records[Any]: ...


def from_section(
    section: Section,
    spec: Spec | None = None,
    *,
    count: int | None = None,
    version: int | None = None,
) -> Records[Any]:
    """The records in a section that came by any other way; closing them closes it.

    Args:
        section: Closed at once if this fails.
        spec: The layout that they should have; the one they have when omitted.
        count: How many they should be.
        version: What it should be.

    Rights:
        ``SECTION_QUERY`` and what the handle's access means, as for ``Section.map``.

    Raises:
        ArgumentError: They are not as they should be, and the error shows both; or there are none
            (ValueError).
        CorruptError: The description makes no sense.
    """
    return records_in(section, spec, count, version)
