# SPDX-License-Identifier: MIT
"""What does it cost to open a named section and let it go, and to create one?

The alternatives are ``multiprocessing.shared_memory`` with its attach + close, and create + close +
unlink, and where it is installed ``posix_ipc`` with ``mmap``.  All end up with the bytes mapped and
give everything back.  Each block of the first is work for a second process too, the resource
tracker: on one processor the whole work is in the time, on several the tracker's share is done
elsewhere.  Both are shown.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory

from measure import arguments, compare, measure_in_turns, start_resource_tracker

from memsection import Section

try:
    from peers import posix_ipc
except ImportError:
    posix_ipc = None  # type: ignore[assignment]

PAGE = 4096
MIB = 1 << 20


def touch(buffer: object) -> None:
    """Write to every page."""
    memory = memoryview(buffer)  # type: ignore[arg-type]
    memory[::PAGE] = bytes(len(memory) // PAGE)
    memory.release()


def open_section(name: str) -> None:
    section = Section.open(name)
    section.map().close()
    section.close()


def attach_shared_memory(name: str) -> None:
    SharedMemory(name).close()


def create_section(name: str, size: int, use: Callable[[object], None] | None = None) -> None:
    section = Section.create(name, size)
    view = section.map()
    if use is not None:
        use(view)
    view.close()
    section.close()


def create_shared_memory(name: str, size: int, use: Callable[[object], None] | None = None) -> None:
    block = SharedMemory(name, create=True, size=size)
    if use is not None:
        use(block.buf)
    block.close()
    block.unlink()


def attach_posix_ipc(name: str, size: int) -> None:
    posix_ipc.attach(name, size).close()


def create_posix_ipc(name: str, size: int, use: Callable[[object], None] | None = None) -> None:
    block = posix_ipc.create(name, size)
    if use is not None:
        use(block.buffer)
    block.close()


def bare_calls(name: str) -> Callable[[], None]:
    """The steps in C of which creating, mapping and closing a named section consists, and nothing
    around them: no handle, no rights, no tables."""
    from memsection._native import protocol
    from memsection.nt.linux.handles import rights
    from memsection.nt.linux.names import locators, namespace
    from memsection.nt.linux.types import new_body
    from memsection.vocabulary import object_types, protection

    place, kind = namespace.Place("local", name), object_types.SECTION
    security = rights.security_of_new(None, kind)
    form = kind.number, protection.PAGE_READWRITE, protection.SEC_COMMIT, PAGE, 0, b""
    plan = new_body.plan(place, security, form)
    pid, names = os.getpid(), locators.pid_namespace()

    def run() -> None:
        fd, device, inode, *_ = protocol.create_body(
            -1, PAGE, plan.total, plan.total, plan.area, plan.page_at, plan.at, place.name,
            pid, security.creator, plan.mode, protocol.SEAL,
        )  # fmt: skip
        protocol.set_position(fd, protocol.TAG | kind.generic_all)
        locator = protocol.publish(
            place.dirfd, place.path, kind.number, device, inode, names, place.name,
            place.checksum, pid, fd,
        )  # fmt: skip
        view = protocol.reopen(fd, True)
        protocol.unmap(protocol.map_view(view, PAGE, 3, mmap.MAP_SHARED, 0, False), PAGE)
        protocol.close_last(fd, view, place.dirfd, place.path, locator, False)
        os.close(view)
        os.close(locator)

    return run


def measure_bare_calls(name: str, rounds: int, *, limited: bool) -> None:
    """What is around the steps in C."""
    samples = measure_in_turns(
        {"memsection": lambda: create_section(name, PAGE), "the calls": bare_calls(name + "-bare")},
        rounds=rounds,
        batch=20,
    )
    compare(
        "create + map + unmap + close, beside the calls in C that it makes",
        samples,
        "the calls",
        1.4 if limited else None,
    )


#: What a program may ask for besides, each the plain case with one argument more.
UNUSUAL: dict[str, dict[str, object]] = {
    "access='r'": {"access": "r"},
    "security": {"security": "D:(A;;GA;;;WD)"},
    "exist_ok": {"exist_ok": True},
    "inheritable": {"inheritable": True},
    "commit=False": {"commit": False},
}


def create_unusual(name: str, options: dict[str, object]) -> None:
    section = Section.create(name, PAGE, **options)  # type: ignore[arg-type]
    section.map().close()
    section.close()


def measure_unusual(name: str, rounds: int, *, limited: bool) -> None:
    """Each unusual argument against the plain case: none may fall off a cliff."""
    ways: dict[str, Callable[[], None]] = {"plain": lambda: create_unusual(name, {})}
    for label, options in UNUSUAL.items():
        ways[label] = lambda options=options: create_unusual(name, options)  # type: ignore[misc]
    ways["Global"] = lambda: create_unusual("Global\\" + name, {})
    samples = measure_in_turns(ways, rounds=rounds, batch=20)
    for label in ways:
        if label != "plain":
            compare(
                f"create + map + unmap + close, {label}",
                {label: samples[label], "plain": samples["plain"]},
                "plain",
                1.8 if limited else None,
                ours=label,
            )


def main() -> None:
    rounds = arguments(__doc__, 300).rounds
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    start_resource_tracker()
    measure(rounds, "one processor", limited=True)
    measure_unusual(f"bench-{os.getpid()}", rounds, limited=True)
    if sys.platform == "linux":
        measure_bare_calls(f"bench-{os.getpid()}", rounds, limited=True)
    if len(processors) > 1:
        for pid in (0, resource_tracker._resource_tracker._pid):  # type: ignore[attr-defined]
            os.sched_setaffinity(pid, processors)
        measure(rounds, f"{len(processors)} processors", limited=False)


def measure(rounds: int, where: str, *, limited: bool) -> None:
    """All comparisons, on the processors that are allowed now; the targets are for the whole
    work."""
    name = f"bench-{os.getpid()}"
    for size, label in ((PAGE, "4 KiB"), (MIB, "1 MiB")):
        with Section.create(name, size):
            block = SharedMemory(name, create=True, size=size)
            try:
                ways = {
                    "memsection": lambda: open_section(name),
                    "SharedMemory": lambda: attach_shared_memory(name),
                }
                if posix_ipc is not None:  # the same block: its name is that of the file
                    ways[posix_ipc.NAME] = lambda size=size: attach_posix_ipc(name, size)  # type: ignore[misc]
                samples = measure_in_turns(ways, rounds=rounds, batch=20)
            finally:
                block.close()
                block.unlink()
        compare(
            f"open + map + unmap + close, {label}, {where}",
            samples,
            "SharedMemory",
            0.7 if limited and size == PAGE else None,
        )
    for size, use, label in (
        (PAGE, None, "4 KiB"),
        (PAGE, touch, "4 KiB, touched"),
        (MIB, touch, "1 MiB, touched"),
    ):
        ways = {
            "memsection": lambda size=size, use=use: create_section(name, size, use),  # type: ignore[misc]
            "SharedMemory": lambda size=size, use=use: create_shared_memory(name, size, use),  # type: ignore[misc]
        }
        if posix_ipc is not None:
            ways[posix_ipc.NAME] = lambda size=size, use=use: create_posix_ipc(name, size, use)  # type: ignore[misc]
        samples = measure_in_turns(
            ways,
            rounds=rounds if size == PAGE else max(rounds // 4, 20),
            batch=20 if size == PAGE else 4,
        )
        compare(
            f"create + map + unmap + close, {label}, {where}",
            samples,
            "SharedMemory",
            0.9 if limited and (size == PAGE) == (use is None) else None,
        )


if __name__ == "__main__":
    main()
