# SPDX-License-Identifier: MIT
"""Services for timers."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.services.wrapping import service
from memsection.nt.linux.types import timer
from memsection.vocabulary import structs as s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class TimerServices:
    """Services for timers."""

    timers_are_exact = True

    @service("create timer")
    def create_timer(self, access: int, attributes: Any, timer_type: int) -> tuple[int, int]:
        """NtCreateTimer."""
        status, handle = timer.create(access, attributes, timer_type)
        return status, handle.value

    @service("open timer")
    def open_timer(self, access: int, attributes: Any) -> int:
        """NtOpenTimer."""
        return timer.open_(access, attributes).value

    @service("set timer")
    def set_timer(self, handle: int, due: int, period: int, resume: bool) -> tuple[int, int]:
        """NtSetTimer."""
        return timer.set_(handle, due, period, resume)

    @service("cancel timer")
    def cancel_timer(self, handle: int) -> int:
        """NtCancelTimer."""
        return timer.cancel(handle)

    @service("query timer")
    def query_timer(self, handle: int) -> s.TimerBasicInformation:
        """NtQueryTimer."""
        return timer.query(handle)
