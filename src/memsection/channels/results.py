# SPDX-License-Identifier: MIT
"""What the results of the native core mean to users: one exception for each."""

from __future__ import annotations

from os import strerror

from memsection._native.ends import IS_CLOSED as EBADF
from memsection._native.ends import IS_SHUT as EPIPE
from memsection._native.ends import MAKES_NO_SENSE as EBADMSG
from memsection._native.ends import NO_SLOT as EUSERS
from memsection._native.ends import NOBODY_LIVES as ENOTCONN
from memsection._native.ends import OTHER_LAYOUT as EPROTO
from memsection._native.ends import TIME_IS_UP as ETIMEDOUT
from memsection._native.ends import TOO_LARGE as EMSGSIZE
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import (
    ArgumentError,
    CorruptError,
    EndOfChannelError,
    Error,
    NoReceiverError,
    WaitTimeoutError,
)
from memsection.vocabulary.text import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from memsection.api.security import Security
    from memsection.channels.overflow import Sent

LAYOUT = 1  #: version of the memory's layout, MS_CHANNEL_VERSION of the core

__all__ = ["EMSGSIZE", "ETIMEDOUT", "LAYOUT", "Channel"]


class Channel:
    """What the parts of one end share: its name, its limits, and what it still owes."""

    name: str | None = None
    largest = 0
    overflow = True
    prefix = ""  #: of the names of memory for messages that do not fit
    security: Callable[[], Security | None] = staticmethod(lambda: None)  #: of such memory
    #: the end; a weak reference, for the end has this object: one that nobody has any more closes
    #: at once
    end: Callable[[], Any] = staticmethod(lambda: None)

    def __init__(self) -> None:
        self.sent: list[Sent] = []  #: such messages that were sent and perhaps not taken yet

    def problem(self, result: int, sending: bool = False, what: str | None = None) -> Error:
        """The exception for a negative errno of the core; ``what`` is the operation, where that
        neither sends nor receives."""
        head = about(what or ("send to" if sending else "receive from"), self.name)
        if result == -ETIMEDOUT:
            return WaitTimeoutError(f"{head}: the time is up{self._who_keeps() if sending else ''}")
        if result == -EPIPE:
            return EndOfChannelError(f"{head}: the channel was shut down")
        if result == -ENOTCONN:
            if sending:
                return NoReceiverError(
                    f"{head}: it is full, and all others who received from it have closed it or"
                    f" ended"
                )
            return EndOfChannelError(
                f"{head}: it is empty, and all who sent to it have closed it or ended"
            )
        if result == -EBADF:
            return ArgumentError(f"{head}: this end was closed")
        if result == -EBADMSG:
            return CorruptError(
                f"{head}: the channel's memory, which any holder may write, makes no sense"
            )
        if result == -EPROTO:
            return CorruptError(
                f"{about('open', self.name)}: the channel has another layout than version "
                f"{LAYOUT} of this library"
            )
        if result == -EUSERS:
            return Error(
                f"{about('open', self.name)}: 1023 ends of the channel are open, which is the most",
                ntstatus=st.INSUFFICIENT_RESOURCES,
            )
        return Error(f"{head}: {strerror(-result)}", ntstatus=st.from_errno(-result))

    def _who_keeps(self) -> str:
        end = self.end()
        count, pids = (0, []) if end is None else end.places_in_hand()
        if not count:
            return ""
        whose = ", ".join(map(str, pids))
        return (
            f"; {count} {'place is' if count == 1 else 'places are'} kept in hand by"
            f" {'process' if len(pids) == 1 else 'processes'} {whose}"
        )
