# SPDX-License-Identifier: MIT
"""What a program has open of a replica that another one carries: with it the newest snapshot is not
gone when that program is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memsection.mirror import copies
from memsection.vocabulary.errors import NotFoundError

if TYPE_CHECKING:
    from memsection.api.section import Section
    from memsection.channels.relay import Sink


class Standby:
    """The newest snapshot of one replica, kept open."""

    def __init__(self, name: str, key: str) -> None:
        self._name, self._key = name, key
        self.opened: Sink | Section | None = None  #: None where there is nothing yet
        self._opened_for = 0, 0  #: the epoch, and the sequence, at that time
        self._is_every_one = False  #: whether each snapshot of that epoch is in what is open

    def keep(self, epoch: int, sequence: int) -> None:
        """Have the newest snapshot open, which is this one."""
        lasts = self.opened is not None and self._is_every_one
        if (epoch, sequence) == self._opened_for or lasts and epoch == self._opened_for[0]:
            return
        try:
            opened, self._is_every_one = copies.open_as(self._name, self._key)
        except NotFoundError:  # it has just gone; or it is about to be made
            return
        self.leave()
        self.opened, self._opened_for = opened, (epoch, sequence)

    def leave(self) -> None:
        """Let go of it."""
        before, self.opened = self.opened, None
        if before is not None:
            before.close()
