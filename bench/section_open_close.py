# SPDX-License-Identifier: MIT
"""What does it cost to open a named section and let it go, and to create one?

The alternative is ``multiprocessing.shared_memory`` with its attach + close, and create + close +
unlink.  Both sides end up with the bytes mapped and give everything back.  Each of its blocks is
work for a second process too, the resource tracker: on one processor the whole work is in the time,
on several the tracker's share is done elsewhere.  Both are shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory

from measure import arguments, compare, interleaved, start_resource_tracker

from memsection import Section

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


def measure_unusual(name: str, rounds: int, *, judge: bool) -> None:
    """Each unusual argument against the plain case: none may fall off a cliff."""
    ways: dict[str, Callable[[], None]] = {"plain": lambda: create_unusual(name, {})}
    for label, options in UNUSUAL.items():
        ways[label] = lambda options=options: create_unusual(name, options)  # type: ignore[misc]
    ways["Global"] = lambda: create_unusual("Global\\" + name, {})
    samples = interleaved(ways, rounds=rounds, batch=20)
    for label in ways:
        if label != "plain":
            compare(
                f"create + map + unmap + close, {label}",
                {label: samples[label], "plain": samples["plain"]},
                "plain",
                1.8 if judge else None,
                ours=label,
            )


def main() -> None:
    rounds = arguments(__doc__, 300).rounds
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    start_resource_tracker()
    measure(rounds, "one processor", judge=True)
    measure_unusual(f"bench-{os.getpid()}", rounds, judge=True)
    if len(processors) > 1:
        for pid in (0, resource_tracker._resource_tracker._pid):  # type: ignore[attr-defined]
            os.sched_setaffinity(pid, processors)
        measure(rounds, f"{len(processors)} processors", judge=False)


def measure(rounds: int, where: str, *, judge: bool) -> None:
    """All comparisons, on the processors that are allowed now; the targets are for the whole
    work."""
    name = f"bench-{os.getpid()}"
    for size, label in ((PAGE, "4 KiB"), (MIB, "1 MiB")):
        with Section.create(name, size):
            block = SharedMemory(name, create=True, size=size)
            try:
                samples = interleaved(
                    {
                        "memsection": lambda: open_section(name),
                        "SharedMemory": lambda: attach_shared_memory(name),
                    },
                    rounds=rounds,
                    batch=20,
                )
            finally:
                block.close()
                block.unlink()
        compare(
            f"open + map + unmap + close, {label}, {where}",
            samples,
            "SharedMemory",
            0.7 if judge and size == PAGE else None,
        )
    for size, use, label in (
        (PAGE, None, "4 KiB"),
        (PAGE, touch, "4 KiB, touched"),
        (MIB, touch, "1 MiB, touched"),
    ):
        samples = interleaved(
            {
                "memsection": lambda size=size, use=use: create_section(name, size, use),  # type: ignore[misc]
                "SharedMemory": lambda size=size, use=use: create_shared_memory(name, size, use),
            },  # type: ignore[misc]
            rounds=rounds if size == PAGE else max(rounds // 4, 20),
            batch=20 if size == PAGE else 4,
        )
        compare(
            f"create + map + unmap + close, {label}, {where}",
            samples,
            "SharedMemory",
            0.9 if judge and (size == PAGE) == (use is None) else None,
        )


if __name__ == "__main__":
    main()
