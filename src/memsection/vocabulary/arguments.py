# SPDX-License-Identifier: MIT
"""What kind of value an argument has to be.  Whether the value makes sense is for those to say who
use it."""

from __future__ import annotations

from math import inf

from memsection.vocabulary.errors import ArgumentError
from memsection.vocabulary.text import shown

_LONG = 1 << 62  # seconds: an int below can be added to a time


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


def object_name(value: object, *keywords: str) -> None:
    """Refuse what is no name and not None; a number may have been meant as one of the ``keywords``.

    Raises:
        TypeError: It is anything else.
    """
    if value is None or isinstance(value, str):
        return
    way_out = ""
    if keywords and hasattr(value, "__index__"):
        way_out = ": without a name write " + " or ".join(
            f"create({keyword}={value!r})" for keyword in keywords
        )
    raise TypeError(f"name: a str is needed, or None, not {type(value).__name__}{way_out}")


def seconds(value: object, what: str = "timeout") -> float:
    """The value as a number of seconds.

    Raises:
        TypeError: It is no number, or a complex one.
        ArgumentError: It is NaN.
    """
    if type(value) is int and -_LONG < value < _LONG:
        return value
    if not isinstance(value, (str, bytes, bytearray)):
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            pass
        except OverflowError:  # an int that no float is
            return inf if value > 0 else -inf  # type: ignore[operator]
        else:
            if number != number:
                raise ArgumentError(f"{what}: a number of seconds is needed, not nan")
            return number
    raise TypeError(f"{what}: a number of seconds is needed, not {shown(repr(value), 60)}")


def may_wait(timeout: object) -> bool:
    """Whether a timeout is not 0.

    Raises:
        TypeError: It is no number of seconds and not None: said also where nothing has to be
            waited for.
        ArgumentError: It is NaN.
    """
    return timeout is None or (timeout != 0 and seconds(timeout) != 0)


def waiting_time(blocking: object, timeout: object) -> float | None:
    """How long an ``acquire`` may wait, with the arguments of ``threading.Lock``; None for ever.

    ``blocking`` may be a number too: of seconds, as ``timeout``.

    Raises:
        TypeError: One of them is no number.
        ArgumentError: A timeout below 0 that is not -1, or a timeout for a call that does not wait.
    """
    if type(blocking) is bool:
        if timeout is None or timeout == -1 and type(timeout) is int:
            return None if blocking else 0
        if not blocking:
            raise ArgumentError(
                "acquire: a call that does not wait (blocking=False) has no timeout"
            )
    elif timeout is not None and timeout != -1:
        raise TypeError("acquire: seconds were given twice, as blocking and as timeout")
    else:
        timeout = blocking
    if timeout is None:
        return None
    limit = seconds(timeout)
    if not limit >= 0:
        if limit == -1:
            return None
        raise ArgumentError(
            f"acquire: a timeout is a number of seconds from 0 on, or -1 for ever, not {timeout}"
        )
    return limit
