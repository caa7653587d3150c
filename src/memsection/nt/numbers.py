# SPDX-License-Identifier: MIT
"""What the Nt-named functions take for a number: an int, or an integer of another library, which
becomes one.  Whether the number makes sense is for the services to say."""

from __future__ import annotations

from memsection.vocabulary.arguments import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NUMBERS = frozenset(("int", "int | None"))
_UNKNOWN: dict[str, bool] = {}  #: the numbers of a function that was not called yet


def take_numbers(functions: dict[str, Any]) -> None:
    """Have each function whose name begins with ``Nt`` refuse what is no int where one is needed.

    The functions then raise TypeError, which names the parameter.
    """
    for name, function in functions.items():
        if name.startswith("Nt") and name != "NtError":
            functions[name] = _checked(function)


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    numbers = _UNKNOWN

    def number(name: str, value: Any) -> Any:
        may_be_none = numbers.get(name)
        if type(value) is int or may_be_none is None or may_be_none and value is None:
            return value
        return whole_number(value, f"{function.__name__}: {name}")

    def call(*given: Any, **named: Any) -> Any:
        nonlocal numbers
        if numbers is _UNKNOWN:  # at the first call: most programs make none
            numbers = _numbers_among(names, function.__annotations__)
        return function(
            *map(number, names, given),
            *given[len(names) :],  # too many are the function's to refuse
            **{name: number(name, value) for name, value in named.items()},
        )

    # functools.wraps would bring functools, which a program may not need at all
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(call, name, getattr(function, name))
    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call


def _numbers_among(names: tuple[str, ...], kinds: dict[str, str]) -> dict[str, bool]:
    """The parameters that are numbers, and whether they may be None."""
    return {name: kinds[name] != "int" for name in names if kinds.get(name) in _NUMBERS}
