# SPDX-License-Identifier: MIT
"""The latest value: one process writes, any number read, nobody waits for anybody and no value is
ever torn.

For what is only interesting while it is new: telemetry, a camera's frame.  A writer that dies
leaves its last complete value.  Who writes is not arranged here: there should be one writer at a
time (a ``Mutex`` can see to that).  How the memory is used is ``_native.seqlock``'s business, and
what the bytes of a record mean is ``layouts``'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from memsection._native import seqlock
from memsection.api.operations import whole
from memsection.api.section import Section
from memsection.api.security import Security
from memsection.content import endpoint, schema
from memsection.content.facts import version_number
from memsection.content.latest_value import (
    Reader,
    Value,
    Writer,
    latest_in,
    layout_and_capacity,
    make_latest,
)
from memsection.vocabulary.arguments import object_name, whole_number

if TYPE_CHECKING:
    from typing import Literal

    from memsection.content.layouts import Spec

    No = Literal[False]

__all__ = ["Reader", "Writer", "create", "from_section", "open", "open_async"]


@overload
def create(
    name: str | None,
    spec: type[Value],
    *,
    slots: int = seqlock.SLOTS,
    version: int = 0,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Writer[Value]: ...
@overload
def create(
    name: str | None,
    spec: int,
    *,
    slots: int = seqlock.SLOTS,
    version: int = 0,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Writer[bytes]: ...
@overload
def create(
    name: str | None,
    spec: Spec,
    *,
    slots: int = seqlock.SLOTS,
    version: int = 0,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Writer[Any]: ...


@whole
def create(
    name: str | None,
    spec: Spec | int,
    *,
    slots: int = seqlock.SLOTS,
    version: int = 0,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Writer[Any]:
    """Make a latest value, of which there is none yet; the caller is its writer.

    Args:
        name: What readers open it by; None for one that is only passed on.
        spec: Its layout (see ``records.layout``), or how many bytes it has at most.
        slots: How many values the writer goes round over.  A reader has the time of ``slots - 1``
            writes for one copy.
        version: A number of the program's own.
        exist_ok: Whether a latest value that has the name already, because readers wait there, is
            gone on with, if it is as asked for but for the slots.
        inheritable: Whether child processes get the handle.
        security: Who may open it by name; this user alone when omitted.

    Rights:
        As for ``Section.create``.

    Raises:
        ExistsError: The name is taken (FileExistsError).
        ArgumentError: No such layout or number of slots can be; or what exists differs, and the
            error shows both (ValueError).
        CommitError: More memory than there is (MemoryError).
    """
    object_name(name)
    (kind, capacity), slots = layout_and_capacity(spec), whole_number(slots, "slots")
    facts: schema.Facts = {
        "kind": "latest",
        "capacity": capacity,
        "slots": slots,
        "version": version_number(version),
    }
    if kind is not None:
        facts |= {
            "name": kind.name,
            "type": schema.to_json(kind.struct),
            "fingerprint": kind.fingerprint,
        }
    attributes = schema.section_attributes(
        name, exist_ok=exist_ok, inheritable=inheritable, security=security
    )
    return make_latest(attributes, kind, facts)


@overload
def open(
    name: str,
    spec: type[Value],
    *,
    write: Literal[False] = False,
    version: int | None = None,
    timeout: float | None = 0,
) -> Reader[Value]: ...
@overload
def open(
    name: str,
    spec: type[Value],
    *,
    write: Literal[True],
    version: int | None = None,
    timeout: float | None = 0,
) -> Writer[Value]: ...
@overload
def open(
    name: str,
    spec: int,
    *,
    write: Literal[False] = False,
    version: int | None = None,
    timeout: float | None = 0,
) -> Reader[bytes]: ...
@overload
def open(
    name: str,
    spec: int,
    *,
    write: Literal[True],
    version: int | None = None,
    timeout: float | None = 0,
) -> Writer[bytes]: ...
@overload
def open(
    name: str,
    spec: Spec | None = None,
    *,
    write: Literal[False] = False,
    version: int | None = None,
    timeout: float | None = 0,
) -> Reader[Any]: ...
@overload
def open(
    name: str,
    spec: Spec | None = None,
    *,
    write: Literal[True],
    version: int | None = None,
    timeout: float | None = 0,
) -> Writer[Any]: ...
@overload
def open(
    name: str,
    spec: Spec | int | None = None,
    *,
    write: bool,
    version: int | None = None,
    timeout: float | None = 0,
) -> Any: ...


@whole
def open(
    name: str,
    spec: Spec | int | None = None,
    *,
    write: bool = False,
    version: int | None = None,
    timeout: float | None = 0,
) -> Any:
    """Open a latest value by its name.

    Args:
        name: As given to ``create``.
        spec: The layout or the capacity that it should have; what it has when omitted.
        write: Whether to be the writer from now on, after the one before has ended.
        version: What it should be.
        timeout: Seconds to wait until something has the name; not at all when omitted, for ever
            when None.

    Returns:
        A ``Reader``, or a ``Writer``.

    Rights:
        As for ``Section.open`` with access ``"r"``, or ``"rw"`` to write.

    Raises:
        NotFoundError: Nothing has this name (FileNotFoundError).
        NameTimeoutError: Nothing had it within the time; a ``NotFoundError`` and a
            ``WaitTimeoutError``.
        AccessError: It does not grant the access (PermissionError).
        ArgumentError: It is not as it should be, and the error shows both; or it is no latest value
            (ValueError).
        CorruptError: The description makes no sense.
    """
    section = endpoint.open_section(name, "rw" if write else "r", timeout)
    return from_section(section, spec, write=write, version=version)


@overload
async def open_async(
    name: str,
    spec: type[Value],
    *,
    write: Literal[False] = False,
    version: int | None = None,
    timeout: float | None = None,
) -> Reader[Value]: ...
@overload
async def open_async(
    name: str,
    spec: type[Value],
    *,
    write: Literal[True],
    version: int | None = None,
    timeout: float | None = None,
) -> Writer[Value]: ...
@overload
async def open_async(
    name: str,
    spec: int,
    *,
    write: Literal[False] = False,
    version: int | None = None,
    timeout: float | None = None,
) -> Reader[bytes]: ...
@overload
async def open_async(
    name: str,
    spec: int,
    *,
    write: Literal[True],
    version: int | None = None,
    timeout: float | None = None,
) -> Writer[bytes]: ...
@overload
async def open_async(
    name: str,
    spec: Spec | None = None,
    *,
    write: Literal[False] = False,
    version: int | None = None,
    timeout: float | None = None,
) -> Reader[Any]: ...
@overload
async def open_async(
    name: str,
    spec: Spec | None = None,
    *,
    write: Literal[True],
    version: int | None = None,
    timeout: float | None = None,
) -> Writer[Any]: ...
@overload
async def open_async(
    name: str,
    spec: Spec | int | None = None,
    *,
    write: bool,
    version: int | None = None,
    timeout: float | None = None,
) -> Any: ...


async def open_async(
    name: str,
    spec: Spec | int | None = None,
    *,
    write: bool = False,
    version: int | None = None,
    timeout: float | None = None,
) -> Any:
    """As ``open``, waiting for the name without blocking the event loop, for ever when ``timeout``
    is omitted.

    Rights:
        As for ``open``.

    Raises:
        NameTimeoutError: Nothing had the name within the time.
        Error: As ``open`` otherwise.
    """
    section = await endpoint.open_section_async(name, "rw" if write else "r", timeout)
    return from_section(section, spec, write=write, version=version)


@overload
def from_section(
    section: Section, spec: type[Value], *, write: No = False, version: int | None = None
) -> Reader[Value]: ...
@overload
def from_section(
    section: Section, spec: type[Value], *, write: Literal[True], version: int | None = None
) -> Writer[Value]: ...
@overload
def from_section(
    section: Section, spec: int, *, write: No = False, version: int | None = None
) -> Reader[bytes]: ...
@overload
def from_section(
    section: Section, spec: int, *, write: Literal[True], version: int | None = None
) -> Writer[bytes]: ...
@overload
def from_section(
    section: Section, spec: Spec | None = None, *, write: No = False, version: int | None = None
) -> Reader[Any]: ...
@overload
def from_section(
    section: Section, spec: Spec | None = None, *, write: Literal[True], version: int | None = None
) -> Writer[Any]: ...
@overload
def from_section(
    section: Section, spec: Spec | int | None = None, *, write: bool, version: int | None = None
) -> Any: ...


def from_section(
    section: Section,
    spec: Spec | int | None = None,
    *,
    write: bool = False,
    version: int | None = None,
) -> Any:
    """The latest value in a section that came by any other way; closing it closes the section.

    Args:
        section: Closed at once if this fails.
        spec: The layout or the capacity that it should have; what it has when omitted.
        write: Whether to be the writer from now on.
        version: What it should be.

    Rights:
        ``SECTION_QUERY`` and ``SECTION_MAP_READ``, and ``SECTION_MAP_WRITE`` to write.

    Raises:
        ArgumentError: It is not as asked for (both are shown), or no latest value (ValueError).
        CorruptError: The description makes no sense.
    """
    return latest_in(section, spec, write, version)
