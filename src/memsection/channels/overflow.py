# SPDX-License-Identifier: MIT
"""Messages that are larger than any place: each in a section of its own, whose name travels in the
channel.

The sender keeps the section open until the message was taken, because on no system does memory with
a name outlive the last process that has it open, and one that did would be left behind when nobody
takes the message (docs/decisions/0110).  So such a message goes with its sender's death, and
``close`` waits until it was taken.
"""

from __future__ import annotations

import os
import struct
import time

from memsection._native.ends import write
from memsection.vocabulary.errors import AccessError, CorruptError, Error, NotFoundError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from memsection._native import ends
    from memsection.api.section import Section
    from memsection.channels.results import Channel

FLAG = 1 << 31  #: of a message's format: what travels is the descriptor of such a section
_DESCRIPTOR = struct.Struct("<QI20s")  # bytes, format, the random part of the name
_LOOK = 0.01  # seconds between looks of a close that waits


class MessageLostError(Exception):
    """The message's sender ended before anybody took it; the receiver goes on to the next one."""


class Sent:
    """One that was sent: its section, and where its descriptor waits."""

    def __init__(self, section: Section) -> None:
        self.section, self.pid = section, os.getpid()
        self.where: tuple[int, int, int] = (0, 0, 0)


def put(
    channel: Channel, parts: list[tuple[int, Any]], length: int, kind: int
) -> tuple[Section, bytes]:
    """The message in a section of its own, and its descriptor."""
    from memsection.api.section import Section

    token = os.urandom(10).hex().encode()
    section = Section.create(
        channel.prefix + token.decode(), max(length, 1), security=channel.security()
    )
    try:
        with section.map() as view:
            write(view, parts)
    except BaseException:
        section.close()
        raise
    return section, _DESCRIPTOR.pack(length, kind, token)


def send_and_note(told: list[int | None] | None, send: Callable[..., int], *arguments: Any) -> int:
    """Call a native function that sends.  What it returns is in the list, if there is one, before
    any signal handler can run: 0 there says that the message went, whatever is raised."""
    if told is None:
        return send(*arguments)
    told.extend(map(send, *((each,) for each in arguments)))
    result = told[-1]
    assert result is not None
    return result


def send(
    channel: Channel,
    end: ends.End,
    parts: list[tuple[int, Any]],
    length: int,
    kind: int,
    timeout: float | None,
    told: list[int | None] | None = None,
) -> None:
    """Put the message into a section of its own and its descriptor into the channel."""
    section, descriptor = put(channel, parts, length, kind)
    told = [] if told is None else told
    try:
        queue(channel, end, section, descriptor, kind, timeout, told)
    finally:
        if 0 not in told:
            section.close()


def queue(
    channel: Channel,
    end: ends.End,
    section: Section,
    descriptor: bytes,
    kind: int,
    timeout: float | None,
    told: list[int | None],
) -> None:
    """Queue the descriptor of a message that has memory of its own, which is the channel's if the
    note says that the message went."""
    release_received(channel, end)
    sent = Sent(section)
    try:
        result = send_and_note(told, end.send_raw, descriptor, kind | FLAG, timeout)
        if result:
            raise channel.problem(result, True)
    finally:
        # No call stands between the two, so no signal handler can raise there.
        if 0 in told:  # who takes it needs the section, whatever was raised
            sent.where = end.last
            channel.sent.append(sent)


class Large:
    """The memory of such a message, which stays as long as a memoryview of it."""

    def __init__(self, section: Section, length: int, kind: int) -> None:
        self.format = kind
        with section:
            self._view = section.map(access="r")
        self.memory = memoryview(self._view)[:length]

    def keep(self, taken: ends.Taken) -> None:
        """Have the message in hand as long as the memory is used."""
        from memsection.content.endpoint import keep_with

        keep_with(self._view, taken)


def receive(channel: Channel, raw: bytes) -> Large:
    """The memory that a descriptor means.

    Raises:
        MessageLostError: Its sender has ended.
        CorruptError: It means none.
    """
    from memsection.api.section import Section

    if len(raw) != _DESCRIPTOR.size:
        raise CorruptError(
            f"{about('receive from', channel.name)}: a descriptor of {len(raw)} bytes"
        )
    length, kind, token = _DESCRIPTOR.unpack(raw)
    if not token.isalnum() or not token.isascii():
        raise CorruptError(
            f"{about('receive from', channel.name)}: a descriptor that names no memory"
        )
    try:
        section = Section.open(channel.prefix + token.decode(), access="r")
    except (NotFoundError, AccessError):
        raise MessageLostError from None
    if section.size < length or kind & FLAG:
        section.close()
        raise CorruptError(
            f"{about('receive from', channel.name)}: a message of {length} bytes in memory of "
            f"{section.size}"
        )
    return Large(section, length, kind)


def release_received(channel: Channel, end: ends.End) -> bool:
    """Let go of the memory of messages that were taken: whether there are none left."""
    left = []
    for sent in channel.sent:
        # a forked child's are its parent's
        if sent.pid == os.getpid() and end.is_waiting(*sent.where):
            left.append(sent)
        else:
            sent.section.close()
    channel.sent = left
    return not left


def wait_until_taken(channel: Channel, end: ends.End, receive_role: int) -> None:
    """What ``close`` does: as long as somebody lives who could take what was sent."""
    try:
        while (
            not release_received(channel, end) and end.partners(receive_role)[0] and not end.is_down
        ):
            time.sleep(_LOOK)
    except Error:
        pass  # a closed end has nothing that it could wait for
    for sent in channel.sent:
        sent.section.close()
    channel.sent = []


def wait_until_read(channel: Channel, end: ends.End, patience: float | None) -> None:
    """What ``close`` does of a topic: as long as a subscriber that lives has not read the last one,
    and no longer than so many seconds."""
    until = None if patience is None else time.monotonic() + patience
    try:
        while (
            not release_received(channel, end)
            and end.unread(channel.sent[-1].where[0])
            and not end.is_down
        ):
            if until is not None and time.monotonic() >= until:
                break
            time.sleep(_LOOK)
    except Error:
        pass
    for sent in channel.sent:
        sent.section.close()
    channel.sent = []
