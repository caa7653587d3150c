# SPDX-License-Identifier: MIT
"""Messages in hand."""

from __future__ import annotations

from memsection._native import ends


class Message(ends.Received):
    """A message in hand, as ``receiving`` gives it.

    Attributes:
        value: The value, over the message's place where that is possible.
        number: The number that the message has in its channel.
        deliveries: How often it was given to a receiver, this time included.
    """

    __slots__ = ("__weakref__",)

    def release(self) -> None:
        """Let go of it before the block ends: its place is free when the last array or memoryview
        over it is gone.

        Rights:
            None.

        Raises:
            Nothing; again is harmless.
        """
        super().release()
