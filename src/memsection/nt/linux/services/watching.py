# SPDX-License-Identifier: MIT
"""Watches as the services give them: their tries fail as services do."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.services.wrapping import service
from memsection.nt.linux.waiting import watch

_attempt = service("wait")(watch.Watch.attempt)
_arm = service("wait")(watch.Watch.arm)


class Watch(watch.Watch):
    """A wait that is tried when it is worth it."""

    def attempt(self, *, accept_abandoned: bool) -> int:
        """Take it now, or TIMEOUT."""
        return _attempt(self, accept_abandoned=accept_abandoned)

    def arm(self) -> None:
        """Have ``ready`` called once, when an attempt may succeed."""
        _arm(self)
