# SPDX-License-Identifier: MIT
"""A program that must type-check under ``mypy --strict``: the types that users meet."""

from __future__ import annotations

import struct

from memsection import (
    AbandonedMutexError,
    Error,
    Event,
    HeldHandle,
    Mutex,
    Process,
    Section,
    Security,
    Semaphore,
    View,
    debug_privilege,
    popen_arguments,
    wait_all,
    wait_any,
)


def sections(name: str) -> bytes:
    with Section.create(name, size=4096, security=Security(everyone="r")) as section, section.map() as view:
        struct.pack_into("<I", view, 0, 7)
        part: memoryview = view[:4]
        first: int = view[0]
        view[0] = first
        view[:4] = part
        same: Section = section.duplicate("r")
        words: str = same.access
        mapped: View = same.map(0, 10, access=words)
        return bytes(mapped)


def waiting(names: list[str]) -> Event | Mutex | Semaphore | None:
    objects = [Event.open(name) for name in names]
    wait_all(objects, timeout=1.0)
    return wait_any(objects, timeout=0)


async def later(event: Event) -> bool:
    return await event.wait_async(timeout=1)


def others(pid: int) -> list[HeldHandle]:
    with debug_privilege(), Process(pid) as process:
        return process.sections()


def errors(lock: Mutex) -> int:
    try:
        lock.acquire(timeout=None)
    except AbandonedMutexError as abandoned:
        return abandoned.owner_pid
    except Error as error:
        code: int = error.winerror
        return code + error.ntstatus
    return len(popen_arguments(lock))
