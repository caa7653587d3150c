# SPDX-License-Identifier: MIT
"""Functions that work out each result once.

As ``functools.lru_cache``, which every program that makes a section would have to import: with what
that module brings along it takes longer than a tenth of ``from memsection import Section``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    R = TypeVar("R")


def remember_results(most: int) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Have a function of hashable positional arguments called once for each; at ``most`` so many
    results are kept, and then all of them are forgotten."""

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        known: dict[tuple[Any, ...], R] = {}

        def call(*arguments: Any) -> R:
            if arguments in known:
                return known[arguments]
            result = function(*arguments)
            if len(known) >= most:
                known.clear()
            known[arguments] = result
            return result

        call.__name__, call.__qualname__ = function.__name__, function.__qualname__
        call.__doc__, call.__module__ = function.__doc__, function.__module__
        call.__wrapped__ = function  # type: ignore[attr-defined]
        return call

    return decorate
