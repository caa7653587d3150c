# SPDX-License-Identifier: MIT
"""Waiting for an end beside other things, and without blocking the event loop: by the library's own
waits."""

from __future__ import annotations

import time

from memsection._native.ends import BY_NAME, GONE, LOST, SHORT
from memsection._native.ends import NOTHING_YET as EAGAIN
from memsection._native.ends import TIME_IS_UP as ETIMEDOUT
from memsection.api.waitable import Awaited, wait_async
from memsection.channels import overflow
from memsection.vocabulary.arguments import seconds
from memsection.vocabulary.errors import CorruptError, WaitTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from memsection._native import ends
    from memsection.api.section import Section
    from memsection.channels.base_codec import Codec

#: bytes from which on a message is copied in a thread, and not in the event loop
IN_LOOP_MOST = 1 << 20


def _other(watched: Any, *kept: Any) -> Any:
    """What the kernel waits for beside its own objects; None where it waits for no others."""
    if BY_NAME:
        return None
    from memsection._native import sync

    return sync.Other(watched.address, watched, *kept)


class Waiting(Awaited):
    """An end in the place of a handle."""

    def __init__(
        self, core: ends.End, name: str | None, *, sending: bool = False, length: int = 0
    ) -> None:
        watched = core.watched(sending, length) if length else core.watched(sending)
        self.other = _other(watched, core, name)
        super().__init__(self.other, watched.look)


async def until(
    attempt: Callable[[], Any], waiting: Callable[[], Waiting], timeout: float | None
) -> Any:
    """What an attempt gives that does not wait, as soon as it gives something."""
    import asyncio

    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + seconds(timeout)
    while True:
        try:
            return attempt()
        except WaitTimeoutError:
            left = None if end is None else end - loop.time()
            if left is not None and left <= 0:
                raise
        if not await wait_async(waiting(), left) and left is not None:
            return attempt()


async def receive_async(core: ends.End, codec: Codec, timeout: float | None, copy: bool) -> Any:
    """The next message."""
    while True:
        found = await until(lambda: core.take(0), lambda: Waiting(core, None), timeout)
        if isinstance(found, tuple):
            raw, kind, number = found
            if kind & overflow.FLAG:
                value = await _copy_elsewhere(core, codec, raw, number, copy)
            else:
                value = raw if codec.plain and copy and not kind else codec.short(raw, kind, copy)
        elif copy and (found.format & overflow.FLAG or len(found) >= IN_LOOP_MOST):
            value = await _copy(codec, found)
        else:
            value = codec.receive(found, copy)
        if value is not LOST:
            return value
        core.miss()


def parts_of(codec: Codec, view: Any, kind: int, copy: bool) -> Any:
    """What a value is made of; of a message with memory of its own, what lies there."""
    if kind & overflow.FLAG:
        large = overflow.receive(codec.channel, bytes(view))
        view, kind = large.memory, large.format
    return codec.split(memoryview(view), kind, copy)


async def _copy(codec: Codec, taken: ends.Taken) -> Any:
    """The value of a large message, copied where the event loop is not held up."""
    try:
        parts = await in_thread(parts_of, codec, taken, taken.format, True)
    except overflow.MessageLostError:
        taken.finish()
        return LOST
    except CorruptError:
        taken.finish()
        raise
    except BaseException:
        taken.give_back()  # cancelled: it was not taken
        raise
    taken.finish()
    return codec.value(parts, True)


async def _copy_elsewhere(core: Any, codec: Codec, raw: bytes, number: int, copy: bool) -> Any:
    """The same for an observer, who has only copied where the message lies."""
    try:
        parts = await in_thread(parts_of, codec, raw, overflow.FLAG, copy)
    except overflow.MessageLostError:
        return LOST
    except CorruptError:
        raise
    except BaseException:
        core.unread(number)
        raise
    return codec.value(parts, copy)


async def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives that would hold up the event loop."""
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(None, work, *arguments)


async def send_async(core: ends.End, codec: Codec, value: Any, timeout: float | None) -> None:
    """Send a message."""
    if codec.plain and isinstance(value, bytes) and len(value) <= SHORT:
        await until(lambda: core.send(value, 0), lambda: _room(core), timeout)
        return
    end = None if timeout is None else time.monotonic() + seconds(timeout)
    parts, length, counted, kind = codec.parts(value)
    if counted > codec.channel.largest or length > core.largest:
        codec.require_overflow(counted)
        await _send_elsewhere(core, codec, parts, length, kind, timeout)
    elif length <= SHORT and not core.redeliver:
        await until(
            lambda: codec._send_parts(core, parts, length, counted, kind, 0),
            lambda: _room(core),
            timeout,
        )
    else:
        await _send_in_place(core, codec, parts, length, kind, end)


def _room(core: ends.End) -> Waiting:
    return Waiting(core, None, sending=True)


def _seconds_left(end: float | None) -> float | None:
    return None if end is None else max(0.0, end - time.monotonic())


async def _send_in_place(
    core: ends.End,
    codec: Codec,
    parts: list[tuple[int, Any]],
    length: int,
    kind: int,
    end: float | None,
) -> None:
    place = await until(
        lambda: core.place(length, 0),
        lambda: Waiting(core, None, sending=True, length=max(length, 1)),
        _seconds_left(end),
    )

    def offer() -> None:
        if not place.offer(kind):
            raise codec.problem(-ETIMEDOUT, True)

    if length < IN_LOOP_MOST:
        place.fill(parts)
    else:  # cancelled, the thread has the place until it is done
        await in_thread(place.fill, parts)
    try:
        await until(offer, lambda: _room(core), _seconds_left(end))
    finally:
        place.drop()


async def _send_elsewhere(
    core: ends.End,
    codec: Codec,
    parts: list[tuple[int, Any]],
    length: int,
    kind: int,
    timeout: float | None,
) -> None:
    section, descriptor = await put_elsewhere(codec, parts, length, kind)
    told: list[int | None] = []
    try:
        await until(
            lambda: overflow.queue(codec.channel, core, section, descriptor, kind, 0, told),
            lambda: _room(core),
            timeout,
        )
    finally:
        if 0 not in told:
            section.close()


async def put_elsewhere(
    codec: Codec, parts: list[tuple[int, Any]], length: int, kind: int
) -> tuple[Section, bytes]:
    """``overflow.put``, where the event loop is not held up; cancelled, nothing is left of it."""
    import asyncio

    if length < IN_LOOP_MOST:
        return overflow.put(codec.channel, parts, length, kind)
    loop = asyncio.get_running_loop()
    making = loop.run_in_executor(None, overflow.put, codec.channel, parts, length, kind)
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_close_what_was_made)
        raise


def _close_what_was_made(making: Any) -> None:
    if not making.cancelled() and making.exception() is None:
        making.result()[0].close()


class Answer(Awaited):
    """The answer to a call in the place of a handle."""

    def __init__(self, asked: ends.Asked, core: ends.ClientEnd) -> None:
        self._asked = asked
        watched = asked.watched()
        super().__init__(_other(watched, asked, None), watched.look)

    async def wait(self, timeout: float | None) -> int:
        """0 when it is there; otherwise what ``Asked.wait`` gives."""
        if await wait_async(self, timeout):
            found = int(self._asked.look())
            return GONE if found == -EAGAIN else found  # nobody lives who could answer
        return -ETIMEDOUT
