# SPDX-License-Identifier: MIT
"""NumPy arrays in sections: another process needs only the name.

An array here is an ``ndarray`` over a view of a section, with its dtype, shape and order written
down in the section (``schema``).  It is valid as long as anybody uses it or a part of it, whatever
else was closed; the name lives as long as some process has the array, or another handle to its
section.  Types that are not NumPy's are ``records``'.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import prod
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

try:
    import numpy as np
except ImportError as failure:  # pragma: no cover - seen by a test in a process without NumPy
    raise ImportError("memsection.arrays needs NumPy: pip install 'memsection[numpy]'") from failure

from memsection.api.operations import whole
from memsection.api.section import Section
from memsection.api.security import Security
from memsection.api.view import View
from memsection.content import schema
from memsection.content.atomics import AT_PLACE, Atomic, guarded
from memsection.content.endpoint import (
    close_with,
    closed_on_failure,
    open_section,
    open_section_async,
    section_over,
)
from memsection.content.schema import Field, Repeat, Scalar, Struct, Type
from memsection.vocabulary.arguments import object_name, whole_number
from memsection.vocabulary.errors import ArgumentError, CorruptError
from memsection.vocabulary.text import shown as _shown

if TYPE_CHECKING:
    from types import FrameType

    from numpy.typing import ArrayLike, DTypeLike

    from memsection.vocabulary.access_words import SectionAccess

__all__ = ["Array", "create", "dtype_of", "from_section", "open", "open_async", "put", "type_of"]

Order = Literal["C", "F"]


# ---------------------------------------------------------------------- types


def type_of(dtype: np.dtype[Any]) -> Type:
    """A dtype as a description has it.

    Raises:
        ArgumentError: Its values are pointers (objects), or it is nothing that NumPy alone can
            rebuild.
    """
    if dtype.hasobject or dtype.itemsize == 0:
        raise ArgumentError(
            f"dtype {dtype}: values of it are not bytes that another process could read"
        )
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return Repeat(type_of(base), tuple(shape))
    if dtype.names is not None:
        parts: Any = dtype.fields
        fields = tuple(
            Field(name, type_of(parts[name][0]), int(parts[name][1])) for name in dtype.names
        )
        return Struct(fields, dtype.itemsize)
    if np.dtype(dtype.str) != dtype:
        raise ArgumentError(
            f"dtype {dtype}: NumPy alone could not rebuild it: share a view of its bytes"
        )
    return Scalar(dtype.str)


def dtype_of(kind: Type) -> np.dtype[Any]:
    """The dtype that a description means.

    Raises:
        CorruptError: NumPy has none like it, here.
    """
    try:
        dtype = _dtype_of(kind)
    except (ValueError, TypeError, MemoryError, OverflowError) as failure:
        raise CorruptError(f"description: NumPy knows no such dtype: {failure}") from None
    if dtype.itemsize != kind.size:
        raise CorruptError(
            f"description: NumPy's {str(dtype)[:80]} has {dtype.itemsize} bytes, not {kind.size}"
        )
    return dtype


def _dtype_of(kind: Type) -> np.dtype[Any]:
    if isinstance(kind, Scalar):
        return np.dtype(kind.code)
    if isinstance(kind, Repeat):
        return np.dtype((_dtype_of(kind.of), kind.shape))
    return np.dtype(
        {
            "names": [field.name for field in kind.fields],
            "formats": [_dtype_of(field.type) for field in kind.fields],
            "offsets": [field.offset for field in kind.fields],
            "itemsize": kind.size,
        }
    )


# ---------------------------------------------------------------------- the array


class Array(np.ndarray[Any, Any], Atomic):
    """An ``ndarray`` in a section.

    Parts of it are arrays in the section too; what is computed from it is an ordinary ``ndarray``.
    Passed to another process by multiprocessing, concurrent.futures, joblib, loky or cloudpickle it
    arrives as the same memory; pickled otherwise, to be stored for example, it is copied.  The
    handle is closed with the last part of the array.
    """

    @property
    def section(self) -> Section | None:
        """The section it is in; None for a copy, which is in none.

        Closing it takes the name, if no other handle keeps it, and leaves the values.

        Rights:
            None.
        """
        view = _view_under(self)
        return None if view is None else section_over(view)

    def _operate(self, operation: str, arguments: tuple[Any, ...], values: int) -> int:
        return guarded(AT_PLACE[operation], self, *arguments)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """A copy, but for the picklers of libraries that pass arguments to other processes: the
        same memory."""
        return _passes_on(sys._getframe(1)) and _shared(self) or super().__reduce_ex__(protocol)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        if array is self:
            return array
        return array[()] if return_scalar else array.view(np.ndarray)


def _view_under(array: np.ndarray[Any, Any]) -> View | None:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    owner = getattr(base.obj, "view", None) if isinstance(base, memoryview) else None
    return owner if isinstance(owner, View) else None


def _over(
    section: Section,
    view: View,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    order: Order = "C",
    offset: int = 0,
    strides: tuple[int, ...] | None = None,
) -> Array:
    """The array over a part of the view, which it keeps; the section's handle is closed with the
    view."""
    # frombuffer holds the memoryview, and so the memory; ndarray(buffer=view) alone would let go of
    # it.
    memory = np.frombuffer(memoryview(view), np.uint8)
    close_with(view, section)
    return np.ndarray.__new__(Array, shape, dtype, memory, offset, strides, order)


def _facts(
    dtype: np.dtype[Any], shape: tuple[int, ...], order: Order, version: int
) -> schema.Facts:
    return {
        "kind": "array",
        "dtype": schema.to_json(type_of(dtype)),
        "shape": list(shape),
        "order": order,
        "version": version,
    }


def _understood(facts: schema.Facts, size: int) -> dict[str, Any]:
    """What a description says, checked: it may have been written by anybody."""
    shape, order = facts.get("shape"), facts.get("order")
    if (
        not schema.is_shape(shape)
        or order not in ("C", "F")
        or type(facts.get("version")) is not int
    ):
        raise CorruptError(
            f"description: shape {_shown(shape, 80)}, order {_shown(order, 20)}: no array"
        )
    dtype = dtype_of(schema.from_json(facts.get("dtype")))
    assert shape is not None
    if (
        dtype.itemsize == 0
        or prod(shape) * dtype.itemsize != size
        or prod(length or 1 for length in shape) * dtype.itemsize >= 1 << 62
    ):
        raise CorruptError(f"description: shape {tuple(shape)} of {dtype} in {size} bytes")
    return {"dtype": dtype, "shape": tuple(shape), "order": order, "version": facts["version"]}


def _shape(shape: SupportsIndex | Sequence[SupportsIndex]) -> tuple[int, ...]:
    whole = tuple(
        whole_number(one, "shape") for one in (shape if isinstance(shape, Sequence) else (shape,))
    )
    if any(one < 0 for one in whole):
        raise ArgumentError(f"shape {whole}: a length is negative")
    return whole


# ---------------------------------------------------------------------- making and opening


@whole
def create(
    name: str | None,
    shape: SupportsIndex | Sequence[SupportsIndex],
    dtype: DTypeLike = float,
    *,
    order: Order = "C",
    version: int = 0,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Array:
    """Make an array of zeros.

    Args:
        name: What other processes open it by; None for an array that is only passed on. shape: As
        for ``numpy.zeros``. dtype: Any without pointers; structured ones too. order: Row-major
        ``"C"`` or column-major ``"F"``. version: A number of the program's own, for layouts that
        change while dtype and shape do not. exist_ok: Whether an array that has the name already is
        opened instead, if it is such an array. inheritable: Whether child processes get the handle.
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
    kind, lengths = np.dtype(dtype), _shape(shape)
    if kind.subdtype is not None:
        lengths, kind = lengths + kind.shape, kind.base
    facts = _facts(kind, lengths, order, version)
    section, view = schema.make(
        name,
        prod(lengths) * kind.itemsize,
        facts,
        exist_ok=exist_ok,
        inheritable=inheritable,
        security=security,
    )
    if section.created:
        return _over(section, view, kind, lengths, order)
    return from_section(section, shape=lengths, dtype=kind, order=order, version=version)


@whole
def put(
    name: str | None,
    array: ArrayLike,
    *,
    version: int = 0,
    exist_ok: bool = False,
    inheritable: bool = False,
    security: Security | str | bytes | None = None,
) -> Array:
    """Copy an array into a section of its own, complete before anybody can open it.

    Args:
        name: What other processes open it by; None for an array that is only passed on.
        array: Anything that NumPy makes an array of.
        version: A number of the program's own.
        exist_ok: Whether the values of such an array that has the name already are replaced.
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
    order: Order = "F" if source.flags.f_contiguous and not source.flags.c_contiguous else "C"

    facts = _facts(source.dtype, source.shape, order, version)
    whole = np.asarray(source, order=order)  # a copy only of what has gaps
    flat = whole.reshape(-1, order=order).view(np.uint8) if whole.size else np.empty(0, np.uint8)
    section, view = schema.make(
        name,
        source.nbytes,
        facts,
        exist_ok=exist_ok,
        inheritable=inheritable,
        security=security,
        content=[(0, memoryview(flat))],  # type: ignore[arg-type]
    )
    if section.created:
        return _over(section, view, source.dtype, source.shape, order)
    found = from_section(section, shape=source.shape, dtype=source.dtype, version=version)
    found[...] = source
    return found


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
        name: As given to ``create`` or ``put``. access: ``"r"``, ``"rw"`` or ``"c"``:
        copy-on-write, where what is written stays in this process. shape: What it should be; not
        looked at when omitted. dtype: What it should be. order: What it should be. version: What it
        should be. timeout: Seconds to wait until something has the name; not at all when omitted,
        for ever when None.

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
        found = _understood(facts, size)
        schema.compare(
            section,
            {
                "dtype": None if dtype is None else np.dtype(dtype),
                "shape": None if shape is None else _shape(shape),
                "order": order,
                "version": version,
            },
            found,
        )
    return _over(section, view, found["dtype"], found["shape"], found["order"])


# ---------------------------------------------------------------------- to other processes of
# multiprocessing


#: Packages whose picklers carry arguments and results to other processes.  multiprocessing lets
#: types be registered; these do not, or not before they are imported, so an array looks who pickles
#: it (docs/decisions/0082).
_PASSING = (
    "cloudpickle",
    "loky",
    "joblib.externals.cloudpickle",
    "joblib.externals.loky",
    "joblib.pool",
)


def _passes_on(frame: FrameType | None) -> bool:
    """Whether the pickler that this frame called is one of those; pickle's own Python code is
    looked through."""
    while frame is not None and frame.f_globals.get("__name__") == "pickle":
        frame = frame.f_back
    name = "" if frame is None else str(frame.f_globals.get("__name__"))
    return any(name == package or name.startswith(f"{package}.") for package in _PASSING)


def _reduce(array: Array) -> Any:
    """For multiprocessing: the array in its section; a copy in no section is copied."""
    return _shared(array) or np.ndarray.__reduce_ex__(array, 5)


def _shared(array: Array) -> Any:
    """The section itself, and where in it the array lies; None for what is in no section, or in
    this process alone."""
    view, section = _view_under(array), array.section
    if view is None or section is None or section._access.startswith("c"):
        return None
    if section.closed:
        raise ArgumentError(
            "pickle an array: its section was closed here, so it cannot go to another process as "
            "the same"
            " memory: keep the section open, or pass a copy (numpy.array(...))"
        )
    offset = array.__array_interface__["data"][0] - view.address
    return _rebuild, (
        section,
        schema.to_json(type_of(array.dtype)),
        array.shape,
        array.strides,
        offset,
        array.flags.writeable,
    )


@whole
def _rebuild(
    section: Section,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    writeable: bool,
) -> Array:
    try:
        view = section.map()
    except BaseException:
        section.close()
        raise
    array = _over(
        section, view, dtype_of(schema.from_json(dtype)), shape, offset=offset, strides=strides
    )
    array.flags.writeable = writeable and array.flags.writeable
    return array


ForkingPickler.register(Array, _reduce)
