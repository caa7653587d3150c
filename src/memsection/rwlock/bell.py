# SPDX-License-Identifier: MIT
"""The event that wakes a writer when a reader leaves, on a system where nobody can sleep on a
number in shared memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memsection.api.event import Event
from memsection.vocabulary.errors import NotFoundError

if TYPE_CHECKING:
    from memsection._native.readers import Readers
    from memsection.api.section import Section


def hang_bell(readers: Readers, section: Section) -> None:
    """Give the readers of a lock the event that all its users have, made by the first of them."""
    # Global: who has the lock need not be of one session, and an event needs no privilege for that.
    name = f"Global\\memsection.bell.{readers.token.hex()}"
    try:
        bell = Event.open(name)
    except NotFoundError:
        bell = Event.create(name, manual_reset=False, exist_ok=True, security=section.security)
    with bell:
        readers.connect(bell.handle)
