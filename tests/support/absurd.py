# SPDX-License-Identifier: MIT
"""Arguments that nobody means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import memsection


def refused(call: Callable[..., Any], value: object) -> None:
    """Nothing else than an error of this library, or TypeError."""
    try:
        made = call(value)
    except (memsection.Error, TypeError):
        return
    if hasattr(made, "close"):
        made.close()


def each(call: Callable[..., Any], values: Iterable[Any]) -> None:
    """The same for several values."""
    for value in values:
        refused(call, value)
