# SPDX-License-Identifier: MIT
"""Opening a name that is not there yet: waiting for it to appear, in a thread or in an event loop.

What is opened, and how, is for those to say who have a name; whether the system tells of new names
is the kernel interface's business.
"""

from __future__ import annotations

import time

from memsection.nt import kernel
from memsection.vocabulary import status as st
from memsection.vocabulary.arguments import seconds
from memsection.vocabulary.errors import NameTimeoutError, NotFoundError, NtError, public_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import TypeVar

    from memsection.nt.interface_synchronisation import NameWatch

    T = TypeVar("T")

# seconds between looks, where the system does not say when to
_FIRST_LOOK, _LAST_LOOK = 0.001, 0.01


def _deadline(timeout: float | None, now: float) -> float | None:
    return None if timeout is None else now + max(0.0, seconds(timeout))


def _watch(name: str) -> NameWatch | None:
    try:
        return kernel.watch_name(name)
    except NtError as failure:
        raise public_error(failure) from None


def _late(name: str, timeout: float | None) -> NameTimeoutError:
    return NameTimeoutError(
        f"open '{name}': nothing had this name within {seconds(timeout or 0):g} s"
    )


def _can_appear(failure: NotFoundError) -> bool:
    """Whether the name alone is missing: a directory of objects that is not there is not waited
    for."""
    return failure.ntstatus != st.OBJECT_PATH_NOT_FOUND


def open_in_time(opening: Callable[[], T], name: str, timeout: float | None) -> T:
    """What ``opening`` gives once it no longer raises NotFoundError.

    Raises:
        NameTimeoutError: The time was up.
    """
    end = _deadline(timeout, time.monotonic())
    watch, pause = _watch(name), _FIRST_LOOK
    try:
        while True:
            # The watch has begun: a name that is made after this look is heard of.
            try:
                return opening()
            except NotFoundError as failure:
                if not _can_appear(failure):
                    raise
            while True:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise _late(name, timeout)
                if watch is None:
                    time.sleep(pause if left is None else min(pause, left))
                    pause = min(pause * 1.5, _LAST_LOOK)
                    break
                watch.wait(left)
                if watch.is_worth_a_try():
                    break
    finally:
        if watch is not None:
            watch.close()


async def open_in_time_async(opening: Callable[[], T], name: str, timeout: float | None) -> T:
    """The same without blocking the event loop, and without a thread.

    Raises:
        NameTimeoutError: The time was up.
    """
    import asyncio

    span = None if timeout is None else seconds(timeout)
    try:
        return opening()  # what is wrong with the name is told here
    except NotFoundError as failure:
        if not _can_appear(failure) or span is not None and span <= 0:
            raise
    loop = asyncio.get_running_loop()
    end = _deadline(timeout, loop.time())
    watch, pause = _watch(name), _FIRST_LOOK
    try:
        while True:
            try:
                return opening()
            except NotFoundError as failure:
                if not _can_appear(failure):
                    raise
            while True:
                left = None if end is None else end - loop.time()
                if left is not None and left <= 0:
                    raise _late(name, timeout)
                if watch is None:
                    await asyncio.sleep(pause if left is None else min(pause, left))
                    pause = min(pause * 1.5, _LAST_LOOK)
                    break
                await _heard(loop, watch, left)
                if watch.is_worth_a_try():
                    break
    finally:
        if watch is not None:
            watch.close()


async def _heard(loop: asyncio.AbstractEventLoop, watch: NameWatch, left: float | None) -> None:
    """Until the watch has something to tell, or for as long as it may be left alone."""
    turn, fd = loop.create_future(), watch.fileno()

    def wake() -> None:
        if not turn.done():
            turn.set_result(None)

    loop.add_reader(fd, wake)
    timer = loop.call_later(1.0 if left is None else min(left, 1.0), wake)
    try:
        await turn
    finally:
        timer.cancel()
        loop.remove_reader(fd)
