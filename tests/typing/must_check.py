# SPDX-License-Identifier: MIT
"""A program that must type-check under ``mypy --strict``: the types that users meet."""

from __future__ import annotations

import concurrent.futures
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsection import (
    AbandonedMutexError,
    Error,
    Event,
    HeldHandle,
    Mutex,
    Process,
    Section,
    SectionAccess,
    Security,
    Semaphore,
    View,
    WaitableAccess,
    arrays,
    debug_privilege,
    latest,
    popen_arguments,
    wait_all,
    wait_any,
)
from memsection.channels import Call, Client, Queue, Service, Topic

Array = np.ndarray[Any, Any]


@dataclass
class Pose:
    x: float
    y: float


def sections(name: str) -> bytes:
    with (
        Section.create(name, size=4096, security=Security(everyone="r")) as section,
        section.map() as view,
    ):
        struct.pack_into("<I", view, 0, 7)
        part: memoryview = view[:4]
        first: int = view[0]
        view[0] = first
        view[:4] = part
        same: Section = section.duplicate("r")
        words: str = same.access
        mapped: View = same.map(0, 10, access="r")
        return bytes(mapped) + words.encode()


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


def channels(name: str) -> bytes:
    queue: Queue[bytes] = Queue.create(name, bytes)
    frames: Topic[Array] = Topic.open(name, np.ndarray, role="receive")
    frame: Array = frames.receive(timeout=1)
    anything: Queue[Any] = Queue.open(name)
    queue.send(b"".join([queue.receive(), anything.receive(), frame.tobytes()]))
    return queue.receive()


def mean(frame: Array) -> bytes:
    return str(frame.mean()).encode()


def serving(name: str) -> Call[Array, bytes]:
    service: Service[Array, bytes] = Service.create(name, np.ndarray, bytes, capacity=4)
    service.serve(mean)
    for call in service:
        call.reply(mean(call.value))
    half: Service[bytes, Any] = Service.create(name, bytes)
    other: Service[Any, bytes] = Service.create(name, "arrow", bytes)
    other.receive().reply(half.receive().value)
    whole: Service[Any, Any] = Service.create(name)
    whole.receive().reply({"anything": whole.receive().value})
    return Service.open(name, np.ndarray, bytes).receive()


async def serving_in_a_loop(service: Service[Array, bytes]) -> None:
    async for call in service:
        await call.reply_async(mean(call.value))


async def calling(name: str, frame: Array) -> bytes:
    client: Client[Array, bytes] = Client.open(name, np.ndarray, bytes)
    future: concurrent.futures.Future[bytes] = client.submit(frame)
    answers: Client[Any, Array] = Client.open(name, reply=np.ndarray)
    half: Client[bytes, Any] = Client.open(name, bytes)
    text: str = half(b"what").title()
    mean: float = answers(text).mean()
    return (
        future.result() + client(frame, 1.0) + await client.call_async(frame) + str(mean).encode()
    )


def opened(name: str, access: SectionAccess = "r", signal: WaitableAccess = "w") -> Section:
    Event.open(name, access=signal).close()
    arrays.open(name, access=access)
    return Section.open(name, access=access).duplicate(access)


def poses(name: str) -> float:
    writer: latest.Writer[Pose] = latest.create(name, Pose)
    writer.write(Pose(1.0, 2.0))
    reader: latest.Reader[Pose] = latest.open(name, Pose)
    again: latest.Writer[Pose] = latest.open(name, Pose, write=True)
    found = reader.read_numbered()
    pose = again.read()
    passed: latest.Reader[Pose] = latest.from_section(Section.open(name), Pose)
    taken: latest.Writer[Pose] = latest.from_section(Section.open(name), Pose, write=True)
    taken.write(passed.read() or Pose(0.0, 0.0))
    rest: latest.Reader[bytes] = latest.from_section(Section.open(name), 100)
    rest.read()
    more: latest.Writer[bytes] = latest.from_section(Section.open(name), 100, write=True)
    more.write(b"text")
    some: latest.Reader = latest.open(name)
    some.read().anything  # noqa: B018
    raw: latest.Writer[bytes] = latest.create(name, 100)
    raw.write(b"text")
    data: bytes | None = latest.open(name, 100).read()
    return (found[1].x if found else 0.0) + (pose.y if pose else 0.0) + len(data or b"")


async def pose_to_come(name: str) -> Pose | None:
    reader = await latest.open_async(name, Pose)
    return reader.read()


def typed_arrays(name: str) -> float:
    made: NDArray[np.float32] = arrays.create(name, (3, 4), np.float32)
    growing = arrays.create(name, 0, np.int64, maximum=10)
    longer: arrays.Array[np.dtype[np.int64]] = growing.grow(5)
    opened: NDArray[np.float32] = arrays.open(name, dtype=np.float32)
    copied: NDArray[np.uint8] = arrays.put(name, np.zeros(3, np.uint8))
    anything: arrays.Array = arrays.open(name)
    words = arrays.create(name, 3, "f4")
    return float(made.sum() + longer.current()[0] + opened.sum() + copied[0]) + float(
        anything[0] + words[0]
    )
