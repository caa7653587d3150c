# SPDX-License-Identifier: MIT
"""The class of records in sections, and how they are found in one: how they are made and opened by
a name is ``records``'."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypeVar, overload

from memsection.api.operations import whole
from memsection.api.section import Section
from memsection.api.view import View
from memsection.content import schema
from memsection.content.atomics import Atomic, is_signed
from memsection.content.endpoint import Endpoint, Held, closed_on_failure
from memsection.content.layouts import Layout, LayoutText, layout, layout_in
from memsection.content.schema import Scalar, Struct
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import ArgumentError, CorruptError
from memsection.vocabulary.text import about

if TYPE_CHECKING:
    import numpy as np

    from memsection.content.layouts import Spec

Record = TypeVar("Record")


class Records(Endpoint, Atomic, Generic[Record]):
    """Records in a section: a sequence of a fixed length, with slices as lists.

    For type checkers it is generic: ``create("drones", Drone)`` gives ``Records[Drone]``.

    Reading gives a copy in the layout's own form (an instance of the dataclass or structure, a
    NumPy scalar, or a dict when the section was opened without a layout), assigning writes one.
    The copy cannot be changed, at no depth: what was written into it would be lost.  To change a
    record, assign one (``records[0] = dataclasses.replace(records[0], x=9)``, or a changed
    ``copy.deepcopy(records[0])``), or write in place: ``array``, ``live``, the atomic operations.
    """

    def __init__(
        self, section: Section, view: View, kind: Layout, count: int, version: int
    ) -> None:
        super().__init__(section, view)
        self.layout = kind
        self.version = version
        self._count = count

    @property
    def view(self) -> View:
        """Their bytes.

        Rights:
            None.
        """
        return self._view

    def __len__(self) -> int:
        return self._count

    def _at(self, place: SupportsIndex) -> int:
        index = whole_number(place, "index")
        at = index + self._count if index < 0 else index
        if not 0 <= at < self._count:
            raise IndexError(f"record {index} of {self._count}")
        return at * self.layout.size

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return [
                self.layout._unpack_fixed(self._view, at * self.layout.size)
                for at in range(*index.indices(self._count))
            ]
        return self.layout._unpack_fixed(self._view, self._at(index))

    def __setitem__(self, index: SupportsIndex | slice, value: Any) -> None:
        if not isinstance(index, slice):
            self.layout.pack_into(self._view, self._at(index), value)
            return
        places, values = range(*index.indices(self._count)), list(value)
        if len(places) != len(values):
            raise ArgumentError(f"records: {len(values)} values for {len(places)} records")
        size = self.layout.size
        whole = bytearray(size * len(values))  # all of them fit before one is written
        for number, one in enumerate(values):
            self.layout.pack_into(whole, number * size, one)
        with memoryview(self._view) as memory:
            for number, at in enumerate(places):
                memory[at * size : (at + 1) * size] = whole[number * size : (number + 1) * size]

    def _integer(self, place: tuple[Any, ...]) -> tuple[Any, bool]:
        if len(place) != 2 or not isinstance(place[1], str):
            raise TypeError(
                "atomic operation: the place in records is an index and the name of a field"
            )
        at, kind = self._at(place[0]), self.layout.struct
        for name in place[1].split("."):
            field = (
                next((one for one in kind.fields if one.name == name), None)
                if isinstance(kind, Struct)
                else None
            )
            if field is None:
                raise ArgumentError(
                    f"atomic operation: record {self.layout.name} has no field {place[1]!r}"
                )
            at, kind = at + field.offset, field.type  # type: ignore[assignment]
        if not isinstance(kind, Scalar) or kind.code[0] not in (
            "|",
            "<" if sys.byteorder == "little" else ">",
        ):
            raise ArgumentError(
                f"atomic operation: field {place[1]!r} is no integer in this machine's byte order"
            )
        signed = is_signed(kind.code[1:])
        return memoryview(self._view)[at : at + kind.size], signed

    @property
    def value(self) -> Record:
        """The first record.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: They are closed; or the value set does not fit (ValueError).
            TypeError: A value is set, and the handle only reads.
        """
        return self[0]

    @value.setter
    def value(self, value: Record) -> None:
        self[0] = value

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """All of them as a structured array over the same memory; valid after ``close`` too.  Needs
        NumPy.

        Rights:
            None: it is read-only where the handle is.

        Raises:
            ArgumentError: They are closed (ValueError).
            ImportError: NumPy is not installed.
        """
        import numpy as np

        return np.frombuffer(memoryview(self._view), self.layout.dtype(), self._count)

    def live(self, index: int = 0) -> Record:
        """One record in place, for a layout that is a ctypes structure: its fields are the memory.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: The layout was made from something else; they are closed (ValueError).
            TypeError: The handle only reads.
        """
        spec = self.layout._spec
        if not (isinstance(spec, type) and issubclass(spec, ctypes.Structure)):
            raise ArgumentError(
                f"record {self.layout.name}: only a ctypes structure can lie in foreign memory"
            )
        return spec.from_buffer(self._view, self._at(index))  # type: ignore[return-value]

    def __reduce__(self) -> tuple[Any, ...]:
        """The same memory in whatever process takes it, through any pickler; the handle travels as
        a section's does."""
        if self.section.access.startswith("c"):
            raise ArgumentError(
                "pickle records: what is written to copy-on-write records stays in this process: "
                "open them"
                " with access 'r' or 'rw', or pass their values"
            )
        return _rebuild, (self.section, self.layout._spec, self._count, self.version)


@whole
def records_in(
    section: Section, spec: Spec | None, count: int | None, version: int | None
) -> Records[Any]:
    """The records in a section that should have some, which is closed if they are not as asked for.

    Raises:
        ArgumentError: They are not; or there are none (ValueError).
        CorruptError: The description makes no sense.
    """
    with closed_on_failure(section):
        view, facts, size = schema.attach(section, "record")
        found = layout_in(facts)
        number, its_version = facts.get("count"), facts.get("version")
        if (
            type(number) is not int
            or type(its_version) is not int
            or number < 1
            or number * found.size != size
        ):
            raise CorruptError(
                f"{about('open', section.name)}: {str(number)[:20]} records of {found.size} bytes "
                f"in {size}"
            )
        asked = None if spec is None else layout(spec)
        schema.compare(
            section,
            {
                "layout": None if asked is None else LayoutText(asked),
                "count": count,
                "version": version,
            },
            {"layout": LayoutText(found), "count": number, "version": its_version},
        )
    return Records(section, view, asked or found, number, its_version)


@whole
def _rebuild(section: Section, spec: Spec | None, count: int, version: int) -> Records[Any]:
    """Unpickle; an argument that a worker got is closed when the worker forgets it."""
    again = records_in(section, spec, count, version)
    again._held = Held(section)
    return again
