# SPDX-License-Identifier: MIT
"""Every timeout is a number of seconds or None: what else is given is refused by its name, also
where nothing would have to be waited for."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import Callable
from typing import Any

import pytest
from support.objects import leaves_nothing, unique_name

from memsection import (
    Event,
    Mutex,
    Process,
    RWLock,
    Section,
    Semaphore,
    Timer,
    latest,
    wait_all,
    wait_any,
)

_left = pytest.fixture(autouse=True)(leaves_nothing)


#: How each kind of object is made.
_MAKERS: dict[str, Callable[[str], Any]] = {
    "section": lambda name: Section.create(name, 4096),
    "event": lambda name: Event.create(name, initial=True),
    "mutex": Mutex.create,
    "semaphore": lambda name: Semaphore.create(name, initial=1),
    "timer": Timer.create,
    "rwlock": RWLock.create,
    "latest": lambda name: latest.create(name, 8),
}
#: Kind and method: what takes a timeout of an object of that kind.
_METHODS = [
    ("event", "wait"),
    ("event", "wait_async"),
    ("mutex", "acquire"),
    ("mutex", "wait_async"),
    ("semaphore", "acquire"),
    ("semaphore", "wait_async"),
    ("timer", "wait"),
    ("timer", "wait_async"),
    ("rwlock", "acquire_read"),
    ("rwlock", "acquire_write"),
    ("rwlock", "read.acquire"),
    ("rwlock", "read.wait_async"),
    ("rwlock", "write.wait_async"),
    ("latest", "wait"),
    ("latest", "wait_async"),
    ("latest", "read"),
    ("latest", "read_numbered"),
]
_OPENERS: dict[str, Any] = {
    "section": Section,
    "event": Event,
    "mutex": Mutex,
    "semaphore": Semaphore,
    "timer": Timer,
    "rwlock": RWLock,
    "latest": latest,
}

REFUSED = {"5": "'5'", b"5": "b'5'", 1j: "1j", (): r"\(\)"}  #: and how the text shows it


def refuses(method: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
    """A call, or the task that it begins, refuses whatever is no number of seconds."""

    async def whole(timeout: Any) -> None:
        found = method(*arguments, timeout=timeout, **keywords)
        if asyncio.iscoroutine(found):
            await found

    for timeout, words in REFUSED.items():
        with pytest.raises(TypeError, match=rf"^timeout: a number of seconds .* not {words}"):
            asyncio.run(whole(timeout))
    with pytest.raises(ValueError, match="timeout: a number of seconds is needed, not nan"):
        asyncio.run(whole(math.nan))


@pytest.mark.parametrize(("kind", "method"), _METHODS)
def test_a_wait_names_its_timeout_and_what_was_given(kind: str, method: str) -> None:
    with contextlib.closing(_MAKERS[kind](unique_name())) as one:
        found = one
        for part in method.split("."):
            found = getattr(found, part)
        refuses(found)


@pytest.mark.parametrize("kind", sorted(_OPENERS))
def test_opening_names_its_timeout_also_where_the_name_is_there(kind: str) -> None:
    name = unique_name()
    for verb in ("open", "open_async"):
        refuses(getattr(_OPENERS[kind], verb), name)
        with contextlib.closing(_MAKERS[kind](name)):
            refuses(getattr(_OPENERS[kind], verb), name)


def test_waits_for_several_things_and_for_processes_name_their_timeout() -> None:
    with Event.create(initial=True) as event, Process(os.getpid()) as process:
        refuses(wait_any, [event])
        refuses(wait_all, [event])
        refuses(process.wait)
        refuses(process.wait_async)


def test_what_is_nearly_a_number_is_one() -> None:
    import numpy as np

    with Event.create(initial=True) as event, Process(os.getpid()) as process:
        assert event.wait(np.float32(1)) and event.wait(True) and event.wait(-1)
        assert not process.wait(np.int64(0)) and not process.wait(-1)
