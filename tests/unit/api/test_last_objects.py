# SPDX-License-Identifier: MIT
"""Objects that outlive the modules at the end of the interpreter: nothing is said, and nothing
raised."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest
from support.objects import leaves_nothing

from memsection import Event, Mutex, Section
from memsection.compat import queues

if sys.platform == "win32":
    from memsection._native import handles as core
else:
    from memsection._native import ledger as core

_left = pytest.fixture(autouse=True)(leaves_nothing)


def test_an_object_that_goes_after_the_core_was_taken_apart_is_closed_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The interpreter makes None of the names of a module."""
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    held: list[Any] = [Section.create(size=4096), Mutex.create(), Event.create()]
    held.append(held[0].map())
    monkeypatch.setattr(core, "sys", None)
    monkeypatch.setattr(core, "drop_quietly", None)
    monkeypatch.setattr(core, "_is_finalizing", None, raising=False)
    with pytest.warns(ResourceWarning):
        held.clear()
        gc.collect()
    assert unraisable == []


def test_ends_that_go_after_their_module_was_taken_apart_say_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from memsection.compat import queue_ends

    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    queue = queues.Queue()
    ends = queue._ends
    with monkeypatch.context() as end:
        end.setattr(queue_ends, "sys", None)
        ends.__del__()
    assert unraisable == []
    queue.close()
    queue.join_thread()
