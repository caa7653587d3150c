# SPDX-License-Identifier: MIT
"""What an observer's end has instead of the core that writes: the same methods, of which those that
would write refuse."""

from __future__ import annotations

import os

from memsection._native.ends import Receiving
from memsection._native.observing import Observer, set_spin
from memsection.channels.message import Message
from memsection.vocabulary.errors import AccessError
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from memsection.channels.base_codec import Codec


_spin = os.environ.get("MEMSECTION_SPIN_US", "")
if _spin.isascii() and _spin.isdigit():  # as endpoint.set_spin, for a core of its own
    set_spin(min(int(_spin), 1000) * 1000)


class Copied(bytes):
    """A message that an observer copied, in the place of one that is being taken."""

    format: int
    number: int
    _end: Observer

    def finish(self) -> None:
        """It is a copy: there is nothing to give back."""

    keep = finish

    def give_back(self) -> None:
        """It was not taken after all."""
        self._end.unread(self.number)


class ObserverEnd(Observer):
    """The core of a topic's end with the role ``"observe"``."""

    repaired = redeliver = 0
    largest = 1 << 62  # of what it sends there is nothing to be too large

    def __init__(self, memory: Any, shape: tuple[int, ...], fd: int, codec: Codec) -> None:
        super().__init__(memory, shape, fd, codec)
        self._channel = codec.channel

    def _refuse(self, *arguments: object, **options: object) -> NoReturn:
        raise AccessError(
            f"{about('topic', self._channel.name)}: an observer only reads; open it with another "
            "role to send or to shut"
            " it down"
        )

    send = send_many = sending = place = shutdown = send_parts = send_raw = _refuse

    def places_in_hand(self) -> tuple[int, list[int]]:
        """Nothing that an observer waits for is in anybody's hands."""
        return 0, []

    def receiving(self, timeout: float | None = None) -> Receiving:
        """A block that has the next message."""
        return Receiving(self, timeout)

    def receive_in_place(self, timeout: float | None) -> Message:
        """The next message, copied: an observer has nothing in hand."""
        return Message(*self.receive_numbered(timeout))

    def take_whole(self, timeout: float | None) -> Copied:
        """The next message, copied."""
        raw, kind, number = self.take(timeout)
        found = Copied(raw)
        found.format, found.number, found._end = kind, number, self
        return found
