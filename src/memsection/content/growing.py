# SPDX-License-Identifier: MIT
"""How much of what can grow is there: memory is reserved for all the rows it may ever have, and
behind it a word has the number of those there are.

The word is written after the memory was committed, so whoever reads it has the rows.  Anybody who
may write to the section may write it, so it is believed only as far as memory is there: touching
reserved memory ends a process.
"""

from __future__ import annotations

import sys

from memsection.api.view import View, publish, published
from memsection.content.atomics import raise_to
from memsection.vocabulary.errors import CorruptError

WORD = 8  #: bytes of the number


def place(size: int) -> int:
    """Where the number is, behind ``size`` bytes for all rows."""
    return -(-size // WORD) * WORD


def begin(view: View, size: int, rows: int, maximum: int) -> None:
    """Have the first rows, and the description's memory, in a new section."""
    _commit(view, 0, size // maximum * rows)
    view.commit(place(size))
    publish(view, place(size), rows.to_bytes(WORD, sys.byteorder))


def rows_there(view: View, whole: memoryview, size: int, maximum: int) -> int:
    """How many rows of ``size`` bytes for ``maximum`` rows there are.

    Raises:
        CorruptError: No such number of rows can be, or their memory is not there.
    """
    at = place(size)
    if maximum < 1 or not size or size % maximum or not view._is_committed(at, at + WORD):
        raise CorruptError(f"description: {maximum} rows in {size} bytes")
    rows = int.from_bytes(published(whole, at), sys.byteorder)
    if rows > maximum or not view._is_committed(0, size // maximum * rows):
        raise CorruptError(
            f"description: {rows} rows of at most {maximum}, and no memory for so many"
        )
    return rows


def grow(view: View, size: int, there: int, rows: int, maximum: int) -> None:
    """Have at least so many rows where ``there`` are; what is new is zeros.

    Raises:
        CommitError: There is no memory for them; nothing has changed.
    """
    row = size // maximum
    _commit(view, row * there, row * rows)
    with memoryview(view) as whole, whole[place(size) : place(size) + WORD] as word:
        raise_to(word, rows)


def _commit(view: View, start: int, stop: int) -> None:
    if stop > start:
        view.commit(start, stop - start)
