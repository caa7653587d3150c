# SPDX-License-Identifier: MIT
"""Atomic operations on integers in shared memory, for arrays and records: counters and flags that
need no mutex.

It owns what the operations are called and what they promise; the one who has the integers says
where each is.
"""

from __future__ import annotations

from typing import Any

from memsection._native import atomics
from memsection.vocabulary.errors import ArgumentError

#: For whoever has a strided buffer: the native operations that take it with the indices.
AT_PLACE: dict[str, Any] = {
    "load": atomics.load_at,
    "add": atomics.add_at,
    "exchange": atomics.exchange_at,
    "compare_exchange": atomics.compare_exchange_at,
}
#: NumPy's codes, and whether each is signed
_KINDS = {"i4": True, "i8": True, "u4": False, "u8": False}


def is_signed(code: str) -> bool:
    """Whether integers of this code have a sign.

    Raises:
        ArgumentError: There are no atomic operations on such values.
    """
    try:
        return _KINDS[code]
    except KeyError:
        raise ArgumentError(
            f"atomic operation: asked for values of type {code!r}, there are integers of 4 and 8 "
            f"bytes in "
            f"this machine's order: {', '.join(_KINDS)}"
        ) from None


def call_native(operation: Any, *arguments: Any) -> int:
    """What a native operation gives; what it refuses as the library's own exceptions."""
    try:
        return operation(*arguments)  # type: ignore[no-any-return]
    except BufferError as failure:
        raise TypeError(f"atomic operation: this memory is read-only here: {failure}") from None
    except AttributeError as failure:
        raise TypeError(f"atomic operation: an int is needed: {failure}") from None
    except (ValueError, OverflowError) as failure:
        raise ArgumentError(f"atomic operation: {failure}") from None


def raise_to(integer: memoryview, value: int) -> None:
    """Have an unsigned integer be at least ``value``, whoever else changes it meanwhile."""
    found = call_native(atomics.load, integer, False)
    while found < value:
        before = call_native(atomics.compare_exchange, integer, False, found, value)
        if before == found:
            return
        found = before


class Atomic:
    """The operations; each is one step for every thread of every process that has the memory.

    They order memory as locks do: what was written before one is seen by who sees its value.
    ``place`` is an index; records have the field's name too.
    """

    def _integer(self, place: tuple[Any, ...]) -> tuple[Any, bool]:
        """The buffer of one integer, and whether it has a sign."""
        raise NotImplementedError

    def _operate(self, operation: str, arguments: tuple[Any, ...], values: int) -> int:
        if len(arguments) <= values:
            raise TypeError(
                f"atomic operation: a place and {values} value{'s' * (values != 1)} are needed, "
                f"{len(arguments)} arguments were given"
            )
        split = len(arguments) - values
        target, signed = self._integer(arguments[:split])
        return call_native(getattr(atomics, operation), target, signed, *arguments[split:])

    def atomic_load(self, *place: Any) -> int:
        """The integer at a place.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: It is no aligned integer of 4 or 8 bytes (ValueError).
            IndexError: There is no such place.
        """
        return self._operate("load", place, 0)

    def atomic_store(self, *place_and_value: Any) -> None:
        """Write the integer at a place; the last argument is the value.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: As ``atomic_load``; or the value does not fit (ValueError).
            TypeError: The memory is read-only.
        """
        self._operate("exchange", place_and_value, 1)

    def atomic_add(self, *place_and_value: Any) -> int:
        """Add the last argument to the integer at a place; a sum beyond its range comes round, as
        in C.

        Returns:
            What was there before.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: As ``atomic_store``.
            TypeError: As ``atomic_store``.
        """
        return self._operate("add", place_and_value, 1)

    def atomic_exchange(self, *place_and_value: Any) -> int:
        """Put the last argument in the place of the integer at a place.

        Returns:
            What was there before.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: As ``atomic_store``.
            TypeError: As ``atomic_store``.
        """
        return self._operate("exchange", place_and_value, 1)

    def atomic_compare_exchange(self, *place_and_values: Any) -> int:
        """Put the last argument in the place of the integer at a place, if that is the argument
        before the last.

        Returns:
            What was there before: it was done where that is what was expected.

        Rights:
            None: what the handle permitted when it was opened.

        Raises:
            ArgumentError: As ``atomic_store``.
            TypeError: As ``atomic_store``.
        """
        return self._operate("compare_exchange", place_and_values, 2)
