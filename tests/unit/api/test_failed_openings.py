# SPDX-License-Identifier: MIT
"""Openings that fail."""

from __future__ import annotations

import gc
import weakref

from support import objects

from memsection import Section, errors


def test_an_opening_that_fails_leaves_nothing_to_the_collector() -> None:
    """An exception that its own frame has a name for keeps every frame above it, too."""

    def fail(access: str) -> object:
        try:
            Section.open(objects.unique_name(), access=access)
        except errors.NotFoundError as problem:
            return weakref.ref(problem)
        raise AssertionError

    gc.disable()
    try:
        assert [fail(access)() for access in ("r", "rw")] == [None, None]  # type: ignore[operator]
    finally:
        gc.enable()
