# SPDX-License-Identifier: MIT
"""What kind of value an argument has to be.  Whether the value makes sense is for those to say who use it."""

from __future__ import annotations


def whole_number(value: object, what: str) -> int:
    """The value as an int, where it is one or an integer of another library.

    Raises:
        TypeError: It is anything else: a float, a text, None.
    """
    if type(value) is int:
        return value
    try:
        return int(value.__index__())  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        raise TypeError(f"{what}: an int is needed, not {type(value).__name__}") from None


def seconds(value: object, what: str = "timeout") -> float:
    """The value as a number of seconds.

    Raises:
        TypeError: It is no number, or a complex one.
    """
    if type(value) is float or type(value) is int:
        return value
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError(f"{what}: a number of seconds is needed, not {type(value).__name__}")
    try:
        return float(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{what}: a number of seconds is needed, not {type(value).__name__}") from None
