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

from memsection.vocabulary.errors import AccessError, CorruptError, Error, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
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

    def __init__(self, section: Section, where: tuple[int, int, int]) -> None:
        self.section, self.where, self.pid = section, where, os.getpid()


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
        with section.map() as view, memoryview(view) as memory:
            for at, part in parts:
                raw = memoryview(part).cast("B")
                memory[at : at + raw.nbytes] = raw
    except BaseException:
        section.close()
        raise
    return section, _DESCRIPTOR.pack(length, kind, token)


def send(
    channel: Channel,
    end: ends.End,
    parts: list[tuple[int, Any]],
    length: int,
    kind: int,
    timeout: float | None,
) -> None:
    """Put the message into a section of its own and its descriptor into the channel."""
    settle(channel, end)
    section, descriptor = put(channel, parts, length, kind)
    try:
        result = end.send_raw(descriptor, kind | FLAG, timeout)
        if result:
            raise channel.problem(result, True)
    except BaseException:
        section.close()
        raise
    channel.sent.append(Sent(section, end.last))


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
        raise CorruptError(f"receive from {channel.name!r}: a descriptor of {len(raw)} bytes")
    length, kind, token = _DESCRIPTOR.unpack(raw)
    if not token.isalnum() or not token.isascii():
        raise CorruptError(f"receive from {channel.name!r}: a descriptor that names no memory")
    try:
        section = Section.open(channel.prefix + token.decode(), access="r")
    except (NotFoundError, AccessError):
        raise MessageLostError from None
    if section.size < length or kind & FLAG:
        section.close()
        raise CorruptError(
            f"receive from {channel.name!r}: a message of {length} bytes in memory of "
            f"{section.size}"
        )
    return Large(section, length, kind)


def settle(channel: Channel, end: ends.End) -> bool:
    """Let go of the memory of messages that were taken: whether there are none left."""
    left = []
    for sent in channel.sent:
        if sent.pid == os.getpid() and end.waits(*sent.where):  # a forked child's are its parent's
            left.append(sent)
        else:
            sent.section.close()
    channel.sent = left
    return not left


def wait_until_taken(channel: Channel, end: ends.End, receive_role: int) -> None:
    """What ``close`` does: as long as somebody lives who could take what was sent."""
    try:
        while not settle(channel, end) and end.partners(receive_role)[0] and not end.is_down:
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
            not settle(channel, end) and end.unread(channel.sent[-1].where[0]) and not end.is_down
        ):
            if until is not None and time.monotonic() >= until:
                break
            time.sleep(_LOOK)
    except Error:
        pass
    for sent in channel.sent:
        sent.section.close()
    channel.sent = []
