# SPDX-License-Identifier: MIT
"""Forks in a program whose other threads make, open and close objects, and what the children have
and can."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from memsection import Event, Mutex, Section
from memsection.nt.linux.handles import state
from memsection.nt.linux.names import namespace


@contextmanager
def busy(name: str, threads: int = 4, pause: float = 0) -> Iterator[list[str]]:
    """Other threads that make, open, map, duplicate and close, until the end of the block; it gets
    what they raised.

    ``pause`` is how many seconds each rests after a turn, so that others get on beside them.
    """
    ended = threading.Event()
    problems: list[str] = []

    def work(number: int) -> None:
        try:
            turns(number)
        except BaseException as problem:
            problems.append(f"{type(problem).__name__}: {problem}")

    def turns(number: int) -> None:
        for turn in itertools.count():
            if ended.wait(pause) if pause else ended.is_set():
                return
            mine = f"{name}-{number}-{turn}"  # a child that has a handle keeps its name
            for prefix in ("", "Global\\"):
                with (
                    Section.create(prefix + mine, 4096) as section,
                    Section.open(prefix + mine),
                    section.duplicate("r"),
                ):
                    section.map().close()
            Mutex.create(mine + "m").close()
            Event.create().close()

    workers = [
        threading.Thread(target=work, args=(number,), daemon=True) for number in range(threads)
    ]
    for worker in workers:
        worker.start()
    try:
        yield problems
    finally:
        ended.set()
        for worker in workers:
            worker.join(60)
        problems += [f"{worker.name} goes on" for worker in workers if worker.is_alive()]


def unknown_descriptors() -> list[str]:
    """The descriptors of objects in this process that no table knows."""
    known = {fd for handle in state.handles.values() for fd in (handle.fd, handle.data_fd)}
    known |= {
        fd
        for obj in state.objects_by_identity.values()
        for fd in (obj.locator_fd, obj.view_ro, obj.view_rw)
    }
    known |= {found[0] for found in namespace.known_directories.values()}
    known |= {fd for given in state.pending_transfers for fd in given[:3]}
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            where = os.readlink(f"/proc/self/fd/{fd}")
            with open(f"/proc/self/fdinfo/{fd}") as info:
                flags = next(int(line.split()[1], 8) for line in info if line.startswith("flags"))
            if flags & os.O_PATH:
                # a guard's, which knows by it what file a view is of: nothing is locked or kept by
                # it
                continue
            if int(fd) not in known and (
                "memfd:memsection" in where
                or "memsection" in os.path.basename(where)
                or "/memsection-" in where
            ):
                found.append(f"{fd}: {where}")
    return found


def child(body: Callable[[], str]) -> str:
    """What a function says in a forked child; that it did not get on, or what ended it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(reader)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(60)
            os.write(writer, body().encode()[:4000])
        except BaseException as problem:
            os.write(writer, f"{type(problem).__name__}: {problem}".encode()[:4000])
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return "stuck" if status == -signal.SIGALRM else f"signal {-status}" if status < 0 else said


def use_everything(name: str) -> str:
    """Operate on objects in a child: "" when all goes well, and nothing had to be imported."""
    mine = f"{name}-{os.getpid()}"
    if left := unknown_descriptors():
        return f"unknown: {left}"
    before = set(sys.modules)
    for prefix in ("", "Global\\"):
        with (
            Section.create(prefix + mine, 4096) as section,
            Section.open(prefix + mine) as other,
            other.map() as view,
        ):
            view[0] = 1
            section.duplicate("r").close()
            repr(section)
            _ = section.security
    with Section.from_file(__file__) as file:
        _ = file.size
    mutex = Mutex.create(mine)
    mutex.acquire(timeout=60)
    mutex.release()
    mutex.close()
    try:
        Section.open(mine)
    except FileNotFoundError:
        pass
    imported = {
        each
        for each in set(sys.modules) - before
        if each.startswith("memsection") or each in sys.stdlib_module_names
    }
    return f"imported: {sorted(imported)}" if imported else ""
