# SPDX-License-Identifier: MIT
"""Whatever stands where a number, a word or a name belongs is taken, or refused with TypeError or an
error of this library: no OverflowError, MemoryError, struct.error or UnicodeEncodeError."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import absurd
from support.absurd import refused

import memsection
from memsection import Event, Mutex, Process, Section, Security, Semaphore, Timer

NUMBERS = [-1, 2**31, 2**32, 2**63, 2**64, 2**70, 10**400, -(2**31), -(2**64), -(10**400), True]
OTHERS = [1.5, float("nan"), float("inf"), -1e308, "x", "a\0b", "\ud800", "", b"x", [], {}, 1j]
ABSURD = NUMBERS + OTHERS
SIZES = [value for value in ABSURD if value not in (2**31, 2**32)]  # which a machine may have


def each(call: Callable[..., Any], values: list[Any] = ABSURD) -> None:
    absurd.each(call, values)


@pytest.fixture
def signaled() -> Any:
    with Event.create(initial=True) as event:
        yield event


def test_what_makes_sections() -> None:
    each(lambda value: Section.create(None, value), SIZES)
    each(lambda value: Section.create(value, 4096))
    each(lambda value: Section.create(None, 4096, access=value))
    each(lambda value: Section.create(None, 4096, security=value))
    each(lambda value: Section.create(None, 4096, numa_node=value))
    each(lambda value: Section.open("absurd", access=value))
    with Section.create(None, 4096) as section:
        each(lambda value: section.map(value))
        each(lambda value: section.map(0, value))
        each(lambda value: section.map(access=value))
        each(lambda value: section.map(numa_node=value))
        each(lambda value: section.duplicate(value))


def test_files_and_descriptors(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(4096))
    for name in ("x", "a\0b", "\ud800", ""):
        refused(lambda name: Section.from_file(os.path.join(tmp_path, name)), name)
    each(lambda value: Section.from_file(path, size=value))
    each(lambda value: Section.from_file(path, access=value))
    each(lambda value: Section.from_fd(value), [*NUMBERS[:-1], *OTHERS])
    with path.open("rb") as file:
        each(lambda value: Section.from_fd(file.fileno(), size=value))
        each(lambda value: Section.from_fd(file.fileno(), access=value))


@pytest.mark.parametrize("kind", [Section, Mutex, Event, Semaphore, Timer, Process])
def test_handles_of_any_value(kind: Any) -> None:
    each(kind.from_handle, [*OTHERS, *NUMBERS[1:-1]])
    each(lambda value: kind.from_process(value, 4))
    each(lambda value: kind.from_process(os.getpid(), value), [*OTHERS, *NUMBERS[1:-1]])
    each(lambda value: kind.from_process(os.getpid(), 4, access=value), OTHERS)


def test_timeouts(signaled: Event) -> None:
    mutex, semaphore = Mutex.create(), Semaphore.create(None, 1, 1)
    with contextlib.closing(mutex), contextlib.closing(semaphore):
        for value in ABSURD:
            refused(signaled.wait, value)
            refused(lambda value: bool(memsection.wait_any([signaled], value)), value)
            refused(lambda value: memsection.wait_all([signaled], value), value)
            for thing in (mutex, semaphore):
                with contextlib.suppress(memsection.Error, TypeError):
                    thing.acquire(True, value)
                    thing.release()
    with Timer.create() as timer:
        each(timer.set)
        each(lambda value: timer.set(1, value))


def test_no_number_of_seconds_is_an_error_of_this_library(signaled: Event) -> None:
    with Event.create() as event:
        for call in (signaled.wait, event.wait):
            with pytest.raises(memsection.ArgumentError, match="nan"):
                call(float("nan"))


def test_a_timeout_that_no_float_is_means_for_ever(signaled: Event) -> None:
    assert signaled.wait(10**400)
    with Event.create() as event:
        assert not event.wait(-(10**400))
        assert memsection.wait_any([event, signaled], 10**400) is signaled
        assert memsection.wait_any([event], -(10**400)) is None
    with pytest.raises(memsection.NameTimeoutError):
        Section.open("absurd", timeout=-(10**400))


def test_security_of_any_kind() -> None:
    for kind in (Mutex, Event, Semaphore, Timer):
        each(lambda value, kind=kind: kind.create(None, security=value))
    each(Security.from_sddl)
    each(Security.from_descriptor)
    each(lambda value: Security("rw", users={value: "r"}), [v for v in ABSURD if v not in ([], {})])
    each(
        lambda value: Security("rw", groups={value: "r"}), [v for v in ABSURD if v not in ([], {})]
    )
    each(lambda value: Security("rw", users={"9" * value: "r"}), [30, 5000])
    each(lambda value: Security(value))
    with pytest.raises(TypeError, match="security"):
        Section.create(None, 4096, security=5)  # type: ignore[arg-type]
