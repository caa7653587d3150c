# SPDX-License-Identifier: MIT
"""Arrays that grow: ``grow``, and ``current`` for the rows that others have added.

An array of NumPy has one length for ever, so each length is an array of its own, over the same
memory.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, SupportsIndex

from memsection.content import growing
from memsection.content.endpoint import Held
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import AccessError, ArgumentError

if TYPE_CHECKING:
    from typing import Self

    import numpy as np

    from memsection.api.section import Section
    from memsection.api.view import View


class Growth(Held):
    """With the section of an array that grows: what its rows are, and how many there can be."""

    __slots__ = ("access", "dtype", "maximum", "row", "size")

    def __init__(
        self,
        section: Section,
        access: str,
        dtype: np.dtype[Any],
        row: tuple[int, ...],
        maximum: int,
    ) -> None:
        super().__init__(section)
        self.access, self.dtype, self.row, self.maximum = access, dtype, row, maximum
        self.size = dtype.itemsize * prod(row) * maximum

    def rows_there(self, view: View) -> int:
        """How many rows there are now."""
        with memoryview(view) as whole:
            return growing.rows_there(view, whole, self.size, self.maximum)


class Growable:
    """The part of an array that knows of its length in other processes."""

    @property
    def maximum(self) -> int | None:
        """The rows it can grow to, as given to ``create``; None for what cannot grow.

        Rights:
            None.
        """
        found = self._growth()
        return None if found is None else found[1].maximum

    def grow(self, rows: SupportsIndex) -> Self:
        """Have at least so many rows, for every process; what is new is zeros.

        This array and its parts stay as they are, over the same memory.  Other processes see the
        new rows when they ask for ``current``.  The number of rows never falls, whoever else asks
        for more at the same time.

        Args:
            rows: The length of its first dimension, ``maximum`` at most.

        Returns:
            The array with the rows there are now.

        Rights:
            ``SECTION_MAP_WRITE``, when it was opened.

        Raises:
            ArgumentError: It was made without ``maximum``, or with a smaller one; or this is only a
                part of it (ValueError).
            AccessError: It was opened to be read, or copy-on-write (PermissionError).
            CommitError: More memory than there is; nothing has changed (MemoryError).
            CorruptError: Somebody spoilt what the section says of its length.
        """
        wanted, found = whole_number(rows, "rows"), self._growth(whole=True)
        if found is None:
            raise ArgumentError(
                f"grow: asked for {wanted} rows of an array that was made without maximum=..."
            )
        view, growth = found
        if not 0 <= wanted <= growth.maximum:
            raise ArgumentError(
                f"grow: asked for {wanted} rows of an array with at most {growth.maximum}"
            )
        if growth.access != "rw":
            raise AccessError(
                f"grow: the array was opened with access {growth.access!r}, growing needs 'rw'"
            )
        there = growth.rows_there(view)
        if wanted > there:
            growing.grow(view, growth.size, there, wanted, growth.maximum)
        return self.current()

    def current(self) -> Self:
        """The array with the rows there are now, over the same memory; itself if it cannot grow.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: This is only a part of an array that can grow (ValueError).
            CorruptError: Somebody spoilt what the section says of its length.
        """
        found = self._growth(whole=True)
        if found is None:
            return self
        view, growth = found
        return self._with_rows(view, growth, growth.rows_there(view))

    def _growth(self, *, whole: bool = False) -> tuple[View, Growth] | None:
        """The view and how it grows, None where it does not; ArgumentError if this has to be the
        array itself and is a part."""
        raise NotImplementedError

    def _with_rows(self, view: View, growth: Growth, rows: int) -> Self:
        raise NotImplementedError
