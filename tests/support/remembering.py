# SPDX-License-Identifier: MIT
"""Programs that remember nothing between two operations: what is remembered may change how long
something takes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: What is remembered, as (module of ``nt.linux``, its dictionary).
DICTIONARIES = (
    ("names.namespace", "known_places"),
    ("names.verify", "_remembered"),
    ("types.new_body", "_plans"),
    ("types.section", "_checked"),
)


class Forgetful(dict[Any, Any]):
    """A dictionary that keeps nothing."""

    def __setitem__(self, key: object, value: object) -> None:
        pass


def forget_everything() -> Callable[[], None]:
    """Remember nothing from now on; gives the function that ends this."""
    from importlib import import_module

    from memsection.nt.linux.handles import rights
    from memsection.nt.linux.system import accounts

    def stranger() -> Any:
        return rights._Caller(b"", accounts.current_token())

    before: list[tuple[Any, str, Any]] = [(rights, "_current_caller", rights._current_caller)]
    rights._current_caller = stranger
    for name, dictionary in DICTIONARIES:
        module = import_module(f"memsection.nt.linux.{name}")
        before.append((module, dictionary, getattr(module, dictionary)))
        setattr(module, dictionary, Forgetful())

    def remember() -> None:
        for module, name, value in before:
            setattr(module, name, value)

    return remember
