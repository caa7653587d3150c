# SPDX-License-Identifier: MIT
"""``open(timeout=)`` and ``open_async``: a name that is not there yet is waited for."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from memsection import (
    ArgumentError,
    Event,
    HandleError,
    Mutex,
    NameTimeoutError,
    NotFoundError,
    Section,
    Semaphore,
    WaitTimeoutError,
    arrays,
    latest,
    records,
)
from memsection.nt import kernel

pa: Any
arrow: Any
try:
    import pyarrow as pa

    from memsection import arrow
except ImportError:  # Wine has no pyarrow
    pa = arrow = None


@dataclasses.dataclass
class Point:
    x: int


KINDS: dict[str, tuple[Any, Callable[[str], Any]]] = {
    "section": (Section, lambda name: Section.create(name, 4096)),
    "mutex": (Mutex, Mutex.create),
    "event": (Event, Event.create),
    "semaphore": (Semaphore, Semaphore.create),
    "array": (arrays, lambda name: arrays.put(name, np.arange(3))),
    "records": (records, lambda name: records.create(name, Point)),
    "latest": (latest, lambda name: latest.create(name, 8)),
    **(
        {"table": (arrow, lambda name: arrow.put(name, pa.table({"a": [1]})))}
        if pa is not None
        else {}
    ),
}


def _close(one: Any) -> None:
    getattr(one, "close", lambda: None)()


def _make_soon(make: Callable[[], Any], made: list[Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: made.append(make()))
    timer = threading.Timer(0.05, thread.start)
    timer.start()
    thread.join_ = lambda: (timer.join(), thread.join())  # type: ignore[attr-defined]
    return thread


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_waits_for_its_name(kind: str, name: str) -> None:
    face, make = KINDS[kind]
    made: list[Any] = []
    thread = _make_soon(lambda: make(name), made)
    found = face.open(name, timeout=60)
    thread.join_()  # type: ignore[attr-defined]
    _close(found)
    _close(made.pop())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_waits_in_an_event_loop(kind: str, name: str) -> None:
    face, make = KINDS[kind]

    async def program() -> tuple[Any, Any]:
        waiting = asyncio.create_task(face.open_async(name, timeout=60))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        made = make(name)
        return await waiting, made

    for one in asyncio.run(program()):
        _close(one)


@pytest.mark.parametrize("kind", KINDS)
def test_when_the_time_is_up_both_ways_of_catching_it_do(kind: str, name: str) -> None:
    face, _ = KINDS[kind]
    for kind_of_error in (
        NameTimeoutError,
        NotFoundError,
        WaitTimeoutError,
        FileNotFoundError,
        TimeoutError,
    ):
        with pytest.raises(kind_of_error, match=name):
            face.open(name, timeout=0.01)
    with pytest.raises(NameTimeoutError):
        asyncio.run(face.open_async(name, timeout=0.01))
    with pytest.raises(NotFoundError) as caught:
        face.open(name)
    assert not isinstance(caught.value, WaitTimeoutError)


def test_a_name_that_is_there_is_opened_at_once_and_bad_arguments_are_told(name: str) -> None:
    with Section.create(name, 4096), Section.open(name, timeout=None) as again:
        assert again.name == name
    with Event.create(name), pytest.raises(HandleError):
        Section.open(name, timeout=60)
    for bad, error in (("", ArgumentError), ("no directory\\b", NotFoundError)):
        with pytest.raises(error):
            Section.open(bad, timeout=None)
        with pytest.raises(error):
            asyncio.run(Section.open_async(bad))
    for timeout in ("5", object()):
        with pytest.raises(TypeError, match="number of seconds"):
            Section.open(name, timeout=timeout)  # type: ignore[arg-type]


def test_a_cancelled_wait_leaves_nothing(name: str) -> None:
    async def program() -> None:
        waiting = asyncio.create_task(Event.open_async(name))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(program())


def test_other_names_do_not_end_the_wait(name: str) -> None:
    opened: list[Any] = []
    thread = threading.Thread(target=lambda: opened.append(Event.open(name, timeout=60)))
    thread.start()
    for number in range(50):
        Event.create(f"{name}.{number}").close()
    assert not opened
    with Event.create(name):
        thread.join()
        opened.pop().close()


@pytest.mark.linux_only("elsewhere the caller looks now and then")
def test_nobody_looks_while_nothing_happens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    real = kernel.open_event

    def counted(*arguments: Any) -> int:
        looks.append(1)
        return real(*arguments)

    monkeypatch.setattr(kernel, "open_event", counted)
    with pytest.raises(NameTimeoutError):
        Event.open(name, timeout=0.3)
    assert len(looks) <= 2


@pytest.mark.linux_only("elsewhere there is nothing to run out of")
@pytest.mark.parametrize("scope", ["", "Global\\"])
def test_without_watches_it_looks_now_and_then(
    scope: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from memsection.nt.linux.system import syscalls

    def none_left() -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(syscalls, "inotify_init", none_left)
    made: list[Any] = []
    thread = _make_soon(lambda: Event.create(scope + name), made)
    Event.open(scope + name, timeout=60).close()
    thread.join_()  # type: ignore[attr-defined]
    made.pop().close()

    async def program() -> None:
        waiting = asyncio.create_task(Event.open_async(scope + name, timeout=60))
        await asyncio.sleep(0.01)
        with Event.create(scope + name):
            (await waiting).close()

    asyncio.run(program())


@pytest.mark.linux_only("names are files on Linux only")
def test_a_directory_of_names_that_is_removed_meanwhile_does_not_keep_it_waiting(
    tmp_path: Any,
) -> None:
    program = """if True:
        import os, shutil, sys, threading
        from memsection import Event
        opened = []
        thread = threading.Thread(target=lambda: opened.append(Event.open("late", timeout=60)))
        Event.create("first").close()
        thread.start()
        while not any("inotify" in os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                      if os.path.islink(f"/proc/self/fd/{fd}")):
            pass
        shutil.rmtree(f"{os.environ['MEMSECTION_ROOT']}/memsection-{os.getuid()}")
        event = Event.create("late")
        thread.join()
        opened[0].close(); event.close()
    """
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=True,
        timeout=60,
        env={**os.environ, "MEMSECTION_ROOT": str(tmp_path)},
    )


def test_another_process_makes_the_name(name: str) -> None:
    program = f"""if True:
        from memsection import Section
        import sys
        with Section.create({name!r}, 4096) as section:
            print("made", flush=True)
            sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        with Section.open(name, access="r", timeout=60) as section:
            assert section.size == 4096
        process.communicate(b"")
    assert process.returncode == 0
