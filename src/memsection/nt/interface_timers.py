# SPDX-License-Identifier: MIT
"""The services for timers, a part of the kernel interface (``nt.interface``)."""

from __future__ import annotations

from typing import Any, Protocol

from memsection.vocabulary import structs as s

Attributes = Any  #: ObjectAttributes or any object with its fields


class TimerKernel(Protocol):
    """Timers: objects that are signaled at a time, once or again and again."""

    #: Whether a timer is as exact as the clock, and not as the system's tick.
    timers_are_exact: bool

    def create_timer(self, access: int, attributes: Attributes, timer_type: int) -> tuple[int, int]:
        """NtCreateTimer, not set.  INVALID_PARAMETER_4 for another type than NOTIFICATION_TIMER (it
        stays signaled until it is set again) and SYNCHRONIZATION_TIMER (each time that it is due
        lets one wait through)."""
        ...

    def open_timer(self, access: int, attributes: Attributes) -> int:
        """NtOpenTimer."""
        ...

    def set_timer(self, handle: int, due: int, period: int, resume: bool, /) -> tuple[int, int]:
        """NtSetTimer without a routine to call: (SUCCESS or TIMER_RESUME_IGNORED, whether it was
        signaled).

        ``due`` is 100 ns units from now when it is negative or 0, and a time since 1601 otherwise;
        ``period`` milliseconds, 0 for once.  It is not signaled afterwards, unless it is due
        already.  ``resume`` asks that a system that sleeps be woken.

        Rights: TIMER_MODIFY_STATE.  INVALID_PARAMETER_6 for a period below 0.
        """
        ...

    def cancel_timer(self, handle: int, /) -> int:
        """NtCancelTimer: it is due no more, and stays signaled if it is; whether it is.  Rights:
        TIMER_MODIFY_STATE."""
        ...

    def query_timer(self, handle: int, /) -> s.TimerBasicInformation:
        """NtQueryTimer.  Rights: TIMER_QUERY_STATE."""
        ...
