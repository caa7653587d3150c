# SPDX-License-Identifier: MIT
"""Fixtures for the tests of programs that use memsection: names of their own, and a check that
nothing is left.

A plugin of pytest, which finds it by itself once memsection is installed.  It imports nothing of
memsection before a fixture is used.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["memsection_leaves_nothing", "memsection_root"]

_ROOT = "MEMSECTION_ROOT"


def _handles() -> dict[tuple[str, int], str]:
    """The objects that this process has handles to: (type, value) and what to call each."""
    from memsection.nt import kernel
    from memsection.vocabulary.object_types import LISTED

    return {
        (
            held.type_name,
            held.handle,
        ): f"{held.type_name} {held.name or 'without a name'}, handle {held.handle:#x}"
        for held in kernel.process_handles(os.getpid())
        if held.type_name in LISTED
    }


def _names() -> set[str]:
    from memsection.nt import kernel

    return {found.name for found in kernel.list_directory()}


@pytest.fixture
def memsection_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path | None]:
    """A directory of names that only this test and the processes it starts see; fails where a name
    is left in it.

    Rights:
        None.

    Raises:
        Failed: A name is left behind: somebody, here or in a child that still runs, has a handle to
            it.

    Platforms:
        Windows: names are the session's; it gives None, and looks for names that are new.
    """
    from memsection.nt import kernel

    if sys.platform != "linux":
        before = _names()
        yield None
        _fail("names", _names() - before)
        return
    # Global names need a directory in memory.
    prefix = f"memsection-test-{os.getpid()}-"
    with tempfile.TemporaryDirectory(
        prefix=prefix, dir="/dev/shm", ignore_cleanup_errors=True
    ) as root:
        monkeypatch.setenv(_ROOT, root)
        kernel.forget_directories()
        try:
            yield Path(root)
            left = _names()
        finally:
            monkeypatch.delenv(_ROOT)
            monkeypatch.undo()
            kernel.forget_directories()
            shutil.rmtree(root, ignore_errors=True)
        _fail("names", left)


@pytest.fixture
def memsection_leaves_nothing() -> Iterator[None]:
    """Fails where this process has more handles to sections, mutexes, events, semaphores and timers
    after the test than before.

    Rights:
        None.

    Raises:
        Failed: A handle is left behind; the message names the object.
    """
    import gc

    gc.collect()
    before = _handles()
    yield
    gc.collect()
    after = _handles()
    _fail("handles", {after[key] for key in after.keys() - before.keys()})


def _fail(what: str, left: set[str]) -> None:
    if left:
        from memsection.vocabulary.text import shown  # names are anybody's choice

        pytest.fail(
            f"memsection: {what} are left behind: {', '.join(map(shown, sorted(left)))}",
            pytrace=False,
        )
