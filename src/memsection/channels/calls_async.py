# SPDX-License-Identifier: MIT
"""Calls in an event loop: asked, taken and answered without holding it up.

What is large is copied by another thread.  Cancelled, a call is given up, none was taken, and none
was answered; the thread finishes its copy, into or from memory that is its own until then.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401  # what run_in_executor would import in the middle
import time

from memsection._native import ends
from memsection.channels import overflow
from memsection.channels.calls import FAILED
from memsection.channels.waiting import (
    IN_LOOP_MOST,
    Answer,
    Waiting,
    in_thread,
    parts_of,
    put_elsewhere,
    until,
)
from memsection.vocabulary.arguments import seconds
from memsection.vocabulary.errors import EndOfChannelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memsection.channels.answering import Call, ServerSides
    from memsection.channels.base_codec import Codec
    from memsection.channels.client import ClientSides, Parts


def _seconds_left(end: float | None) -> float | None:
    return None if end is None else end - time.monotonic()


# ---------------------------------------------------------------------- the client


async def wait_for_answer(
    core: ends.ClientEnd,
    sides: ClientSides,
    parts: Parts,
    asked: ends.Asked | None,
    end: float | None,
) -> Any:
    """The answer to what was asked, or is to be asked first."""
    tries = 0
    while True:
        if asked is None:
            try:
                asked = await _ask(core, sides, parts, end)
            except EndOfChannelError as failure:
                raise sides.no_other(failure, tries) from None
        try:
            result = await Answer(asked, core).wait(_seconds_left(end))
            if not result:
                return await _answer(sides, *asked.take())
        finally:
            sides.end(asked)
        if not sides.is_worth_another(result, tries):
            raise sides.no_answer(result)
        tries += result == ends.GONE
        asked = None


async def _ask(
    core: ends.ClientEnd, sides: ClientSides, parts: Parts, end: float | None
) -> ends.Asked:
    buffers, length, kind = parts

    def room() -> Waiting:
        return Waiting(core, None, sending=True)

    if length < IN_LOOP_MOST:
        found = await until(lambda: sides.ask(core, parts, 0), room, _seconds_left(end))
    elif (place := core.place_at_once(length)) is not None:
        await in_thread(place.fill, buffers)
        try:
            found = await until(lambda: core.ask_place(place, kind), room, _seconds_left(end))
        finally:
            place.drop()  # unless it was asked with
    else:
        section, descriptor = await put_elsewhere(sides.request, buffers, length, kind)
        try:
            found = await until(
                lambda: sides.ask_elsewhere(core, descriptor, kind, 0), room, _seconds_left(end)
            )
            found.section = section
        except BaseException:
            section.close()
            raise
    asked: ends.Asked = found
    return asked


async def _answer(sides: ClientSides, payload: Any, kind: int) -> Any:
    if kind & FAILED or not _is_large(payload, kind):
        return sides.answer(payload, kind, True)
    try:
        return sides.reply_codec.value(await _read(sides.reply_codec, payload, kind), True)
    except overflow.MessageLostError:
        raise sides.no_answer(ends.GONE) from None


# ---------------------------------------------------------------------- the server


async def receive(core: Any, sides: ServerSides, timeout: float | None, copy: bool) -> Any:
    """The next call that makes sense."""
    end = None if timeout is None else time.monotonic() + seconds(timeout)
    while True:
        call = await until(
            lambda: core.receive_unread(copy=copy), lambda: Waiting(core, None), timeout
        )
        unread = call.value
        if not isinstance(unread, ends.Unread) or await _give_value(sides, call, unread):
            return call
        timeout = None if end is None else max(0.0, end - time.monotonic())


async def _give_value(sides: ServerSides, call: Call[Any, Any], unread: ends.Unread) -> bool:
    """``ServerSides.give_value``, with what is large copied by another thread."""
    payload, kind = unread.payload, unread.format
    unread.payload = call.value = None  # only who copies it keeps it
    try:
        parts = await _read(sides.request, payload, kind)
        call.value = sides.request.value(parts, True)
    except Exception as failure:
        sides.give_up(call, failure)
        return False
    except BaseException:
        call.drop()  # cancelled: another server gets it
        raise
    call.seen()
    return True


async def reply(core: Any, sides: ServerSides, call: Call[Any, Any], value: Any) -> None:
    """Answer a call with a value."""
    parts, length, _, kind = sides.reply_codec.parts(value)
    if length < IN_LOOP_MOST or call.done:
        sides.send(call, parts, length, kind)
    elif (place := core.place_at_once(length)) is not None:
        await in_thread(place.fill, parts)
        call.reply_place(place, kind)
    else:
        sides.send_elsewhere(
            call, *await put_elsewhere(sides.reply_codec, parts, length, kind), kind
        )


# ---------------------------------------------------------------------- both


def _is_large(payload: Any, kind: int) -> bool:
    return bool(kind & overflow.FLAG) or len(payload) >= IN_LOOP_MOST


async def _read(codec: Codec, payload: Any, kind: int) -> Any:
    """What a value is made of, copied by another thread."""
    copied = True
    try:
        return await in_thread(parts_of, codec, payload, kind, True)
    except asyncio.CancelledError:
        copied = False
        raise
    finally:
        if copied and isinstance(payload, ends.Taken):
            payload.let_go()  # the thread may have it a little longer
