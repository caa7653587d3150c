# SPDX-License-Identifier: MIT
"""NumPy arrays in sections: another process needs only the name.

An array here is an ``ndarray`` over a view of a section, with its dtype, shape and order written
down in the section (``schema``).  It is valid as long as anybody uses it or a part of it, whatever
else was closed; the name lives as long as some process has the array, or another handle to its
section.  Types that are not NumPy's are ``records``'.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, SupportsIndex, overload

try:
    import numpy as np
except ImportError as failure:  # pragma: no cover - seen by a test in a process without NumPy
    raise ImportError("memsection.arrays needs NumPy: pip install 'memsection[numpy]'") from failure

from memsection.api.operations import whole
from memsection.api.section import Section
from memsection.api.security import Security
from memsection.content import schema
from memsection.content.array import Array, array_over
from memsection.content.array_facts import (
    Order,
    array_facts,
    dtype_of,
    lengths_of,
    type_of,
    understood,
)
from memsection.content.endpoint import closed_on_failure, open_section, open_section_async
from memsection.vocabulary.arguments import object_name, whole_number
from memsection.vocabulary.errors import ArgumentError
from memsection.vocabulary.text import about

if TYPE_CHECKING:
    from typing import Any, TypeVar

    from numpy.typing import ArrayLike, DTypeLike

    from memsection.vocabulary.access_words import SectionAccess

    Of = TypeVar("Of", bound=np.generic)

__all__ = ["Array", "create", "dtype_of", "from_section", "open", "open_async", "put", "type_of"]


@overload
def create(
    name: str | None,
    shape: SupportsIndex | Sequence[SupportsIndex],
    dtype: type[Of] | np.dtype[Of],
    *,
    order: Order = "C",
    version: int = 0,
    maximum: SupportsIndex | None = None,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Array[np.dtype[Of]]: ...
@overload
def create(
    name: str | None,
    shape: SupportsIndex | Sequence[SupportsIndex],
    dtype: DTypeLike = float,
    *,
    order: Order = "C",
    version: int = 0,
    maximum: SupportsIndex | None = None,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Array: ...


@whole
def create(
    name: str | None,
    shape: SupportsIndex | Sequence[SupportsIndex],
    dtype: DTypeLike = float,
    *,
    order: Order = "C",
    version: int = 0,
    maximum: SupportsIndex | None = None,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Array:
    """Make an array of zeros.

    Args:
        name: What other processes open it by; None for an array that is only passed on.
        shape: As for ``numpy.zeros``.
        dtype: Any without pointers; structured ones too.
        order: Row-major ``"C"`` or column-major ``"F"``.
        version: A number of the program's own, for layouts that change while dtype and shape do
            not.
        maximum: The rows, which are what its first dimension counts, that it can ``grow`` to; it
            cannot when omitted.  Addresses are taken for all of them, memory for those there are.
        exist_ok: Whether an array that has the name already is opened instead, if it is such an
            array; one that can grow has to have as many rows, and may have more.
        inheritable: Whether child processes get the handle.
        security: Who may open it by name; this user alone when omitted.

    Rights:
        As for ``Section.create``.

    Raises:
        ExistsError: The name is taken (FileExistsError).
        ArgumentError: No such array can be; or the one that exists differs, and the error shows
            both (ValueError).
        CommitError: More memory than there is (MemoryError).
    """
    object_name(name)
    kind, lengths = np.dtype(dtype), lengths_of(shape)
    if kind.subdtype is not None:
        lengths, kind = lengths + kind.shape, kind.base
    most = (
        None if maximum is None else _most(name, lengths, order, whole_number(maximum, "maximum"))
    )
    shape_at_most = lengths if most is None else (most, *lengths[1:])
    facts = array_facts(kind, shape_at_most, order, version, most)
    section, view = schema.make(
        schema.section_attributes(
            name, exist_ok=exist_ok, inheritable=inheritable, security=security
        ),
        prod(shape_at_most) * kind.itemsize,
        facts,
        rows=None if most is None else lengths[0],
    )
    if section.created:
        growth = None if most is None else (kind, lengths[1:], most)
        return array_over(section, view, kind, lengths, order, growth=growth)
    if most is None:
        return from_section(section, shape=lengths, dtype=kind, order=order, version=version)
    return _open_growing(section, lengths, kind, version, most)


def _most(name: str | None, lengths: tuple[int, ...], order: Order, maximum: int) -> int:
    """The rows that an array can grow to, if it can."""
    if not lengths or maximum < max(lengths[0], 1) or not all(lengths[1:]):
        raise ArgumentError(
            f"{about('create', name)}: shape {lengths} cannot grow to {maximum} rows"
        )
    if order != "C" and len(lengths) > 1:
        raise ArgumentError(
            f"{about('create', name)}: rows are added behind the others, which is order 'C', not "
            f"{order!r}"
        )
    return maximum


def _open_growing(
    section: Section, lengths: tuple[int, ...], kind: np.dtype[Any], version: int, most: int
) -> Array:
    """The growing array that has the name already, if it is as asked for and as long."""
    found = from_section(section, dtype=kind, version=version)
    rows = lengths[0] if len(found) < lengths[0] else None
    schema.compare(
        section,
        {"shape of a row": lengths[1:], "maximum": most, "rows": rows},
        {"shape of a row": found.shape[1:], "maximum": found.maximum, "rows": len(found)},
    )
    return found


@overload
def put(
    name: str | None,
    array: np.ndarray[Any, np.dtype[Of]],
    *,
    version: int = 0,
    maximum: SupportsIndex | None = None,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Array[np.dtype[Of]]: ...
@overload
def put(
    name: str | None,
    array: ArrayLike,
    *,
    version: int = 0,
    maximum: SupportsIndex | None = None,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Array: ...


@whole
def put(
    name: str | None,
    array: ArrayLike,
    *,
    version: int = 0,
    maximum: SupportsIndex | None = None,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Array:
    """Copy an array into a section of its own, complete before anybody can open it.

    Args:
        name: What other processes open it by; None for an array that is only passed on.
        array: Anything that NumPy makes an array of.
        version: A number of the program's own.
        maximum: As for ``create``: the rows that it can ``grow`` to.
        exist_ok: Whether the values of such an array that has the name already are replaced.  One
            that can grow does so where it has fewer rows.
        inheritable: Whether child processes get the handle.
        security: Who may open it by name; this user alone when omitted.

    Rights:
        As for ``Section.create``.

    Raises:
        ExistsError: The name is taken (FileExistsError).
        ArgumentError: Its dtype has pointers; or an array that exists differs, and the error shows
            both (ValueError).
        CommitError: More memory than there is (MemoryError).
    """
    object_name(name)
    source = np.asarray(array)
    by_columns = source.flags.f_contiguous and not source.flags.c_contiguous
    order: Order = "F" if by_columns and maximum is None else "C"
    most = None
    if maximum is not None:
        most = _most(name, source.shape, order, whole_number(maximum, "maximum"))
    shape_at_most = source.shape if most is None else (most, *source.shape[1:])
    facts = array_facts(source.dtype, shape_at_most, order, version, most)
    whole = np.asarray(source, order=order)  # a copy only of what has gaps
    flat = whole.reshape(-1, order=order).view(np.uint8) if whole.size else np.empty(0, np.uint8)
    section, view = schema.make(
        schema.section_attributes(
            name, exist_ok=exist_ok, inheritable=inheritable, security=security
        ),
        prod(shape_at_most) * source.itemsize,
        facts,
        content=[(0, memoryview(flat))],  # type: ignore[arg-type]
        rows=None if most is None else source.shape[0],
    )
    if section.created:
        growth = None if most is None else (source.dtype, source.shape[1:], most)
        return array_over(section, view, source.dtype, source.shape, order, growth=growth)
    if most is None:
        found = from_section(section, shape=source.shape, dtype=source.dtype, version=version)
    else:
        found = _open_growing(section, (0, *source.shape[1:]), source.dtype, version, most)
        with closed_on_failure(section):
            found = _as_long(section, found, source.shape[0])
    found[...] = source
    return found


def _as_long(section: Section, found: Array, rows: int) -> Array:
    """The same array with so many rows, if it has no more."""
    if len(found) > rows:
        schema.compare(section, {"rows": rows}, {"rows": len(found)})
    return found.grow(rows)


@overload
def open(
    name: str,
    *,
    access: SectionAccess = "rw",
    shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
    dtype: type[Of] | np.dtype[Of],
    order: Order | None = None,
    version: int | None = None,
    timeout: float | None = 0,
) -> Array[np.dtype[Of]]: ...
@overload
def open(
    name: str,
    *,
    access: SectionAccess = "rw",
    shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
    dtype: DTypeLike | None = None,
    order: Order | None = None,
    version: int | None = None,
    timeout: float | None = 0,
) -> Array: ...


@whole
def open(
    name: str,
    *,
    access: SectionAccess = "rw",
    shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
    dtype: DTypeLike | None = None,
    order: Order | None = None,
    version: int | None = None,
    timeout: float | None = 0,
) -> Array:
    """Open an array by its name.

    Args:
        name: As given to ``create`` or ``put``.
        access: ``"r"``, ``"rw"`` or ``"c"``: copy-on-write, where what is written stays in this
            process.
        shape: What it should be; not looked at when omitted.
        dtype: What it should be.
        order: What it should be.
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
        ArgumentError: It is not as it should be, and the error shows both; or it is no array
            (ValueError).
        CorruptError: Its description makes no sense.
    """
    section = open_section(name, access, timeout)
    return from_section(section, shape=shape, dtype=dtype, order=order, version=version)


@overload
async def open_async(
    name: str,
    *,
    access: SectionAccess = "rw",
    shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
    dtype: type[Of] | np.dtype[Of],
    order: Order | None = None,
    version: int | None = None,
    timeout: float | None = None,
) -> Array[np.dtype[Of]]: ...
@overload
async def open_async(
    name: str,
    *,
    access: SectionAccess = "rw",
    shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
    dtype: DTypeLike | None = None,
    order: Order | None = None,
    version: int | None = None,
    timeout: float | None = None,
) -> Array: ...


async def open_async(
    name: str,
    *,
    access: SectionAccess = "rw",
    shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
    dtype: DTypeLike | None = None,
    order: Order | None = None,
    version: int | None = None,
    timeout: float | None = None,
) -> Array:
    """As ``open``, waiting for the name without blocking the event loop, for ever when ``timeout``
    is omitted.

    Rights:
        As for ``open``.

    Raises:
        NameTimeoutError: Nothing had the name within the time.
        Error: As ``open`` otherwise.
    """
    section = await open_section_async(name, access, timeout)
    return from_section(section, shape=shape, dtype=dtype, order=order, version=version)


@overload
def from_section(
    section: Section,
    *,
    access: SectionAccess | None = None,
    shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
    dtype: type[Of] | np.dtype[Of],
    order: Order | None = None,
    version: int | None = None,
) -> Array[np.dtype[Of]]: ...
@overload
def from_section(
    section: Section,
    *,
    access: SectionAccess | None = None,
    shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
    dtype: DTypeLike | None = None,
    order: Order | None = None,
    version: int | None = None,
) -> Array: ...


@whole
def from_section(
    section: Section,
    *,
    access: SectionAccess | None = None,
    shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
    dtype: DTypeLike | None = None,
    order: Order | None = None,
    version: int | None = None,
) -> Array:
    """The array in a section that came by any other way; the section becomes the array's.

    Args:
        section: Closed with the array, and at once if this fails.
        access: As for ``open``; as much as the handle permits when omitted.
        shape: What it should be, as the rest.
        dtype: What it should be.
        order: What it should be.
        version: What it should be.

    Rights:
        ``SECTION_QUERY`` and what the access means, as for ``Section.map``.

    Raises:
        ArgumentError: It is not as it should be, and the error shows both; or it is no array
            (ValueError).
        CorruptError: Its description makes no sense.
    """
    with closed_on_failure(section):
        view, facts, size = schema.attach(section, "array", access=access)
        found = understood(facts, size)
        asked: dict[str, object] = {"order": order, "version": version}
        if dtype is not None:
            asked["dtype"] = np.dtype(dtype)
        if shape is not None:
            asked["shape"] = lengths_of(shape)
        schema.compare(section, asked, found)
    kind, lengths, most = found["dtype"], found["shape"], found["maximum"]
    growth = None if most is None else (kind, lengths[1:], most)
    return array_over(section, view, kind, lengths, found["order"], access=access, growth=growth)
