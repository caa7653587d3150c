# SPDX-License-Identifier: MIT
"""Waiting for an end beside other things, and without blocking the event loop: by the library's own
waits."""

from __future__ import annotations

from errno import EAGAIN, ETIMEDOUT

from memsection._native import sync
from memsection._native.ends import GONE, LOST
from memsection.api.wait import wait_async
from memsection.vocabulary.errors import CorruptError, WaitTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from memsection._native import ends
    from memsection.channels.specs import Codec

#: bytes from which on a message is copied in a thread, and not in the event loop
IN_LOOP_MOST = 1 << 20


class Waiting:
    """An end in the place of a handle."""

    def __init__(self, core: ends.End, name: str | None, *, sending: bool = False) -> None:
        watched = core.watched(sending)
        self.other = sync.Other(watched.address, watched, core, name)

    def _ask(self, service: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return service(self.other, *arguments, **options)


async def until(
    attempt: Callable[[], Any], waiting: Callable[[], Waiting], timeout: float | None
) -> Any:
    """What an attempt gives that does not wait, as soon as it gives something."""
    import asyncio

    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
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
            raw, kind, _ = found
            value = raw if codec.plain and copy and not kind else codec.short(raw, kind, copy)
            if value is LOST:
                core.miss()
                continue
            return value
        if copy and len(found) >= IN_LOOP_MOST:
            return await _copied(codec, found)
        value = codec.receive(found, copy)
        if value is not LOST:
            return value


async def _copied(codec: Codec, taken: ends.Taken) -> Any:
    """The value of a large message, copied where the event loop is not held up."""
    import asyncio

    loop = asyncio.get_running_loop()
    try:
        parts = await loop.run_in_executor(None, codec.split, memoryview(taken), taken.format, True)
    except CorruptError:
        taken.done()
        raise
    except BaseException:
        taken.back()  # cancelled: it was not taken
        raise
    taken.done()
    return codec.value(parts, True)


async def send_async(core: ends.End, value: Any, timeout: float | None) -> None:
    """Send a message."""
    await until(lambda: core.send(value, 0), lambda: Waiting(core, None, sending=True), timeout)


class Answer:
    """The answer to a call in the place of a handle."""

    def __init__(self, asked: ends.Asked, core: ends.ClientEnd) -> None:
        self._asked = asked
        watched = asked.watched()
        self._other = sync.Other(watched.address, watched, asked, None)

    def _ask(self, service: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return service(self._other, *arguments, **options)

    async def wait(self, timeout: float | None) -> int:
        """0 when it is there; otherwise what ``Asked.wait`` gives."""
        if await wait_async(self, timeout):
            found = int(self._asked.look())
            return GONE if found == -EAGAIN else found  # nobody lives who could answer
        return -ETIMEDOUT
