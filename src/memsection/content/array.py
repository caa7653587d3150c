# SPDX-License-Identifier: MIT
"""The class of arrays in sections: which section one lies in, and how it goes to other processes.

An array lies over the memory of a view, and keeps it; how one is made and opened is ``arrays``'.
"""

from __future__ import annotations

import sys
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from memsection.api.operations import whole
from memsection.api.section import Section
from memsection.api.view import View
from memsection.content import schema
from memsection.content.array_facts import Order, dtype_of, type_of
from memsection.content.array_growth import Growable, Growth
from memsection.content.atomics import AT_PLACE, Atomic, call_native
from memsection.content.endpoint import close_with, section_over
from memsection.vocabulary.errors import ArgumentError

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import TypeVar

    Kind = TypeVar("Kind", bound=np.dtype[Any], covariant=True, default=np.dtype[Any])
else:
    from typing import TypeVar

    Kind = TypeVar("Kind", covariant=True)

Rows = tuple[np.dtype[Any], tuple[int, ...], int]  #: of an array that grows: what, and how many


class Array(np.ndarray[Any, Kind], Growable, Atomic):
    """An ``ndarray`` in a section.

    Parts of it are arrays in the section too; what is computed from it is an ordinary ``ndarray``.
    Passed to another process by multiprocessing, concurrent.futures, joblib, loky or cloudpickle it
    arrives as the same memory; pickled otherwise, to be stored for example, it is copied.  The
    handle is closed with the last part of the array.
    """

    __module__ = "memsection.arrays"  # where users import it from, and what is pickled says so

    @property
    def section(self) -> Section | None:
        """The section it is in; None for a copy, which is in none.

        Closing it takes the name, if no other handle keeps it, and leaves the values.

        Rights:
            None.
        """
        view = _view_under(self)
        return None if view is None else section_over(view)

    def _growth(self, *, whole: bool = False) -> tuple[View, Growth] | None:
        view = _view_under(self)
        growth = getattr(view, "_held", None)
        if view is None or not isinstance(growth, Growth):
            return None
        if whole and (
            self.__array_interface__["data"][0] != view.address
            or self.dtype != growth.dtype
            or self.shape[1:] != growth.row
            or not (self.ndim and self.flags.c_contiguous)
        ):
            raise ArgumentError("grow: this is a part of an array that grows: ask the array itself")
        return view, growth

    def _with_rows(self, view: View, growth: Growth, rows: int) -> Any:
        if rows == len(self):
            return self
        found = _make_array(_memory(view), growth.dtype, (rows, *growth.row))
        found.flags.writeable = self.flags.writeable
        return found

    def _operate(self, operation: str, arguments: tuple[Any, ...], values: int) -> int:
        return call_native(AT_PLACE[operation], self, *arguments)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """A copy, but for the picklers of libraries that pass arguments to other processes: the
        same memory."""
        return (
            _passes_on(sys._getframe(1)) and _shared_place(self) or super().__reduce_ex__(protocol)
        )

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


def array_over(
    section: Section,
    view: View,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    order: Order = "C",
    *,
    offset: int = 0,
    strides: tuple[int, ...] | None = None,
    access: str | None = None,
    growth: Rows | None = None,
) -> Array:
    """The array over a part of the view, which it keeps; the section's handle is closed with the
    view."""
    memory = _memory(view)
    if growth is None:
        close_with(view, section)
    else:
        view._held = Growth(section, access or section.access, *growth)
    return _make_array(memory, dtype, shape, offset, strides, order)


def _memory(view: View) -> np.ndarray[Any, Any]:
    # frombuffer holds the memoryview, and so the memory; ndarray(buffer=view) alone would let go of
    # it.
    return np.frombuffer(memoryview(view), np.uint8)


def _make_array(
    memory: np.ndarray[Any, Any],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    offset: int = 0,
    strides: tuple[int, ...] | None = None,
    order: Order = "C",
) -> Array:
    return np.ndarray.__new__(Array, shape, dtype, memory, offset, strides, order)


# ----------------------------------------------------------- to other processes of multiprocessing


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
    return _shared_place(array) or np.ndarray.__reduce_ex__(array, 5)


def _shared_place(array: Array) -> Any:
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
    held = getattr(view, "_held", None)
    growth = (
        (schema.to_json(type_of(held.dtype)), held.row, held.maximum)
        if isinstance(held, Growth)
        else None
    )
    return _rebuild, (
        section,
        schema.to_json(type_of(array.dtype)),
        array.shape,
        array.strides,
        offset,
        array.flags.writeable,
        growth,
    )


@whole
def _rebuild(
    section: Section,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    writeable: bool,
    growth: tuple[Any, tuple[int, ...], int] | None = None,
) -> Array:
    try:
        view = section.map()
    except BaseException:
        section.close()
        raise
    rows = growth and (dtype_of(schema.from_json(growth[0])), *growth[1:])
    array = array_over(
        section,
        view,
        dtype_of(schema.from_json(dtype)),
        shape,
        offset=offset,
        strides=strides,
        growth=rows,
    )
    array.flags.writeable = writeable and array.flags.writeable
    return array


ForkingPickler.register(Array, _reduce)
